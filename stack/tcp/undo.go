package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// undo is what a reduction of the window can be taken back with, when it turns out that nothing was lost
// (RFC 3522, 3708, 4015).
type undo struct {
	armed         bool
	retransmitted bool   // something has gone again since
	stampChecked  bool   // the acknowledgement that the timestamps are asked of has come
	stamp         uint32 // our timestamp of the first repeat
	unreported    int    // octets that have gone again and were not reported as duplicates
	ranges        [4]wire.SACKBlock
	numRanges     uint8 // of again, what has gone again; one more: it is in too many pieces to remember
	cwnd          int
	ssthresh      int // pipe_prev of RFC 4015 §3
}

func (u *undo) arm(g *congestion, flight int) {
	*u = undo{armed: true, cwnd: g.Cwnd, ssthresh: max(g.Ssthresh, flight)}
	if g.Ssthresh >= MaxBuffer {
		u.ssthresh = g.Ssthresh // slow start had no end yet
	}
}

// noteRetransmit notes that what is in [from, end) has gone again.
func (c *Conn) noteRetransmit(now clock.Instant, from, end wire.Seq) {
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

// covers reports whether all that is in k has gone again. What the peer got twice though it went once was
// copied on the way, and says nothing of what was lost (RFC 3708 §3).
func (u *undo) covers(k wire.SACKBlock) bool {
	for i := range min(int(u.numRanges), len(u.ranges)) {
		if k.Within(u.ranges[i].Left, u.ranges[i].Right) {
			return int(u.numRanges) <= len(u.ranges)
		}
	}
	return false
}

// spuriousReason is why the acknowledgement shows that nothing was lost, "" when it does not: the first one to move
// SND.UNA echoes a stamp from before the first repeat (RFC 3522 §3.2), or everything that went again has
// been reported as a duplicate (RFC 3708).
func (c *Conn) spuriousReason(s *Segment, progress bool, twice wire.SACKBlock) (why string) {
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
	if n := twice.Right.Sub(twice.Left); n > 0 && u.covers(twice) {
		if u.unreported -= n; u.unreported <= 0 {
			return whyTwice
		}
	}
	return ""
}

// undoReduction is the response to that (RFC 4015 §3): the state before, without a burst. What was thought lost is
// on its way.
func (c *Conn) undoReduction(acked int, why string) {
	v, g, b := &c.snd, &c.cong, c.snd.scoreboard
	u := &b.undo
	u.armed = false
	c.reo.reordered = c.reo.reordered || g.inRecovery // beyond RFC 8985 §6.2 step 3: what had been overtaken went again too soon to show it
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
