package scenario

import (
	"fmt"
	"math"
	"os"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// ExitMemory is the exit status of a worker whose memory is full.
const ExitMemory = 112

// DefaultMemory is the memory that a test may use by default, in octets.
const DefaultMemory = 1 << 30

const (
	// memoryChecks is the interval at which a worker measures its memory.
	memoryChecks = 5 * time.Millisecond
	// memoryPatience is the number of consecutive measurements above the bound after which the test is interrupted. By
	// then the garbage collector, which has the same bound, has freed all unreachable memory. A test that uses more
	// than 1.5 times the bound ends at once.
	memoryPatience = 40
)

// memoryTicker returns a ticker for the measurements of a test's memory. Without a bound the ticker never ticks.
func (c *Config) memoryTicker() *time.Ticker {
	if c.Memory <= 0 {
		return time.NewTicker(math.MaxInt64)
	}
	return time.NewTicker(memoryChecks)
}

func (c *Config) tooMuchMemory() string {
	return fmt.Sprintf("more than %s of memory (--memory)", sizeText(c.Memory))
}

// heapInUse returns the octets used by stacks and by objects of the heap, garbage that is not collected yet included.
func heapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() + sample[1].Value.Uint64()
}

// residentSize returns the resident memory of a process in octets, 0 if the system does not report it.
func residentSize(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// sizeUnits are the units of a size, the largest first.
var sizeUnits = []struct {
	name   string
	octets int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}}

// ParseSize reads a number of octets with an optional unit: 512MB, 2GB, 2g. A unit is 1,024 times the one below it.
func ParseSize(text string) (int64, error) {
	number, factor := strings.ToUpper(strings.TrimSpace(text)), int64(1)
	number = strings.TrimSuffix(number, "B")
	number = strings.TrimSuffix(number, "I") // the I of GiB
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.name[:1]); ok {
			number, factor = strings.TrimSpace(rest), u.octets
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	size := n * float64(factor)
	if err != nil || !(size >= minMemory) || size > math.MaxInt64/4 {
		return 0, fmt.Errorf("%q is not a size of at least %s, such as 512MB or 2GB", text, sizeText(minMemory))
	}
	return int64(size), nil
}

// minMemory is the smallest bound of a test's memory in octets. The program itself needs a part of it.
const minMemory = 32 << 20

// sizeText returns a size in the largest unit of which it is a whole number.
func sizeText(n int64) string {
	for _, u := range sizeUnits {
		if n%u.octets == 0 {
			return fmt.Sprintf("%d %s", n/u.octets, u.name)
		}
	}
	return fmt.Sprintf("%d octets", n)
}
