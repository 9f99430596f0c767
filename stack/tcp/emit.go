package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// action is the kind of the next segment, in the order in which Emit prefers them.
type action uint8

// The actions, with their sections of RFC 9293 where no other RFC is named.
const (
	nothing         action = iota
	sendReply              // RST to a segment outside of any connection, §3.5.2
	sendReset              // RST of an abort, §3.10.5
	sendSYN                // SYN or SYN-ACK, §3.5
	sendDupAck             // ACK for one segment out of order, RFC 5681 §4.2
	sendTLP                // tail loss probe, RFC 8985 §7.3
	sendRetransmit         // retransmission of the first lost segment, RFC 5681 §3.2
	sendMTUProbe           // probe of the path MTU, RFC 4821 §7.4
	sendData               // new data, subject to the windows, Nagle and silly window avoidance, §3.7.4, §3.8.6.2.1
	sendWindowProbe        // zero-window probe, §3.8.6.1
	sendKeepAlive          // keep-alive, §3.8.4
	sendAck                // ACK or window update, §3.8.6.2.2, §3.8.6.3
)

// Ready runs the timers that are due and reports whether Emit would return a segment.
func (c *Conn) Ready(now clock.Instant) bool {
	c.tick(now)
	a, _ := c.next(min(c.snd.mss, int(c.snd.callerRoom)))
	if a == nothing {
		c.armIdleTimers(now)
	}
	return a != nothing
}

// armIdleTimers sets the timers that run only while there is nothing to send, and records whether cwnd held data back.
func (c *Conn) armIdleTimers(now clock.Instant) {
	if c.state == Closed {
		return
	}
	c.armPersist(now)
	c.armRelease(now)
	c.noteCwndLimited()
	if c.cong.tlpStale {
		c.armTLP(now)
	}
}

// Emit writes the payload of the next segment into dst and fills in s, except for the ports. For the connection the
// segment is then sent. Emit returns the payload's length, which with the options is at most len(dst). A payload longer
// than one segment is a super-segment, with s.GSOSize set. With s.Lend set a long payload is lent in s.Lent, and dst is
// not written. ok is false if there is nothing to send.
func (c *Conn) Emit(now clock.Instant, dst []byte, s *Segment) (n int, ok bool) {
	c.tick(now)
	c.restartAfterIdle(now)
	room := len(dst)
	if c.ts.on {
		room -= stampLen
	}
	c.snd.callerRoom = uint16(max(0, min(room, maxMSS)))
	room = max(0, room-c.sackRoom())
	a, n := c.next(room)
	if a == nothing {
		c.armIdleTimers(now)
		return 0, false
	}
	c.segsOut++
	c.at.active = now
	*s = Segment{Lend: s.Lend}
	switch a {
	case sendReply:
		s.Seq, s.Ack, s.Flags = c.pending.replySeq, c.pending.replyAck, c.pending.replyFlags
		c.pending.hasReply = false
		if c.state != Closed && c.state != Listen && c.state != SynSent { // in these states timestamps are agreed on or refused
			c.ts.put(now, &s.Options)
		}
	case sendReset:
		s.Seq, s.Ack, s.Flags = c.bareSeq(), c.rcv.nxt, wire.RST|wire.ACK
		c.pending.reset = false
		c.ts.put(now, &s.Options) // RFC 7323 §3.2
	case sendSYN:
		c.emitSYN(now, s)
	case sendDupAck:
		c.pending.dupAcks--
		c.fillACK(now, s, c.bareSeq(), false)
	case sendTLP:
		from, _, _ := c.nextTLP(room)
		c.emitTLP(now, dst[:n], s, from)
	case sendRetransmit:
		c.emitRetransmit(now, dst[:n], s)
	case sendMTUProbe:
		c.emitMTUProbe(now, dst[:n], s)
	case sendData:
		c.emitData(now, dst[:n], s)
	case sendWindowProbe:
		c.emitWindowProbe(now, dst[:n], s)
	case sendKeepAlive:
		c.pending.keepAlive = false
		c.at.unanswered++
		c.at.noteAwaiting(now)
		c.count(EventKeepAlive)
		s.Probe = KeepAlive
		c.fillHeader(now, s, c.snd.max.Add(-1), false) // an old number, so that the peer drops the segment and answers it
	case sendAck:
		c.ackInSteps(now, s)
	}
	s.Payload = dst[:n]
	c.logState(now)
	return n, true
}

