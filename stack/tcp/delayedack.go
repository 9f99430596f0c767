package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// maxQuickAcks is the number of segments after a gap that are acknowledged one by one. The peer's window has become
// small, and a lone segment in it must not wait for a timer.
const maxQuickAcks = 16

// scheduleDupACK makes one more ACK pending. A sender without SACK counts duplicate ACKs, so each segment out of order
// has its own (RFC 5681 §4.2).
func (c *Conn) scheduleDupACK() {
	if c.pending.dupAcks < 255 {
		c.pending.dupAcks++
	}
	c.rcv.quickAcks = maxQuickAcks
}

// scheduleACK makes an ACK pending, at once or delayed, for n octets that have become readable and arrived in segs segments
// (delayed ACK, RFC 9293 §3.8.6.3). joined is set if some of the octets had been received out of order before.
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
		c.pending.ack = true // an ACK for every second segment
		r.quickAcks = uint8(max(0, int(r.quickAcks)-segs))
	case !c.pending.ack && c.at.delack == clock.Never:
		c.at.delack = now.Add(c.cfg.DelayedAck)
	}
}

// maxStepAcks is the largest batch of segments that is acknowledged in steps. A peer that sends larger batches gets
// enough ACKs to clock its sending, and single ACKs would be most of our work.
const maxStepAcks = 16

// ackInSteps fills in an ACK for the first two segments of a batch, and leaves an ACK pending for the rest. After a
// gap it acknowledges one segment at a time. A peer with a small window sends by the clock of these ACKs, and must
// not depend on a single one that may be lost. The whole batch is acknowledged at once if the segments' boundaries
// are unknown, or if the ACK reports ranges out of order or received twice.
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

// fillACK makes s an ACK for everything received in order, with sequence number seq. text is set if s carries text
// as well.
func (c *Conn) fillACK(now clock.Instant, s *Segment, seq wire.Seq, text bool) {
	c.fillHeader(now, s, seq, text)
	c.noteACKSent()
}

// noteACKSent records that everything received in order is acknowledged: no ACK is pending or delayed any more.
func (c *Conn) noteACKSent() {
	c.pending.ack = false
	c.ts.ackSent = c.rcv.nxt
	c.rcv.unackedSegs = 0
	c.at.delack = clock.Never
}
