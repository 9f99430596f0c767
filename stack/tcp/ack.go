package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// checkACK is step five of §3.10.7.4.
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
		return drop.None // there is nothing left to acknowledge
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

// ackProgress moves SND.UNA to the segment's ACK and lets go of what that covers. It returns how many
// octets of data that was. A segment that was sent once is timed to the nanosecond; while there is none,
// because all is being repeated, the echoed timestamp tells.
func (c *Conn) ackProgress(now clock.Instant, s *Segment) int {
	v, ack := &c.snd, s.Ack
	switch {
	case v.timedAt != clock.Never && v.timedSeq.LessEq(ack):
		c.rtt.sample(c.limitByEcho(now, s, now.Sub(v.timedAt)), c.cfg)
		v.timedAt = clock.Never
	case v.timedAt != clock.Never && !c.rtt.backedOff:
	case v.una != v.iss: // the peer's first word may come long after its answer to a repeated SYN
		c.sampleEcho(now, s)
	}
	n := ack.Sub(v.dataStart())
	v.una = ack
	n = min(max(n, 0), v.buf.Len())
	v.buf.Discard(n)
	v.nxt = wire.MaxSeq(v.nxt, ack)
	// These two follow SND.UNA, lest they come to lie ahead of it after 2 GiB.
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

// dataStart is the number of the first octet in the buffer. SND.UNA is the ISS before the handshake, and
// may be it again every 4 GiB.
func (v *send) dataStart() wire.Seq {
	if v.una == v.iss && v.bytesAcked == 0 {
		return v.iss.Add(1)
	}
	return v.una
}

// dataEnd is one past the last octet in the buffer: where the FIN stands when the application has closed.
func (v *send) dataEnd() wire.Seq { return v.dataStart().Add(v.buf.Len()) }
