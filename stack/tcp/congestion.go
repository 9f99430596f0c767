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
	ctl            Controller // nil until it has something to decide, and after idle times
	recover        wire.Seq   // the highest number sent when the last loss was found
	cwndLimitedEnd wire.Seq   // all up to here was sent while the window was the limit; meaningful with wasFull
	dupAcks        uint8      // duplicate acknowledgements in a row, without a scoreboard; no more than it holds
	cwndLimited    bool
	inRecovery     bool
	afterTimeout   bool // what was out when a timeout came is not acknowledged yet; with a scoreboard only
	lossBySize     bool // what is lost was too long for the path, or a probe of it: no congestion; until recover
	hadPartialAck  bool // a partial acknowledgement has come in this recovery
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

// limitedTransmit is what limited transmit adds to the window: a new segment for each of the first two duplicate
// acknowledgements, so that a small window comes to its third (RFC 3042, RFC 5681 §3.2 step 1).
// With a scoreboard what has arrived does not count, which does the same.
func (c *Conn) limitedTransmit() int {
	if c.cong.inRecovery || c.snd.scoreboard != nil {
		return 0
	}
	return int(min(c.cong.dupAcks, 2)) * c.cong.MSS
}

// growCwnd tells the controller of n octets acknowledged, of flight that were out before. The window grows only by
// what was sent while it was the limit (RFC 7661 in its simplest form): one that the peer's window or the
// application never filled says nothing of the path, and would be a burst when they let it.
func (c *Conn) growCwnd(now clock.Instant, n, flight int, rtt time.Duration) {
	g := &c.cong
	if c.inECNResponse(c.snd.una) {
		return
	}
	if flight+g.MSS > g.Cwnd || c.wasCwndLimited() {
		a := Acked{
			Octets: n, RTT: rtt, SRTT: c.rtt.srtt, Paced: c.pacingOn(), Una: c.snd.una, Nxt: c.snd.nxt,
			Repair: g.afterTimeout || c.snd.nxt.Less(c.snd.max),
		}
		c.controller().Acked(now, &g.Window, &a)
		g.Cwnd = min(g.Cwnd, MaxBuffer)
		c.tuneSend(rtt)
	}
}

// wasCwndLimited reports whether what the latest acknowledgement answers was sent while the congestion window was
// the limit.
func (c *Conn) wasCwndLimited() bool {
	return c.cong.cwndLimited && c.snd.una.LessEq(c.cong.cwndLimitedEnd)
}

// flightSize is what a loss is held against, out being what is not acknowledged (RFC 5681 §3.1). While the window
// is the limit it is the window (RFC 9438 §4.6): acknowledgements that come together have taken from out what
// nobody had the time to replace. Nor does it count what was sent in the place of what had arrived (RFC 5681
// §3.2 step 2).
func (c *Conn) flightSize(out int) int {
	if c.wasCwndLimited() {
		return c.cong.Cwnd
	}
	return min(out, c.cong.Cwnd)
}

// noteCwndLimited notes that the congestion window keeps data back, be it by its pace: more than half of it must be out
// then, or it would grow without ever being used.
func (c *Conn) noteCwndLimited() {
	v, g := &c.snd, &c.cong
	if !c.sending() {
		return
	}
	more := min(v.dataEnd().Sub(v.nxt), c.effectiveMSS())
	if flight := c.inFlight(); more > 0 && (g.Cwnd-flight < more || g.Cwnd <= v.wnd && 2*flight >= g.Cwnd && c.pacingAllowance() == 0) {
		g.cwndLimitedEnd, g.cwndLimited = v.max, true
	} else if g.cwndLimited && g.cwndLimitedEnd.Less(v.una) {
		g.cwndLimited = false
	}
}

// restartAfterIdle is for data that goes after an idle time: what the window was then says little (RFC 5681 §4.1). It
// returns how long nothing has been sent, 0 while something is out.
func (c *Conn) restartAfterIdle(now clock.Instant) (idle time.Duration) {
	if c.snd.una != c.snd.max || c.snd.buf.Len() == 0 {
		return 0
	}
	if idle = now.Sub(c.at.sent); idle > c.rtt.rto {
		c.cong.Cwnd = min(c.cong.Cwnd, c.initialWindow())
	}
	return idle
}
