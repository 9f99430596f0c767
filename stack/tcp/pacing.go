package tcp

import (
	"time"

	"smolsh/stack/clock"
)

// Data that the window lets out at once, since an acknowledgement was of much or the window has grown, would come to
// a queue at once, and overflow one that holds less than a window. It goes in quanta, spread over the round trip:
// twice the window in each while slow start doubles it, a tenth more than the window afterwards, so that the window
// stays the limit. RFC 9293 has no such thing; this is the manner of RFC 9002 §7.7.
const (
	pacingLeast   = 2 * time.Millisecond // in shorter round trips timers are too coarse, and queues hold a window
	pacingQuantum = time.Millisecond     // what goes at once is worth so much time, at least two segments
)

// pacingOn reports whether what is more than an initial window is spread over the round trip.
func (c *Conn) pacingOn() bool { return c.rtt.srtt >= pacingLeast && !c.cfg.NoPacing }

// pacingRatio is the rate of data: in a round trip of rtt goes num/den of the window. rtt is 0 where nothing is held back.
func (c *Conn) pacingRatio() (window, num, den int64, rtt time.Duration) {
	g := &c.cong
	w := min(g.Cwnd, c.snd.wnd)
	num, den = 11, 10
	switch {
	case g.inRecovery: // the queue that was too long is to become shorter
		w = min(g.Ssthresh, c.snd.wnd)
		num, den = 1, 1
	case g.Cwnd < g.Ssthresh:
		num, den = 2, 1
	}
	if !c.pacingOn() || w <= c.initialWindow() {
		return 1, 1, 1, 0
	}
	rtt = c.rtt.srtt
	if b := c.snd.scoreboard; b != nil && b.rack.rtt > 0 && b.rack.rtt < rtt {
		rtt = max(b.rack.rtt, pacingLeast) // a queue has drained, which SRTT takes rounds to learn
	}
	return int64(w), num, den, rtt
}

// pacingRate is octets per second; 0: nothing is held back.
func (c *Conn) pacingRate() int {
	w, num, den, rtt := c.pacingRatio()
	if rtt == 0 {
		return 0
	}
	return int(w * num * int64(time.Second) / (den * int64(rtt)))
}

// pacingAllowance is how many octets may go at once now; 0: their turn comes at c.at.pace. An initial window's worth may be on
// its way without waiting for any (RFC 6928; RFC 9002 §7.7): it is the first of an answer.
func (c *Conn) pacingAllowance() int {
	w, num, den, rtt := c.pacingRatio()
	if rtt == 0 {
		return MaxBuffer
	}
	if free := c.initialWindow() - c.inFlight(); free >= c.effectiveMSS() {
		return free
	}
	if c.at.pace != clock.Never {
		return 0
	}
	return max(2*c.effectiveMSS(), int(w*num*int64(pacingQuantum)/(den*int64(rtt))))
}

// spendPacing takes the time that n octets are worth which have gone. When that of a quantum is used up, the next wait until
// all of it has passed.
func (c *Conn) spendPacing(now clock.Instant, n int) {
	w, num, den, rtt := c.pacingRatio()
	if rtt == 0 || c.inFlight() <= c.initialWindow() {
		return
	}
	worth := func(n int) time.Duration {
		return time.Duration(int64(n) * den * int64(rtt) / (num * w))
	}
	t, segment := &c.at, worth(c.effectiveMSS())
	t.pacedUntil = max(t.pacedUntil, now).Add(worth(n))
	if t.pacedUntil.Sub(now) > max(pacingQuantum, 2*segment)-segment {
		t.pace = t.pacedUntil
	}
}
