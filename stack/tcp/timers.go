package tcp

import (
	"time"

	"smolsh/stack/clock"
)

const (
	// finWait2Timeout is how long an abandoned connection waits for the peer's FIN (RFC 1122
	// §4.2.2.20 allows any bound; this is the common one).
	finWait2Timeout = 60 * time.Second
	// bufferLinger is how long an empty buffer is kept, so that a busy connection does not allocate
	// anew for every exchange.
	bufferLinger = time.Second
)

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

	paced      clock.Instant // what new data has gone is worth the time up to here
	waiting    clock.Instant // since when something of ours waits for an answer: the user timeout's base
	active     clock.Instant // when the last segment came or went
	sent       clock.Instant // when the last data went
	probes     int32         // sent since the window closed, for their back-off
	unanswered int32         // probes and keep-alives in a row without any acknowledgement
}

var noTimers = timers{
	rexmt: clock.Never, persist: clock.Never, delack: clock.Never, keep: clock.Never,
	timeWait: clock.Never, release: clock.Never, loss: clock.Never, pace: clock.Never, waiting: clock.Never,
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
	return c.at.waiting.Add(c.cfg.UserTimeout)
}

// tick runs the timers that are due.
func (c *Conn) tick(now clock.Instant) {
	c.runTimers(now)
	c.note(now)
}

func (c *Conn) runTimers(now clock.Instant) {
	t := &c.at
	if t.timeWait.Due(now) && !(c.state == TimeWait && c.owe.ack) { // the last ACK goes first
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
		c.owe.ack = true
		c.count(EventDelayedAck)
	}
	if t.release.Due(now) {
		c.releaseBuffers(now)
	}
}

// timedOut ends the connection because nothing was answered for too long; what ICMP said in the
// meantime is the better explanation.
func (c *Conn) timedOut() {
	err := c.soft
	if err == nil {
		err = ErrUserTimeout
	}
	if c.state == SynSent || c.state == SynReceived {
		c.count(EventAttemptFail)
	}
	c.count(EventAbortOnTimeout)
	c.fail(err, c.state != SynSent)
}

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

// armPersist starts the timer that keeps a connection alive whose window lets nothing out while
// nothing is in flight whose acknowledgement could open it.
func (c *Conn) armPersist(now clock.Instant) {
	t := &c.at
	if t.persist != clock.Never || t.rexmt != clock.Never || c.inFlight() != 0 || !c.sending() || !c.unsent() {
		return
	}
	wait := c.rtt.rto
	for range min(t.probes, 16) {
		wait = min(2*wait, c.cfg.rtoMax())
	}
	t.persist = now.Add(wait)
}

// unsent reports whether there are octets, or a FIN, that the peer has not acknowledged.
func (c *Conn) unsent() bool { return c.snd.buf.Len() > 0 || c.snd.closed && !c.finAcked() }

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
	c.owe.probe = true
}

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
	c.owe.alive = true
}

// heard notes that the peer lives.
func (t *timers) heard(now clock.Instant, c *Conn) {
	t.active = now
	if t.keep != clock.Never {
		t.keep = now.Add(c.cfg.KeepAlive)
	}
}

// answered notes an acceptable acknowledgement: probes have had their answer.
func (t *timers) answered() {
	t.unanswered = 0
	if t.rexmt == clock.Never {
		t.waiting = clock.Never
	}
}

// asked notes that something was sent that wants an answer.
func (t *timers) asked(now clock.Instant) {
	if t.waiting == clock.Never {
		t.waiting = now
	}
}

// armRelease plans to give empty buffers back.
func (c *Conn) armRelease(now clock.Instant) {
	if c.at.release == clock.Never && c.idleStorage() {
		c.at.release = now.Add(bufferLinger)
	}
}

func (c *Conn) releaseBuffers(now clock.Instant) {
	c.at.release = clock.Never
	if quiet := c.at.active.Add(bufferLinger); now.Before(quiet) {
		c.at.release = quiet
		return
	}
	c.snd.buf.Release()
	c.rcv.buf.Release()
	if c.snd.una == c.snd.max {
		c.snd.board, c.cong.ctl = nil, nil
	}
	if c.rcv.early.Len() == 0 {
		c.rcv.early = nil
	}
}
