package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// checkSequence is step one: a segment with nothing inside the window is answered by an ACK and
// dropped. One that is acceptable is cut to the window, whose right edge is the one that was offered. At
// a zero window it goes on for its ACK, without its text. Deviates: what occupies no buffer, a pure ACK
// or a FIN, may stand on the edge itself; a peer that has filled the window can send no other.
func (c *Conn) checkSequence(now clock.Instant, s *Segment) drop.Reason {
	r := &c.rcv
	first, end := s.Seq, s.Seq.Add(s.Len())
	switch {
	case end.Less(r.nxt), end == r.nxt && s.Len() > 0:
		if s.Len() > 0 && r.nxt.Sub(end) <= r.buf.Limit() {
			// A repeat whose first answer was lost. The answer to it echoes its own stamp (RFC 7323 §4.3, rule
			// 2), or the peer would take the time in between for the round trip.
			c.takeStamp(now, first, s)
			if len(s.Payload) > 0 {
				c.noteDuplicate(first, end)
			}
		}
		c.answerUnacceptable(now, s)
		return drop.TCPDuplicate
	case first == r.nxt: // also at a zero window
	case r.adv.Less(first), first == r.adv && (len(s.Payload) > 0 || s.Flags&wire.RST != 0),
		c.state == TimeWait && r.nxt.Less(first) && s.Len() == 0 && s.Flags&wire.RST == 0: // nothing lies beyond the peer's FIN
		c.answerUnacceptable(now, s)
		return drop.TCPOutOfWindow
	}
	if first.Less(r.nxt) && s.Flags&wire.SYN == 0 && len(s.Payload) > 0 {
		c.noteDuplicate(first, r.nxt)
	}
	c.cutToWindow(s)
	return drop.None
}

// cutToWindow cuts off what lies before RCV.NXT and behind the window's right edge.
func (c *Conn) cutToWindow(s *Segment) {
	r := &c.rcv
	if cut := r.nxt.Sub(s.Seq); cut > 0 {
		s.trimFront(cut)
	}
	if over := s.Seq.Add(len(s.Payload)).Sub(r.adv); over > 0 {
		s.Payload = s.Payload[:max(0, len(s.Payload)-over)]
		s.Flags &^= wire.FIN
	}
}

// window is the receive window to announce, as the header's field, and moves the offered edge. The
// edge advances by at least a segment or half the buffer (RFC 9293 §3.8.6.2.2) and never retreats.
func (c *Conn) window(syn bool) uint16 {
	r := &c.rcv
	switch {
	case syn && c.state == SynSent:
		return uint16(min(r.buf.Limit(), 0xffff))
	case syn: // SYN-ACK
		return uint16(min(max(0, r.adv.Sub(r.nxt)), 0xffff))
	}
	if edge := c.windowEdge(); edge.Sub(r.adv) >= min(r.buf.Limit()/2, int(r.mss)) {
		r.adv, r.slack = edge, 0
	}
	return uint16(min(max(0, r.adv.Sub(r.nxt))>>r.wscale, 0xffff))
}

// windowEdge is the right edge that the free buffer would allow.
func (c *Conn) windowEdge() wire.Seq {
	r := &c.rcv
	return r.nxt.Add(min(r.buf.Free(), 0xffff<<r.wscale))
}

// windowUpdateDue reports whether the reader has made enough room to tell the peer without being asked.
// The room that was there from the start the next segment tells anyway.
func (c *Conn) windowUpdateDue() bool {
	r := &c.rcv
	switch c.state {
	case Established, FinWait1, FinWait2:
		return !r.fin && c.windowEdge().Sub(r.adv)-int(r.slack) >= min(r.buf.Limit()/2, 2*int(r.mss))
	}
	return false
}

// updateWindow takes the segment's window unless it is older than the one we have (§3.10.7.4, step five).
func (c *Conn) updateWindow(s *Segment) {
	v := &c.snd
	if v.wl1.Less(s.Seq) || v.wl1 == s.Seq && v.wl2.LessEq(s.Ack) {
		c.setWindow(s, v.wscale)
	}
}

func (c *Conn) setWindow(s *Segment, shift uint8) {
	v := &c.snd
	before := v.wnd
	v.wnd = int(s.Window) << shift
	v.maxWnd = max(v.maxWnd, v.wnd)
	v.wl1, v.wl2 = s.Seq, s.Ack
	if v.wnd > before { // probing begins anew when it is needed again
		c.at.persist, c.at.probes = clock.Never, 0
		c.owe.probe = false
	}
}

// nagle reports whether a segment shorter than the full size has to wait: another such segment is on its way
// (RFC 9293 §3.7.4 in Minshall's form). Nagle's own form, in which any octet on its way holds it back, delays
// the tail of each write that is longer than a segment by the peer's delayed acknowledgement.
func (c *Conn) nagle() bool {
	v := &c.snd
	return !c.cfg.NoDelay && !v.closed && v.smallEnd.In(v.una.Add(1), v.nxt.Sub(v.una))
}
