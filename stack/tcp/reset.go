package tcp

import "smolsh/stack/wire"

// Reset returns the RST that answers s, a segment outside of any connection or one that LISTEN, SYN-SENT or
// SYN-RECEIVED refuses (RFC 9293 §3.5.2, §3.10.7.1). ok is false if s is a RST, which is never answered.
func Reset(s *Segment) (r wire.TCP, ok bool) {
	if s.Flags&wire.RST != 0 {
		return r, false
	}
	r = wire.TCP{SrcPort: s.DstPort, DstPort: s.SrcPort, Flags: wire.RST}
	if s.Flags&wire.ACK != 0 {
		r.Seq = s.Ack
	} else {
		r.Flags |= wire.ACK
		r.Ack = s.Seq.Add(s.Len())
	}
	return r, true
}

// replyReset makes the RST of RFC 9293 §3.5.2 in reply to s pending.
func (c *Conn) replyReset(s *Segment) {
	if r, ok := Reset(s); ok {
		c.pending.replySeq, c.pending.replyAck, c.pending.replyFlags, c.pending.hasReply = r.Seq, r.Ack, r.Flags, true
	}
}
