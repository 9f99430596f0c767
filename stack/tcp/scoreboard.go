package tcp

import (
	"slices"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// spanState is a set of flags for a range of sent octets.
type spanState uint8

const (
	sacked        spanState = 1 << iota // the receiver has reported the octets in a SACK
	lost                                // the octets are considered lost, and must be retransmitted
	retransmitted                       // the octets have been retransmitted
)

// span is a range of sent octets. It begins where the span before it ends.
type span struct {
	end   wire.Seq
	state spanState
	sent  clock.Instant // time of the last transmission
}

// maxSpans is the number of spans from which on a SACK block no longer splits a span. Retransmissions still split
// spans, so a scoreboard holds at most 2*maxSpans+2 (see invariants.go).
const maxSpans = 512

// scoreboard is the sender's scoreboard (RFC 2018 §5, RFC 6675 §3): the octets from SND.UNA to SND.NXT, as ranges.
// Neighbouring ranges with equal state are one span. The scoreboard exists while octets are in flight to a peer that
// acknowledges selectively.
type scoreboard struct {
	una         wire.Seq // start of the first span
	first       int      // index of the first span; earlier ones are acknowledged
	spans       []span
	sacked      int           // octets SACKed
	lost        int           // octets marked as lost; none of them is SACKed
	sentGrain   time.Duration // octets sent within this time count as sent at once
	kindChanged clock.Instant // time of the last change between new octets and retransmissions, across which octets never count as sent at once
	retransmits bool          // true if retransmissions were sent last

	lastSample clock.Instant // time of the last RTT sample from SACKed octets

	rack rack
	tlp  tailLossProbe
	prr  prr
	undo undo
}

// delivery describes the octets that one ACK newly reports as delivered.
type delivery struct {
	octets                           int
	newestOriginal, newestRetransmit sentSample // latest transmission among octets sent once, and among retransmitted octets
	lowestOriginal                   wire.Seq   // lowest end of a delivered range that was sent once, valid if hasLowest
	hasLowest                        bool
}

// pipe returns an estimate of the octets in flight (RFC 6675 §3).
func (b *scoreboard) pipe() int { return b.end().Sub(b.una) - b.sacked - b.lost }

// end returns the sequence number after the last span, which is una if there is none.
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

// atLimit reports whether the scoreboard has reached maxSpans.
func (b *scoreboard) atLimit() bool { return len(b.spans)-b.first >= maxSpans }

// noteSent records that the octets from the scoreboard's end up to the sequence number end have been sent for the first
// time (RFC 8985 §6.1).
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

// noteKind records whether the segment that is sent now is a retransmission or has new octets.
func (b *scoreboard) noteKind(retransmits bool, now clock.Instant) {
	if b.retransmits != retransmits {
		b.kindChanged, b.retransmits = now, retransmits
	}
}

// sentTogether reports whether octets sent now may share the time sent of the octets before them. They may not if a
// retransmission, or new octets after retransmissions, was sent in between. If that segment were delivered first, RACK
// would mark the later octets as lost.
func (b *scoreboard) sentTogether(sent, now clock.Instant) bool {
	return b.atLimit() || now.Sub(sent) <= b.sentGrain && sent >= b.kindChanged
}

// compact reuses the place of acknowledged spans, to make room for two more. It changes the indices of spans.
func (b *scoreboard) compact() {
	if b.first > 0 && len(b.spans)+2 > cap(b.spans) {
		b.spans = slices.Delete(b.spans, 0, b.first)
		b.first = 0
	}
}

// noteAck removes the octets before the sequence number to, which an ACK has acknowledged, and adds them to d.
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

// indexOf returns the index of the span that contains seq, which must not be below una. It returns len(spans) if seq
// lies beyond the last span.
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

// split divides a span so that one begins at seq, and returns that span's index. Smaller indices do not change.
func (b *scoreboard) split(seq wire.Seq) int {
	i := b.indexOf(seq)
	if i == len(b.spans) || b.start(i) == seq {
		return i
	}
	b.spans = slices.Insert(b.spans, i, b.spans[i])
	b.spans[i].end = seq
	return i + 1
}

// splitForPeer splits like split, unless the scoreboard is at its limit. At the limit it returns the index of the span
// that contains seq, or, if up is true, of the first span that begins at or after seq.
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

// noteSACK records that the receiver has the octets of [l, r), limited to the octets that have been sent.
func (b *scoreboard) noteSACK(l, r wire.Seq, d *delivery) {
	l = wire.MaxSeq(l, b.una)
	if b.end().Less(r) {
		r = b.end()
	}
	if !l.Less(r) {
		return
	}
	if i := b.indexOf(l); b.spans[i].state&sacked != 0 && r.LessEq(b.spans[i].end) {
		return // the scoreboard has these octets as SACKed already
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

// nextLost returns the first range [from, to) to retransmit (RFC 6675 §4, NextSeg rule 1). ok is false if there is
// none.
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

// noteRetransmit records that the octets of [seq, end) have been retransmitted, except those that are SACKed (RFC 8985
// §6.1).
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

// markLost marks the span with index i as lost.
func (b *scoreboard) markLost(i int) {
	if s := &b.spans[i]; s.state&(sacked|lost) == 0 {
		s.state |= lost
		b.lost += b.octets(i)
	}
}

// dupThresh is DupThresh of RFC 6675 §2: the number of segments delivered beyond a gap that show a loss.
const dupThresh = 3

// overtaken reports whether enough has been delivered beyond a gap to show a loss: dupThresh ranges, or more octets
// than dupThresh-1 segments (RFC 6675 §4, IsLost).
func (b *scoreboard) overtaken(mss int) bool {
	ranges := 0
	for i := b.first; i < len(b.spans) && ranges < dupThresh; i++ {
		if b.spans[i].state&sacked != 0 {
			ranges++
		}
	}
	return ranges == dupThresh || b.sacked > (dupThresh-1)*mss
}

// reneged reports whether the receiver has discarded octets that it had SACKed (RFC 2018 §8). That is so if the octets
// at SND.UNA are SACKed and yet not acknowledged.
func (b *scoreboard) reneged() bool {
	return b.first < len(b.spans) && b.spans[b.first].state&sacked != 0
}

// forgetSACKs marks everything that was SACKed as lost, since the receiver may have discarded it (RFC 2018 §8).
func (b *scoreboard) forgetSACKs() {
	for i := b.first; i < len(b.spans); i++ {
		if s := &b.spans[i]; s.state&sacked != 0 {
			s.state &^= sacked
			b.markLost(i)
		}
	}
	b.sacked = 0
}

// markLostBefore marks as lost the spans that were sent before newest, at the time before or earlier. found is true if
// it marked a span. next is the latest time at which another span older than newest was sent; 0 if there is none. A
// retransmission sent at the same instant as newest's first transmission does not count as older, since sequence
// numbers do not show their order.
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

// markLostByTimeout marks as lost the first span, and every span whose last transmission was no later than before
// (RFC 8985 §6.3). It first forgets all SACKs, since the receiver may have discarded those octets (RFC 2018 §8, RFC 6675
// §5.1).
func (b *scoreboard) markLostByTimeout(before clock.Instant) {
	b.forgetSACKs()
	for i := b.first; i < len(b.spans); i++ {
		if i == b.first || b.spans[i].sent <= before {
			b.markLost(i)
		}
	}
}

// unmarkLost marks all lost spans as in flight again.
func (b *scoreboard) unmarkLost() {
	for i := b.first; i < len(b.spans); i++ {
		b.spans[i].state &^= lost
	}
	b.lost = 0
}
