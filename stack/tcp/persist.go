package tcp

import "smolsh/stack/clock"

// armPersist starts the timer that keeps a connection alive whose window lets nothing out while
// nothing is in flight whose acknowledgement could open it.
func (c *Conn) armPersist(now clock.Instant) {
	t := &c.at
	if t.persist != clock.Never || t.rexmt != clock.Never || c.inFlight() != 0 || !c.sending() || !c.unacknowledged() {
		return
	}
	wait := c.rtt.rto
	for range min(t.probes, 16) {
		wait = min(2*wait, c.cfg.rtoMax())
	}
	t.persist = now.Add(wait)
}

// unacknowledged reports whether there are octets, or a FIN, that the peer has not acknowledged.
func (c *Conn) unacknowledged() bool { return c.snd.buf.Len() > 0 || c.snd.closed && !c.finAcked() }

// persistTimeout owes a probe. Probes that are answered go on for ever (RFC 9293 §3.8.6.1), but not for an
// application that has closed: a peer must not make us keep its octets (RFC 6429 §4). It has the time in which a
// segment would be given up that nobody answers, nine minutes by default, since a reader that pauses is no attack;
// who does not answer at all has less.
func (c *Conn) persistTimeout() {
	t := &c.at
	t.persist = clock.Never
	limit := c.cfg.MaxRetries
	if c.rcv.closed {
		limit = min(limit, c.cfg.OrphanRetries)
	}
	if int(t.unanswered) >= limit || c.rcv.closed && int(t.probes) >= max(c.cfg.MaxRetries, c.cfg.OrphanRetries) {
		c.timedOut()
		return
	}
	c.pending.windowProbe = true
}

// emitWindowProbe sends one octet, or the FIN, that the peer's window has no room for: its answer says what
// the window is now. SND.NXT stays, so that the octet counts as sent only when it is acknowledged.
func (c *Conn) emitWindowProbe(now clock.Instant, p []byte, s *Segment) {
	c.pending.windowProbe = false
	c.putText(now, p, s, c.snd.dataStart(), len(p) == 0) // one number, no more
	c.at.probes++
	c.at.unanswered++
	c.at.noteAwaiting(now)
	c.count(EventProbe)
	c.reportEpisode(EpisodeProbe, whyNoWindow)
	c.armPersist(now)
}
