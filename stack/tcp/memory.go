package tcp

import "smolsh/stack/wire"

// Memory is how many octets the connection's buffers have storage for, and how many of those received lie
// beyond a gap.
func (c *Conn) Memory() (storage, early int) {
	g := c.rcv.early
	for k := range g.Len() {
		early += g.At(k).Len()
	}
	return c.snd.buf.Allocated() + c.rcv.buf.Allocated(), early
}

// SendRoom is how many octets Write takes without the send buffer growing beyond storage octets.
func (c *Conn) SendRoom(storage int) int {
	b := &c.snd.buf
	return min(c.Writable(), max(0, max(storage, b.Allocated())-b.Len()))
}

// Confine cuts off the text of s that the receive buffer has no storage for and that is not within its first
// storage octets; all of it when it would have to wait beyond a gap and may not. It reports whether anything was
// cut: with it goes a FIN, and the peer sends both again. Only for connections that are synchronised.
func (c *Conn) Confine(s *Segment, storage int, mayWait bool) bool {
	if s.Flags&(wire.SYN|wire.RST) != 0 || len(s.Payload) == 0 {
		return false
	}
	r := &c.rcv
	room := max(storage, r.buf.Allocated()) - r.buf.Len() - s.Seq.Sub(r.nxt)
	if r.nxt.Less(s.Seq) && !mayWait {
		room = 0
	}
	if room >= len(s.Payload) {
		return false
	}
	s.Payload = s.Payload[:max(0, room)]
	s.Flags &^= wire.FIN
	return true
}
