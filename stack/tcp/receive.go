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
	r := c.arrives(now, s)
	c.note(now)
	return r
}

func (c *Conn) arrives(now clock.Instant, s *Segment) drop.Reason {
	c.segsIn++
	switch c.state {
	case Closed:
		return c.receiveClosed(s)
	case Listen:
		return c.receiveListen(now, s)
	case SynSent:
		return c.receiveSynSent(now, s)
	}
	c.at.heard(now, c)
	return c.receiveSynchronized(now, s)
}

// receiveClosed is §3.10.7.1: everything but a reset is answered by one.
func (c *Conn) receiveClosed(s *Segment) drop.Reason {
	c.refuse(s)
	return drop.NoSocket
}

// refuse owes the reset that §3.5.2 gives to a segment outside any connection.
func (c *Conn) refuse(s *Segment) {
	if r, ok := Reset(s); ok {
		c.owe.replySeq, c.owe.replyAck, c.owe.replyFlags, c.owe.hasReply = r.Seq, r.Ack, r.Flags, true
	}
}

// receiveListen is §3.10.7.2. A SYN with FIN is dropped: no one means it (it is a scanner's), and T/TCP,
// which did, is historic. Deviates: text that comes with the SYN is not queued until ESTABLISHED but dropped,
// and the peer retransmits it: its address may be forged, and only Fast Open tells (RFC 7413 §3).
func (c *Conn) receiveListen(now clock.Instant, s *Segment) drop.Reason {
	switch {
	case s.Flags&wire.RST != 0:
		return drop.TCPBadReset
	case s.Flags&wire.ACK != 0:
		c.refuse(s)
		return drop.TCPBadAck
	case s.Flags&wire.SYN == 0:
		return drop.TCPBadState
	case s.Flags&wire.FIN != 0:
		return drop.BadFlags
	}
	c.count(EventPassiveOpen)
	c.takeSYN(now, s)
	c.owe.syn = true
	c.at.waiting = now
	c.setState(SynReceived)
	return drop.None
}

// receiveSynSent is §3.10.7.3. A SYN without ACK may come from a forged address: like a listener, we neither
// keep nor acknowledge its text. One that acknowledges ours completes the handshake, and its text counts.
func (c *Conn) receiveSynSent(now clock.Instant, s *Segment) drop.Reason {
	ack := s.Flags&wire.ACK != 0
	if ack && (s.Ack.LessEq(c.snd.iss) || c.snd.max.Less(s.Ack)) {
		c.refuse(s)
		return drop.TCPBadAck
	}
	if s.Flags&wire.RST != 0 {
		if !ack {
			return drop.TCPBadReset
		}
		c.count(EventAttemptFail)
		c.fail(ErrRefused, false)
		return drop.None
	}
	if s.Flags&wire.SYN == 0 {
		return drop.TCPBadState
	}
	c.takeSYN(now, s)
	if !ack { // simultaneous open: our SYN goes again, now with an acknowledgement
		c.setState(SynReceived)
		c.owe.syn = true
		return drop.None
	}
	c.owe.syn = false
	c.owe.ack = true
	c.establish(now)
	c.ackProgress(now, s)
	c.cutToWindow(s)
	c.acceptText(now, s.Seq, s.Payload, s.Segments())
	c.checkURG(s)
	c.checkFIN(now, s)
	return drop.None
}

// takeSYN takes the peer's sequence number and options in.
func (c *Conn) takeSYN(now clock.Instant, s *Segment) {
	r, o := &c.rcv, &s.Options
	r.irs, r.nxt = s.Seq, s.Seq.Add(1)
	c.ts.ackSent = r.nxt // text may come before our answer has been sent
	r.adv = r.nxt.Add(min(r.buf.Limit(), 0xffff))
	r.slack = int32(max(0, r.buf.Limit()-0xffff))
	mss := defaultMSS
	if o.MSS != 0 {
		mss = int(o.MSS)
	}
	mss = min(max(mss, minMSS), int(r.mss))
	if o.HasWindowScale {
		c.snd.wscale = min(o.WindowScale, 14)
	} else {
		r.wscale, r.scaled, r.slack = 0, false, 0
	}
	if c.ts.on = c.ts.on && o.HasTimestamps; c.ts.on {
		c.ts.recent, c.ts.recentAt = o.TSVal, now
	}
	c.sack = c.sack && o.SACKPermitted
	c.takeECN(s)
	c.snd.most = uint16(mss)
	c.setMSS(c.fit())
	c.setWindow(s, 0) // the window of a SYN is not scaled (RFC 7323 §2.2)
}

