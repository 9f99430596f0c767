package fault

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// arrival is a frame of a size in octets at an instant, and the expected outcome.
type arrival struct {
	at     time.Duration
	octets int
	leaves time.Duration // time since the beginning
	why    drop.Reason
}

// schedule applies the rules to frames in direction RX.
func schedule(t *testing.T, s *Set, frames []arrival) {
	t.Helper()
	f := phy.NewFrame(phy.FrameSize)
	for i, a := range frames {
		f.Set(make([]byte, a.octets))
		v := s.Apply(clock.Instant(a.at), RX, phy.MediumEthernet, f)
		leaves := a.at + v.Delay
		if a.why != drop.None {
			a.leaves = a.at
		}
		if v.Drop != a.why || leaves != a.leaves {
			t.Errorf("frame %d: %q, leaves at %v, want %q, %v", i+1, v.Drop, leaves, a.why, a.leaves)
		}
	}
}

func set(rules ...*Rule) *Set {
	s := NewSet(rand.New(rand.NewPCG(1, 2)))
	for _, r := range rules {
		s.Add(r)
	}
	return s
}

const ms = time.Millisecond

// TestRateIsASchedule: at 8 Mbit/s a thousand octets take a millisecond.
func TestRateIsASchedule(t *testing.T) {
	r := &Rule{RateBps: 8e6}
	s := set(r)
	schedule(t, s, []arrival{
		{0, 1000, 1 * ms, drop.None}, {0, 1000, 2 * ms, drop.None}, {0, 500, 2500 * time.Microsecond, drop.None}, // the second frame is sent after the first
		{3 * ms, 1000, 4 * ms, drop.None},                                         // after a pause, which earns no credit
		{3500 * time.Microsecond, 1, 4001 * time.Microsecond, drop.None},          // while the previous frame is being sent
		{10 * ms, 0, 10 * ms, drop.None}, {10 * ms, 125, 10*ms + ms/8, drop.None}, // an empty frame takes no time
	})
	if r.Hits != 6 {
		t.Errorf("%d hits", r.Hits)
	}
	// The other direction has its own line.
	if v := s.Apply(clock.Instant(10*ms), TX, phy.MediumEthernet, frame("0123456789")); v.Delay != 10*time.Microsecond {
		t.Errorf("the other way takes %v", v.Delay)
	}
	// A transmission time with a fraction of a nanosecond is rounded up, so that the rate is never exceeded.
	schedule(t, set(&Rule{RateBps: 7e9}), []arrival{{0, 1, 2, drop.None}, {0, 7, 10, drop.None}})
}

func TestLimitIsAQueue(t *testing.T) {
	r := &Rule{RateBps: 8e6, Limit: 2}
	schedule(t, set(r), []arrival{
		{0, 1000, 1 * ms, drop.None}, {0, 1000, 2 * ms, drop.None}, {0, 1000, 0, drop.FaultLimit},
		{1*ms - 1, 1000, 0, drop.FaultLimit}, {1 * ms, 1000, 3 * ms, drop.None}, {1 * ms, 1000, 0, drop.FaultLimit},
		{9 * ms, 1000, 10 * ms, drop.None}, {9 * ms, 1000, 11 * ms, drop.None}, {9 * ms, 1, 0, drop.FaultLimit},
	})
	if r.Hits != 9 {
		t.Errorf("%d hits", r.Hits)
	}
	// With a delay, the limit also bounds the frames that the delay holds.
	schedule(t, set(&Rule{Delay: 5 * ms, Limit: 3}), []arrival{
		{0, 10, 5 * ms, drop.None}, {1 * ms, 10, 6 * ms, drop.None}, {2 * ms, 10, 7 * ms, drop.None}, {3 * ms, 10, 0, drop.FaultLimit},
		{5 * ms, 10, 10 * ms, drop.None}, {5 * ms, 10, 0, drop.FaultLimit}, {7 * ms, 10, 12 * ms, drop.None},
	})
}

