package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// checkACK processes a segment's acknowledgement number (RFC 9293 §3.10.7.4, fifth step). It first checks the number's
// range (RFC 5961 §5).
func (c *Conn) checkACK(now clock.Instant, s *Segment) drop.Reason {
	if s.Flags&wire.ACK == 0 {
		return drop.TCPNoAck
	}
	v := &c.snd
	if c.state == SynReceived {
		if s.Ack.LessEq(v.una) || v.max.Less(s.Ack) {
			c.replyReset(s)
			return drop.TCPBadAck
		}
		c.pending.syn = false
		c.setWindow(s, v.wscale)
		c.establish(now)
	}
	if !c.acceptableACK(s.Ack) {
		c.challengeACK(now)
		return drop.TCPBadAck
	}
	if c.state == TimeWait {
		return drop.None // in TIME-WAIT nothing is in flight that the ACK could acknowledge
	}
	c.at.noteAcked()
	c.checkECE(now, s)
	switch {
	case v.scoreboard != nil && v.una.LessEq(s.Ack):
		c.ackSelective(now, s)
	case v.una.Less(s.Ack):
		c.ackNew(now, s)
	case s.Ack == v.una:
		if c.isDuplicateACK(s) {
			c.ackDuplicate(now)
		}
		c.updateWindow(s)
	}
	if c.finAcked() {
		c.advanceOurClose(now)
	}
	return drop.None
}

// ackProgress moves SND.UNA to the segment's ACK, removes the acknowledged octets from the buffer and returns their
// number. It takes a round-trip sample from a segment that was sent once. After a retransmission, which ends the measurement of such a
// segment, the sample comes from the echoed timestamp instead (RFC 6298 §3, RFC 7323 §4.1). Otherwise the timestamp gives none: its ticks
// are longer than many round trips.
func (c *Conn) ackProgress(now clock.Instant, s *Segment) int {
	v, ack := &c.snd, s.Ack
	switch {
	case v.timedAt != clock.Never && v.timedSeq.LessEq(ack):
		rtt := c.limitByEcho(now, s, now.Sub(v.timedAt))
		c.rtt.sample(rtt, c.cfg)
		if !c.sack { // RACK takes the smallest of others, without the handshake's short segments
			c.rtt.updateMinRTT(now, max(1, rtt))
		}
		v.timedAt = clock.Never
	case v.timedAt != clock.Never && !c.rtt.backedOff:
	case v.una != v.iss && c.retransmittedLately(now): // no sample from the ACK of our SYN: if that ACK was lost, data brings the same echo much later
		c.sampleEcho(now, s)
	}
	n := ack.Sub(v.dataStart())
	v.una = ack
	n = min(max(n, 0), v.buf.Len())
	v.buf.Discard(n)
	v.nxt = wire.MaxSeq(v.nxt, ack)
	// smallEnd and recover follow SND.UNA. Otherwise they would seem to lie ahead of SND.UNA once it has moved 2 GiB.
	v.smallEnd = wire.MaxSeq(v.smallEnd, ack)
	if g := &c.cong; !g.inRecovery && g.recover.Less(ack) {
		g.recover = ack.Add(-1)
	}
	v.bytesAcked += uint64(n)
	c.rtt.backoffs = 0
	if v.una == v.max {
		c.at.awaitingSince = clock.Never
		c.pending.fastRetransmit = false
	} else {
		c.at.awaitingSince = now
	}
	c.pmtuProgress(now)
	c.restartOrStopRTO(now)
	return n
}

// dataStart returns the sequence number of the first octet in the buffer. Before the handshake that is ISS+1. SND.UNA
// may equal the ISS again every 4 GiB, so bytesAcked tells the two cases apart.
func (v *send) dataStart() wire.Seq {
	if v.una == v.iss && v.bytesAcked == 0 {
		return v.iss.Add(1)
	}
	return v.una
}

// dataEnd returns the sequence number after the last octet in the send buffer. After CloseWrite it is the FIN's number.
func (v *send) dataEnd() wire.Seq { return v.dataStart().Add(v.buf.Len()) }
