package tcp

import "smolsh/stack/clock"

// armKeepAlive starts counting idle time, where keep-alives are wanted and the state has them.
func (c *Conn) armKeepAlive(now clock.Instant) {
	c.at.keep = clock.Never
	if c.cfg.KeepAlive <= 0 {
		return
	}
	switch c.state {
	case Established, CloseWait, FinWait1, FinWait2, Closing, LastAck:
		c.at.keep = now.Add(c.cfg.KeepAlive)
	}
}

// keepAliveTimeout owes a probe to an idle peer, or gives it up (RFC 9293 §3.8.4).
func (c *Conn) keepAliveTimeout(now clock.Instant) {
	t := &c.at
	t.keep = now.Add(c.cfg.KeepAlive)
	if c.snd.nxt != c.snd.una || t.persist != clock.Never {
		return // data or a probe on its way asks the same question
	}
	if int(t.unanswered) >= c.cfg.KeepAliveMax {
		c.timedOut()
		return
	}
	c.pending.keepAlive = true
}

// noteReceived notes that the peer lives.
func (t *timers) noteReceived(now clock.Instant, c *Conn) {
	t.active = now
	if t.keep != clock.Never {
		t.keep = now.Add(c.cfg.KeepAlive)
	}
}