func TestDefaultLimits(t *testing.T) {
	for _, c := range []struct {
		r    Rule
		most int
	}{{Rule{RateBps: 1}, DefaultQueue}, {Rule{Delay: time.Hour}, DefaultLimit}, {Rule{RateBps: 1, Limit: 3000}, 3000}} {
		s, f, n := set(&c.r), frame("x"), 0
		for ; n <= DefaultLimit && s.Apply(0, RX, phy.MediumEthernet, f).Drop == drop.None; n++ {
		}
		if n != c.most {
			t.Errorf("%+v holds %d, want %d", c.r, n, c.most)
		}
	}
}

// TestRateWithDelay: the rate applies before the delay, in one rule or in two.
func TestRateWithDelay(t *testing.T) {
	frames := []arrival{{0, 1000, 21 * ms, drop.None}, {0, 1000, 22 * ms, drop.None}, {10 * ms, 1000, 31 * ms, drop.None}}
	schedule(t, set(&Rule{RateBps: 8e6, Delay: 20 * ms}), frames)
	schedule(t, set(&Rule{RateBps: 8e6}, &Rule{Delay: 20 * ms}), frames)
	schedule(t, set(&Rule{Delay: 20 * ms}, &Rule{RateBps: 8e6}), frames)
	schedule(t, set(&Rule{RateBps: 8e6}, &Rule{RateBps: 4e6}), []arrival{{0, 1000, 3 * ms, drop.None}, {0, 1000, 5 * ms, drop.None}, {0, 1000, 7 * ms, drop.None}})
}

// TestHeldOutOfOrder: with jitter, frames leave in another order than they arrived, and their count stays right.
func TestHeldOutOfOrder(t *testing.T) {
	r := &Rule{Jitter: 50 * ms, Limit: 20}
	s := set(r)
	var out []clock.Instant
	f := frame("x")
	for i := range 5000 {
		now := clock.Instant(i) * clock.Instant(ms)
		held := 0
		for _, at := range out {
			if at > now {
				held++
			}
		}
		v := s.Apply(now, RX, phy.MediumEthernet, f)
		if (v.Drop == drop.FaultLimit) != (held >= 20) {
			t.Fatalf("frame %d: %v with %d held", i, v.Drop, held)
		}
		if v.Drop == drop.None {
			out = append(out, now.Add(v.Delay))
		}
	}
	if n := len(out); n < 3000 || n > 4900 {
		t.Errorf("%d of 5000 got through: the limit was never met, or always", n)
	}
}

// TestBucketIsASchedule: as in smoltcp's shaping, a limited number of packets passes in each interval, and an interval begins with
// a packet.
func TestBucketIsASchedule(t *testing.T) {
	schedule(t, set(&Rule{Bucket: 2, Interval: 50 * ms}), []arrival{
		{0, 9, 0, drop.None}, {10 * ms, 9, 10 * ms, drop.None}, {20 * ms, 9, 0, drop.FaultRate}, {49 * ms, 9, 0, drop.FaultRate},
		{50 * ms, 9, 50 * ms, drop.None}, {99 * ms, 9, 99 * ms, drop.None}, {99 * ms, 9, 0, drop.FaultRate},
		{130 * ms, 9, 130 * ms, drop.None}, {170 * ms, 9, 170 * ms, drop.None}, {179 * ms, 9, 0, drop.FaultRate}, {180 * ms, 9, 180 * ms, drop.None},
	})
}

// losses returns the share of n frames that a rule drops, and the mean length of the runs of dropped frames.
func losses(r *Rule, n int) (share, length float64) {
	lost, runs, was := 0, 0, false
	for _, v := range run(n, RX, r) {
		is := v.Drop == drop.FaultLoss
		if is {
			lost++
			if !was {
				runs++
			}
		}
		was = is
	}
	return float64(lost) / float64(n), float64(lost) / float64(max(runs, 1))
}

