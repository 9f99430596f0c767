package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Receive is SEGMENT ARRIVES (RFC 9293 §3.10.7). It records the answer that Emit must send. It returns drop.None if the segment
// was useful, otherwise the reason why it was not, whether or not it is answered. A probe that is answered was useful: Receive
// names it in s.Probe. Receive copies the payload, and cuts s to the window.
func (c *Conn) Receive(now clock.Instant, s *Segment) drop.Reason {
	s.Probe = c.probeOf(s)
	r := c.segmentArrives(now, s)
	if s.Probe != NoProbe {
		r = c.acceptProbe(s, r)
	}
	c.logState(now)
	return r
}

// segmentArrives is Receive without the log.
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

// receiveClosed processes a segment in CLOSED (RFC 9293 §3.10.7.1): it answers every segment but a RST by a RST.
func (c *Conn) receiveClosed(s *Segment) drop.Reason {
	c.replyReset(s)
	return drop.NoSocket
}

// receiveSynchronized performs the eight steps of RFC 9293 §3.10.7.4 in SYN-RECEIVED and the synchronised states.
func (c *Conn) receiveSynchronized(now clock.Instant, s *Segment) drop.Reason {
	if c.state == SynReceived && s.Flags&wire.SYN != 0 && s.Seq == c.rcv.irs && s.Flags&wire.RST == 0 {
		if s.Flags&wire.ACK == 0 { // the peer retransmits its SYN because our SYN-ACK was lost
			c.pending.syn = true
			c.ts.update(now, s.Seq, &s.Options)
			return drop.TCPDuplicate
		}
		if s.Ack == c.snd.max { // simultaneous open (RFC 9293 §3.5, figure 7): the SYN is known, so the rest of the segment is an ACK
			c.pending.ack = true
			s.Flags &^= wire.SYN
			s.Seq = s.Seq.Add(1)
			s.Window >>= c.snd.wscale // the window in a SYN is never scaled (RFC 7323 §2.2)
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
		c.pending.ack = true // the octets cut off beyond the window may be a window probe, which must be answered
	}
	c.checkURG(s)
	if r := c.checkText(now, s); r != drop.None && (r != drop.TCPDuplicate || s.Flags&wire.FIN == 0) {
		return r // the FIN may be new even if the text was received before, out of order
	}
	if text && len(s.Payload) == 0 && s.Flags&wire.FIN == 0 {
		return drop.TCPOutOfWindow // all text of the segment lay beyond the window
	}
	return c.checkFIN(now, s)
}

// checkURG records the urgent pointer (RFC 9293 §3.10.7.4, sixth step, and §3.8.5). Urgent data stays in line
// (RFC 6093).
func (c *Conn) checkURG(s *Segment) {
	if s.Flags&wire.URG == 0 || c.rcv.fin {
		return
	}
	if up := s.Seq.Add(int(s.Urgent)); !c.rcv.urgent || c.rcv.up.Less(up) {
		c.rcv.up, c.rcv.urgent = up, true
	}
}
