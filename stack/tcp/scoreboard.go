package tcp

import (
	"slices"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// spanState is what is known of a range of octets that have been sent.
type spanState uint8

const (
	sacked spanState = 1 << iota // the receiver says that it has them
	lost                         // they are to be sent again
	again                        // they have been sent more than once
)

// span is a range of the stream that begins where the one before it ends.
type span struct {
	end   wire.Seq
	state spanState
	sent  clock.Instant // when the last copy went
}

// maxSpans bounds the ranges that a peer can make us keep by what it acknowledges selectively: beyond it,
// what would cut a range in two is not taken in. What we send ourselves may double the number.
const maxSpans = 512

// board is the sender's scoreboard (RFC 2018 §5, RFC 6675 §3): all that has been sent and is not
// acknowledged, as ranges of octets. Neighbours of one kind are one range. It exists while something is
// on its way to a peer that acknowledges selectively.
type board struct {
	una    wire.Seq // where the first span begins
	first  int      // the spans before it are history
	spans  []span
	sacked int           // octets, in all
	lost   int           // the same; nothing is both
	grain  time.Duration // what goes within so short a time is taken as sent at once,
	turn   clock.Instant // except across this instant, when repeats last followed new octets or these repeats
	repeat bool          // repeats are what went last

	timed clock.Instant // when a round trip was last taken from what was acknowledged selectively

	rack rack
	tlp  probe
	prr  prr
	undo undo
}

// delivery is what one acknowledgement says has arrived and was not known to have.
type delivery struct {
	octets        int
	first, repeat seen     // what was sent last of it: once, more than once
	low           wire.Seq // the lowest end of what was sent once, meaningful with anyLow
	anyLow        bool
}

// pipe is an estimate of how many octets are on their way (RFC 6675 §3).
func (b *board) pipe() int { return b.end().Sub(b.una) - b.sacked - b.lost }

// end is the number behind the last octet.
func (b *board) end() wire.Seq {
	if n := len(b.spans); n > b.first {
		return b.spans[n-1].end
	}
	return b.una
}

func (b *board) begin(i int) wire.Seq {
	if i == b.first {
		return b.una
	}
	return b.spans[i-1].end
}

func (b *board) octets(i int) int { return b.spans[i].end.Sub(b.begin(i)) }

// full reports whether no more ranges are to be made, if that can be helped.
func (b *board) full() bool { return len(b.spans)-b.first >= maxSpans }

// push notes that what follows up to end has been sent.
func (b *board) push(end wire.Seq, now clock.Instant) {
	if !b.end().Less(end) {
		return
	}
	b.takeTurn(false, now)
	if n := len(b.spans); n > b.first {
		if l := &b.spans[n-1]; l.state == 0 && b.alike(l.sent, now) {
			l.end = end
			return
		}
	}
	b.compact()
	b.spans = append(b.spans, span{end: end, sent: now})
}

// takeTurn notes that new octets or repeats go.
func (b *board) takeTurn(repeat bool, now clock.Instant) {
	if b.repeat != repeat {
		b.turn, b.repeat = now, repeat
	}
}

// alike reports whether what goes now may count as sent when its neighbour was. Of two ranges that went in turns with
// a third, the second must not count as older than that: were the third to arrive first, it would be taken for lost.
func (b *board) alike(sent, now clock.Instant) bool {
	return b.full() || now.Sub(sent) <= b.grain && sent >= b.turn
}

// compact makes room for two more spans where the history is. Indices are other ones afterwards.
func (b *board) compact() {
	if b.first > 0 && len(b.spans)+2 > cap(b.spans) {
		b.spans = slices.Delete(b.spans, 0, b.first)
		b.first = 0
	}
}

// ack takes away what is below to, which is cumulatively acknowledged.
func (b *board) ack(to wire.Seq, d *delivery) {
	for b.first < len(b.spans) && b.una.Less(to) {
		s := &b.spans[b.first]
		upTo := to
		if s.end.LessEq(to) {
			upTo = s.end
		}
		n := upTo.Sub(b.una)
		b.account(s.state, -n)
		if s.state&sacked == 0 {
			d.note(s, upTo, n)
		}
		b.una = upTo
		if upTo == s.end {
			b.first++
		}
	}
	if b.first == len(b.spans) {
		b.spans, b.first = b.spans[:0], 0
		b.una = wire.MaxSeq(b.una, to)
	}
}

func (b *board) account(s spanState, n int) {
	switch {
	case s&sacked != 0:
		b.sacked += n
	case s&lost != 0:
		b.lost += n
	}
}

// at is the index of the span that seq is in, which is at or behind una; len(spans) behind the end.
func (b *board) at(seq wire.Seq) int {
	lo, hi := b.first, len(b.spans)
	for lo < hi {
		if m := (lo + hi) / 2; b.spans[m].end.LessEq(seq) {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// cut makes a span begin at seq and returns its index. Those of the spans before it stay.
func (b *board) cut(seq wire.Seq) int {
	i := b.at(seq)
	if i == len(b.spans) || b.begin(i) == seq {
		return i
	}
	b.spans = slices.Insert(b.spans, i, b.spans[i])
	b.spans[i].end = seq
	return i + 1
}

// cutForPeer is cut for whoever may not make any number of ranges: at the bound it returns the span
// behind seq, when up is set, or the one that seq is in.
func (b *board) cutForPeer(seq wire.Seq, up bool) int {
	if !b.full() {
		return b.cut(seq)
	}
	i := b.at(seq)
	if up && i < len(b.spans) && b.begin(i) != seq {
		i++
	}
	return i
}

// sack notes that the receiver has what is in [l, r), within what has been sent.
func (b *board) sack(l, r wire.Seq, d *delivery) {
	l = wire.MaxSeq(l, b.una)
	if b.end().Less(r) {
		r = b.end()
	}
	if !l.Less(r) {
		return
	}
	if i := b.at(l); b.spans[i].state&sacked != 0 && r.LessEq(b.spans[i].end) {
		return // no news
	}
	b.compact()
	i, j := b.cutForPeer(l, true), b.cutForPeer(r, false)
	if i >= j {
		return
	}
	for k := i; k < j; k++ {
		s := &b.spans[k]
		if s.state&sacked != 0 {
			continue
		}
		n := b.octets(k)
		d.note(s, s.end, n)
		b.account(s.state, -n)
		s.state = s.state&^lost | sacked
		b.account(s.state, n)
	}
	if i > b.first && b.spans[i-1].state&sacked != 0 {
		i--
	}
	if j < len(b.spans) && b.spans[j].state&sacked != 0 {
		j++
	}
	b.spans[i].end = b.spans[j-1].end
	b.spans = slices.Delete(b.spans, i+1, j)
}

// nextLost is the first range that is to be sent again; ok is false when there is none (RFC 6675 §4,
// NextSeg rule 1).
func (b *board) nextLost() (from, to wire.Seq, ok bool) {
	if b.lost == 0 {
		return 0, 0, false
	}
	for i := b.first; ; i++ {
		if b.spans[i].state&lost != 0 {
			return b.begin(i), b.spans[i].end, true
		}
	}
}

// resent notes that what is in [seq, end) and has not arrived has gone again.
func (b *board) resent(seq, end wire.Seq, now clock.Instant) {
	b.takeTurn(true, now)
	b.compact()
	i, j := b.cut(seq), b.cut(end)
	for k := i; k < j; k++ {
		if s := &b.spans[k]; s.state&sacked == 0 {
			b.account(s.state, -b.octets(k))
			s.state, s.sent = again, now
		}
	}
	if i == b.first || i >= j || b.spans[i].state != again {
		return
	}
	if p := &b.spans[i-1]; p.state == again && b.alike(p.sent, now) {
		p.end = b.spans[i].end
		b.spans = slices.Delete(b.spans, i, i+1)
	}
}

// lose marks a span as lost.
func (b *board) lose(i int) {
	if s := &b.spans[i]; s.state&(sacked|lost) == 0 {
		s.state |= lost
		b.lost += b.octets(i)
	}
}

// dupThresh is how much must have overtaken a segment for it to be lost, in segments (RFC 6675 §2).
const dupThresh = 3

// overtaken reports whether dupThresh ranges have arrived beyond a gap, or more octets than dupThresh-1
// segments hold (RFC 6675 §4, IsLost).
func (b *board) overtaken(mss int) bool {
	ranges := 0
	for i := b.first; i < len(b.spans) && ranges < dupThresh; i++ {
		if b.spans[i].state&sacked != 0 {
			ranges++
		}
	}
	return ranges == dupThresh || b.sacked > (dupThresh-1)*mss
}

// reneged reports whether the receiver claims to have what it has not acknowledged (RFC 2018 §8).
func (b *board) reneged() bool { return b.first < len(b.spans) && b.spans[b.first].state&sacked != 0 }

// forget takes back what the receiver has said: it has thrown it away (RFC 2018 §8).
func (b *board) forget() {
	for i := b.first; i < len(b.spans); i++ {
		if s := &b.spans[i]; s.state&sacked != 0 {
			s.state &^= sacked
			b.lose(i)
		}
	}
	b.sacked = 0
}

// loseSent marks as lost what went before newest did, and at before or sooner. next is the last instant at
// which some of the rest went, if found to be older than newest; 0: there is none. What went again at the
// instant at which newest went for the first time is not older: numbers do not tell the order of these.
func (b *board) loseSent(newest *seen, before clock.Instant) (found bool, next clock.Instant) {
	for i := b.first; i < len(b.spans); i++ {
		s := &b.spans[i]
		tie := s.sent == newest.sent && s.state&again != 0 && !newest.again
		if s.state&(sacked|lost) != 0 || tie || !newest.after(s.sent, s.end) {
			continue
		}
		if s.sent <= before {
			b.lose(i)
			found = true
		} else {
			next = max(next, s.sent)
		}
	}
	return found, next
}

// loseAll is for a timeout: what the receiver has said is forgotten, since it may have thrown away what it
// had (RFC 2018 §8, RFC 6675 §5.1), and the first range is lost with all that went at before or sooner
// (RFC 8985 §6.3).
func (b *board) loseAll(before clock.Instant) {
	b.forget()
	for i := b.first; i < len(b.spans); i++ {
		if i == b.first || b.spans[i].sent <= before {
			b.lose(i)
		}
	}
}

// find is the opposite: what was thought lost is on its way.
func (b *board) find() {
	for i := b.first; i < len(b.spans); i++ {
		b.spans[i].state &^= lost
	}
	b.lost = 0
}