func TestBursts(t *testing.T) {
	for _, c := range []struct{ loss, length float64 }{{0.01, 1}, {0.05, 3}, {0.15, 10}, {0.5, 4}, {0.9, 20}} {
		g, err := Bursts(c.loss, c.length)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.MeanLoss(); math.Abs(got-c.loss) > 1e-12 {
			t.Errorf("%v: a mean loss of %v", c, got)
		}
		share, length := losses(&Rule{Burst: g}, 200_000)
		if math.Abs(share-c.loss) > 0.05*c.loss || math.Abs(length-c.length) > 0.05*c.length {
			t.Errorf("%v: lost %.4f in bursts of %.3f", c, share, length)
		}
	}
	for _, c := range []struct{ loss, length float64 }{{0, 3}, {1, 3}, {0.1, 0.5}, {0.9, 2}, {math.NaN(), 3}, {0.1, math.NaN()}} {
		if g, err := Bursts(c.loss, c.length); err == nil {
			t.Errorf("%v: %+v", c, g)
		}
	}
}

func TestGilbertElliott(t *testing.T) {
	for _, c := range []struct {
		g           GilbertElliott
		share, runs float64
	}{
		{GilbertElliott{P: 0.1, R: 0.4, Bad: 1}, 0.2, 2.5},
		{GilbertElliott{P: 0.1, R: 0.4, Bad: 0.5, Good: 0.01}, 0.2*0.5 + 0.8*0.01, 0},
		{GilbertElliott{Good: 0.03}, 0.03, 0},
		{GilbertElliott{P: 1, R: 1, Bad: 1}, 0.5, 1}, // every other frame is lost
	} {
		if got := c.g.MeanLoss(); math.Abs(got-c.share) > 1e-12 {
			t.Errorf("%+v: a mean loss of %v, want %v", c.g, got, c.share)
		}
		share, runs := losses(&Rule{Burst: c.g}, 200_000)
		if math.Abs(share-c.share) > 0.05*c.share || c.runs > 0 && math.Abs(runs-c.runs) > 0.05*c.runs {
			t.Errorf("%+v: lost %.4f in runs of %.3f, want %.4f, %.3f", c.g, share, runs, c.share, c.runs)
		}
	}
	// The chain begins in the good state. The state before a step decides the fate of the frame.
	if got := dropped(run(6, RX, &Rule{Burst: GilbertElliott{P: 1, R: 1, Bad: 1}}), drop.FaultLoss); !equal(got, []int{2, 4, 6}) {
		t.Errorf("lost %v", got)
	}
}

func TestChange(t *testing.T) {
	r := &Rule{Name: "r", Dir: RX, Every: 2, RateBps: 8e6}
	s := set(r)
	schedule(t, s, []arrival{{0, 1000, 0, drop.None}, {0, 1000, 1 * ms, drop.None}})
	s.Change(r, &Rule{RateBps: 4e6, Limit: 1, Name: "x", Dir: TX, Hits: 99})
	schedule(t, s, []arrival{{0, 1000, 0, drop.None}, {0, 1000, 0, drop.FaultLimit}, {1 * ms, 500, 1 * ms, drop.None}, {1 * ms, 500, 2 * ms, drop.None}})
	s.Change(r, &Rule{Loss: 1})
	schedule(t, s, []arrival{{5 * ms, 9, 5 * ms, drop.None}, {5 * ms, 9, 0, drop.FaultLoss}})
	if r.Name != "r" || r.Dir != RX || r.Hits != 4 || r.RateBps != 0 {
		t.Errorf("%+v", r)
	}
	s.Change(r, &Rule{Bucket: 1})
	schedule(t, s, []arrival{{6 * ms, 9, 6 * ms, drop.None}, {6 * ms, 9, 6 * ms, drop.None}, {6 * ms, 9, 6 * ms, drop.None}, {6 * ms, 9, 0, drop.FaultRate}})
	s.Change(r, &Rule{Bucket: 2})
	schedule(t, s, []arrival{{7 * ms, 9, 7 * ms, drop.None}, {7 * ms, 9, 7 * ms, drop.None}})
	s.Change(r, &Rule{}) // without an effect, the rule drops the chosen frames
	schedule(t, s, []arrival{{8 * ms, 9, 8 * ms, drop.None}, {8 * ms, 9, 0, drop.FaultMatch}})
}
