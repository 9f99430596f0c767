package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// undo is what a reduction of the window can be taken back with, when it turns out that nothing was lost
// (RFC 3522, 3708, 4015).
type undo struct {
	armed    bool
	repeats  bool   // something has gone again since
	tested   bool   // the acknowledgement that the timestamps are asked of has come
	stamp    uint32 // our timestamp of the first repeat
	owed     int    // octets that have gone again and were not reported as duplicates
	again    [4]wire.SACKBlock
	ranges   uint8 // of again, what has gone again; one more: it is in too many pieces to remember
	cwnd     int
	ssthresh int // pipe_prev of RFC 4015 §3
}

func (u *undo) begin(g *congestion, flight int) {
	*u = undo{armed: true, cwnd: g.Cwnd, ssthresh: max(g.Ssthresh, flight)}
	if g.Ssthresh >= MaxBuffer {
		u.ssthresh = g.Ssthresh // slow start had no end yet
	}
}

// noteRepeat notes that what is in [from, end) has gone again.
func (c *Conn) noteRepeat(now clock.Instant, from, end wire.Seq) {
	u := &c.snd.board.undo
	if !u.repeats {
		u.repeats, u.stamp = true, c.ts.value(now)
	}
	u.owed += end.Sub(from)
	n := int(u.ranges)
	switch {
	case n > len(u.again):
	case n > 0 && u.again[n-1].Right == from:
		u.again[n-1].Right = end
	case n < len(u.again):
		u.again[n] = wire.SACKBlock{Left: from, Right: end}
		u.ranges++
	default:
		u.ranges++
	}
}

// repeated reports whether all that is in k has gone again. What the peer got twice though it went once was
// copied on the way, and says nothing of what was lost (RFC 3708 §3).
func (u *undo) repeated(k wire.SACKBlock) bool {
	for i := range min(int(u.ranges), len(u.again)) {
		if k.Within(u.again[i].Left, u.again[i].Right) {
			return int(u.ranges) <= len(u.again)
		}
	}
	return false
}

// needless is why the acknowledgement shows that nothing was lost, "" when it does not: the first one to move
// SND.UNA echoes a stamp from before the first repeat (RFC 3522 §3.2), or everything that went again has
// been reported as a duplicate (RFC 3708).
func (c *Conn) needless(s *Segment, progress bool, twice wire.SACKBlock) (why string) {
	u := &c.snd.board.undo
	if !u.armed || !u.repeats {
		return ""
	}
	if progress && !u.tested {
		u.tested = true
		if c.ts.on && s.Options.HasTimestamps && s.Options.TSEcr != 0 && int32(s.Options.TSEcr-u.stamp) < 0 {
			return whyStamp
		}
	}
	if n := twice.Right.Sub(twice.Left); n > 0 && u.repeated(twice) {
		if u.owed -= n; u.owed <= 0 {
			return whyTwice
		}
	}
	return ""
}

// takeBack is the response to that (RFC 4015 §3): the state before, without a burst. What was thought lost is
// on its way.
func (c *Conn) takeBack(acked int, why string) {
	v, g, b := &c.snd, &c.cong, c.snd.board
	u := &b.undo
	u.armed = false
	c.reo.seen = c.reo.seen || g.inRecovery // beyond RFC 8985 §6.2 step 3: what had been overtaken went again too soon to show it
	b.find()
	g.inRecovery, g.afterTimeout, g.recover = false, false, v.una
	c.controller().Undone(&g.Window)
	g.Ssthresh = max(g.Ssthresh, u.ssthresh)
	if c.paces() {
		g.Cwnd = max(g.Cwnd, u.cwnd)
	} else {
		g.Cwnd = max(g.Cwnd, min(u.cwnd, b.pipe()+max(acked, c.initialWindow())))
	}
	c.owe.fast = false
	c.count(EventUndo)
	c.tell(EpisodeUndone, why)
}
