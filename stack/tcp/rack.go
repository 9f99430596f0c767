package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Constants of RFC 8985.
const (
	minRTTWindow  = 5 * time.Minute        // longest age of the smallest round trip in use (§6.2 step 1)
	reoPersist    = 16                     // recoveries until a widened window shrinks (§6.2 step 4)
	maxReoMult    = 40                     // largest multiplier; SRTT bounds the window itself
	maxAckDelay   = 200 * time.Millisecond // longest delay that a peer adds to the ACK of a lone segment (§7.2)
	ptoWithoutRTT = time.Second            // the probe's timeout before the first round trip is measured (§7.2)
)

// reordering holds RACK's measurements of reordering on the path. They are kept when the scoreboard is freed.
type reordering struct {
	reordered bool  // true if the path has reordered segments
	mult      uint8 // reordering window in quarters of the smallest round trip; 0 means 1
	persist   uint8 // recoveries until mult falls back to 1
}

// rack is the state of RACK (RFC 8985 §5.2). It describes the segment sent last among those delivered.
type rack struct {
	sent  clock.Instant // RACK.xmit_ts
	end   wire.Seq      // RACK.end_seq
	rtt   time.Duration // RACK.rtt; 0 before the first delivery
	fack  wire.Seq      // RACK.fack: the highest sequence number delivered
	round wire.Seq      // RACK.dsack_round, valid if inRound
	inRound,
	hasFack,
	retransmitted bool // true if the segment was a retransmission
}

// sentSample is a range of octets that an ACK reports as delivered, and the time at which the range was sent.
type sentSample struct {
	sent          clock.Instant
	end           wire.Seq
	valid         bool
	retransmitted bool // true if the range was a retransmission
}

// sentAfter reports whether a was sent after a segment with the given time and end (RACK_sent_after, RFC 8985 §6.2).
func (a *sentSample) sentAfter(sent clock.Instant, end wire.Seq) bool {
	return a.sent > sent || a.sent == sent && end.Less(a.end)
}

// keepNewest replaces a by the part of s that ends at sequence number end, if that part was sent later than a.
func (a *sentSample) keepNewest(s *span, end wire.Seq) {
	if x := (sentSample{s.sent, end, true, s.state&retransmitted != 0}); !a.valid || x.sentAfter(a.sent, a.end) {
		*a = x
	}
}

// add records that n octets of the span s have been delivered. They end at sequence number end.
func (d *delivery) add(s *span, end wire.Seq, n int) {
	d.octets += n
	if s.state&retransmitted != 0 {
		d.newestRetransmit.keepNewest(s, end)
		return
	}
	d.newestOriginal.keepNewest(s, end)
	if !d.hasLowest || end.Less(d.lowestOriginal) {
		d.lowestOriginal, d.hasLowest = end, true
	}
}

// updateRACK performs steps 1 to 3 of RFC 8985 §6.2. It returns the round trip of the newly delivered octets that were
// sent once, 0 if there are none.
func (c *Conn) updateRACK(now clock.Instant, s *Segment, d *delivery) (rtt time.Duration) {
	r := &c.snd.scoreboard.rack
	if x := &d.newestOriginal; x.valid {
		rtt = max(1, now.Sub(x.sent))
		c.rtt.updateMinRTT(now, rtt)
		r.update(x, rtt)
	}
	if x := &d.newestRetransmit; x.valid {
		// The original has arrived, and not the retransmission, if the echoed timestamp is older than the
		// retransmission or the round trip is too short.
		rtt := max(1, now.Sub(x.sent))
		original := c.ts.on && s.Options.HasTimestamps && int32(s.Options.TSEcr-c.ts.value(x.sent)) < 0
		if !original && rtt >= c.rtt.min {
			r.update(x, rtt)
		}
	}
	if d.hasLowest && r.hasFack && d.lowestOriginal.Less(r.fack) {
		c.reo.reordered = true
	}
	for _, x := range [...]*sentSample{&d.newestOriginal, &d.newestRetransmit} {
		if x.valid && (!r.hasFack || r.fack.Less(x.end)) {
			r.fack, r.hasFack = x.end, true
		}
	}
	if d.newestRetransmit.valid {
		return 0 // no sample: the ACK of octets sent once may have been delayed until the retransmission arrived
	}
	return rtt
}

