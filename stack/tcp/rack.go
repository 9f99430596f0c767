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
	seen    bool  // segments have overtaken each other
	mult    uint8 // the reordering window in quarters of the smallest round trip; 0 stands for 1
	persist uint8 // recoveries until mult falls back to 1
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
	again bool // that segment had been sent before
}

// seen is one range of what an acknowledgement says has arrived.
type seen struct {
	sent  clock.Instant
	end   wire.Seq
	any   bool
	again bool // it had been sent before
}

// after is RACK_sent_after.
func (a *seen) after(sent clock.Instant, end wire.Seq) bool {
	return a.sent > sent || a.sent == sent && end.Less(a.end)
}

func (a *seen) take(s *span, end wire.Seq) {
	if x := (seen{s.sent, end, true, s.state&again != 0}); !a.any || x.after(a.sent, a.end) {
		*a = x
	}
}

// note takes in what has just arrived of a span, up to end.
func (d *delivery) note(s *span, end wire.Seq, n int) {
	d.octets += n
	if s.state&again != 0 {
		d.repeat.take(s, end)
		return
	}
	d.first.take(s, end)
	if !d.anyLow || end.Less(d.low) {
		d.low, d.anyLow = end, true
	}
}

// takeRACK is steps 1 to 3 of RFC 8985 §6.2. It returns the round trip of what went once and has just
// arrived, 0 if there is nothing.
func (c *Conn) takeRACK(now clock.Instant, s *Segment, d *delivery) (rtt time.Duration) {
	r := &c.snd.board.rack
	if x := &d.first; x.any {
		rtt = max(1, now.Sub(x.sent))
		c.rtt.updateMinRTT(now, rtt)
		r.advance(x, rtt)
	}
	if x := &d.repeat; x.any {
		// The first copy may have been what arrived: an echo from before the repeat says so, and so does a round
		// trip that is too short.
		rtt := max(1, now.Sub(x.sent))
		early := c.ts.on && s.Options.HasTimestamps && int32(s.Options.TSEcr-c.ts.value(x.sent)) < 0
		if !early && rtt >= c.rtt.min {
			r.advance(x, rtt)
		}
	}
	if d.anyLow && r.hasFack && d.low.Less(r.fack) {
		c.reo.seen = true
	}
	for _, x := range [...]*seen{&d.first, &d.repeat} {
		if x.any && (!r.hasFack || r.fack.Less(x.end)) {
			r.fack, r.hasFack = x.end, true
		}
	}
	if d.repeat.any {
		return 0 // what went once may have waited for the repeat to be acknowledged
	}
	return rtt
}

func (r *rack) advance(x *seen, rtt time.Duration) {
	if r.rtt == 0 || x.after(r.sent, r.end) {
		r.sent, r.end, r.again, r.rtt = x.sent, x.end, x.again, rtt
	}
}

// widen is the part of §6.2 step 4 that answers a D-SACK: what went again was not lost, so the
// reordering window was too small. Once a round trip.
func (c *Conn) widen() {
	r, o := &c.snd.board.rack, &c.reo
	if r.inRound && r.round.In(c.snd.una.Add(1), c.snd.max.Sub(c.snd.una)) {
		return
	}
	r.round, r.inRound = c.snd.nxt, true
	o.mult = min(max(o.mult, 1)+1, maxReoMult)
	o.persist = reoPersist
}

// settleWindow is the other part: a widened window falls back after some recoveries without a D-SACK.
func (o *reordering) settleWindow() {
	if o.persist > 0 {
		if o.persist--; o.persist == 0 {
			o.mult = 1
		}
	}
}

// reoWindow is the reordering window (RFC 8985 §6.2 step 4, RACK_update_reo_wnd).
func (c *Conn) reoWindow() time.Duration {
	b := c.snd.board
	if !c.reo.seen && (c.cong.inRecovery || c.cong.afterTimeout || b.overtaken(c.snd.mss)) {
		return 0
	}
	return min(time.Duration(max(c.reo.mult, 1))*c.rtt.min/4, c.rtt.srtt)
}

// detectLosses is RACK_detect_loss (§6.2 step 5): what was sent well before something that has arrived is
// lost. The timer looks again at what may yet be late. It reports whether anything was found.
func (c *Conn) detectLosses(now clock.Instant) (found bool) {
	b, r := c.snd.board, &c.snd.board.rack
	c.stopLossTimer(waitReorder)
	if r.rtt == 0 {
		return false
	}
	wait := r.rtt + c.reoWindow()
	found, next := b.loseSent(&seen{r.sent, r.end, true, r.again}, now.Add(-wait))
	if next > 0 {
		c.at.loss, c.lossTimer = next.Add(wait), waitReorder
	}
	return found && !c.onlyMTUProbeLost(now)
}

// What the loss timer waits for.
const (
	waitReorder uint8 = 1 + iota // the end of the reordering window
	waitTail                     // an acknowledgement of the tail
)

func (c *Conn) stopLossTimer(which uint8) {
	if c.lossTimer == which {
		c.at.loss = clock.Never
	}
}

// lossTimeout is what happens when neither reordering nor a late acknowledgement explains the silence.
func (c *Conn) lossTimeout(now clock.Instant) {
	c.at.loss = clock.Never
	switch b := c.snd.board; {
	case b == nil:
	case c.lossTimer == waitTail:
		c.owe.tail = true
		c.restartRTO(now) // the probe has its own round trip (§7.3)
	case !c.detectLosses(now):
	case c.cong.inRecovery:
		c.reduce(&delivery{}, false)
	case !c.cong.afterTimeout:
		c.enterRecovery(now, c.snd.max.Sub(c.snd.una), &delivery{}, whyLate)
	}
}
