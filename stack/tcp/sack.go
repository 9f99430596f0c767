package tcp

import (
	"smolsh/stack/buf"
	"smolsh/stack/wire"
)

// noteDuplicate has the next acknowledgement report that [first, end) came although it was there
// (RFC 2883 §4).
func (c *Conn) noteDuplicate(first, end wire.Seq) {
	if !c.sack {
		return
	}
	r, g := &c.rcv, c.ensureOOO()
	off := r.base + int64(first.Sub(r.nxt))
	g.duplicate = buf.Range{Lo: off, Hi: off + int64(end.Sub(first))}
}

// noteOverlap does so with the first part of n octets from seq on that was there already, unless some before it is
// to be reported (RFC 2883 §4.2).
func (c *Conn) noteOverlap(seq wire.Seq, n int) {
	r, g := &c.rcv, c.rcv.ooo
	off := r.base + int64(seq.Sub(r.nxt))
	if x, ok := g.Overlap(off, off+int64(n)); ok && g.duplicate.Len() == 0 {
		first := seq.Add(int(x.Lo - off))
		c.noteDuplicate(first, first.Add(x.Len()))
	}
}

// sackRoom is the length of the SACK option in the next segment with text, in octets.
func (c *Conn) sackRoom() int {
	if c.rcv.ooo == nil || !c.sack {
		return 0
	}
	if n := min(c.rcv.ooo.blocks(), c.maxBlocks(true)); n > 0 {
		return 4 + 8*n
	}
	return 0
}

// blocks is the number of blocks to be sent.
func (g *outOfOrder) blocks() int {
	if g.duplicate.Len() > 0 {
		return g.numRecent + 1
	}
	return g.numRecent
}

// maxBlocks is how many blocks a segment has room for, with text or without: no more than the header takes
// (RFC 2018 §3), than the packet takes, and beside text no more than half of the packet. On a link with the least
// MTU the blocks would leave no room for a single octet of text.
func (c *Conn) maxBlocks(text bool) int {
	most, room := 4, min(int(c.snd.callerRoom), c.snd.mss)
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
	r, g := &c.rcv, c.rcv.ooo
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
	for _, off := range g.recent[:g.numRecent] {
		if x, ok := g.Holding(off); ok {
			add(x)
		}
	}
	o.NumSACK = uint8(n)
}

// processSACK puts the blocks on the board. A block that is not wholly within (SND.UNA, SND.MAX] names octets
// that were never sent or are acknowledged already, and is ignored (RFC 2018 §5). The first block may be a
// D-SACK (RFC 2883 §4): it lies below the acknowledgement, or within the second block.
func (c *Conn) processSACK(s *Segment, d *delivery) (twice wire.SACKBlock) {
	v, list := &c.snd, s.Options.SACK[:s.Options.NumSACK]
	oldest, next := v.una.Add(-v.maxWnd), v.una.Add(1)
	if len(list) > 0 {
		k := list[0]
		inSecond := len(list) > 1 && list[1].Within(next, v.max) && k.Within(list[1].Left, list[1].Right)
		if k.Within(oldest, s.Ack) || inSecond {
			twice = k
		}
	}
	for _, k := range list {
		if k.Within(next, v.max) {
			v.scoreboard.noteSACK(k.Left, k.Right, d)
		}
	}
	return twice
}
