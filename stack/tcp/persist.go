package tcp

import "smolsh/stack/clock"

// armPersist starts the persist timer (RFC 9293 §3.8.6.1) if data is queued that does not fit into the window, and
// nothing is in flight whose ACK could open the window.
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

// unacknowledged reports whether octets, or a FIN, are queued or in flight.
func (c *Conn) unacknowledged() bool { return c.snd.buf.Len() > 0 || c.snd.closed && !c.finAcked() }

// persistTimeout makes a zero-window probe pending. Probing continues for ever while the peer answers (RFC 9293
// §3.8.6.1). After Close it ends, or a peer could make us keep the octets (RFC 6429 §4). A peer that answers then has
// the time of MaxRetries probes, nine minutes by default, since a reader that pauses is no attack. A peer that does not
// answer has the time of OrphanRetries probes.
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

// emitWindowProbe sends one octet, or the FIN, beyond the peer's window (RFC 9293 §3.8.6.1). The peer's answer contains
// its current window. SND.NXT does not move, so the octet counts as sent only when it is acknowledged. A probe is not
// ECN-capable (RFC 3168 §6.1.6).
func (c *Conn) emitWindowProbe(now clock.Instant, p []byte, s *Segment) {
	c.pending.windowProbe = false
	s.Probe = WindowProbe
	c.putText(now, p, s, c.snd.dataStart(), len(p) == 0) // one sequence number only
	c.at.probes++
	c.at.unanswered++
	c.at.noteAwaiting(now)
	c.count(EventProbe)
	c.reportEpisode(EpisodeProbe, whyNoWindow)
	c.armPersist(now)
}
