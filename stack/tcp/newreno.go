package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// isDuplicateACK is RFC 5681 §2's definition.
func (c *Conn) isDuplicateACK(s *Segment) bool {
	v := &c.snd
	return v.una != v.nxt && len(s.Payload) == 0 && s.Flags&(wire.SYN|wire.FIN) == 0 &&
		int(s.Window)<<v.wscale == v.wnd
}

// ackNew takes in an acknowledgement of something new.
func (c *Conn) ackNew(now clock.Instant, s *Segment) {
	v, g := &c.snd, &c.cong
	flight, rexmt := v.max.Sub(v.una), c.at.rexmt
	n := c.ackProgress(now, s)
	// Deviates: SND.WL1 is not asked. What acknowledges more was sent later than what acknowledged less,
	// also when it is text going again; the old window with the new SND.UNA would reach too far.
	c.setWindow(s, v.wscale)
	switch {
	case g.inRecovery && s.Ack.Less(g.recover): // partial (RFC 6582 §3.2 step 3)
		g.Cwnd = max(g.Cwnd-n, 0)
		if n >= g.MSS {
			g.Cwnd += g.MSS
		}
		c.pending.fastRetransmit = true
		if g.hadPartialAck { // only the first one restarts the timer (RFC 6582 §4, impatient)
			c.at.rexmt = rexmt
		}
		g.hadPartialAck = true
		return
	case g.inRecovery: // full: everything that was out when the loss was found
		g.inRecovery = false
		c.reportEpisode(EpisodeRecovered, whyAcked)
		g.Cwnd = min(g.Ssthresh, max(v.max.Sub(v.una), g.MSS)+g.MSS)
	default:
		c.growCwnd(now, n, flight, c.echoedRTT(now, s))
	}
	g.dupAcks = 0
}

// ackDuplicate counts a duplicate acknowledgement: the third begins fast retransmit and recovery
// (RFC 6582 §3.2), further ones let new data out.
func (c *Conn) ackDuplicate(now clock.Instant) {
	v, g := &c.snd, &c.cong
	g.dupAcks = max(g.dupAcks, g.dupAcks+1)
	switch {
	case g.inRecovery:
		g.Cwnd += g.MSS
	case g.dupAcks == 3 && g.recover.LessEq(v.una.Add(-1)):
		c.reduceForLoss(now, c.flightSize(v.max.Sub(v.una)))
		g.inRecovery, g.hadPartialAck, g.recover = true, false, v.max
		g.Cwnd = g.Ssthresh + 3*g.MSS
		c.pending.fastRetransmit = true
		c.count(EventFastRetrans)
		c.reportEpisode(EpisodeRecovery, whyDupAcks)
	}
}

// reno is the controller of RFC 5681, with byte counting (RFC 3465).
type reno struct{}

// Acked is slow start below ssthresh, and one segment per window of acknowledged octets above it
// (RFC 5681 §3.1).
func (reno) Acked(_ clock.Instant, w *Window, a *Acked) {
	if w.Cwnd < w.Ssthresh {
		w.Cwnd += a.slowStart(w.MSS)
		return
	}
	if w.Acked += a.Octets; w.Acked >= w.Cwnd {
		w.Acked -= w.Cwnd
		w.Cwnd += w.MSS
	}
}

// Lost halves: RFC 5681 equation (4).
func (reno) Lost(_ clock.Instant, w *Window, flight int) {
	w.Ssthresh = max(flight/2, 2*w.MSS)
	w.Acked = 0
}

// TimedOut halves and starts again from one segment (RFC 5681 §3.1).
func (r reno) TimedOut(now clock.Instant, w *Window, flight int) {
	r.Lost(now, w, flight)
	w.Cwnd = w.MSS
}

// Undone has nothing to restore: what there was is in the window.
func (reno) Undone(*Window) {}

// Idle changes nothing: it does not count time.
func (reno) Idle(time.Duration) {}
