package tcp

import (
	"smolsh/stack/buf"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// maxGaps bounds the ranges received out of order, and so the work that a peer can cause by sending single octets. An
// honest path does not lose as many segments in one window.
const maxGaps = 1024

// outOfOrder is the set of ranges received out of order, and the state of the SACK option that reports them. It is
// allocated with the first segment out of order, and released when the connection is idle.
type outOfOrder struct {
	buf.Ranges           // ranges as offsets in the stream
	recent     [4]int64  // an offset in each of the ranges that grew most recently, latest first
	numRecent  int       // number of valid entries in recent
	duplicate  buf.Range // range received twice, to be reported once (RFC 2883 §4); empty if there is none
}

// Len returns the number of ranges.
func (g *outOfOrder) Len() int {
	if g == nil {
		return 0
	}
	return g.Ranges.Len()
}

// Clear removes all ranges.
func (g *outOfOrder) Clear() {
	if g != nil {
		*g = outOfOrder{}
	}
}

// noteArrival moves the range that contains the offset off, where a segment has just arrived, to the front of the
// ranges to report (RFC 2018 §4).
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

// forgetDelivered removes the ranges below base from the ranges to report, because they are now part of the stream.
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

// ensureOOO returns the set of ranges received out of order, and allocates it if necessary.
func (c *Conn) ensureOOO() *outOfOrder {
	if c.rcv.ooo == nil {
		c.rcv.ooo = new(outOfOrder)
	}
	return c.rcv.ooo
}

// storeOutOfOrder stores octets that start at seq, beyond a gap, at their place in the receive buffer. It makes a
// duplicate ACK pending at once (RFC 5681 §4.2).
func (c *Conn) storeOutOfOrder(seq wire.Seq, p []byte) drop.Reason {
	c.scheduleDupACK()
	r, g, gap := &c.rcv, c.ensureOOO(), seq.Sub(c.rcv.nxt)
	off := r.base + int64(gap)
	end := off + int64(len(p))
	if g.Covers(off, end) {
		g.noteArrival(off)
		c.noteDuplicate(seq, seq.Add(len(p)))
		return drop.TCPDuplicate
	}
	if g.Len() >= maxGaps && !g.Touches(off, end) {
		return drop.TCPTooManyGaps // the peer retransmits the segment after other gaps have been filled
	}
	c.count(EventOutOfOrder)
	c.noteOverlap(seq, len(p))
	r.buf.PutAt(r.buf.Len()+gap, p)
	g.Add(off, end)
	g.noteArrival(off)
	return drop.None
}

// joinOutOfOrder is called when n octets at offset off have filled a gap or a part of it. It returns the number of
// contiguous octets that start at off, and removes them from the ranges.
func (c *Conn) joinOutOfOrder(off int64, n int) int {
	r := &c.rcv
	end := off + int64(n)
	for r.ooo.Len() > 0 && r.ooo.At(0).Lo <= end { // one segment may fill several gaps
		end = max(end, r.ooo.At(0).Hi)
		r.ooo.DropBelow(end)
	}
	r.ooo.forgetDelivered(end)
	c.pending.ack = true // an ACK at once for a segment that fills a gap or a part of it (RFC 5681 §4.2)
	c.pending.dupAcks = 0
	return int(end - off)
}
