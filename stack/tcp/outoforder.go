package tcp

import (
	"smolsh/stack/buf"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// maxGaps bounds the ranges of what came early: a peer must not make us search and move any number of them
// for single octets. As many losses in one window are more than any honest path has.
const maxGaps = 1024

// gaps is what came early, and what is to be said of it. It exists from the first such segment on, until
// the connection is idle.
type gaps struct {
	buf.Ranges           // as offsets of the stream
	recent     [4]int64  // an offset in each of the ranges that grew last, the latest first
	recents    int       // how many of them are in use
	duplicate  buf.Range // what came twice, to be reported once (RFC 2883); empty: nothing
}

// Len is the number of ranges.
func (g *gaps) Len() int {
	if g == nil {
		return 0
	}
	return g.Ranges.Len()
}

// Clear forgets everything.
func (g *gaps) Clear() {
	if g != nil {
		*g = gaps{}
	}
}

// touch puts the range that holds off, which a segment has just come for, before the others
// (RFC 2018 §4).
func (g *gaps) touch(off int64) {
	r, _ := g.Holding(off)
	kept := 0
	var list [4]int64
	list[0] = off
	for _, o := range g.recent[:g.recents] {
		if (o < r.Lo || r.Hi <= o) && kept < len(list)-1 {
			kept++
			list[kept] = o
		}
	}
	g.recent, g.recents = list, kept+1
}

// settle forgets what has become part of the stream up to base.
func (g *gaps) settle(base int64) {
	kept := 0
	for _, o := range g.recent[:g.recents] {
		if o >= base {
			g.recent[kept] = o
			kept++
		}
	}
	g.recents = kept
}

// waiting is the connection's gaps.
func (c *Conn) waiting() *gaps {
	if c.rcv.early == nil {
		c.rcv.early = new(gaps)
	}
	return c.rcv.early
}

// storeOutOfOrder stores octets that start at seq, behind a gap, at their place in the receive buffer.
func (c *Conn) storeOutOfOrder(seq wire.Seq, p []byte) drop.Reason {
	c.oweDupAck()
	r, g, gap := &c.rcv, c.waiting(), seq.Sub(c.rcv.nxt)
	off := r.base + int64(gap)
	end := off + int64(len(p))
	if g.Covers(off, end) {
		g.touch(off)
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
	g.touch(off)
	return drop.None
}

// joinEarly returns how far the stream is complete from off on, given that n octets from there have
// just come while others were waiting, and takes those out of the waiting set.
func (c *Conn) joinEarly(off int64, n int) int {
	r := &c.rcv
	end := off + int64(n)
	for r.early.Len() > 0 && r.early.At(0).Lo <= end { // one segment may span several gaps
		end = max(end, r.early.At(0).Hi)
		r.early.DropBelow(end)
	}
	r.early.settle(end)
	c.owe.ack = true // a gap is filled or made smaller (RFC 5681 §4.2)
	c.owe.dupAcks = 0
	return int(end - off)
}
