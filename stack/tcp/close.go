package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// checkFIN processes a FIN (RFC 9293 §3.10.7.4, eighth step). The peer's FIN takes effect when everything before it has
// been received.
func (c *Conn) checkFIN(now clock.Instant, s *Segment) drop.Reason {
	r := &c.rcv
	if s.Flags&wire.FIN != 0 {
		if reason := c.noteFIN(s); reason != drop.None {
			c.pending.ack = true
			return reason
		}
	}
	if !r.fin || r.eof || r.nxt != r.finSeq {
		return drop.None
	}
	r.eof = true
	r.nxt = r.nxt.Add(1)
	r.base++
	r.windowEdge = wire.MaxSeq(r.windowEdge, r.nxt)
	c.pending.ack = true
	c.pending.dupAcks = 0
	switch c.state {
	case Established:
		c.setState(CloseWait)
	case FinWait1: // our FIN is unacknowledged, or checkACK would have entered FIN-WAIT-2
		c.setState(Closing)
	case FinWait2:
		c.enterTimeWait(now)
	}
	return drop.None
}

// noteFIN records where the peer's stream ends. It drops a second FIN at another place, and a FIN before octets already
// received: no honest peer sends either.
func (c *Conn) noteFIN(s *Segment) drop.Reason {
	r := &c.rcv
	at := s.Seq.Add(len(s.Payload))
	if r.fin {
		if at != r.finSeq {
			return drop.TCPBadState
		}
	} else if k := r.ooo.Len(); k > 0 && r.ooo.At(k-1).Hi > r.base+int64(at.Sub(r.nxt)) {
		return drop.TCPBadState
	}
	r.fin, r.finSeq = true, at
	if at != r.nxt && len(s.Payload) == 0 { // with text in front of the FIN, checkText has made an ACK pending already
		c.scheduleDupACK()
	}
	return drop.None
}

// finAcked reports whether our FIN has been sent and acknowledged.
func (c *Conn) finAcked() bool {
	v := &c.snd
	return v.finSent && v.una == v.max
}

// advanceOurClose changes the state after our FIN has been acknowledged (RFC 9293 §3.10.7.4, fifth step).
func (c *Conn) advanceOurClose(now clock.Instant) {
	switch c.state {
	case FinWait1:
		c.setState(FinWait2)
		if c.rcv.closed {
			c.at.timeWait = now.Add(finWait2Timeout)
		}
	case Closing:
		c.enterTimeWait(now)
	case LastAck:
		c.close()
	}
}
