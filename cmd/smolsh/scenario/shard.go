package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

// A Shard is a part of all cases: every Total-th case, beginning with the Index-th, counted from 0. The zero value
// stands for all cases. The flag and the reports count from 1, the environment variables from 0.
type Shard struct{ Index, Total int }

// has reports whether case i, counted from 0, belongs to the shard.
func (s Shard) has(i int) bool { return s.Total <= 1 || i%s.Total == s.Index }

// String returns "I/N", where I counts from 1.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index+1, s.Total) }

// ParseShard reads "I/N", where I counts from 1, or "/N" with the index from an indexed Job of Kubernetes (JOB_COMPLETION_INDEX);
// without text, it reads Bazel's TEST_SHARD_INDEX and TEST_TOTAL_SHARDS. The variables count from 0.
func ParseShard(text string, getenv func(string) string) (s Shard, err error) {
	index, total, from, first := "", "", "--shard", 0
	switch {
	case text != "":
		var ok bool
		if index, total, ok = strings.Cut(text, "/"); !ok {
			return s, fmt.Errorf("--shard: %q is not I/N, such as 1/4, or /4 in an indexed Job", text)
		}
		first = 1
		if index == "" {
			first = 0
			from = "JOB_COMPLETION_INDEX"
			if index = getenv(from); index == "" {
				return s, fmt.Errorf("--shard: %s has no index, and JOB_COMPLETION_INDEX is not set", text)
			}
		}
	case getenv("TEST_TOTAL_SHARDS") != "":
		index, total, from = getenv("TEST_SHARD_INDEX"), getenv("TEST_TOTAL_SHARDS"), "TEST_SHARD_INDEX and TEST_TOTAL_SHARDS"
	default:
		return s, nil
	}
	s.Total, err = strconv.Atoi(total)
	if err != nil || s.Total < 1 {
		return s, fmt.Errorf("%s: the number of shards is 1 or more, got %q", from, total)
	}
	s.Index, err = strconv.Atoi(index)
	s.Index -= first
	if err != nil || s.Index < 0 || s.Index >= s.Total {
		return s, fmt.Errorf("%s: the index counts from %d to %d, got %q", from, first, s.Total-1+first, index)
	}
	return s, nil
}

// Seeds is the range from First to Last, both included.
type Seeds struct{ First, Last uint64 }

// ParseSeeds parses "A..B".
func ParseSeeds(text string) (s Seeds, err error) {
	a, b, ok := strings.Cut(text, "..")
	if ok {
		if s.First, err = strconv.ParseUint(a, 10, 64); err == nil {
			s.Last, err = strconv.ParseUint(b, 10, 64)
		}
	}
	if !ok || err != nil || s.Last < s.First || s.Last-s.First >= maxSeeds {
		return s, fmt.Errorf("--seeds: %q is not A..B, such as 1..100, with at most %d of them", text, maxSeeds)
	}
	return s, nil
}

// maxSeeds is the largest number of seeds of a test.
const maxSeeds = 1_000_000

func (s Seeds) count() int { return int(s.Last-s.First) + 1 }

// String returns "A..B", or "A" for a single seed.
func (s Seeds) String() string {
	if s.First == s.Last {
		return strconv.FormatUint(s.First, 10)
	}
	return fmt.Sprintf("%d..%d", s.First, s.Last)
}
