package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// undo is the state needed to undo a reduction of cwnd that turns out to be spurious (RFC 3522, RFC 3708, RFC 4015).
type undo struct {
	armed         bool
	retransmitted bool   // true after the first retransmission
	stampChecked  bool   // true after the first ACK that moves SND.UNA; only that ACK's timestamp is compared
	stamp         uint32 // our timestamp clock at the first retransmission
	unreported    int    // octets retransmitted and not yet reported as duplicates
	ranges        [4]wire.SACKBlock
	numRanges     uint8 // number of ranges retransmitted; len(ranges)+1 if there were more
	cwnd          int
	ssthresh      int // pipe_prev of RFC 4015 §3
}

// arm saves cwnd and ssthresh before a reduction. flight is the number of octets in flight (RFC 4015 §3).
func (u *undo) arm(g *congestion, flight int) {
	*u = undo{armed: true, cwnd: g.Cwnd, ssthresh: max(g.Ssthresh, flight)}
	if g.Ssthresh >= MaxBuffer {
		u.ssthresh = g.Ssthresh // before the first loss there is no threshold to restore
	}
}

// trackForUndo records that [from, end) has been retransmitted.
func (c *Conn) trackForUndo(now clock.Instant, from, end wire.Seq) {
	u := &c.snd.scoreboard.undo
	if !u.retransmitted {
		u.retransmitted, u.stamp = true, c.ts.value(now)
	}
	u.unreported += end.Sub(from)
	n := int(u.numRanges)
	switch {
	case n > len(u.ranges):
	case n > 0 && u.ranges[n-1].Right == from:
		u.ranges[n-1].Right = end
	case n < len(u.ranges):
		u.ranges[n] = wire.SACKBlock{Left: from, Right: end}
		u.numRanges++
	default:
		u.numRanges++
	}
}

// covers reports whether one recorded range of retransmissions contains all of k. It returns false if more ranges were
// retransmitted than the record holds. If the peer received octets twice that we sent once, the path duplicated them.
// Such a report does not show that a retransmission was unnecessary (RFC 3708 §3).
func (u *undo) covers(k wire.SACKBlock) bool {
	for i := range min(int(u.numRanges), len(u.ranges)) {
		if k.Within(u.ranges[i].Left, u.ranges[i].Right) {
			return int(u.numRanges) <= len(u.ranges)
		}
	}
	return false
}

// spuriousReason returns why the retransmissions were unnecessary, as an ACK shows it, or "" if the ACK does not show
// that they were. There are two reasons: the first ACK that moves SND.UNA echoes a timestamp older than the first
// retransmission (Eifel detection, RFC 3522 §3.2), or all retransmissions have been reported as duplicates (RFC 3708
// §3).
func (c *Conn) spuriousReason(s *Segment, progress bool, dsack wire.SACKBlock) (why string) {
	u := &c.snd.scoreboard.undo
	if !u.armed || !u.retransmitted {
		return ""
	}
	if progress && !u.stampChecked {
		u.stampChecked = true
		if c.ts.on && s.Options.HasTimestamps && s.Options.TSEcr != 0 && int32(s.Options.TSEcr-u.stamp) < 0 {
			return whyStamp
		}
	}
	if n := dsack.Right.Sub(dsack.Left); n > 0 && u.covers(dsack) {
		if u.unreported -= n; u.unreported <= 0 {
			return whyTwice
		}
	}
	return ""
}

// undoReduction restores the window from before the reduction, without a burst (the Eifel response, RFC 4015 §3).
// Segments that were marked as lost count as in flight again.
func (c *Conn) undoReduction(acked int, why string) {
	v, g, b := &c.snd, &c.cong, c.snd.scoreboard
	u := &b.undo
	u.armed = false
	c.reo.reordered = c.reo.reordered || g.inRecovery // beyond RFC 8985 §6.2 step 3, which can't see this reordering: the segments were retransmitted too soon
	b.unmarkLost()
	g.inRecovery, g.afterTimeout, g.recover = false, false, v.una
	c.controller().Undone(&g.Window)
	g.Ssthresh = max(g.Ssthresh, u.ssthresh)
	if c.pacingOn() {
		g.Cwnd = max(g.Cwnd, u.cwnd)
	} else {
		g.Cwnd = max(g.Cwnd, min(u.cwnd, b.pipe()+max(acked, c.initialWindow())))
	}
	c.pending.fastRetransmit = false
	c.count(EventUndo)
	c.reportEpisode(EpisodeUndone, why)
}
