package tcp

import "smolsh/stack/clock"

// armRetransmit starts the timer anew, or stops it when nothing is in flight (RFC 6298 §5.2, §5.3).
func (c *Conn) armRetransmit(now clock.Instant) {
	if c.inFlight() == 0 {
		c.at.rexmt = clock.Never
		return
	}
	c.at.rexmt = now.Add(c.rtt.rto)
}

// retransmitTimeout is RFC 6298 §5.4 to §5.6 and RFC 5681 §3.1: everything from SND.UNA on goes again,
// one segment at first.
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
	c.suspectPath(now)
	if v.board != nil {
		c.loseByTimeout(now)
	}
	if opening {
		c.owe.syn = true
		c.tell(EpisodeTimeout, whyNoSYN)
	} else if c.rtt.backoffs == 0 {
		c.controller().TimedOut(now, &g.Window, v.max.Sub(v.una))
		if c.speaksECN() {
			*c.ecn = marks{agreed: true, echo: c.ecn.echo, tell: true}
		}
	} else {
		g.Cwnd = g.MSS
	}
	c.rtt.backOff(c.cfg)
	g.inRecovery, g.dupAcks, g.recover = false, 0, v.max
	if !opening {
		c.tell(EpisodeTimeout, whyNoAck)
	}
	c.owe.fast = v.board != nil
	v.timedAt = clock.Never
	if v.board == nil {
		v.nxt = v.una
		return
	}
	c.guard(now) // what went just before may be all there is, should the peer's window have closed
}

// loseByTimeout puts a timeout on the scoreboard. The first segment goes again, whatever else is thought to
// be on its way.
func (c *Conn) loseByTimeout(now clock.Instant) {
	v, g, b := &c.snd, &c.cong, c.snd.board
	if !g.inRecovery && !g.afterTimeout {
		b.undo.begin(g, v.max.Sub(v.una))
	}
	b.loseAll(now.Add(-b.rack.rtt - c.reoWindow()))
	b.tlp.out = false
	g.afterTimeout = true
	c.at.loss, c.owe.tail = clock.Never, false
}

// guard has the retransmission timer run while anything is on its way. What was thought lost, and the timer
// stopped for, may have turned out to be.
func (c *Conn) guard(now clock.Instant) {
	if c.at.rexmt == clock.Never && c.inFlight() > 0 {
		c.at.rexmt = now.Add(c.rtt.rto)
	}
}