// next chooses the next segment without changing any state. n is the length of the segment's payload.
func (c *Conn) next(room int) (a action, n int) {
	v, o := &c.snd, &c.pending
	switch {
	case o.hasReply:
		return sendReply, 0
	case o.reset:
		return sendReset, 0
	case c.state == Closed || c.state == Listen:
		return nothing, 0
	case o.syn:
		return sendSYN, 0
	case c.state == SynSent:
		return nothing, 0
	case o.dupAcks > 0:
		return sendDupAck, 0
	case o.fastRetransmit && v.scoreboard == nil:
		n = min(c.effectiveMSS(), v.buf.Len(), max(0, v.max.Sub(v.dataStart())), room)
		if v.wnd > 0 {
			n = min(n, v.wnd)
		}
		if n > 0 || v.buf.Len() == 0 { // with n == 0 the segment is a FIN, which must follow all text
			return sendRetransmit, n
		}
	}
	if _, n, ok := c.nextTLP(room); ok {
		return sendTLP, n
	}
	if n, ok := c.nextRetransmit(room); ok {
		return sendRetransmit, n
	}
	if n, ok := c.nextMTUProbe(room); ok {
		return sendMTUProbe, n
	}
	if n, ok := c.nextData(room); ok {
		return sendData, n
	}
	switch {
	case o.windowProbe && c.inFlight() == 0 && c.unacknowledged() && room > 0:
		return sendWindowProbe, min(1, v.buf.Len())
	case o.keepAlive:
		return sendKeepAlive, 0
	case o.ack || c.windowUpdateDue():
		return sendAck, 0
	}
	return nothing, 0
}

// sending reports whether data and FIN may be sent in the current state.
func (c *Conn) sending() bool {
	switch c.state {
	case Established, CloseWait, FinWait1, Closing, LastAck:
		return true
	}
	return false
}

// nextData decides how many octets to send from SND.NXT on. In RFC 9293 §3.8.6.2.1's terms, d is D, the octets queued,
// and u is U, the octets that the windows allow. A result of 0 with ok means a FIN without data.
func (c *Conn) nextData(room int) (n int, ok bool) {
	v := &c.snd
	if !c.sending() {
		return 0, false
	}
	flight := v.nxt.Sub(v.una)
	d := v.dataEnd().Sub(v.nxt) // -1 after the FIN has been sent
	if d < 0 || d == 0 && !v.closed {
		return 0, false
	}
	if d == 0 {
		return 0, v.wnd > flight // a FIN uses the peer's window, but not the congestion window
	}
	if room <= int(v.maxSegment) || c.ecn != nil && c.ecn.sendCWR {
		room = min(room, c.effectiveMSS()) // not a super-segment: the windows allow no more, or CWR needs a single segment
	}
	u := min(v.wnd-flight, c.cong.Cwnd+c.limitedTransmit()-c.inFlight(), c.pacingAllowance())
	n = min(d, u, room)
	if n <= 0 {
		return 0, false
	}
	nagle, mss := c.nagle(), c.effectiveMSS()
	if n > mss && (n < d || nagle) { // the part beyond whole segments obeys the same rules as a segment of its own
		n -= n % mss
	}
	return n, c.worthSending(n, d, room, mss, nagle)
}

// emitData fills in a segment of len(p) octets from SND.NXT on. It adds the FIN if these are the last octets and the window has
// room for it.
func (c *Conn) emitData(now clock.Instant, p []byte, s *Segment) {
	v := &c.snd
	// The time of one round trip is subtracted, since the last segment was in flight for that long.
	if idle := c.restartAfterIdle(now) - c.rtt.srtt; idle > 0 && c.cong.ctl != nil {
		c.cong.ctl.Idle(idle)
	}
	c.pending.windowProbe = false
	c.emitText(now, p, s, v.nxt)
	v.nxt = v.max
	if end := s.Seq.Add(len(p)); end.Less(v.max) { // retransmission after SND.NXT was moved back
		v.nxt = end
		if s.Flags&wire.FIN != 0 {
			v.nxt = end.Add(1)
		}
	}
	if len(p)%c.effectiveMSS() != 0 {
		v.smallEnd = v.nxt
	}
	c.noteSent(now)
	c.spendPacing(now, len(p))
	c.ensureRTO(now)
	c.cong.tlpStale = true
}

