package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// maxQuickAcks is how many segments after a gap are acknowledged one by one: the peer's window has become small,
// and a lone segment of it must not wait for a timer.
const maxQuickAcks = 16

// oweDupAck owes one acknowledgement for this very segment: a sender without SACK counts them.
func (c *Conn) oweDupAck() {
	if c.pending.dupAcks < 255 {
		c.pending.dupAcks++
	}
	c.rcv.quickAcks = maxQuickAcks
}

// scheduleACK owes an ACK, at once or delayed, for n octets that have become readable and came in segs segments
// (RFC 9293 §3.8.6.3). joined is set if some of them had been waiting behind a gap.
func (c *Conn) scheduleACK(now clock.Instant, n, segs int, joined bool) {
	r := &c.rcv
	switch {
	case segs > 1 || joined || r.unackedSegs > 0 && n != int(r.segSize):
		r.segSize = 0
	default:
		r.segSize = uint16(n)
	}
	r.unackedSegs = uint16(min(int(r.unackedSegs)+segs, 0xffff))
	switch {
	case r.unackedSegs >= 2 || c.cfg.DelayedAck < 0 || r.quickAcks > 0:
		c.pending.ack = true // every second segment (RFC 9293 §3.8.6.3)
		r.quickAcks = uint8(max(0, int(r.quickAcks)-segs))
	case !c.pending.ack && c.at.delack == clock.Never:
		c.at.delack = now.Add(c.cfg.DelayedAck)
	}
}

// maxStepAcks is how many segments at a time are acknowledged in steps. Whoever sends more has acknowledgements enough to
// go by, and for us they would be most of the work.
const maxStepAcks = 16

// ackInSteps is acknowledge, but for every second segment of those that came at once, or every one after a
// gap: a peer with a small window sends by their clock, and must not depend on one that may get lost. Where that would
// be something else than the segments' own boundaries, or early data or what came twice would look later than it came,
// all is acknowledged.
func (c *Conn) ackInSteps(now clock.Instant, s *Segment) {
	r := &c.rcv
	segs, from, step := int(r.unackedSegs), c.ts.ackSent, 2
	if r.quickAcks > 0 || c.cfg.DelayedAck < 0 {
		step = 1
	}
	c.fillACK(now, s, c.bareSeq(), false)
	if segs <= step || segs > maxStepAcks || r.segSize == 0 || r.ooo.Len() > 0 || r.eof || s.Options.NumSACK > 0 {
		return
	}
	s.Ack = from.Add(step * int(r.segSize))
	s.Window = uint16(min(r.windowEdge.Sub(s.Ack)>>r.wscale, 0xffff))
	c.pending.ack, c.ts.ackSent, r.unackedSegs = true, s.Ack, uint16(segs-step)
}

// fillACK makes s an acknowledgement of all that has arrived in order, with sequence number seq; text says
// whether it carries text as well.
func (c *Conn) fillACK(now clock.Instant, s *Segment, seq wire.Seq, text bool) {
	c.fillHeader(now, s, seq, text)
	c.noteACKSent()
}

func (c *Conn) noteACKSent() {
	c.pending.ack = false
	c.ts.ackSent = c.rcv.nxt
	c.rcv.unackedSegs = 0
	c.at.delack = clock.Never
}
