// Package fault makes a medium worse on purpose: rules that drop, mark, corrupt, duplicate, reorder,
// delay or limit the frames that pass an interface or a link.
//
// A Set only decides and, for corruption and marks, changes the frame; whoever asks it holds frames back, copies
// and drops them. Nothing here reads a clock, and random numbers are drawn from the given stream only
// when a chance between 0 and 1 (or a jitter) has to be decided, so that the same seed and the same
// frames have the same fate, and a rule without chances leaves the others' draws alone.
//
// The words are those of Linux's netem: loss, duplicate, corrupt, reorder, delay, jitter, rate, limit, ecn,
// and bursts by the chain of Gilbert and Elliott. The limits by size and by token bucket follow what smoltcp's
// fault injector and traffic shaper do. Left out: netem's correlations and distributions.
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

// Verdict is what happens to one frame. The zero value passes it.
type Verdict struct {
	Drop      drop.Reason   // not None: the frame is dropped, and nothing else below is set but By
	By        *Rule         // the rule that dropped it
	Copies    int           // further copies to deliver
	Delay     time.Duration // hold the frame and its copies back for so long
	Corrupted bool          // one or more octets of the frame were changed
	Congested bool          // it was marked as having met congestion
}

// Mark marks a frame with what the rules did to it. One that is shown where it is sent has its copies told
// (sent); the copies themselves are whoever's who makes them.
func (v *Verdict) Mark(f *phy.Frame, sent bool) {
	f.Marks.Held += v.Delay
	f.Marks.Corrupted = f.Marks.Corrupted || v.Corrupted
	f.Marks.Congested = f.Marks.Congested || v.Congested
	if sent {
		f.Marks.Copies += v.Copies
	}
}

// Set is the rules in force at one place, in the order they were added, with the random stream they
// draw from.
type Set struct {
	rng   *rand.Rand
	rules []*Rule
}

// NewSet returns an empty set that draws from rng.
func NewSet(rng *rand.Rand) *Set { return &Set{rng: rng} }

// Add puts r in force, behind the rules that are. The set keeps r.
func (s *Set) Add(r *Rule) { s.rules = append(s.rules, r) }

// Remove takes r out; nothing happens when it is not in.
func (s *Set) Remove(r *Rule) {
	if i := slices.Index(s.rules, r); i >= 0 {
		s.rules = slices.Delete(s.rules, i, i+1)
	}
}

// Change gives a rule that is in force what happens to its frames as another rule has it, from now on. Which
// frames it chooses and what it has counted stay, as do the frames that it holds back and the state of its
// chain; a bucket of another size or interval begins anew.
func (s *Set) Change(r *Rule, to *Rule) {
	if to.Bucket != r.Bucket || to.Interval != r.Interval {
		for i := range r.ways {
			r.ways[i].bucket = tokens{}
		}
	}
	was := *r
	*r = *to
	r.Name, r.Dir, r.Match, r.MatchWay, r.Nth, r.Every = was.Name, was.Dir, was.Match, was.MatchWay, was.Nth, was.Every
	r.Hits, r.seen, r.ways = was.Hits, was.seen, was.ways
}

// Rules are the rules in force, in order. The slice is the set's own, valid until it next changes.
func (s *Set) Rules() []*Rule { return s.rules }

// Empty reports whether no rule is in force.
func (s *Set) Empty() bool { return len(s.rules) == 0 }

// Apply asks every rule in turn about one frame that passes in direction d, RX or TX, until one drops
// it. f must be of wire size (see phy.Segmenter); it is changed in place where a rule corrupts it,
// after its checksum was finished if that was still to be done.
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
	return v
}

// chance draws only when there is something to decide.
func (s *Set) chance(p float64) bool {
	if p <= 0 {
		return false
	}
	return p >= 1 || s.rng.Float64() < p
}

// corrupt changes one octet of f, which is not empty, to another value.
func (s *Set) corrupt(f *phy.Frame, m phy.Medium) {
	phy.FinishChecksum(f, m)
	f.Offload = phy.Offload{GSOSize: f.Offload.GSOSize} // nobody vouches for it any more
	b := f.Bytes()
	b[s.rng.IntN(len(b))] ^= byte(1 + s.rng.IntN(255))
}
