package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// checkText stores the segment's text in the receive buffer (RFC 9293 §3.10.7.4, seventh step). The text is already cut
// to the window.
func (c *Conn) checkText(now clock.Instant, s *Segment) drop.Reason {
	if len(s.Payload) == 0 {
		return drop.None
	}
	switch c.state {
	case Established, FinWait1, FinWait2:
	default: // no text may follow the peer's FIN; in TIME-WAIT such text is an old duplicate (RFC 1337 §2)
		c.pending.ack = true
		return drop.TCPBadState
	}
	if c.rcv.fin && c.rcv.finSeq.Less(s.Seq.Add(len(s.Payload))) {
		c.pending.ack = true
		return drop.TCPBadState
	}
	if c.rcv.closed { // the application has closed and will not read the data: abort (RFC 1122 §4.2.2.13, RFC 2525 §2.17)
		c.count(EventAbortOnData)
		c.fail(ErrAborted, true)
		return drop.TCPClosedRecv
	}
	if c.readShut && c.snd.closed { // so has an application that has shut both halves; Linux reports the reset to it
		c.count(EventAbortOnData)
		c.fail(ErrReset, true)
		return drop.TCPClosedRecv
	}
	c.tuneReceive(now, &s.Options)
	return c.storeText(now, s.Seq, s.Payload, s.Segments())
}

// storeText stores the octets p of segs segments, which start at seq inside the window. Octets at RCV.NXT become
// readable, together with the octets after them that were received out of order. Octets beyond a gap are kept.
func (c *Conn) storeText(now clock.Instant, seq wire.Seq, p []byte, segs int) drop.Reason {
	if len(p) == 0 {
		return drop.None
	}
	r := &c.rcv
	gap := seq.Sub(r.nxt)
	off := r.base + int64(gap)
	if gap > 0 {
		return c.storeOutOfOrder(seq, p)
	}
	r.buf.PutAt(r.buf.Len(), p)
	n := len(p)
	if r.ooo.Len() > 0 {
		c.noteOverlap(seq, n)
		n = c.joinOutOfOrder(off, n)
	}
	r.buf.Extend(n)
	r.base += int64(n)
	r.nxt = r.nxt.Add(n)
	if r.urgent && r.nxt.Sub(r.up) > 1<<30 {
		r.urgent = false // the urgent pointer is forgotten before sequence numbers wrap, or it would seem to lie ahead again
	}
	c.scheduleACK(now, n, segs, n > len(p))
	return drop.None
}
