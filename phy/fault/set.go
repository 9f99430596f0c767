// Package fault degrades a medium on purpose: rules that drop, mark, corrupt, duplicate, reorder, delay or limit the frames that
// pass an interface or a link.
//
// A Set only decides and, for corruption and marks, changes the frame. Its caller delays, copies and drops frames.
// Nothing here reads a clock. Random numbers are drawn from the given stream only for a probability between 0 and 1 or
// a jitter. So the same seed and the same frames have the same outcome, and a rule without probabilities does not
// change the other rules' draws.
//
// The words are those of Linux's netem: loss, duplicate, corrupt, reorder, delay, jitter, rate, limit, ecn, and bursts by the
// chain of Gilbert and Elliott. The limits by size and by token bucket follow smoltcp's fault injector and traffic shaper. Left
// out: netem's correlations and distributions.
//
// A Set is single-owner: one goroutine at a time may use it and its rules.
package fault

import (
	"math/rand/v2"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// Verdict is the outcome for one frame. The zero value passes it.
type Verdict struct {
	Drop      drop.Reason   // if not None, the frame is dropped, and of the other fields only By is set
	By        *Rule         // rule that dropped the frame
	Copies    int           // number of additional copies to deliver
	Delay     time.Duration // delay of the frame and its copies
	Corrupted bool          // true if octets of the frame were changed
	Congested bool          // true if the frame was marked with CE
}

// Mark records the rules' changes in the frame's marks. With sent, Mark also records the number of copies; the code that clones a
// frame marks the clone.
func (v *Verdict) Mark(f *phy.Frame, sent bool) {
	f.Marks.Held += v.Delay
	f.Marks.Corrupted = f.Marks.Corrupted || v.Corrupted
	f.Marks.Congested = f.Marks.Congested || v.Congested
	if sent {
		f.Marks.Copies += v.Copies
	}
}

// Set holds the rules at one place, in the order in which they were added, with their stream of random numbers.
type Set struct {
	rng   *rand.Rand
	rules []*Rule
}

// NewSet returns an empty set that draws from rng.
func NewSet(rng *rand.Rand) *Set { return &Set{rng: rng} }

// Add adds r after the present rules. The set keeps r.
func (s *Set) Add(r *Rule) { s.rules = append(s.rules, r) }

// Remove removes r; it does nothing if r is not in the set.
func (s *Set) Remove(r *Rule) {
	if i := slices.Index(s.rules, r); i >= 0 {
		s.rules = slices.Delete(s.rules, i, i+1)
	}
}

// Change replaces the effects of the rule r by the effects of the rule named to. The choice of frames, the counts, the
// delayed frames and the state of the burst's chain stay. A bucket whose size or interval changes is filled again.
func (s *Set) Change(r *Rule, to *Rule) {
	if to.Bucket != r.Bucket || to.Interval != r.Interval {
		for i := range r.ways {
			r.ways[i].bucket = tokens{}
		}
	}
	was := *r
	*r = *to
	r.Name, r.Dir, r.Once, r.Match, r.MatchWay, r.Nth, r.Every = was.Name, was.Dir, was.Once, was.Match, was.MatchWay, was.Nth, was.Every
	r.Hits, r.seen, r.ways = was.Hits, was.seen, was.ways
}

// Rules returns the rules in order. The set owns the slice, which is valid until the set changes.
func (s *Set) Rules() []*Rule { return s.rules }

// Empty reports whether there is no rule.
func (s *Set) Empty() bool { return len(s.rules) == 0 }

// Apply applies the rules in order to one frame that passes in direction d, RX or TX, until a rule drops the frame. f
// must be of wire size (see phy.Segmenter). A rule that corrupts the frame changes it in place, after completing an
// unfinished checksum.
func (s *Set) Apply(now clock.Instant, d Dir, m phy.Medium, f *phy.Frame) Verdict {
	var v Verdict
	for _, r := range s.rules {
		if !r.chooses(d, m, f) {
			continue
		}
		r.apply(s, now, d, m, f, &v)
		if v.Drop != drop.None {
			break
		}
	}
	if d == TX {
		f.Judged = f.Judged || slices.ContainsFunc(s.rules, func(r *Rule) bool { return r.Once })
	}
	return v
}

// chance returns true with probability p. It draws a random number only if p is between 0 and 1.
func (s *Set) chance(p float64) bool {
	if p <= 0 {
		return false
	}
	return p >= 1 || s.rng.Float64() < p
}

// corrupt changes one octet of f, which is not empty, to another value.
func (s *Set) corrupt(f *phy.Frame, m phy.Medium) {
	phy.FinishChecksum(f, m)
	f.Offload = phy.Offload{GSOSize: f.Offload.GSOSize} // the checksum is no longer verified
	b := f.Bytes()
	b[s.rng.IntN(len(b))] ^= byte(1 + s.rng.IntN(255))
}
