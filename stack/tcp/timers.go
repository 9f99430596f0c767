package tcp

import "smolsh/stack/clock"

// timers are a connection's deadlines; Never when not set.
type timers struct {
	rexmt    clock.Instant // retransmission (RFC 6298 §5)
	persist  clock.Instant // zero-window probe, or silly-window override (RFC 9293 §3.8.6)
	delack   clock.Instant // delayed acknowledgement (§3.8.6.3)
	keep     clock.Instant // keep-alive (§3.8.4)
	timeWait clock.Instant // 2 MSL, or the end of an abandoned FIN-WAIT-2
	release  clock.Instant // give empty buffers back
	loss     clock.Instant // the reordering window's end, or the tail loss probe's (RFC 8985)
	pace     clock.Instant // new data's turn

	pacedUntil    clock.Instant // what new data has gone is worth the time up to here
	awaitingSince clock.Instant // since when something of ours waits for an answer: the user timeout's base
	active        clock.Instant // when the last segment came or went
	sent          clock.Instant // when the last data went
	probes        int32         // sent since the window closed, for their back-off
	unanswered    int32         // probes and keep-alives in a row without any acknowledgement
}

var noTimers = timers{
	rexmt: clock.Never, persist: clock.Never, delack: clock.Never, keep: clock.Never,
	timeWait: clock.Never, release: clock.Never, loss: clock.Never, pace: clock.Never, awaitingSince: clock.Never,
}

// Deadline is when the connection wants Ready or Emit to be called though nothing happens until then;
// Never when it waits for nothing. It holds after Emit or Ready has said that there is nothing to send.
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

// tick runs the timers that are due.
func (c *Conn) tick(now clock.Instant) {
	c.runTimers(now)
	c.logState(now)
}

func (c *Conn) runTimers(now clock.Instant) {
	t := &c.at
	if t.timeWait.Due(now) && !(c.state == TimeWait && c.pending.ack) { // the last ACK goes first
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

// timedOut ends the connection because nothing was answered for too long; what ICMP said in the
// meantime is the better explanation.
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

// noteAcked notes an acceptable acknowledgement: probes have had their answer.
func (t *timers) noteAcked() {
	t.unanswered = 0
	if t.rexmt == clock.Never {
		t.awaitingSince = clock.Never
	}
}

// noteAwaiting notes that something was sent that wants an answer.
func (t *timers) noteAwaiting(now clock.Instant) {
	if t.awaitingSince == clock.Never {
		t.awaitingSince = now
	}
}
