package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Receive is SEGMENT ARRIVES (RFC 9293 §3.10.7). It records what is owed and sends nothing. drop.None
// says that the segment was of use; any other reason says why it was not, whether or not it is answered.
// The payload is copied; s is cut to the window on the way.
func (c *Conn) Receive(now clock.Instant, s *Segment) drop.Reason {
	r := c.segmentArrives(now, s)
	c.logState(now)
	return r
}

func (c *Conn) segmentArrives(now clock.Instant, s *Segment) drop.Reason {
	c.segsIn++
	switch c.state {
	case Closed:
		return c.receiveClosed(s)
	case Listen:
		return c.receiveListen(now, s)
	case SynSent:
		return c.receiveSynSent(now, s)
	}
	c.at.noteReceived(now, c)
	return c.receiveSynchronized(now, s)
}

// receiveClosed is §3.10.7.1: everything but a reset is answered by one.
func (c *Conn) receiveClosed(s *Segment) drop.Reason {
	c.replyReset(s)
	return drop.NoSocket
}

// receiveSynchronized is §3.10.7.4: one pipeline for SYN-RECEIVED and the synchronised states.
func (c *Conn) receiveSynchronized(now clock.Instant, s *Segment) drop.Reason {
	if c.state == SynReceived && s.Flags&wire.SYN != 0 && s.Seq == c.rcv.irs && s.Flags&wire.RST == 0 {
		if s.Flags&wire.ACK == 0 { // the peer's SYN again: our answer was lost
			c.pending.syn = true
			c.ts.update(now, s.Seq, &s.Options)
			return drop.TCPDuplicate
		}
		if s.Ack == c.snd.max { // both SYNs crossed (§3.5 figure 7): what is left of it is an ACK
			c.pending.ack = true
			s.Flags &^= wire.SYN
			s.Seq = s.Seq.Add(1)
			s.Window >>= c.snd.wscale // that of a SYN is not scaled (RFC 7323 §2.2)
		}
	}
	text, end := len(s.Payload) > 0, s.Seq.Add(s.Len())
	if r := c.ts.check(now, s); r != drop.None {
		if r == drop.TCPOldTimestamp {
			c.answerUnacceptable(now, s)
		}
		return r
	}
	first, syn := s.Seq, s.Flags&wire.SYN != 0
	if r := c.checkSequence(now, s); r != drop.None {
		return r
	}
	c.updateTSRecent(now, first, s)
	c.checkCE(s)
	if s.Flags&wire.RST != 0 {
		return c.checkReset(now, first)
	}
	if syn {
		return c.checkSYN(now, first)
	}
	if r := c.checkACK(now, s); r != drop.None || c.state == Closed {
		return r
	}
	if s.Seq.Add(s.Len()) != end {
		c.pending.ack = true // what lay beyond the window was cut off; a probe of it wants its answer
	}
	c.checkURG(s)
	if r := c.checkText(now, s); r != drop.None && (r != drop.TCPDuplicate || s.Flags&wire.FIN == 0) {
		return r // a FIN may be news though its text, waiting beyond a gap, is not
	}
	if text && len(s.Payload) == 0 && s.Flags&wire.FIN == 0 {
		return drop.TCPOutOfWindow // all of its text was cut off
	}
	return c.checkFIN(now, s)
}

// checkURG is step six: the pointer is recorded, the data stays in line (RFC 6093).
func (c *Conn) checkURG(s *Segment) {
	if s.Flags&wire.URG == 0 || c.rcv.fin {
		return
	}
	if up := s.Seq.Add(int(s.Urgent)); !c.rcv.urgent || c.rcv.up.Less(up) {
		c.rcv.up, c.rcv.urgent = up, true
	}
}
