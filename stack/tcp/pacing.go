package tcp

import (
	"time"

	"smolsh/stack/clock"
)

// Pacing spreads new data over the round trip (RFC 9002 §7.7; no RFC of TCP specifies it). Without pacing a large ACK,
// or a window that has grown, causes a burst that overflows any queue shorter than a window. Data is sent in quanta. In
// slow start, which doubles the window, the rate is two windows per round trip. Later it is 1.1 windows per round trip,
// so that the window stays the limit.
const (
	pacingLeast   = 2 * time.Millisecond // shorter round trips are not paced: timers are too coarse, and queues hold a whole window
	pacingQuantum = time.Millisecond     // duration of a quantum at the pacing rate; a quantum has at least two segments
)

// pacingOn reports whether data beyond an initial window is paced.
func (c *Conn) pacingOn() bool { return c.rtt.srtt >= pacingLeast && !c.cfg.NoPacing }

// pacingRatio returns the rate of new data: num/den of window octets in each rtt. rtt is 0 if data is not paced.
func (c *Conn) pacingRatio() (window, num, den int64, rtt time.Duration) {
	g := &c.cong
	w := min(g.Cwnd, c.snd.wnd)
	num, den = 11, 10
	switch {
	case g.inRecovery: // the queue that overflowed must drain
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
		rtt = max(b.rack.rtt, pacingLeast) // after the queue has drained, SRTT takes several round trips to fall
	}
	return int64(w), num, den, rtt
}

// pacingRate returns the rate in octets per second, 0 if data is not paced.
func (c *Conn) pacingRate() int {
	w, num, den, rtt := c.pacingRatio()
	if rtt == 0 {
		return 0
	}
	return int(w * num * int64(time.Second) / (den * int64(rtt)))
}

// pacingAllowance returns the octets that may be sent at once now. It returns 0 before c.at.pace. Up to an initial
// window may be in flight without pacing (RFC 6928 §2, RFC 9002 §7.7), so the first data of a response is not delayed.
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

// spendPacing counts n octets sent against the pacing rate. When a quantum is used up, new data waits for as long as
// these octets take at that rate.
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
