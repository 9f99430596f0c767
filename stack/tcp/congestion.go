package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// congestion is the connection's side of congestion control: the window and the state of loss
// recovery (RFC 6582, RFC 6675).
type congestion struct {
	Window
	ctl          Controller // nil until it has something to decide, and after idle times
	recover      wire.Seq   // the highest number sent when the last loss was found
	dupAcks      int32
	inRecovery   bool
	afterTimeout bool // what was out when a timeout came is not acknowledged yet; with a scoreboard only
	partial      bool // a partial acknowledgement has come in this recovery
}

// controller is the connection's. What it remembers of the path is not kept over idle times: they end in
// slow start (RFC 5681 §4.1), from which it learns again.
func (c *Conn) controller() Controller {
	if c.cong.ctl == nil {
		c.cong.ctl = c.cfg.Congestion.controller()
	}
	return c.cong.ctl
}

// setMSS fixes the segment size and with it the initial window.
func (c *Conn) setMSS(mss int) {
	c.snd.mss, c.cong.MSS = mss, mss
	c.cong.Cwnd = c.initialWindow()
}

// initialWindow is RFC 6928 §2's upper bound, in octets, unless the configuration says otherwise.
func (c *Conn) initialWindow() int {
	if n := c.cfg.InitialWindow; n > 0 {
		return n * c.cong.MSS
	}
	return min(10*c.cong.MSS, max(2*c.cong.MSS, 14600))
}

// limited is what limited transmit adds to the window: a new segment for each of the first two duplicate
// acknowledgements, so that a small window comes to its third (RFC 3042, RFC 5681 §3.2 step 1).
// With a scoreboard what has arrived does not count, which does the same.
func (c *Conn) limited() int {
	if c.cong.inRecovery || c.snd.board != nil {
		return 0
	}
	return int(min(c.cong.dupAcks, 2)) * c.cong.MSS
}

// grow tells the controller of n octets acknowledged, when flight before was what the window allowed:
// growth only where the window was the limit (RFC 7661 in its simplest form).
func (c *Conn) grow(now clock.Instant, n, flight int, rtt time.Duration) {
	g := &c.cong
	if flight+g.MSS >= g.Cwnd || g.Cwnd < g.Ssthresh && 2*flight >= g.Cwnd {
		a := Acked{Octets: n, RTT: rtt, SRTT: c.rtt.srtt, Una: c.snd.una, Nxt: c.snd.nxt}
		c.controller().Acked(now, &g.Window, &a)
		g.Cwnd = min(g.Cwnd, MaxBuffer)
		c.tuneSend()
	}
}

// restart is for data that goes after an idle time: what the window was then says little (RFC 5681 §4.1).
func (c *Conn) restart(now clock.Instant) {
	g, idle := &c.cong, now.Sub(c.at.sent)
	if c.snd.una != c.snd.max || idle <= c.rtt.rto {
		return
	}
	g.Cwnd = min(g.Cwnd, c.initialWindow())
	if g.ctl != nil {
		g.ctl.Idle(idle)
	}
}
