package tcp

import "smolsh/stack/clock"

// ackSelective processes an ACK, new or duplicate, while there is a scoreboard (RFC 6675 §5, RFC 8985 §6.2).
// nextRetransmit and nextData then choose the next segment from the scoreboard.
func (c *Conn) ackSelective(now clock.Instant, s *Segment) {
	v, g, b := &c.snd, &c.cong, c.snd.scoreboard
	flight, progress := v.max.Sub(v.una), v.una.Less(s.Ack)
	var d delivery
	n := 0
	if progress {
		b.noteAck(s.Ack, &d)
		n = c.ackProgress(now, s)
		c.setWindow(s, v.wscale) // SND.WL1 is not compared, as in ackNew
	} else {
		c.updateWindow(s)
	}
	dsack := c.processSACK(s, &d)
	if b.reneged() {
		b.forgetSACKs()
	}
	rtt := c.updateRACK(now, s, &d)
	// This sample ends a back-off sooner, and lets the RTO follow a queue that grows during recovery. ackProgress may
	// have no sample, since the timed segment may lie beyond a gap and retransmissions stop the measurement (Karn's
	// algorithm).
	if repairing := g.inRecovery || g.afterTimeout; rtt > 0 && (c.rtt.backedOff || repairing && now.Sub(b.lastSample) >= c.rtt.srtt) {
		c.rtt.sample(c.limitByEcho(now, s, rtt), c.cfg)
		b.lastSample = now
	}
	if dsack.Left != dsack.Right {
		c.widenReoWindow()
	}
	repaired := c.processTLP(s, progress, dsack)
	if why := c.spuriousReason(s, progress, dsack); why != "" {
		c.undoReduction(n, why)
	}
	found := c.detectLosses(now)
	c.pending.fastRetransmit = c.pending.fastRetransmit && b.lost > 0
	g.lossBySize = g.lossBySize && !found && v.una.Less(g.recover)
	switch {
	case g.inRecovery && g.recover.LessEq(v.una):
		c.leaveRecovery()
	case g.inRecovery:
		c.updatePRR(&d, progress && !found)
	case g.afterTimeout && v.una.Less(g.recover): // slow start after a timeout (RFC 5681 §3.1)
		c.growCwnd(now, n, flight, rtt)
	case b.lost > 0 && !g.lossBySize:
		g.afterTimeout = false
		c.enterRecovery(now, flight, &d, whySACK)
	case repaired:
		c.reduceForLoss(now, c.flightSize(flight))
		g.Cwnd = g.Ssthresh
		c.reportEpisode(EpisodeRecovered, whyTailFound)
	default:
		if g.afterTimeout {
			g.afterTimeout = false
			c.reo.decayReoWindow()
			c.reportEpisode(EpisodeRecovered, whyAcked)
		}
		c.growCwnd(now, n, flight, rtt)
	}
	c.ensureRTO(now)
	c.armTLP(now)
}

// nextRetransmit decides whether to retransmit a lost segment now, and returns the number n of its octets to send. ok
// is false if nothing is retransmitted now.
func (c *Conn) nextRetransmit(room int) (n int, ok bool) {
	v := &c.snd
	if v.scoreboard == nil || !c.sending() {
		return 0, false
	}
	from, to, ok := v.scoreboard.nextLost()
	if !ok {
		return 0, false
	}
	if edge := v.una.Add(v.wnd); edge.Less(to) {
		to = edge
	}
	size := to.Sub(from) // size in sequence numbers; the last may be a FIN
	if size <= 0 {
		return 0, false
	}
	n = max(0, min(size, v.dataEnd().Sub(from), c.effectiveMSS(), room))
	if n == 0 && from != v.dataEnd() { // with n == 0 the segment is a FIN, which must follow all text
		return 0, false
	}
	if !c.pending.fastRetransmit && c.pacingAllowance() == 0 {
		return 0, false
	}
	return n, c.pending.fastRetransmit || c.cong.Cwnd-c.inFlight() >= min(n, v.mss)
}

// emitRetransmit retransmits n octets, or the FIN.
func (c *Conn) emitRetransmit(now clock.Instant, p []byte, s *Segment) {
	c.pending.fastRetransmit = false
	b := c.snd.scoreboard
	if b == nil {
		c.emitText(now, p, s, c.snd.dataStart())
		return
	}
	from, _, _ := b.nextLost()
	end := c.emitText(now, p, s, from)
	b.noteRetransmit(from, end, now)
	c.trackForUndo(now, from, end)
	c.spendPacing(now, len(p))
	// RFC 6675 §6 allows this restart. The ACK of the retransmission takes a round trip, and recovery may last longer
	// than a timeout.
	if c.at.rexmt == clock.Never || from == c.snd.una || c.cong.inRecovery {
		c.restartRTO(now)
	}
}

// inFlight returns the estimated octets in flight: octets not acknowledged, less the octets that the scoreboard marks
// as SACKed or lost.
func (c *Conn) inFlight() int {
	if c.snd.scoreboard != nil {
		return c.snd.scoreboard.pipe()
	}
	return c.snd.nxt.Sub(c.snd.una)
}

// noteSent enters new octets into the scoreboard if the peer acknowledges selectively.
func (c *Conn) noteSent(now clock.Instant) {
	v := &c.snd
	if !c.sack {
		return
	}
	if v.scoreboard == nil {
		v.scoreboard = &scoreboard{una: v.una}
	}
	v.scoreboard.sentGrain = c.rtt.srtt / 32
	v.scoreboard.noteSent(v.nxt, now)
}
