package tcp

import (
	"smolsh/stack/buf"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// maxGaps bounds the ranges of what came early: a peer must not make us search and move any number of them
// for single octets. As many losses in one window are more than any honest path has.
const maxGaps = 1024

// outOfOrder is what came early, and what is to be said of it. It exists from the first such segment on, until
// the connection is idle.
type outOfOrder struct {
	buf.Ranges           // as offsets of the stream
	recent     [4]int64  // an offset in each of the ranges that grew last, the latest first
	numRecent  int       // how many of them are in use
	duplicate  buf.Range // what came twice, to be reported once (RFC 2883); empty: nothing
}

// Len is the number of ranges.
func (g *outOfOrder) Len() int {
	if g == nil {
		return 0
	}
	return g.Ranges.Len()
}

// Clear forgets everything.
func (g *outOfOrder) Clear() {
	if g != nil {
		*g = outOfOrder{}
	}
}

// noteArrival puts the range that holds off, which a segment has just come for, before the others
// (RFC 2018 §4).
func (g *outOfOrder) noteArrival(off int64) {
	r, _ := g.Holding(off)
	kept := 0
	var list [4]int64
	list[0] = off
	for _, o := range g.recent[:g.numRecent] {
		if (o < r.Lo || r.Hi <= o) && kept < len(list)-1 {
			kept++
			list[kept] = o
		}
	}
	g.recent, g.numRecent = list, kept+1
}

// forgetDelivered forgets what has become part of the stream up to base.
func (g *outOfOrder) forgetDelivered(base int64) {
	kept := 0
	for _, o := range g.recent[:g.numRecent] {
		if o >= base {
			g.recent[kept] = o
			kept++
		}
	}
	g.numRecent = kept
}

// ensureOOO is the connection's gaps.
func (c *Conn) ensureOOO() *outOfOrder {
	if c.rcv.ooo == nil {
		c.rcv.ooo = new(outOfOrder)
	}
	return c.rcv.ooo
}

// storeOutOfOrder stores octets that start at seq, behind a gap, at their place in the receive buffer.
func (c *Conn) storeOutOfOrder(seq wire.Seq, p []byte) drop.Reason {
	c.oweDupAck()
	r, g, gap := &c.rcv, c.ensureOOO(), seq.Sub(c.rcv.nxt)
	off := r.base + int64(gap)
	end := off + int64(len(p))
	if g.Covers(off, end) {
		g.noteArrival(off)
		c.noteDuplicate(seq, seq.Add(len(p)))
		return drop.TCPDuplicate
	}
	if g.Len() >= maxGaps && !g.Touches(off, end) {
		return drop.TCPTooManyGaps // the peer retransmits it when other gaps are closed
	}
	c.count(EventOutOfOrder)
	c.noteOverlap(seq, len(p))
	r.buf.PutAt(r.buf.Len()+gap, p)
	g.Add(off, end)
	g.noteArrival(off)
	return drop.None
}

// joinOutOfOrder returns how far the stream is complete from off on, given that n octets from there have
// just come while others were waiting, and takes those out of the waiting set.
func (c *Conn) joinOutOfOrder(off int64, n int) int {
	r := &c.rcv
	end := off + int64(n)
	for r.ooo.Len() > 0 && r.ooo.At(0).Lo <= end { // one segment may span several gaps
		end = max(end, r.ooo.At(0).Hi)
		r.ooo.DropBelow(end)
	}
	r.ooo.forgetDelivered(end)
	c.pending.ack = true // a gap is filled or made smaller (RFC 5681 §4.2)
	c.pending.dupAcks = 0
	return int(end - off)
}
