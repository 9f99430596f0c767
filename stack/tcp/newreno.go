package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// isDuplicateACK reports whether s is a duplicate acknowledgement as RFC 5681 §2 defines it. The caller has checked
// SEG.ACK = SND.UNA.
func (c *Conn) isDuplicateACK(s *Segment) bool {
	v := &c.snd
	return v.una != v.nxt && len(s.Payload) == 0 && s.Flags&(wire.SYN|wire.FIN) == 0 &&
		int(s.Window)<<v.wscale == v.wnd
}

// ackNew processes an ACK that moves SND.UNA, without a scoreboard (RFC 6582 §3.2).
func (c *Conn) ackNew(now clock.Instant, s *Segment) {
	v, g := &c.snd, &c.cong
	flight, rexmt := v.max.Sub(v.una), c.at.rexmt
	n := c.ackProgress(now, s)
	// Deviates from RFC 9293 §3.10.7.4: SND.WL1 is not compared. A segment with a higher ACK was sent later, even if it
	// retransmits text, and the old window with the new SND.UNA would reach too far.
	c.setWindow(s, v.wscale)
	switch {
	case g.inRecovery && s.Ack.Less(g.recover): // a partial acknowledgement (RFC 6582 §3.2 step 3)
		g.Cwnd = max(g.Cwnd-n, 0)
		if n >= g.MSS {
			g.Cwnd += g.MSS
		}
		c.pending.fastRetransmit = true
		if g.hadPartialAck { // only the first partial ACK restarts the timer: the Impatient variant (RFC 6582 §4)
			c.at.rexmt = rexmt
		}
		g.hadPartialAck = true
		return
	case g.inRecovery: // a full acknowledgement: everything in flight when the loss was found
		g.inRecovery = false
		c.reportEpisode(EpisodeRecovered, whyAcked)
		g.Cwnd = min(g.Ssthresh, max(v.max.Sub(v.una), g.MSS)+g.MSS)
	default:
		c.growCwnd(now, n, flight, c.echoedRTT(now, s))
	}
	g.dupAcks = 0
}

// ackDuplicate processes a duplicate ACK. The third one starts fast retransmit and fast recovery (RFC 6582 §3.2). Later
// ones inflate the window so that new data can be sent (RFC 5681 §3.2).
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

// reno is the NewReno controller: RFC 5681 §3.1 with byte counting (RFC 3465 §2).
type reno struct{}

// Acked grows cwnd. Below ssthresh it is slow start; above, congestion avoidance adds one segment for each acknowledged
// window (RFC 5681 §3.1).
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

// Lost sets ssthresh to half of the octets in flight (RFC 5681 §3.1, equation (4)).
func (reno) Lost(_ clock.Instant, w *Window, flight int) {
	w.Ssthresh = max(flight/2, 2*w.MSS)
	w.Acked = 0
}

// TimedOut sets ssthresh as Lost does, and restarts slow start from one segment (RFC 5681 §3.1).
func (r reno) TimedOut(now clock.Instant, w *Window, flight int) {
	r.Lost(now, w, flight)
	w.Cwnd = w.MSS
}

// Undone does nothing: reno has no state beside the window.
func (reno) Undone(*Window) {}

// Idle does nothing: reno measures no time.
func (reno) Idle(time.Duration) {}
