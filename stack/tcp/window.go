package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// checkSequence checks the sequence number (RFC 9293 §3.10.7.4, first step). It drops an unacceptable segment and
// answers it by an ACK. It cuts an acceptable one to the window, whose right edge is the last one offered.
func (c *Conn) checkSequence(now clock.Instant, s *Segment) drop.Reason {
	r := &c.rcv
	if s.Seq == r.nxt { // a segment in order is acceptable in all four cases of the table
		c.cutToWindow(s)
		return drop.None
	}
	first, end := s.Seq, s.Seq.Add(s.Len())
	reason := c.acceptable(s)
	if reason == drop.TCPDuplicate && s.Len() > 0 && r.nxt.Sub(end) <= r.buf.Limit() {
		// The peer retransmits because our first ACK was lost. The next ACK echoes the timestamp of this retransmission
		// (RFC 7323 §4.3, rule 2). Otherwise the peer would count the time between the two transmissions as round trip.
		c.updateTSRecent(now, first, s)
		if len(s.Payload) > 0 {
			c.noteDuplicate(first, end)
		}
	}
	if reason != drop.None {
		c.answerUnacceptable(now, s)
		return reason
	}
	if first.Less(r.nxt) && s.Flags&wire.SYN == 0 && len(s.Payload) > 0 {
		c.noteDuplicate(first, r.nxt)
	}
	c.cutToWindow(s)
	return drop.None
}

// acceptable is the table of RFC 9293 §3.10.7.4: whether a segment is acceptable depends on its length and on the
// receive window. It returns TCPDuplicate for a segment that ends before RCV.NXT, and TCPOutOfWindow for one that
// begins beyond the window.
//
// It deviates from the table in three cases. At a zero window a segment with text that covers RCV.NXT is acceptable for
// its ACK; cutToWindow removes the text. At an open window a segment without text may begin at RCV.NXT+RCV.WND, since a
// peer that has filled the window has no other number for a pure ACK or a FIN. In TIME-WAIT a pure ACK must begin at
// RCV.NXT, since the peer has sent its FIN.
func (c *Conn) acceptable(s *Segment) drop.Reason {
	r := &c.rcv
	first, end, edge := s.Seq, s.Seq.Add(s.Len()), r.windowEdge // edge is RCV.NXT+RCV.WND
	empty, zeroWindow := s.Len() == 0, r.windowEdge == r.nxt
	reset, text := s.Flags&wire.RST != 0, len(s.Payload) > 0

	if end.Less(r.nxt) || !empty && end == r.nxt {
		return drop.TCPDuplicate
	}
	inside := false
	switch {
	case empty && zeroWindow: // SEG.LEN = 0, RCV.WND = 0: SEG.SEQ = RCV.NXT
		inside = first == r.nxt
	case empty: // SEG.LEN = 0, RCV.WND > 0: RCV.NXT =< SEG.SEQ < RCV.NXT+RCV.WND
		inside = !edge.Less(first) && (first != edge || !reset)
		if c.state == TimeWait && !reset {
			inside = first == r.nxt
		}
	case zeroWindow: // SEG.LEN > 0, RCV.WND = 0: only the ACK is acceptable
		inside = !edge.Less(first)
	default: // SEG.LEN > 0, RCV.WND > 0: SEG.SEQ or SEG.SEQ+SEG.LEN-1 lies in the window
		inside = !edge.Less(first) && (first != edge || !text && !reset)
	}
	if !inside {
		return drop.TCPOutOfWindow
	}
	return drop.None
}

// cutToWindow removes the octets of a segment before RCV.NXT and beyond the right edge of the window. A cut at the
// right edge also clears FIN.
func (c *Conn) cutToWindow(s *Segment) {
	r := &c.rcv
	if cut := r.nxt.Sub(s.Seq); cut > 0 {
		s.trimFront(cut)
	}
	if over := s.Seq.Add(len(s.Payload)).Sub(r.windowEdge); over > 0 {
		s.Payload = s.Payload[:max(0, len(s.Payload)-over)]
		s.Flags &^= wire.FIN
	}
}

// advertiseWindow returns the header's window field, and records the right edge that it offers. The edge never moves
// back (RFC 7323 §2.4). It moves forward by at least a segment or half the buffer: the receiver's silly window
// avoidance (RFC 9293 §3.8.6.2.2).
func (c *Conn) advertiseWindow(syn bool) uint16 {
	r := &c.rcv
	switch {
	case syn && c.state == SynSent:
		return uint16(min(r.buf.Limit(), 0xffff))
	case syn: // SYN-ACK
		return uint16(min(max(0, r.windowEdge.Sub(r.nxt)), 0xffff))
	}
	if edge := c.freeEdge(); edge.Sub(r.windowEdge) >= min(r.buf.Limit()/2, int(r.mss)) {
		r.windowEdge, r.synWindowRest = edge, 0
	}
	return uint16(min(max(0, r.windowEdge.Sub(r.nxt))>>r.wscale, 0xffff))
}

// freeEdge returns the right edge of a window that offers all of the free buffer.
func (c *Conn) freeEdge() wire.Seq {
	r := &c.rcv
	return r.nxt.Add(min(r.buf.Free(), 0xffff<<r.wscale))
}

// windowUpdateDue reports whether the application has read enough to send a window update (RFC 9293 §3.8.6.2.2). Room
// that the SYN's unscaled window could not offer does not count, since the next segment offers it anyway.
func (c *Conn) windowUpdateDue() bool {
	r := &c.rcv
	switch c.state {
	case Established, FinWait1, FinWait2:
		return !r.fin && c.freeEdge().Sub(r.windowEdge)-int(r.synWindowRest) >= min(r.buf.Limit()/2, 2*int(r.mss))
	}
	return false
}

// updateWindow sets SND.WND from the segment, unless the segment is older than the last update (RFC 9293 §3.10.7.4, fifth step).
func (c *Conn) updateWindow(s *Segment) {
	v := &c.snd
	if v.wl1.Less(s.Seq) || v.wl1 == s.Seq && v.wl2.LessEq(s.Ack) {
		c.setWindow(s, v.wscale)
	}
}

// setWindow sets SND.WND to the segment's window, shifted left by shift bits. A window that has grown ends zero-window
// probing.
func (c *Conn) setWindow(s *Segment, shift uint8) {
	v := &c.snd
	before := v.wnd
	v.wnd = int(s.Window) << shift
	v.maxWnd = max(v.maxWnd, v.wnd)
	v.wl1, v.wl2 = s.Seq, s.Ack
	if v.wnd > before { // a larger window restarts the back-off of probes
		c.at.persist, c.at.probes = clock.Never, 0
		c.pending.windowProbe = false
	}
}

// worthSending is the sender's silly window avoidance (RFC 9293 §3.8.6.2.1): it reports whether to send n of the queued
// octets now. room is the room in the caller's packet in octets, and mss the effective MSS. nagle is true while Nagle's
// algorithm delays a short segment.
func (c *Conn) worthSending(n, queued, room, mss int, nagle bool) bool {
	v := &c.snd
	switch {
	case n >= mss: // (1) a segment of the maximum size
		return true
	case v.nxt.Less(v.max), c.pending.windowProbe: // a retransmission, or (4) the override timeout has expired
		return true
	case n == queued: // (2) everything queued
		return !nagle
	case n == room: // the caller's room is the limit, and not the peer's window
		return true
	}
	return 2*n >= v.maxWnd && (v.nxt == v.una || c.cfg.NoDelay) // (3) half of the largest window that the peer has offered
}
