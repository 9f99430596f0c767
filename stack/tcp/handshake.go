package tcp

import (
	"math/bits"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// receiveListen processes a segment in LISTEN (RFC 9293 §3.10.7.2). It drops a SYN with FIN, which only port scanners
// send, since T/TCP is historic. Deviates: the text of a SYN is dropped and not queued until ESTABLISHED, so the peer
// retransmits it. The peer's address may be forged, and only Fast Open could verify it (RFC 7413 §3).
func (c *Conn) receiveListen(now clock.Instant, s *Segment) drop.Reason {
	switch {
	case s.Flags&wire.RST != 0:
		return drop.TCPBadReset
	case s.Flags&wire.ACK != 0:
		c.replyReset(s)
		return drop.TCPBadAck
	case s.Flags&wire.SYN == 0:
		return drop.TCPBadState
	case s.Flags&wire.FIN != 0:
		return drop.BadFlags
	}
	c.count(EventPassiveOpen)
	c.processSYN(now, s)
	c.pending.syn = true
	c.at.awaitingSince = now
	c.setState(SynReceived)
	return drop.None
}

// receiveSynSent processes a segment in SYN-SENT (RFC 9293 §3.10.7.3). An unacceptable ACK is answered by a RST, which
// ends the peer's half-open connection (§3.5.1). The text of a SYN without ACK is dropped, as in LISTEN, since the
// source address may be forged. The text of a SYN-ACK is accepted.
func (c *Conn) receiveSynSent(now clock.Instant, s *Segment) drop.Reason {
	ack := s.Flags&wire.ACK != 0
	if ack && (s.Ack.LessEq(c.snd.iss) || c.snd.max.Less(s.Ack)) {
		c.replyReset(s)
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
	c.processSYN(now, s)
	if !ack { // simultaneous open (RFC 9293 §3.5): the answer is a SYN-ACK
		c.setState(SynReceived)
		c.pending.syn = true
		return drop.None
	}
	c.pending.syn = false
	c.pending.ack = true
	c.establish(now)
	c.ackProgress(now, s)
	c.cutToWindow(s)
	c.storeText(now, s.Seq, s.Payload, s.Segments())
	c.checkURG(s)
	c.checkFIN(now, s)
	return drop.None
}

// processSYN records the sequence number, the window and the options (RFC 9293 §3.2) of the peer's SYN.
func (c *Conn) processSYN(now clock.Instant, s *Segment) {
	r, o := &c.rcv, &s.Options
	r.irs, r.nxt = s.Seq, s.Seq.Add(1)
	c.ts.ackSent = r.nxt // text may arrive before our answer has been sent
	r.windowEdge = r.nxt.Add(min(r.buf.Limit(), 0xffff))
	r.synWindowRest = int32(max(0, r.buf.Limit()-0xffff))
	mss := defaultMSS
	if c.rcv.ipv6 {
		mss = defaultMSS6
	}
	if o.MSS != 0 {
		mss = int(o.MSS)
	}
	mss = min(max(mss, minMSS), int(r.mss))
	if o.HasWindowScale {
		c.snd.wscale = min(o.WindowScale, 14)
	} else {
		r.wscale, r.scaled, r.synWindowRest = 0, false, 0
	}
	if c.ts.on = c.ts.on && o.HasTimestamps; c.ts.on {
		c.ts.recent, c.ts.recentAt = o.TSVal, now
	}
	c.sack = c.sack && o.SACKPermitted
	c.negotiateECN(s)
	c.snd.maxSegment = uint16(mss)
	c.setMSS(c.sendMSS())
	c.setWindow(s, 0) // the window in a SYN is never scaled (RFC 7323 §2.2)
}

// establish enters ESTABLISHED. If the application has closed already, it then enters FIN-WAIT-1.
func (c *Conn) establish(now clock.Instant) {
	if c.rtt.backoffs > 0 { // the SYN was retransmitted, so its round trip gives no sample (Karn's algorithm)
		c.rtt.rto = min(rtoAfterLostSYN, c.cfg.rtoMax()) // RFC 6298 §5.7
		c.cong.Cwnd = c.cong.MSS                         // RFC 5681 §3.1
	}
	c.setState(Established)
	c.rcv.rttRound = rttRound{began: now, stamp: c.ts.value(now)}
	c.at.awaitingSince = clock.Never
	c.armKeepAlive(now)
	if c.snd.closed {
		c.setState(FinWait1)
	}
}

// emitSYN fills in a SYN or a SYN-ACK (RFC 9293 §3.5). Its window is not scaled (RFC 7323 §2.2).
func (c *Conn) emitSYN(now clock.Instant, s *Segment) {
	v, r := &c.snd, &c.rcv
	c.pending.syn = false
	s.Seq, s.Flags = v.iss, wire.SYN
	if c.state == SynSent {
		c.requestECN(s)
	}
	s.Options.MSS, s.Options.SACKPermitted = uint16(min(r.mss, 0xffff)), c.sack
	if r.scaled {
		s.Options.WindowScale, s.Options.HasWindowScale = r.wscale, true
	}
	c.ts.put(now, &s.Options)
	s.Window = c.advertiseWindow(true)
	if c.state == SynReceived {
		s.Flags |= wire.ACK
		s.Ack = r.nxt
		if c.usesECN() {
			s.Flags |= wire.ECE
		}
		c.noteACKSent()
	}
	if v.max == v.iss {
		v.timedAt, v.timedSeq = now, v.iss.Add(1)
	} else {
		v.timedAt = clock.Never
		c.retrans++
		c.count(EventRetrans)
	}
	v.nxt = v.iss.Add(1)
	v.max = v.nxt
	c.at.noteAwaiting(now)
	c.ensureRTO(now) // does not restart a running timer, or a peer that retransmits its SYN could keep us from timing out
}

// scaleFor returns the smallest window scale that can express a buffer of n octets (RFC 7323 §2.3).
func scaleFor(n int) uint8 {
	return uint8(min(14, max(0, bits.Len(uint(n))-16)))
}
