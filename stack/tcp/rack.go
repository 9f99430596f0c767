package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// The bounds of RFC 8985.
const (
	minRTTWindow  = 5 * time.Minute        // how long a smallest round trip is believed (§6.2 step 1)
	reoPersist    = 16                     // recoveries that a widened window outlasts (§6.2 step 4)
	maxReoMult    = 40                     // beyond that SRTT is the limit anyway
	maxAckDelay   = 200 * time.Millisecond // how long a peer may delay its ACK of a lone segment (§7.2)
	ptoWithoutRTT = time.Second            // the probe's timeout before anything is measured (§7.2)
)

// reordering is what RACK has learnt of the path, which outlives the scoreboard.
type reordering struct {
	reordered bool  // segments have overtaken each other
	mult      uint8 // the reordering window in quarters of the smallest round trip; 0 stands for 1
	persist   uint8 // recoveries until mult falls back to 1
}

// rack is RACK's state (RFC 8985 §5.2): the segment sent last of all that are known to have arrived.
type rack struct {
	sent  clock.Instant // RACK.xmit_ts
	end   wire.Seq      // RACK.end_seq
	rtt   time.Duration // RACK.rtt; 0: nothing has arrived
	fack  wire.Seq      // RACK.fack: the highest number that has arrived
	round wire.Seq      // RACK.dsack_round, meaningful with inRound
	inRound,
	hasFack,
	retransmitted bool // that segment had been sent before
}

// sentSample is one range of what an acknowledgement says has arrived.
type sentSample struct {
	sent          clock.Instant
	end           wire.Seq
	valid         bool
	retransmitted bool // it had been sent before
}

// sentAfter is RACK_sent_after.
func (a *sentSample) sentAfter(sent clock.Instant, end wire.Seq) bool {
	return a.sent > sent || a.sent == sent && end.Less(a.end)
}

func (a *sentSample) keepNewest(s *span, end wire.Seq) {
	if x := (sentSample{s.sent, end, true, s.state&retransmitted != 0}); !a.valid || x.sentAfter(a.sent, a.end) {
		*a = x
	}
}

// add takes in what has just arrived of a span, up to end.
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

// updateRACK is steps 1 to 3 of RFC 8985 §6.2. It returns the round trip of what went once and has just
// arrived, 0 if there is nothing.
func (c *Conn) updateRACK(now clock.Instant, s *Segment, d *delivery) (rtt time.Duration) {
	r := &c.snd.scoreboard.rack
	if x := &d.newestOriginal; x.valid {
		rtt = max(1, now.Sub(x.sent))
		c.rtt.updateMinRTT(now, rtt)
		r.update(x, rtt)
	}
	if x := &d.newestRetransmit; x.valid {
		// The first copy may have been what arrived: an echo from before the repeat says so, and so does a round
		// trip that is too short.
		rtt := max(1, now.Sub(x.sent))
		early := c.ts.on && s.Options.HasTimestamps && int32(s.Options.TSEcr-c.ts.value(x.sent)) < 0
		if !early && rtt >= c.rtt.min {
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
		return 0 // what went once may have waited for the repeat to be acknowledged
	}
	return rtt
}

func (r *rack) update(x *sentSample, rtt time.Duration) {
	if r.rtt == 0 || x.sentAfter(r.sent, r.end) {
		r.sent, r.end, r.retransmitted, r.rtt = x.sent, x.end, x.retransmitted, rtt
	}
}

// widenReoWindow is the part of §6.2 step 4 that answers a D-SACK: what went again was not lost, so the
// reordering window was too small. Once a round trip.
func (c *Conn) widenReoWindow() {
	r, o := &c.snd.scoreboard.rack, &c.reo
	if r.inRound && r.round.In(c.snd.una.Add(1), c.snd.max.Sub(c.snd.una)) {
		return
	}
	r.round, r.inRound = c.snd.nxt, true
	o.mult = min(max(o.mult, 1)+1, maxReoMult)
	o.persist = reoPersist
}

// decayReoWindow is the other part: a widened window falls back after some recoveries without a D-SACK.
func (o *reordering) decayReoWindow() {
	if o.persist > 0 {
		if o.persist--; o.persist == 0 {
			o.mult = 1
		}
	}
}

// reoWindow is the reordering window (RFC 8985 §6.2 step 4, RACK_update_reo_wnd).
func (c *Conn) reoWindow() time.Duration {
	b := c.snd.scoreboard
	if !c.reo.reordered && (c.cong.inRecovery || c.cong.afterTimeout || b.overtaken(c.snd.mss)) {
		return 0
	}
	return min(time.Duration(max(c.reo.mult, 1))*c.rtt.min/4, c.rtt.srtt)
}

// detectLosses is RACK_detect_loss (§6.2 step 5): what was sent well before something that has arrived is
// lost. The timer looks again at what may yet be late. It reports whether anything was found.
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

// What the loss timer waits for.
const (
	waitReorder uint8 = 1 + iota // the end of the reordering window
	waitTail                     // an acknowledgement of the tail
)

func (c *Conn) stopLossTimer(which uint8) {
	if c.lossTimerFor == which {
		c.at.loss = clock.Never
	}
}

// lossTimeout is what happens when neither reordering nor a late acknowledgement explains the silence.
func (c *Conn) lossTimeout(now clock.Instant) {
	c.at.loss = clock.Never
	switch b := c.snd.scoreboard; {
	case b == nil:
	case c.lossTimerFor == waitTail:
		c.pending.tailProbe = true
		c.restartRTO(now) // the probe has its own round trip (§7.3)
	case !c.detectLosses(now):
	case c.cong.inRecovery:
		c.updatePRR(&delivery{}, false)
	case !c.cong.afterTimeout:
		c.enterRecovery(now, c.snd.max.Sub(c.snd.una), &delivery{}, whyLate)
	}
}