// update makes x the state of RACK if x was sent later than the present one (RFC 8985 §6.2 step 2).
func (r *rack) update(x *sentSample, rtt time.Duration) {
	if r.rtt == 0 || x.sentAfter(r.sent, r.end) {
		r.sent, r.end, r.retransmitted, r.rtt = x.sent, x.end, x.retransmitted, rtt
	}
}

// widenReoWindow widens the reordering window after a D-SACK, at most once per round trip (RFC 8985 §6.2 step 4). The
// D-SACK shows that a retransmitted segment was not lost, so the window was too small.
func (c *Conn) widenReoWindow() {
	r, o := &c.snd.scoreboard.rack, &c.reo
	if r.inRound && r.round.In(c.snd.una.Add(1), c.snd.max.Sub(c.snd.una)) {
		return
	}
	r.round, r.inRound = c.snd.nxt, true
	o.mult = min(max(o.mult, 1)+1, maxReoMult)
	o.persist = reoPersist
}

// decayReoWindow shrinks a widened window after 16 recoveries without a D-SACK (RFC 8985 §6.2 step 4).
func (o *reordering) decayReoWindow() {
	if o.persist > 0 {
		if o.persist--; o.persist == 0 {
			o.mult = 1
		}
	}
}

// reoWindow returns the reordering window (RACK_update_reo_wnd, RFC 8985 §6.2 step 4).
func (c *Conn) reoWindow() time.Duration {
	b := c.snd.scoreboard
	if !c.reo.reordered && (c.cong.inRecovery || c.cong.afterTimeout || b.overtaken(c.snd.mss)) {
		return 0
	}
	return min(time.Duration(max(c.reo.mult, 1))*c.rtt.min/4, c.rtt.srtt)
}

// detectLosses marks as lost each segment that was sent at least a reordering window before a delivered one
// (RACK_detect_loss, RFC 8985 §6.2 step 5). It sets a timer to check the segments that may still arrive. It reports
// whether it found new losses, except the loss of a path MTU probe.
func (c *Conn) detectLosses(now clock.Instant) (found bool) {
	b, r := c.snd.scoreboard, &c.snd.scoreboard.rack
	c.stopLossTimer(waitReorder)
	if r.rtt == 0 {
		return false
	}
	wait := r.rtt + c.reoWindow()
	found, next := b.markLostBefore(&sentSample{r.sent, r.end, true, r.retransmitted}, now.Add(-wait))
	if next > 0 {
		c.at.loss, c.lossTimerFor = next.Add(wait), waitReorder
	}
	return found && !c.onlyMTUProbeLost(now)
}

// Meanings of the loss timer (RFC 8985 §8).
const (
	waitReorder uint8 = 1 + iota // end of the reordering window
	waitTail                     // tail loss probe
)

// stopLossTimer stops the loss timer if it is set for the given purpose, waitReorder or waitTail.
func (c *Conn) stopLossTimer(purpose uint8) {
	if c.lossTimerFor == purpose {
		c.at.loss = clock.Never
	}
}

// lossTimeout runs when the reordering window or the tail loss probe's timeout has passed without an ACK (RFC 8985 §8).
func (c *Conn) lossTimeout(now clock.Instant) {
	c.at.loss = clock.Never
	switch b := c.snd.scoreboard; {
	case b == nil:
	case c.lossTimerFor == waitTail:
		c.pending.tailProbe = true
		c.restartRTO(now) // the RTO starts again, to give the probe a round trip (RFC 8985 §7.3)
	case !c.detectLosses(now):
	case c.cong.inRecovery:
		c.updatePRR(&delivery{}, false)
	case !c.cong.afterTimeout:
		c.enterRecovery(now, c.snd.max.Sub(c.snd.una), &delivery{}, whyLate)
	}
}