// establish enters ESTABLISHED, and goes on at once when the application has closed in the meantime.
func (c *Conn) establish(now clock.Instant) {
	if c.rtt.backoffs > 0 { // the SYN was lost, so there is no sample either (Karn)
		c.rtt.rto = min(rtoAfterLostSYN, c.cfg.rtoMax()) // RFC 6298 §5.7
		c.cong.Cwnd = c.cong.MSS                         // RFC 5681 §3.1
	}
	c.setState(Established)
	c.rcv.round = round{began: now, stamp: c.ts.value(now)}
	c.at.waiting = clock.Never
	c.armKeepAlive(now)
	if c.snd.closed {
		c.setState(FinWait1)
	}
}

// receiveSynchronized is §3.10.7.4: one pipeline for SYN-RECEIVED and the synchronised states.
func (c *Conn) receiveSynchronized(now clock.Instant, s *Segment) drop.Reason {
	if c.state == SynReceived && s.Flags&wire.SYN != 0 && s.Seq == c.rcv.irs && s.Flags&wire.RST == 0 {
		if s.Flags&wire.ACK == 0 { // the peer's SYN again: our answer was lost
			c.owe.syn = true
			c.ts.take(now, s.Seq, &s.Options)
			return drop.TCPDuplicate
		}
		if s.Ack == c.snd.max { // both SYNs crossed (§3.5 figure 7): what is left of it is an ACK
			c.owe.ack = true
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
	c.takeStamp(now, first, s)
	c.noteMark(s)
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
		c.owe.ack = true // what lay beyond the window was cut off; a probe of it wants its answer
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

// trimFront takes n numbers off the front of a segment's sequence space.
func (s *Segment) trimFront(n int) {
	s.Seq = s.Seq.Add(n)
	if int(s.Urgent) <= n {
		s.Flags &^= wire.URG
	}
	s.Urgent -= uint16(min(n, int(s.Urgent)))
	if s.Flags&wire.SYN != 0 {
		s.Flags &^= wire.SYN
		n--
	}
	s.Payload = s.Payload[min(n, len(s.Payload)):]
}

// answerUnacceptable owes an ACK for a segment outside the window, never for a reset. What
// no peer repeats, since it holds nothing or lies more than a window away, is answered at a bounded rate: two
// ends that disagree would answer each other for ever, and who forges it would have us answer the peer.
func (c *Conn) answerUnacceptable(now clock.Instant, s *Segment) {
	if s.Flags&wire.RST != 0 {
		return
	}
	if c.state == TimeWait && s.Flags&wire.FIN != 0 && s.Seq.Add(s.Len()) == c.rcv.nxt {
		c.at.timeWait = now.Add(max(0, c.cfg.TimeWait)) // the peer's FIN again: step eight restarts 2 MSL
	}
	r, end := &c.rcv, s.Seq.Add(s.Len())
	honest := s.Len() > 0 && s.Flags&wire.SYN == 0 && s.Seq.LessEq(r.adv) && r.nxt.Add(-r.buf.Limit()).LessEq(end)
	if !honest && !c.mayChallenge(now) {
		return
	}
	c.owe.ack = true
}

// challengeACK owes RFC 5961's challenge for a segment that may be forged.
func (c *Conn) challengeACK(now clock.Instant) {
	if c.mayChallenge(now) {
		c.count(EventChallengeAck)
		c.owe.ack = true
	}
}

// mayChallenge asks the connection's budget, then the host's, which all connections share (RFC 5961 §7).
func (c *Conn) mayChallenge(now clock.Instant) bool {
	return c.challenge.take(now) && (c.hooks == nil || c.hooks.Challenge == nil || c.hooks.Challenge(now))
}

// checkReset is step two, with RFC 5961 §3: only a reset at exactly RCV.NXT is believed. first is its own number:
// text that reaches from before RCV.NXT over it must not make a guess good.
func (c *Conn) checkReset(now clock.Instant, first wire.Seq) drop.Reason {
	if first != c.rcv.nxt {
		c.challengeACK(now)
		return drop.TCPBadReset
	}
	switch c.state {
	case TimeWait: // the answer to an old duplicate must not end it before its time (RFC 1337, fix F1)
		return drop.TCPBadReset
	case SynReceived:
		c.count(EventAttemptFail)
		if c.passive {
			c.fail(ErrReset, false) // back to LISTEN: the listener lives on without us
		} else {
			c.fail(ErrRefused, false)
		}
	case Established, FinWait1, FinWait2, CloseWait:
		c.count(EventEstabReset)
		c.fail(ErrReset, false)
	default: // CLOSING, LAST-ACK
		if c.snd.buf.Len() > 0 {
			c.fail(ErrReset, false) // the peer may have lost what it has not acknowledged
			break
		}
		c.close() // only our FIN was not acknowledged
	}
	return drop.None
}

// checkSYN is step four. A passive connection that is not yet synchronised goes back to LISTEN; all
// others send a challenge ACK whatever the sequence number (RFC 5961 §4), and so does that one for a SYN, at first,
// that lies before the window, into which only its text reaches.
func (c *Conn) checkSYN(now clock.Instant, first wire.Seq) drop.Reason {
	if c.state == SynReceived && c.passive && c.rcv.nxt.LessEq(first) {
		c.count(EventAttemptFail)
		c.fail(ErrReset, false)
		return drop.TCPBadSYN
	}
	c.challengeACK(now)
	return drop.TCPBadSYN
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

// checkFIN is step eight: the peer's FIN takes effect when everything before it has come.
func (c *Conn) checkFIN(now clock.Instant, s *Segment) drop.Reason {
	r := &c.rcv
	if s.Flags&wire.FIN != 0 {
		if reason := c.noteFIN(s); reason != drop.None {
			c.owe.ack = true
			return reason
		}
	}
	if !r.fin || r.eof || r.nxt != r.finSeq {
		return drop.None
	}
	r.eof = true
	r.nxt = r.nxt.Add(1)
	r.base++
	r.adv = wire.MaxSeq(r.adv, r.nxt)
	c.owe.ack = true
	c.owe.dupAcks = 0
	switch c.state {
	case Established:
		c.setState(CloseWait)
	case FinWait1: // our FIN is not acknowledged, or checkACK would have moved on
		c.setState(Closing)
	case FinWait2:
		c.enterTimeWait(now)
	}
	return drop.None
}

// noteFIN remembers where the peer's stream ends. It ends once: a FIN elsewhere, or before octets that
// have come, is nothing an honest peer sends.
func (c *Conn) noteFIN(s *Segment) drop.Reason {
	r := &c.rcv
	at := s.Seq.Add(len(s.Payload))
	if r.fin {
		if at != r.finSeq {
			return drop.TCPBadState
		}
	} else if k := r.early.Len(); k > 0 && r.early.At(k-1).Hi > r.base+int64(at.Sub(r.nxt)) {
		return drop.TCPBadState
	}
	r.fin, r.finSeq = true, at
	if at != r.nxt && len(s.Payload) == 0 { // with text, that has owed one already
		c.oweDupAck()
	}
	return drop.None
}

func (c *Conn) enterTimeWait(now clock.Instant) {
	ack := c.owe.ack
	c.setState(TimeWait)
	c.at = noTimers
	c.owe = intents{ack: ack}
	c.at.timeWait = now.Add(max(0, c.cfg.TimeWait))
	c.snd.buf.Drop()
	c.snd.board, c.rcv.early = nil, nil
}
