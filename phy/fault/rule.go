package fault

import (
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// Dir is a direction, as seen from the interface or from the link's first end.
type Dir uint8

// The directions.
const (
	Both Dir = iota // valid only in a Rule
	RX              // received by the interface; on a link from the second end to the first
	TX              // sent by the interface; on a link from the first end to the second
)

// String returns "both", "rx" or "tx".
func (d Dir) String() string { return [...]string{"both", "rx", "tx"}[d%3] }

// Rule is one fault: it chooses frames and applies effects to them. A rule that chooses frames, by Match, MatchWay, Nth or
// Every, and sets no effect drops them; a rule without choice and effect passes all. The fields must not change while the rule is in a Set; see Change.
type Rule struct {
	Name string
	Dir  Dir
	// Match chooses frames; nil means all.
	Match func(frame []byte, m phy.Medium) bool
	// MatchWay chooses frames like Match, and gets the direction as an argument; nil means all.
	MatchWay func(d Dir, frame []byte, m phy.Medium) bool
	// Nth and Every choose among the frames that match. Nth has the numbers of frames, counted from 1 in each
	// direction; Every chooses each Every-th frame. A frame is chosen if Nth or Every chooses it; without both, all are
	// chosen.
	Nth   []int
	Every int

	// The fields below are the effects on the chosen frames, separately for each direction. All effects that are set
	// apply. Probabilities are 0 to 1. A frame that passes size, bucket, losses and limit is sent at the rate, and is
	// then delayed.

	// Loss is the probability that a frame is dropped (drop.FaultLoss). If a test varies it down to 0 in a rule that also
	// chooses frames, the rule needs Pass: a Loss of 0 is no effect, and without any effect the rule drops. Corrupt is the probability that one octet is
	// changed to another value. Duplicate is the probability that a copy follows the frame. Reorder is the probability
	// that the frame is delayed for Hold, so that later frames overtake it.
	Loss, Corrupt, Duplicate, Reorder float64
	// Burst drops frames in bursts (drop.FaultLoss).
	Burst GilbertElliott
	// ECN marks an ECN-capable packet with CE (RFC 3168 §5) where a loss, or a rule without effects, would drop it.
	ECN bool
	// Pass lets the chosen frames pass while the rule has no other effect; without it the rule drops them.
	Pass bool
	// Hold is the time for which a reordered frame is held back; 0 means DefaultHold.
	Hold time.Duration
	// Delay is the delay of every frame, to which a random time from 0 to Jitter is added.
	Delay, Jitter time.Duration
	// RateBps is the rate at which frames are sent one after the other, in bits per second, link header included; 0
	// means at once.
	RateBps uint64
	// Limit is the largest number of frames that the rule delays at once. Further frames are dropped (drop.FaultLimit).
	// 0 means DefaultLimit, or DefaultQueue for a rule with a rate.
	Limit int
	// MaxSize is the size in octets above which frames are dropped (drop.FaultSize); 0: no limit.
	MaxSize int
	// Bucket is the number of frames that pass in each Interval. Further frames are dropped (drop.FaultRate). 0 means
	// no limit. The bucket is full at first. A frame that arrives an Interval or more after the bucket was last filled
	// fills it again. An Interval of 0 means DefaultInterval.
	Bucket   int
	Interval time.Duration

	// Once makes a rule for both directions pass a received frame that a rule with Once has judged when it was sent.
	Once bool

	// Hits counts the frames that the rule dropped, changed, copied or held back.
	Hits uint64

	seen [2]uint64 // matches so far, by direction
	ways [2]way
}

// way is a rule's state in one direction.
type way struct {
	bucket tokens
	line   line
	bad    bool // state of Burst's chain: true if bad
}

// Defaults: the delay of a reordered frame, the interval of a bucket, the number of frames that wait for a rate
// (netem's number), and the number that a rule without a rate delays.
const (
	DefaultHold     = 10 * time.Millisecond
	DefaultInterval = time.Second
	DefaultQueue    = 1000
	DefaultLimit    = 1 << 16
)

// tokens is the bucket of one direction.
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

// hasEffect reports whether the rule has an effect other than dropping.
func (r *Rule) hasEffect() bool {
	return r.Loss > 0 || r.Corrupt > 0 || r.Duplicate > 0 || r.Burst.used() || r.holds() || r.MaxSize > 0 || r.Bucket > 0
}

// holds reports whether the rule may delay frames.
func (r *Rule) holds() bool { return r.Reorder > 0 || r.Delay > 0 || r.Jitter > 0 || r.RateBps > 0 }

func (r *Rule) limit() int {
	switch {
	case r.Limit > 0:
		return r.Limit
	case r.RateBps > 0:
		return DefaultQueue
	}
	return DefaultLimit
}

// hasChoice reports whether the rule restricts the frames that it applies to.
func (r *Rule) hasChoice() bool {
	return r.Match != nil || r.MatchWay != nil || len(r.Nth) > 0 || r.Every > 0
}

// chooses reports whether the rule applies to this frame, and counts the frame if it matches.
func (r *Rule) chooses(d Dir, m phy.Medium, f *phy.Frame) bool {
	if r.Dir != Both && r.Dir != d || r.Once && d == RX && f.Judged {
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

// apply adds the rule's effects on a chosen frame to v.
func (r *Rule) apply(s *Set, now clock.Instant, d Dir, m phy.Medium, f *phy.Frame, v *Verdict) {
	if !r.hasEffect() {
		switch {
		case r.Pass || !r.hasChoice():
		case r.congests(f, m, v):
			r.Hits++
		default:
			r.drop(v, drop.FaultMatch)
		}
		return
	}
	w := &r.ways[d.index()]
	hit := false
	if why := r.refuse(s, w, now, f); why != drop.None {
		if hit = why == drop.FaultLoss && r.congests(f, m, v); !hit {
			r.drop(v, why)
			return
		}
	}
	if f.Len() > 0 && s.chance(r.Corrupt) {
		s.corrupt(f, m)
		v.Corrupted, hit = true, true
	}
	if s.chance(r.Duplicate) {
		v.Copies++
		hit = true
	}
	if r.holds() {
		at := now.Add(v.Delay) // time at which earlier rules release the frame
		if until := r.until(s, w, at, f); until > at {
			w.line.hold(until)
			v.Delay, hit = until.Sub(now), true
		}
	}
	if hit {
		r.Hits++
	}
}

// refuse returns the reason for which a frame is dropped, drop.None if it passes.
func (r *Rule) refuse(s *Set, w *way, now clock.Instant, f *phy.Frame) drop.Reason {
	switch {
	case r.MaxSize > 0 && f.Len() > r.MaxSize:
		return drop.FaultSize
	case r.Bucket > 0 && !w.bucket.take(now, r.Bucket, r.Interval):
		return drop.FaultRate
	case r.Burst.used() && r.Burst.step(s, &w.bad), s.chance(r.Loss):
		return drop.FaultLoss
	case r.holds() && w.line.full(now, r.limit()):
		return drop.FaultLimit
	}
	return drop.None
}

// until returns the time at which the rule releases the frame f, which arrives at time at.
func (r *Rule) until(s *Set, w *way, at clock.Instant, f *phy.Frame) clock.Instant {
	if r.RateBps > 0 {
		at = w.line.send(at, f.Len(), r.RateBps)
	}
	if s.chance(r.Reorder) {
		at = at.Add(r.hold())
	}
	if r.Jitter > 0 {
		at = at.Add(time.Duration(s.rng.Uint64N(uint64(r.Jitter) + 1)))
	}
	return at.Add(r.Delay)
}

func (r *Rule) hold() time.Duration {
	if r.Hold > 0 {
		return r.Hold
	}
	return DefaultHold
}

// congests marks an ECN-capable frame if the rule has ECN. It reports whether it marked the frame, which then must not
// be dropped.
func (r *Rule) congests(f *phy.Frame, m phy.Medium, v *Verdict) bool {
	if !r.ECN || !congest(f, m) {
		return false
	}
	v.Congested = true
	return true
}

func (r *Rule) drop(v *Verdict, why drop.Reason) {
	r.Hits++
	*v = Verdict{Drop: why, By: r}
}
