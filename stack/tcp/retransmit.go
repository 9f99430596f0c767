package tcp

import "smolsh/stack/clock"

// restartOrStopRTO restarts the retransmission timer, or stops it if nothing is in flight (RFC 6298 §5.2, §5.3).
func (c *Conn) restartOrStopRTO(now clock.Instant) {
	if c.inFlight() == 0 {
		c.at.rexmt = clock.Never
		return
	}
	c.restartRTO(now)
}

// restartRTO restarts the retransmission timer: it expires one RTO from now (RFC 6298 §5). A later deadline replaces an earlier
// one.
func (c *Conn) restartRTO(now clock.Instant) { c.at.rexmt = now.Add(c.rtt.rto) }

// ensureRTO starts the retransmission timer if it does not run and something is in flight (RFC 6298 §5.1). It is also
// called when octets marked as lost turn out to be in flight.
func (c *Conn) ensureRTO(now clock.Instant) {
	if c.at.rexmt == clock.Never && c.inFlight() > 0 {
		c.restartRTO(now)
	}
}

// retransmitTimeout runs when the retransmission timer expires (RFC 9293 §3.8.1, RFC 6298 §5.4 to §5.6, RFC 5681 §3.1).
// Everything from SND.UNA on becomes due for retransmission. The first retransmission is one segment.
func (c *Conn) retransmitTimeout(now clock.Instant) {
	v, g := &c.snd, &c.cong
	c.at.rexmt = clock.Never
	limit := c.cfg.MaxRetries
	opening := c.state == SynSent || c.state == SynReceived
	if opening {
		limit = c.cfg.SYNRetries
	}
	if c.rcv.closed {
		limit = min(limit, c.cfg.OrphanRetries)
	}
	if int(c.rtt.backoffs) >= limit {
		c.timedOut()
		return
	}
	c.count(EventTimeout)
	c.checkBlackHole(now)
	if v.scoreboard != nil {
		c.markTimeoutLosses(now)
	}
	if opening {
		c.pending.syn = true
		c.reportEpisode(EpisodeTimeout, whyNoSYN)
	} else if c.rtt.backoffs == 0 {
		c.controller().TimedOut(now, &g.Window, v.max.Sub(v.una))
		if c.usesECN() {
			*c.ecn = ecnState{agreed: true, sendECE: c.ecn.sendECE, sendCWR: true}
		}
	} else {
		g.Cwnd = g.MSS
	}
	c.rtt.backOff(c.cfg)
	g.inRecovery, g.dupAcks, g.recover = false, 0, v.max
	if !opening {
		c.reportEpisode(EpisodeTimeout, whyNoAck)
	}
	c.pending.fastRetransmit = v.scoreboard != nil
	v.timedAt = clock.Never
	if v.scoreboard == nil {
		v.nxt = v.una
		return
	}
	c.ensureRTO(now) // recently sent segments may still be in flight, and with a closed window nothing else starts the timer
}

// markTimeoutLosses marks segments as lost after a timeout (RFC 8985 §6.3). It always marks the first one, so that it
// is retransmitted.
func (c *Conn) markTimeoutLosses(now clock.Instant) {
	v, g, b := &c.snd, &c.cong, c.snd.scoreboard
	if !g.inRecovery && !g.afterTimeout {
		b.undo.arm(g, v.max.Sub(v.una))
	}
	b.markLostByTimeout(now.Add(-b.rack.rtt - c.reoWindow()))
	b.tlp.inFlight = false
	g.afterTimeout = true
	c.at.loss, c.pending.tailProbe = clock.Never, false
}
