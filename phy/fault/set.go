// Package fault degrades a medium on purpose: rules that drop, mark, corrupt, duplicate, reorder, delay or limit the frames that
// pass an interface or a link.
//
// A Set only decides and, for corruption and marks, changes the frame; its caller holds frames back, copies and drops them.
// Nothing here reads a clock. Random numbers are drawn from the given stream only for a probability between 0 and 1 or a jitter.
// So the same seed and the same frames have the same outcome, and a rule without probabilities does not change the others' draws.
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
	Drop      drop.Reason   // not None: the frame is dropped, and of the fields below only By is set
	By        *Rule         // the rule that dropped it
	Copies    int           // number of further copies to deliver
	Delay     time.Duration // time for which to hold back the frame and its copies
	Corrupted bool          // one or more octets of the frame were changed
	Congested bool          // the frame was marked with CE
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

// Set has the rules in force at one place, in the order in which they were added, with their stream of random numbers.
type Set struct {
	rng   *rand.Rand
	rules []*Rule
}

// NewSet returns an empty set that draws from rng.
func NewSet(rng *rand.Rand) *Set { return &Set{rng: rng} }

// Add puts r in force, after the present rules. The set keeps r.
func (s *Set) Add(r *Rule) { s.rules = append(s.rules, r) }

// Remove removes r; it does nothing if r is not in the set.
func (s *Set) Remove(r *Rule) {
	if i := slices.Index(s.rules, r); i >= 0 {
		s.rules = slices.Delete(s.rules, i, i+1)
	}
}

// Change gives the rule r the effects of the rule to, from now on. The choice of frames and the counts stay, as do the frames that
// are held back and the state of the chain; a bucket whose size or interval changes is filled anew.
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

// Rules returns the rules in force, in order. The set owns the slice, which is valid until the set changes.
func (s *Set) Rules() []*Rule { return s.rules }

// Empty reports whether no rule is in force.
func (s *Set) Empty() bool { return len(s.rules) == 0 }

// Apply applies every rule in turn to one frame that passes in direction d, RX or TX, until a rule drops it. f must be of wire
// size (see phy.Segmenter). A rule that corrupts the frame changes it in place, after completing its checksum if that was
// unfinished.
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

// chance draws a number only if p is between 0 and 1.
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
