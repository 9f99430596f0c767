package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// congestion is the connection's part of congestion control (RFC 9293 §3.8.2): the window, and the state of loss
// recovery (RFC 6582, RFC 6675).
type congestion struct {
	Window
	ctl            Controller // nil before the first decision, and after an idle time
	recover        wire.Seq   // SND.MAX when the last loss was found
	cwndLimitedEnd wire.Seq   // valid if cwndLimited: octets up to this number were sent while cwnd was the limit
	dupAcks        uint8      // duplicate ACKs in a row, without a scoreboard; at most 255
	cwndLimited    bool
	inRecovery     bool
	afterTimeout   bool // true until everything in flight at a timeout is acknowledged; only with a scoreboard
	lossBySize     bool // true until recover if the lost segments were too long for the path, which is no congestion
	hadPartialAck  bool // true after a partial ACK in this recovery
	tlpStale       bool // true if new data was sent after the tail loss probe's timer was set
}

// controller returns the connection's controller. After an idle time it makes a new one: the connection restarts in slow start
// (RFC 5681 §4.1), in which the controller measures the path again.
func (c *Conn) controller() Controller {
	if c.cong.ctl == nil {
		c.cong.ctl = c.cfg.Congestion.controller()
	}
	return c.cong.ctl
}

// setMSS sets the segment size and the initial window.
func (c *Conn) setMSS(mss int) {
	c.snd.mss, c.cong.MSS = mss, mss
	c.cong.Cwnd = c.initialWindow()
}

// initialWindow returns the configured initial window, or the upper bound of RFC 6928 §2, in octets.
func (c *Conn) initialWindow() int {
	if n := c.cfg.InitialWindow; n > 0 {
		return n * c.cong.MSS
	}
	return min(10*c.cong.MSS, max(2*c.cong.MSS, 14600))
}

// limitedTransmit returns the octets that limited transmit adds to cwnd: one new segment for each of the first two duplicate ACKs,
// so that a small window can cause a third (RFC 3042 §2, RFC 5681 §3.2 step 1). With a scoreboard it returns 0, since pipe
// shrinks with each delivery, which has the same effect.
func (c *Conn) limitedTransmit() int {
	if c.cong.inRecovery || c.snd.scoreboard != nil {
		return 0
	}
	return int(min(c.cong.dupAcks, 2)) * c.cong.MSS
}

// growCwnd lets the controller grow cwnd for n octets acknowledged, of flight octets that were in flight before. Only octets sent
// while cwnd was the limit make it grow (RFC 9002 §7.8; RFC 7661 §4.3 in a simple form). If the peer's window or the application
// was the limit, the path has not been tested with the whole of cwnd, and a later burst of that size could be lost.
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

// wasCwndLimited reports whether the latest acknowledged octets were sent while cwnd was the limit.
func (c *Conn) wasCwndLimited() bool {
	return c.cong.cwndLimited && c.snd.una.LessEq(c.cong.cwndLimitedEnd)
}

// flightSize returns FlightSize of RFC 5681 §3.1, from which ssthresh is computed. unacked is the number of octets not
// acknowledged. While cwnd is the limit, FlightSize is cwnd (RFC 9438 §4.6), because ACKs that arrive together reduce
// unacked before new octets can be sent. FlightSize excludes segments sent by limited transmit (RFC 5681 §3.2 step 2).
func (c *Conn) flightSize(unacked int) int {
	if c.wasCwndLimited() {
		return c.cong.Cwnd
	}
	return min(unacked, c.cong.Cwnd)
}

// noteCwndLimited records whether cwnd or pacing holds data back. Pacing counts only while more than half of cwnd is in
// flight. Otherwise cwnd would grow without being used.
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

// restartAfterIdle reduces cwnd to the initial window before data is sent after an idle time, since the path may have
// changed (RFC 5681 §4.1). It returns the time since the last data was sent, 0 while data is in flight.
func (c *Conn) restartAfterIdle(now clock.Instant) (idle time.Duration) {
	if c.snd.una != c.snd.max || c.snd.buf.Len() == 0 {
		return 0
	}
	if idle = now.Sub(c.at.sent); idle > c.rtt.rto {
		c.cong.Cwnd = min(c.cong.Cwnd, c.initialWindow())
	}
	return idle
}
