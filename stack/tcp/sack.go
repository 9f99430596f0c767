package tcp

import (
	"smolsh/stack/buf"
	"smolsh/stack/wire"
)

// noteDuplicate makes the next ACK report [first, end) as received twice (D-SACK, RFC 2883 §4.1).
func (c *Conn) noteDuplicate(first, end wire.Seq) {
	if !c.sack {
		return
	}
	r, g := &c.rcv, c.ensureOOO()
	off := r.base + int64(first.Sub(r.nxt))
	g.duplicate = buf.Range{Lo: off, Hi: off + int64(end.Sub(first))}
}

// noteOverlap makes the next ACK report a duplicate among the n octets from seq on: the first part that had been
// received before (D-SACK, RFC 2883 §4.2). It does nothing if another duplicate is waiting to be reported.
func (c *Conn) noteOverlap(seq wire.Seq, n int) {
	r, g := &c.rcv, c.rcv.ooo
	off := r.base + int64(seq.Sub(r.nxt))
	if x, ok := g.Overlap(off, off+int64(n)); ok && g.duplicate.Len() == 0 {
		first := seq.Add(int(x.Lo - off))
		c.noteDuplicate(first, first.Add(x.Len()))
	}
}

// sackRoom returns the length of the SACK option in the next segment that carries text, in octets.
func (c *Conn) sackRoom() int {
	if c.rcv.ooo == nil || !c.sack {
		return 0
	}
	if n := min(c.rcv.ooo.blocks(), c.maxBlocks(true)); n > 0 {
		return 4 + 8*n
	}
	return 0
}

// blocks returns the number of SACK blocks that there are to send.
func (g *outOfOrder) blocks() int {
	if g.duplicate.Len() > 0 {
		return g.numRecent + 1
	}
	return g.numRecent
}

// maxBlocks returns the number of SACK blocks that fit into a segment. The number depends on whether the segment has
// text. The TCP header bounds the number (RFC 2018 §3), and so does the packet. Beside text the option may occupy only
// half of the packet: on a link with the least MTU it would otherwise leave no room for text.
func (c *Conn) maxBlocks(text bool) int {
	limit, room := 4, min(int(c.snd.callerRoom), c.snd.mss)
	if c.ts.on {
		limit = 3
	}
	if text {
		room /= 2
	}
	return max(0, min(limit, (room-4)/8))
}

// putSACK fills in the SACK option: first the range that contains the last segment received, then ranges that grew
// earlier (RFC 2018 §4). A duplicate is reported once, as the first block (RFC 2883 §4).
func (c *Conn) putSACK(o *wire.TCPOptions, text bool) {
	r, g := &c.rcv, c.rcv.ooo
	if g == nil || !c.sack {
		return
	}
	n, limit := 0, c.maxBlocks(text)
	add := func(x buf.Range) {
		if n < limit {
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

// processSACK enters the SACK blocks of a segment into the scoreboard, and returns the D-SACK block if there is one. It
// ignores a block that is not wholly inside (SND.UNA, SND.MAX): the block's octets were never sent or are acknowledged
// already (RFC 2018 §5). The first block is a D-SACK if it lies below the ACK or inside the second block (RFC 2883 §4).
func (c *Conn) processSACK(s *Segment, d *delivery) (dsack wire.SACKBlock) {
	v, list := &c.snd, s.Options.SACK[:s.Options.NumSACK]
	oldest, next := v.una.Add(-v.maxWnd), v.una.Add(1)
	if len(list) > 0 {
		k := list[0]
		inSecond := len(list) > 1 && list[1].Within(next, v.max) && k.Within(list[1].Left, list[1].Right)
		if k.Within(oldest, s.Ack) || inSecond {
			dsack = k
		}
	}
	for _, k := range list {
		if k.Within(next, v.max) {
			v.scoreboard.noteSACK(k.Left, k.Right, d)
		}
	}
	return dsack
}
