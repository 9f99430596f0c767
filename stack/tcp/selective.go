package tcp

import (
	"smolsh/stack/clock"
)

// ackSelective takes in an acknowledgement, of something new or a duplicate, while there is a scoreboard.
// What to send again, and how much of anything, follows from the board: see resendable and sendable.
func (c *Conn) ackSelective(now clock.Instant, s *Segment) {
	v, g, b := &c.snd, &c.cong, c.snd.board
	flight := v.max.Sub(v.una)
	var d delivery
	n := 0
	if progress := v.una.Less(s.Ack); progress {
		b.ack(s.Ack, &d)
		n = c.ackProgress(now, s)
		c.setWindow(s, v.wscale) // as in ackNew
	} else {
		c.updateWindow(s)
	}
	c.takeSACK(s, &d)
	if b.reneged() {
		b.forget()
	}
	b.loseOvertaken(v.mss)
	switch {
	case g.inRecovery && g.recover.LessEq(v.una):
		g.inRecovery = false
		g.Cwnd = g.Ssthresh
	case g.inRecovery:
	case b.lost > 0 && g.recover.LessEq(v.una):
		c.enterRecovery(now, flight)
	case n > 0:
		c.grow(now, n, flight)
	}
}

// takeSACK puts the blocks on the board. One that is not wholly within (SND.UNA, SND.MAX] was never sent
// or is old, and says nothing (RFC 2018 §5); the first may be a duplicate's (RFC 2883 §4).
func (c *Conn) takeSACK(s *Segment, d *delivery) {
	v := &c.snd
	for _, k := range s.Options.SACK[:s.Options.NumSACK] {
		if v.una.Less(k.Left) && k.Right.LessEq(v.max) {
			v.board.sack(k.Left, k.Right, d)
		}
	}
}

// enterRecovery begins a recovery from losses that the board shows (RFC 6675 §5, step 4): it lasts until
// all that is out now has been acknowledged. The first segment goes again whatever the window.
func (c *Conn) enterRecovery(now clock.Instant, flight int) {
	v, g := &c.snd, &c.cong
	g.ctl.Lost(now, &g.Window, min(flight, g.Cwnd)) // without what was sent in the place of what had arrived
	g.Cwnd = g.Ssthresh
	g.inRecovery, g.recover = true, v.max
	c.owe.fast = true
	c.count(EventFastRetrans)
}

// resendable decides whether something lost goes again now, and how much of it.
func (c *Conn) resendable(room int) (n int, ok bool) {
	v := &c.snd
	if v.board == nil || !c.sending() {
		return 0, false
	}
	from, to, ok := v.board.nextLost()
	if !ok {
		return 0, false
	}
	if edge := v.una.Add(v.wnd); edge.Less(to) {
		to = edge
	}
	size := to.Sub(from) // in numbers: a FIN may be the last
	if size <= 0 {
		return 0, false
	}
	n = max(0, min(size, v.dataEnd().Sub(from), c.segment(), room))
	return n, n+min(size-n, 1) > 0 && (c.owe.fast || c.cong.Cwnd-c.inFlight() >= min(n, v.mss))
}

// emitLost sends n octets again, or the FIN.
func (c *Conn) emitLost(now clock.Instant, p []byte, s *Segment) {
	c.owe.fast = false
	b := c.snd.board
	if b == nil {
		c.emitText(now, p, s, c.snd.dataStart())
		return
	}
	from, _, _ := b.nextLost()
	end := c.emitText(now, p, s, from)
	b.resent(from, end, now)
	if c.at.rexmt == clock.Never {
		c.at.rexmt = now.Add(c.rtt.rto)
	}
}

// inFlight is how many octets are on their way, as far as is known: all that is not acknowledged, less
// what the board knows to have arrived or to be lost.
func (c *Conn) inFlight() int {
	if c.snd.board != nil {
		return c.snd.board.pipe()
	}
	return c.snd.nxt.Sub(c.snd.una)
}

// noteSent puts what has gone for the first time on the board, where the peer acknowledges selectively.
func (c *Conn) noteSent(now clock.Instant) {
	v := &c.snd
	if !c.sack {
		return
	}
	if v.board == nil {
		v.board = &board{una: v.una}
	}
	v.board.grain = c.rtt.srtt / 32
	v.board.push(v.nxt, now)
}
