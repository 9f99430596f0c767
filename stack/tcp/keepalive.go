package tcp

import "smolsh/stack/clock"

// armKeepAlive restarts the keep-alive timer (RFC 9293 §3.8.4) if keep-alives are configured and the state allows them.
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

// keepAliveTimeout makes a keep-alive pending, or ends the connection if too many keep-alives were unanswered (RFC 9293 §3.8.4).
func (c *Conn) keepAliveTimeout(now clock.Instant) {
	t := &c.at
	t.keep = now.Add(c.cfg.KeepAlive)
	if c.snd.nxt != c.snd.una || t.persist != clock.Never {
		return // no keep-alive is needed: the peer must answer the data or window probe in flight
	}
	if int(t.unanswered) >= c.cfg.KeepAliveMax {
		c.timedOut()
		return
	}
	c.pending.keepAlive = true
}

// noteReceived records that the peer has sent a segment, and restarts the keep-alive timer.
func (t *timers) noteReceived(now clock.Instant, c *Conn) {
	t.active = now
	if t.keep != clock.Never {
		t.keep = now.Add(c.cfg.KeepAlive)
	}
}
