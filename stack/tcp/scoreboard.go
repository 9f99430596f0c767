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
	sacked        spanState = 1 << iota // the receiver says that it has them
	lost                                // they are to be sent again
	retransmitted                       // they have been sent more than once
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

// scoreboard is the sender's scoreboard (RFC 2018 §5, RFC 6675 §3): all that has been sent and is not
// acknowledged, as ranges of octets. Neighbours of one kind are one range. It exists while something is
// on its way to a peer that acknowledges selectively.
type scoreboard struct {
	una         wire.Seq // where the first span begins
	first       int      // the spans before it are history
	spans       []span
	sacked      int           // octets, in all
	lost        int           // the same; nothing is both
	sentGrain   time.Duration // what goes within so short a time is taken as sent at once,
	kindChanged clock.Instant // except across this instant, when repeats last followed new octets or these repeats
	retransmits bool          // repeats are what went last

	lastSample clock.Instant // when a round trip was last taken from what was acknowledged selectively

	rack rack
	tlp  tailLossProbe
	prr  prr
	undo undo
}

// delivery is what one acknowledgement says has arrived and was not known to have.
type delivery struct {
	octets                           int
	newestOriginal, newestRetransmit sentSample // what was sent last of it: once, more than once
	lowestOriginal                   wire.Seq   // the lowest end of what was sent once, meaningful with anyLow
	hasLowest                        bool
}

// pipe is an estimate of how many octets are on their way (RFC 6675 §3).
func (b *scoreboard) pipe() int { return b.end().Sub(b.una) - b.sacked - b.lost }

// end is the number behind the last octet.
func (b *scoreboard) end() wire.Seq {
	if n := len(b.spans); n > b.first {
		return b.spans[n-1].end
	}
	return b.una
}

func (b *scoreboard) start(i int) wire.Seq {
	if i == b.first {
		return b.una
	}
	return b.spans[i-1].end
}

func (b *scoreboard) octets(i int) int { return b.spans[i].end.Sub(b.start(i)) }

// atLimit reports whether no more ranges are to be made, if that can be helped.
func (b *scoreboard) atLimit() bool { return len(b.spans)-b.first >= maxSpans }

// noteSent notes that what follows up to end has been sent.
func (b *scoreboard) noteSent(end wire.Seq, now clock.Instant) {
	if !b.end().Less(end) {
		return
	}
	b.noteKind(false, now)
	if n := len(b.spans); n > b.first {
		if l := &b.spans[n-1]; l.state == 0 && b.sentTogether(l.sent, now) {
			l.end = end
			return
		}
	}
	b.compact()
	b.spans = append(b.spans, span{end: end, sent: now})
}

// noteKind notes that new octets or repeats go.
func (b *scoreboard) noteKind(repeat bool, now clock.Instant) {
	if b.retransmits != repeat {
		b.kindChanged, b.retransmits = now, repeat
	}
}

// sentTogether reports whether what goes now may count as sent when its neighbour was. Of two ranges that went in turns with
// a third, the second must not count as older than that: were the third to arrive first, it would be taken for lost.
func (b *scoreboard) sentTogether(sent, now clock.Instant) bool {
	return b.atLimit() || now.Sub(sent) <= b.sentGrain && sent >= b.kindChanged
}

// compact makes room for two more spans where the history is. Indices are other ones afterwards.
func (b *scoreboard) compact() {
	if b.first > 0 && len(b.spans)+2 > cap(b.spans) {
		b.spans = slices.Delete(b.spans, 0, b.first)
		b.first = 0
	}
}

