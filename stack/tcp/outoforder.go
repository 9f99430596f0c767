package tcp

import (
	"smolsh/stack/buf"
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

// noteDuplicate has the next acknowledgement report that [first, end) came although it was there
// (RFC 2883 §4).
func (c *Conn) noteDuplicate(first, end wire.Seq) {
	if !c.sack {
		return
	}
	r, g := &c.rcv, c.waiting()
	off := r.base + int64(first.Sub(r.nxt))
	g.duplicate = buf.Range{Lo: off, Hi: off + int64(end.Sub(first))}
}

// noteOverlap does so with the first part of n octets from seq on that was there already, unless some before it is
// to be reported (RFC 2883 §4.2).
func (c *Conn) noteOverlap(seq wire.Seq, n int) {
	r, g := &c.rcv, c.rcv.early
	off := r.base + int64(seq.Sub(r.nxt))
	if x, ok := g.Overlap(off, off+int64(n)); ok && g.duplicate.Len() == 0 {
		first := seq.Add(int(x.Lo - off))
		c.noteDuplicate(first, first.Add(x.Len()))
	}
}

// sackRoom is the length of the SACK option in the next segment with text, in octets.
func (c *Conn) sackRoom() int {
	if c.rcv.early == nil || !c.sack {
		return 0
	}
	if n := min(c.rcv.early.reports(), c.maxBlocks(true)); n > 0 {
		return 4 + 8*n
	}
	return 0
}

// reports is the number of blocks to be sent.
func (g *gaps) reports() int {
	if g.duplicate.Len() > 0 {
		return g.recents + 1
	}
	return g.recents
}

// maxBlocks is how many blocks a segment has room for, with text or without: no more than the header takes
// (RFC 2018 §3), than the packet takes, and beside text no more than half of the packet. On a link with the least
// MTU the blocks would leave no room for a single octet of text.
func (c *Conn) maxBlocks(text bool) int {
	most, room := 4, min(int(c.snd.room), c.snd.mss)
	if c.ts.on {
		most = 3
	}
	if text {
		room /= 2
	}
	return max(0, min(most, (room-4)/8))
}

// putSACK reports what has come early: the range that the last segment is in first, then those before it
// (RFC 2018 §4). A duplicate goes before all of them, once (RFC 2883 §4).
func (c *Conn) putSACK(o *wire.TCPOptions, text bool) {
	r, g := &c.rcv, c.rcv.early
	if g == nil || !c.sack {
		return
	}
	n, most := 0, c.maxBlocks(text)
	add := func(x buf.Range) {
		if n < most {
			left := r.nxt.Add(int(x.Lo - r.base))
			o.SACK[n] = wire.SACKBlock{Left: left, Right: left.Add(x.Len())}
			n++
		}
	}
	if g.duplicate.Len() > 0 {
		add(g.duplicate)
		g.duplicate = buf.Range{}
	}
	for _, off := range g.recent[:g.recents] {
		if x, ok := g.Holding(off); ok {
			add(x)
		}
	}
	o.NumSACK = uint8(n)
}
