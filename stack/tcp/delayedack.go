package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// maxQuickAcks is the number of segments after a gap that are acknowledged one by one. The peer's window has become
// small by then, and a lone segment must not wait for the delayed ACK timer.
const maxQuickAcks = 16

// scheduleDupACK makes one more ACK pending. Each segment out of order gets an ACK, since a sender without SACK counts
// duplicate ACKs (RFC 5681 §4.2).
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
		c.pending.ack = true // every second segment is acknowledged at once
		r.quickAcks = uint8(max(0, int(r.quickAcks)-segs))
	case !c.pending.ack && c.at.delack == clock.Never:
		c.at.delack = now.Add(c.cfg.DelayedAck)
	}
}

// maxStepAcks is the largest batch of segments that is acknowledged in steps. A peer that sends larger batches gets
// enough ACKs to clock its sending, and an ACK for every two segments would cost us most of the time.
const maxStepAcks = 16

// ackInSteps fills in an ACK for the first two segments of a batch, and leaves an ACK pending for the rest. After a gap
// it acknowledges one segment at a time. These ACKs clock a peer with a small window, which must not depend on a single
// ACK that may be lost. The whole batch gets one ACK if the segments' boundaries are unknown, or if the ACK reports
// ranges that arrived out of order or twice.
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

// fillACK makes s an ACK for everything received in order. The ACK has the sequence number seq. text is true if s also
// carries text.
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