// noteAck takes away what is below to, which is cumulatively acknowledged.
func (b *scoreboard) noteAck(to wire.Seq, d *delivery) {
	for b.first < len(b.spans) && b.una.Less(to) {
		s := &b.spans[b.first]
		upTo := to
		if s.end.LessEq(to) {
			upTo = s.end
		}
		n := upTo.Sub(b.una)
		b.addOctets(s.state, -n)
		if s.state&sacked == 0 {
			d.add(s, upTo, n)
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

func (b *scoreboard) addOctets(s spanState, n int) {
	switch {
	case s&sacked != 0:
		b.sacked += n
	case s&lost != 0:
		b.lost += n
	}
}

// indexOf is the index of the span that seq is in, which is at or behind una; len(spans) behind the end.
func (b *scoreboard) indexOf(seq wire.Seq) int {
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

// split makes a span begin at seq and returns its index. Those of the spans before it stay.
func (b *scoreboard) split(seq wire.Seq) int {
	i := b.indexOf(seq)
	if i == len(b.spans) || b.start(i) == seq {
		return i
	}
	b.spans = slices.Insert(b.spans, i, b.spans[i])
	b.spans[i].end = seq
	return i + 1
}

// splitForPeer is cut for whoever may not make any number of ranges: at the bound it returns the span
// behind seq, when up is set, or the one that seq is in.
func (b *scoreboard) splitForPeer(seq wire.Seq, up bool) int {
	if !b.atLimit() {
		return b.split(seq)
	}
	i := b.indexOf(seq)
	if up && i < len(b.spans) && b.start(i) != seq {
		i++
	}
	return i
}

// noteSACK notes that the receiver has what is in [l, r), within what has been sent.
func (b *scoreboard) noteSACK(l, r wire.Seq, d *delivery) {
	l = wire.MaxSeq(l, b.una)
	if b.end().Less(r) {
		r = b.end()
	}
	if !l.Less(r) {
		return
	}
	if i := b.indexOf(l); b.spans[i].state&sacked != 0 && r.LessEq(b.spans[i].end) {
		return // no news
	}
	b.compact()
	i, j := b.splitForPeer(l, true), b.splitForPeer(r, false)
	if i >= j {
		return
	}
	for k := i; k < j; k++ {
		s := &b.spans[k]
		if s.state&sacked != 0 {
			continue
		}
		n := b.octets(k)
		d.add(s, s.end, n)
		b.addOctets(s.state, -n)
		s.state = s.state&^lost | sacked
		b.addOctets(s.state, n)
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
func (b *scoreboard) nextLost() (from, to wire.Seq, ok bool) {
	if b.lost == 0 {
		return 0, 0, false
	}
	for i := b.first; ; i++ {
		if b.spans[i].state&lost != 0 {
			return b.start(i), b.spans[i].end, true
		}
	}
}

// noteRetransmit notes that what is in [seq, end) and has not arrived has gone again.
func (b *scoreboard) noteRetransmit(seq, end wire.Seq, now clock.Instant) {
	b.noteKind(true, now)
	b.compact()
	i, j := b.split(seq), b.split(end)
	for k := i; k < j; k++ {
		if s := &b.spans[k]; s.state&sacked == 0 {
			b.addOctets(s.state, -b.octets(k))
			s.state, s.sent = retransmitted, now
		}
	}
	if i == b.first || i >= j || b.spans[i].state != retransmitted {
		return
	}
	if p := &b.spans[i-1]; p.state == retransmitted && b.sentTogether(p.sent, now) {
		p.end = b.spans[i].end
		b.spans = slices.Delete(b.spans, i, i+1)
	}
}

// markLost marks a span as lost.
func (b *scoreboard) markLost(i int) {
	if s := &b.spans[i]; s.state&(sacked|lost) == 0 {
		s.state |= lost
		b.lost += b.octets(i)
	}
}

// dupThresh is how much must have overtaken a segment for it to be lost, in segments (RFC 6675 §2).
const dupThresh = 3

// overtaken reports whether dupThresh ranges have arrived beyond a gap, or more octets than dupThresh-1
// segments hold (RFC 6675 §4, IsLost).
func (b *scoreboard) overtaken(mss int) bool {
	ranges := 0
	for i := b.first; i < len(b.spans) && ranges < dupThresh; i++ {
		if b.spans[i].state&sacked != 0 {
			ranges++
		}
	}
	return ranges == dupThresh || b.sacked > (dupThresh-1)*mss
}

// reneged reports whether the receiver claims to have what it has not acknowledged (RFC 2018 §8).
func (b *scoreboard) reneged() bool {
	return b.first < len(b.spans) && b.spans[b.first].state&sacked != 0
}

// forgetSACKs takes back what the receiver has said: it has thrown it away (RFC 2018 §8).
func (b *scoreboard) forgetSACKs() {
	for i := b.first; i < len(b.spans); i++ {
		if s := &b.spans[i]; s.state&sacked != 0 {
			s.state &^= sacked
			b.markLost(i)
		}
	}
	b.sacked = 0
}

// markLostBefore marks as lost what went before newest did, and at before or sooner. next is the last instant at
// which some of the rest went, if found to be older than newest; 0: there is none. What went again at the
// instant at which newest went for the first time is not older: numbers do not tell the order of these.
func (b *scoreboard) markLostBefore(newest *sentSample, before clock.Instant) (found bool, next clock.Instant) {
	for i := b.first; i < len(b.spans); i++ {
		s := &b.spans[i]
		tie := s.sent == newest.sent && s.state&retransmitted != 0 && !newest.retransmitted
		if s.state&(sacked|lost) != 0 || tie || !newest.sentAfter(s.sent, s.end) {
			continue
		}
		if s.sent <= before {
			b.markLost(i)
			found = true
		} else {
			next = max(next, s.sent)
		}
	}
	return found, next
}

// markLostByTimeout is for a timeout: what the receiver has said is forgotten, since it may have thrown away what it
// had (RFC 2018 §8, RFC 6675 §5.1), and the first range is lost with all that went at before or sooner
// (RFC 8985 §6.3).
func (b *scoreboard) markLostByTimeout(before clock.Instant) {
	b.forgetSACKs()
	for i := b.first; i < len(b.spans); i++ {
		if i == b.first || b.spans[i].sent <= before {
			b.markLost(i)
		}
	}
}

// unmarkLost is the opposite: what was thought lost is on its way.
func (b *scoreboard) unmarkLost() {
	for i := b.first; i < len(b.spans); i++ {
		b.spans[i].state &^= lost
	}
	b.lost = 0
}
