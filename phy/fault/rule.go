package fault

import (
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// Dir is a direction as seen from the interface or the link's first end.
type Dir uint8

// The directions.
const (
	Both Dir = iota // only in a Rule
	RX              // received by the interface; on a link from the second end to the first
	TX              // sent by the interface; on a link from the first end to the second
)

// String is "both", "rx" or "tx".
func (d Dir) String() string { return [...]string{"both", "rx", "tx"}[d%3] }

// Rule is one fault in force. Dir, Match, Nth and Every choose frames; the other fields are what
// happens to those, all that are set. A rule that chooses frames and sets no effect drops them.
//
// Chances are 0 to 1. The fields must not change while the rule is in a Set.
type Rule struct {
	Name string
	Dir  Dir
	// Match chooses frames; nil means all.
	Match func(frame []byte, m phy.Medium) bool
	// MatchWay is Match with the direction in which the frame goes; nil means all.
	MatchWay func(d Dir, frame []byte, m phy.Medium) bool
	// Nth chooses among those that match, counted from 1 in each direction; Every chooses each
	// Every-th of them. A frame that either names is chosen; without both, all are.
	Nth   []int
	Every int

	// Loss is the chance that a frame is dropped (drop.FaultLoss), Corrupt that one octet of it is
	// changed to another value, Duplicate that a copy follows it, Reorder that it is held back for
	// Hold so that later frames overtake it.
	Loss, Corrupt, Duplicate, Reorder float64
	// Hold is how long a reordered frame is held back; 0 means DefaultHold.
	Hold time.Duration
	// Delay holds every frame back, by a random further time from 0 to Jitter.
	Delay, Jitter time.Duration
	// MaxSize drops frames of more than so many octets (drop.FaultSize); 0: no limit.
	MaxSize int
	// Bucket lets so many frames pass in each direction in each Interval and drops the others
	// (drop.FaultRate); 0: no limit. The bucket is full at first, and full again with the first frame
	// that comes an Interval or more after it was last filled. An Interval of 0 means DefaultInterval.
	Bucket   int
	Interval time.Duration

	// Hits counts the frames that the rule dropped, changed, copied or held back.
	Hits uint64

	seen   [2]uint64 // matches so far, by direction
	bucket [2]tokens
}

// DefaultHold is how long a reordered frame is held back, and DefaultInterval how often a bucket is
// refilled, where the rule does not say.
const (
	DefaultHold     = 10 * time.Millisecond
	DefaultInterval = time.Second
)

// tokens is one direction's bucket.
type tokens struct {
	left   int
	filled clock.Instant
	used   bool
}

func (t *tokens) take(now clock.Instant, size int, interval time.Duration) bool {
	if interval <= 0 {
		interval = DefaultInterval
	}
	if !t.used || now.Sub(t.filled) >= interval {
		*t = tokens{left: size, filled: now, used: true}
	}
	if t.left == 0 {
		return false
	}
	t.left--
	return true
}

// hasEffect reports whether the rule says what happens to a frame.
func (r *Rule) hasEffect() bool {
	return r.Loss > 0 || r.Corrupt > 0 || r.Duplicate > 0 || r.Reorder > 0 ||
		r.Delay > 0 || r.Jitter > 0 || r.MaxSize > 0 || r.Bucket > 0
}

// hasChoice reports whether the rule says which frames it means.
func (r *Rule) hasChoice() bool {
	return r.Match != nil || r.MatchWay != nil || len(r.Nth) > 0 || r.Every > 0
}

// chooses reports whether the rule means this frame, and counts it if it matches.
func (r *Rule) chooses(d Dir, m phy.Medium, f *phy.Frame) bool {
	if r.Dir != Both && r.Dir != d {
		return false
	}
	if r.Match != nil && !r.Match(f.Bytes(), m) {
		return false
	}
	if r.MatchWay != nil && !r.MatchWay(d, f.Bytes(), m) {
		return false
	}
	i := d.index()
	r.seen[i]++
	if len(r.Nth) == 0 && r.Every <= 0 {
		return true
	}
	if r.Every > 0 && r.seen[i]%uint64(r.Every) == 0 {
		return true
	}
	for _, n := range r.Nth {
		if n > 0 && uint64(n) == r.seen[i] {
			return true
		}
	}
	return false
}

func (d Dir) index() int {
	if d == TX {
		return 1
	}
	return 0
}

// apply adds what the rule does to a frame it chose to v.
func (r *Rule) apply(s *Set, now clock.Instant, d Dir, m phy.Medium, f *phy.Frame, v *Verdict) {
	if !r.hasEffect() {
		if r.hasChoice() {
			r.drop(v, drop.FaultMatch)
		}
		return
	}
	switch {
	case r.MaxSize > 0 && f.Len() > r.MaxSize:
		r.drop(v, drop.FaultSize)
		return
	case r.Bucket > 0 && !r.bucket[d.index()].take(now, r.Bucket, r.Interval):
		r.drop(v, drop.FaultRate)
		return
	case s.chance(r.Loss):
		r.drop(v, drop.FaultLoss)
		return
	}
	hit := false
	if f.Len() > 0 && s.chance(r.Corrupt) {
		s.corrupt(f, m)
		v.Corrupted, hit = true, true
	}
	if s.chance(r.Duplicate) {
		v.Copies++
		hit = true
	}
	if s.chance(r.Reorder) {
		v.Delay += r.hold()
		hit = true
	}
	if r.Delay > 0 || r.Jitter > 0 {
		v.Delay += r.Delay
		if r.Jitter > 0 {
			v.Delay += time.Duration(s.rng.Uint64N(uint64(r.Jitter) + 1))
		}
		hit = true
	}
	if hit {
		r.Hits++
	}
}

func (r *Rule) hold() time.Duration {
	if r.Hold > 0 {
		return r.Hold
	}
	return DefaultHold
}

func (r *Rule) drop(v *Verdict, why drop.Reason) {
	r.Hits++
	*v = Verdict{Drop: why, By: r}
}
