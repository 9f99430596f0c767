package tcp

import "smolsh/stack/clock"

// timers are a connection's deadlines, clock.Never when not set, and the instants and counts that they depend on.
type timers struct {
	rexmt    clock.Instant // retransmission timer (RFC 6298 §5)
	persist  clock.Instant // zero-window probe, or override of silly window avoidance (RFC 9293 §3.8.6.1, §3.8.6.2.1)
	delack   clock.Instant // delayed ACK (RFC 9293 §3.8.6.3)
	keep     clock.Instant // keep-alive (RFC 9293 §3.8.4)
	timeWait clock.Instant // end of TIME-WAIT, or of FIN-WAIT-2 after Close
	release  clock.Instant // release of empty buffers
	loss     clock.Instant // end of the reordering window, or tail loss probe (RFC 8985 §8)
	pace     clock.Instant // end of the pause between two quanta of new data (pacing)

	pacedUntil    clock.Instant // time up to which the data already sent uses up the pacing rate
	awaitingSince clock.Instant // start of the user timeout: since then the peer owes an answer
	active        clock.Instant // time of the last segment received or sent
	sent          clock.Instant // time of the last data sent
	probes        int32         // zero-window probes sent since the window closed, for their back-off
	unanswered    int32         // zero-window probes and keep-alives since the last ACK
}

var noTimers = timers{
	rexmt: clock.Never, persist: clock.Never, delack: clock.Never, keep: clock.Never,
	timeWait: clock.Never, release: clock.Never, loss: clock.Never, pace: clock.Never, awaitingSince: clock.Never,
}

// Deadline returns the time at which Ready or Emit must be called even if no segment or call arrives. It is clock.Never
// if no timer is set. It is valid after Emit or Ready has reported that there is nothing to send.
func (c *Conn) Deadline() clock.Instant {
	t := &c.at
	return min(t.rexmt, t.persist, t.delack, t.keep, t.timeWait, t.release, t.loss, t.pace, c.userDeadline())
}

func (c *Conn) userDeadline() clock.Instant {
	if c.cfg.UserTimeout <= 0 {
		return clock.Never
	}
	return c.at.awaitingSince.Add(c.cfg.UserTimeout)
}

// tick runs the timers that are due (RFC 9293 §3.10.8).
func (c *Conn) tick(now clock.Instant) {
	c.runTimers(now)
	c.logState(now)
}

func (c *Conn) runTimers(now clock.Instant) {
	t := &c.at
	if t.timeWait.Due(now) && !(c.state == TimeWait && c.pending.ack) { // a pending ACK is sent first
		c.close()
		return
	}
	if c.userDeadline().Due(now) {
		c.timedOut()
		return
	}
	if t.pace.Due(now) {
		t.pace = clock.Never
	}
	if t.loss.Due(now) {
		c.lossTimeout(now)
	}
	if t.rexmt.Due(now) {
		c.retransmitTimeout(now)
	}
	if t.persist.Due(now) {
		c.persistTimeout()
	}
	if t.keep.Due(now) {
		c.keepAliveTimeout(now)
	}
	if t.delack.Due(now) {
		t.delack = clock.Never
		c.pending.ack = true
		c.count(EventDelayedAck)
	}
	if t.release.Due(now) {
		c.releaseBuffers(now)
	}
}

// timedOut ends the connection because the peer acknowledged nothing for too long (RFC 9293 §3.8.3). The connection's
// error is the last ICMP error, if there was one, which explains the timeout better.
func (c *Conn) timedOut() {
	err := c.softError
	if err == nil {
		err = ErrUserTimeout
	}
	if c.state == SynSent || c.state == SynReceived {
		c.count(EventAttemptFail)
	}
	c.count(EventAbortOnTimeout)
	c.fail(err, c.state != SynSent)
}

// noteAcked records an acceptable ACK, which answers probes and keep-alives.
func (t *timers) noteAcked() {
	t.unanswered = 0
	if t.rexmt == clock.Never {
		t.awaitingSince = clock.Never
	}
}

// noteAwaiting starts the user timeout when a segment that the peer must answer is sent.
func (t *timers) noteAwaiting(now clock.Instant) {
	if t.awaitingSince == clock.Never {
		t.awaitingSince = now
	}
}
