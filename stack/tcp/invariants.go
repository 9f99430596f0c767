package tcp

import (
	"fmt"

	"smolsh/stack/clock"
)

// Check returns an error for the first invariant of the connection that does not hold. Every invariant holds after
// every segment and every call, whatever the peer sends. Check reads the whole scoreboard and changes nothing. It is
// for tests.
func (c *Conn) Check() error {
	v, r := &c.snd, &c.rcv
	if c.state == Closed || c.state == Listen {
		return nil
	}
	switch {
	case v.nxt.Less(v.una) || v.max.Less(v.nxt):
		return fmt.Errorf("una %d nxt %d max %d out of order", v.una, v.nxt, v.max)
	case v.max.Sub(v.dataStart()) > v.buf.Len()+1:
		return fmt.Errorf("sent %d beyond the buffer of %d", v.max.Sub(v.dataStart()), v.buf.Len())
	case c.state != SynSent && r.windowEdge.Less(r.nxt):
		return fmt.Errorf("rcv.nxt %d beyond the offered edge %d", r.nxt, r.windowEdge)
	case r.ooo.Len() > 0 && r.ooo.At(0).Lo <= r.base:
		return fmt.Errorf("early octets from %d at %d", r.ooo.At(0).Lo, r.base)
	case v.nxt == v.una && c.at.rexmt != clock.Never:
		return fmt.Errorf("retransmission timer runs with nothing in flight: %v %+v", c.state, c.cong)
	case c.cong.Cwnd < 0:
		return fmt.Errorf("cwnd %d", c.cong.Cwnd)
	}
	if b := v.scoreboard; b != nil {
		if c.inFlight() > 0 && c.at.rexmt == clock.Never {
			return fmt.Errorf("%d octets are on their way, and no timer runs: %v %+v", c.inFlight(), c.state, c.cong)
		}
		if b.una != v.una || b.end() != v.nxt {
			return fmt.Errorf("the board is from %d to %d, what is out from %d to %d", b.una, b.end(), v.una, v.nxt)
		}
		return b.check()
	}
	return nil
}

// check returns an error if the scoreboard's spans contradict each other, or if its sums do not match the spans.
func (b *scoreboard) check() error {
	var has, gone int
	at := b.una
	for i := b.first; i < len(b.spans); i++ {
		s := &b.spans[i]
		if !at.Less(s.end) {
			return fmt.Errorf("span %d is empty: %d to %d", i, at, s.end)
		}
		switch n := s.end.Sub(at); {
		case s.state&(sacked|lost) == sacked|lost:
			return fmt.Errorf("%d to %d has arrived and is lost", at, s.end)
		case s.state&sacked != 0:
			has += n
			if i > b.first && b.spans[i-1].state&sacked != 0 {
				return fmt.Errorf("two spans that have arrived meet at %d", at)
			}
		case s.state&lost != 0:
			gone += n
		}
		at = s.end
	}
	if has != b.sacked || gone != b.lost {
		return fmt.Errorf("%d octets have arrived and %d are lost, the board says %d and %d", has, gone, b.sacked, b.lost)
	}
	if n := len(b.spans) - b.first; n > 2*maxSpans+2 {
		return fmt.Errorf("%d spans", n)
	}
	return nil
}