// effectiveMSS returns Eff.snd.MSS of RFC 9293 §3.7.1 in octets: the payload of a segment of the full size with its
// present options.
func (c *Conn) effectiveMSS() int { return max(1, c.snd.mss-c.sackRoom()) }

// emitText fills in a segment with len(p) octets of the buffer from seq on, whether they are new or retransmitted. It
// returns the sequence number after them. The caller moves SND.NXT.
func (c *Conn) emitText(now clock.Instant, p []byte, s *Segment, seq wire.Seq) (end wire.Seq) {
	v := &c.snd
	again, mss := seq.Less(v.max), c.effectiveMSS()
	c.noteFullSize(seq, len(p))
	end = c.putText(now, p, s, seq, false)
	switch {
	case again:
		segs := max(1, (len(p)+mss-1)/mss)
		c.retrans += int32(segs)
		c.countN(EventRetrans, segs)
		v.timedAt, v.retransmittedAt = clock.Never, now // Karn's algorithm: retransmissions are not timed
	case v.timedAt == clock.Never:
		v.timedAt, v.timedSeq = now, end
		fallthrough
	default:
		s.Payload = p
		c.setECT(s)
	}
	if len(p) > mss {
		s.GSOSize = mss
	}
	v.bytesSent += uint64(len(p))
	if v.scoreboard != nil && c.cong.inRecovery {
		v.scoreboard.prr.out += end.Sub(seq)
	}
	c.at.sent = now
	c.at.noteAwaiting(now)
	return end
}

// putText fills in a segment from the buffer and advances SND.MAX. It adds the FIN if the FIN is next and the window
// has room for it. With force it adds the FIN in any case. It returns the sequence number after the segment.
func (c *Conn) putText(now clock.Instant, p []byte, s *Segment, seq wire.Seq, force bool) wire.Seq {
	v := &c.snd
	c.fillACK(now, s, seq, len(p) > 0)
	if off := seq.Sub(v.dataStart()); s.Lend && len(p) >= lendLeast {
		s.Lent[0], s.Lent[1] = v.buf.View(off, len(p))
	} else {
		v.buf.Peek(off, p)
	}
	end := seq.Add(len(p))
	if end == v.dataEnd() {
		if len(p) > 0 {
			s.Flags |= wire.PSH
		}
		if v.closed && (v.finSent || force || end.Sub(v.una) < v.wnd) {
			s.Flags |= wire.FIN
			v.finSent = true
			end = end.Add(1)
		}
	}
	v.max = wire.MaxSeq(v.max, end)
	return end
}

// bareSeq returns the sequence number of a segment without text. That is SND.MAX, so that the peer does not drop the
// segment as old. There is one exception: after a zero-window probe that the peer has answered without accepting its
// octet, it is SND.UNA. SND.MAX then lies outside the peer's window. Before that answer SND.MAX is needed, because if
// both ends used SND.UNA, each would drop the other's segments as old.
func (c *Conn) bareSeq() wire.Seq {
	v := &c.snd
	if v.wnd == 0 && v.nxt == v.una && v.max == v.una.Add(1) && c.at.unanswered == 0 {
		return v.una
	}
	return v.max
}

// fillHeader fills in the header and the options that every segment has after the handshake. It leaves a pending ACK
// pending.
func (c *Conn) fillHeader(now clock.Instant, s *Segment, seq wire.Seq, text bool) {
	s.Seq, s.Ack, s.Flags, s.Window = seq, c.rcv.nxt, wire.ACK, c.advertiseWindow(false)
	if c.ecn != nil && c.ecn.sendECE {
		s.Flags |= wire.ECE
	}
	c.ts.put(now, &s.Options)
	c.putSACK(&s.Options, text)
}
