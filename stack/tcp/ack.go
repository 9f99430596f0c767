package tcp

import (
	"time"

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
			c.refuse(s)
			return drop.TCPBadAck
		}
		c.owe.syn = false
		c.setWindow(s, v.wscale)
		c.establish(now)
	}
	// RFC 5961 §5: older than any window we have seen, or never sent.
	if v.max.Less(s.Ack) || s.Ack.Less(v.una.Add(-v.maxWnd)) {
		c.challengeACK(now)
		return drop.TCPBadAck
	}
	if c.state == TimeWait {
		return drop.None // there is nothing left to acknowledge
	}
	c.at.answered()
	c.heedEcho(now, s)
	switch {
	case v.board != nil && v.una.LessEq(s.Ack):
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

// isDuplicateACK is RFC 5681 §2's definition.
func (c *Conn) isDuplicateACK(s *Segment) bool {
	v := &c.snd
	return v.una != v.nxt && len(s.Payload) == 0 && s.Flags&(wire.SYN|wire.FIN) == 0 &&
		int(s.Window)<<v.wscale == v.wnd
}

// ackNew takes in an acknowledgement of something new.
func (c *Conn) ackNew(now clock.Instant, s *Segment) {
	v, g := &c.snd, &c.cong
	flight, rexmt := v.max.Sub(v.una), c.at.rexmt
	n := c.ackProgress(now, s)
	// Deviates: SND.WL1 is not asked. What acknowledges more was sent later than what acknowledged less,
	// also when it is text going again; the old window with the new SND.UNA would reach too far.
	c.setWindow(s, v.wscale)
	switch {
	case g.inRecovery && s.Ack.Less(g.recover): // partial (RFC 6582 §3.2 step 3)
		g.Cwnd = max(g.Cwnd-n, 0)
		if n >= g.MSS {
			g.Cwnd += g.MSS
		}
		c.owe.fast = true
		if g.partial { // only the first one restarts the timer (RFC 6582 §4, impatient)
			c.at.rexmt = rexmt
		}
		g.partial = true
		return
	case g.inRecovery: // full: everything that was out when the loss was found
		g.inRecovery = false
		c.tell(EpisodeRecovered, whyAcked)
		g.Cwnd = min(g.Ssthresh, max(v.max.Sub(v.una), g.MSS)+g.MSS)
	default:
		c.grow(now, n, flight, c.echoed(now, s))
	}
	g.dupAcks = 0
}

// ackProgress moves SND.UNA to the segment's ACK and lets go of what that covers. It returns how many
// octets of data that was. A segment that was sent once is timed to the nanosecond; while there is none,
// because all is being repeated, the echoed timestamp tells.
func (c *Conn) ackProgress(now clock.Instant, s *Segment) int {
	v, ack := &c.snd, s.Ack
	switch {
	case v.timedAt != clock.Never && v.timedSeq.LessEq(ack):
		c.rtt.sample(c.atMost(now, s, now.Sub(v.timedAt)), c.cfg)
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
		c.at.waiting = clock.Never
		c.owe.fast = false
	} else {
		c.at.waiting = now
	}
	c.pathProgress(now)
	c.armRetransmit(now)
	return n
}

// sampleEcho takes the round trip that the echoed timestamp tells of (RFC 7323 §4.1). An echo of the first
// copy that comes a round trip after the repeat answers the repeat: the first answer was lost, and a peer
// need not remember the stamp of what it had already. One that comes sooner has been on its way all along.
func (c *Conn) sampleEcho(now clock.Instant, s *Segment) {
	rtt, ok := c.ts.roundTrip(now, &s.Options)
	if !ok {
		return
	}
	if since := now.Sub(c.snd.againAt); since < rtt && since >= c.rtt.srtt/2 {
		rtt = max(since, stampTick)
	}
	c.rtt.sample(rtt, c.cfg)
}

// atMost is rtt, the time since something now acknowledged was sent, less what passed before the segment was
// sent that this acknowledgement answers, of which the echoed stamp tells: earlier answers may have been lost.
func (c *Conn) atMost(now clock.Instant, s *Segment, rtt time.Duration) time.Duration {
	if echo, ok := c.ts.roundTrip(now, &s.Options); ok {
		return min(rtt, echo+stampTick)
	}
	return rtt
}

// echoed is the round trip that the echoed timestamp tells of; 0: nothing tells.
func (c *Conn) echoed(now clock.Instant, s *Segment) time.Duration {
	rtt, ok := c.ts.roundTrip(now, &s.Options)
	if !ok || c.snd.againAt != 0 && now.Sub(c.snd.againAt) < 2*c.rtt.srtt {
		return 0
	}
	return rtt
}

// ackDuplicate counts a duplicate acknowledgement: the third begins fast retransmit and recovery
// (RFC 6582 §3.2), further ones let new data out.
func (c *Conn) ackDuplicate(now clock.Instant) {
	v, g := &c.snd, &c.cong
	g.dupAcks = max(g.dupAcks, g.dupAcks+1)
	switch {
	case g.inRecovery:
		g.Cwnd += g.MSS
	case g.dupAcks == 3 && g.recover.LessEq(v.una.Add(-1)):
		c.lose(now, c.flightSize(v.max.Sub(v.una)))
		g.inRecovery, g.partial, g.recover = true, false, v.max
		g.Cwnd = g.Ssthresh + 3*g.MSS
		c.owe.fast = true
		c.count(EventFastRetrans)
		c.tell(EpisodeRecovery, whyDupAcks)
	}
}

// updateWindow takes the segment's window unless it is older than the one we have (§3.10.7.4, step five).
func (c *Conn) updateWindow(s *Segment) {
	v := &c.snd
	if v.wl1.Less(s.Seq) || v.wl1 == s.Seq && v.wl2.LessEq(s.Ack) {
		c.setWindow(s, v.wscale)
	}
}

func (c *Conn) setWindow(s *Segment, shift uint8) {
	v := &c.snd
	before := v.wnd
	v.wnd = int(s.Window) << shift
	v.maxWnd = max(v.maxWnd, v.wnd)
	v.wl1, v.wl2 = s.Seq, s.Ack
	if v.wnd > before { // probing begins anew when it is needed again
		c.at.persist, c.at.probes = clock.Never, 0
		c.owe.probe = false
	}
}

// finAcked reports whether our FIN has been sent and acknowledged.
func (c *Conn) finAcked() bool {
	v := &c.snd
	return v.finSent && v.una == v.max
}

// advanceOurClose follows our acknowledged FIN through the states.
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
