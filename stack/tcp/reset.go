package tcp

import "smolsh/stack/wire"

// Reset is the reply to a segment for which there is no connection, or which a LISTEN, SYN-SENT or
// SYN-RECEIVED connection refuses (RFC 9293 §3.5.2, §3.10.7.1). There is none to a reset.
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

// replyReset owes the reset that §3.5.2 gives to a segment outside any connection.
func (c *Conn) replyReset(s *Segment) {
	if r, ok := Reset(s); ok {
		c.pending.replySeq, c.pending.replyAck, c.pending.replyFlags, c.pending.hasReply = r.Seq, r.Ack, r.Flags, true
	}
}
