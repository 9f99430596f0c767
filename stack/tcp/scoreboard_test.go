package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

func checkSpans(t *testing.T, b *scoreboard) {
	t.Helper()
	if err := b.check(); err != nil {
		t.Fatal(err)
	}
}

// octet is the state of one octet in the naive model.
type octet struct {
	state spanState
	sent  clock.Instant
	vague bool // true if the time of transmission is forgotten, since the octet has been acknowledged
}

// naive is a scoreboard that stores each octet from una on.
type naive struct {
	una wire.Seq
	o   []octet
}

func (m *naive) each(l, r wire.Seq, f func(o *octet)) {
	for i := max(0, l.Sub(m.una)); i < min(len(m.o), r.Sub(m.una)); i++ {
		f(&m.o[i])
	}
}

func (m *naive) ack(to wire.Seq) (fresh int) {
	m.each(m.una, to, func(o *octet) {
		if o.state&sacked == 0 {
			fresh++
		}
	})
	m.o = m.o[min(len(m.o), to.Sub(m.una)):]
	m.una = to
	return fresh
}

func (m *naive) sack(l, r wire.Seq) (fresh int) {
	m.each(l, r, func(o *octet) {
		if o.state&sacked == 0 {
			fresh++
		}
		o.state, o.vague = o.state&^lost|sacked, true
	})
	return fresh
}

func (m *naive) compare(t *testing.T, b *scoreboard, what string) {
	t.Helper()
	if b.una != m.una || b.end().Sub(b.una) != len(m.o) {
		t.Fatalf("%s: from %d to %d, want %d octets from %d", what, b.una, b.end(), len(m.o), m.una)
	}
	k, pipe := 0, 0
	for i := b.first; i < len(b.spans); i++ {
		for ; k < b.spans[i].end.Sub(m.una); k++ {
			got, want := b.spans[i], m.o[k]
			if got.state&(sacked|lost) != want.state&(sacked|lost) {
				t.Fatalf("%s: octet %d is %b, want %b", what, k, got.state, want.state)
			}
			if want.state&sacked == 0 && !want.vague && (got.state != want.state || got.sent != want.sent) {
				t.Fatalf("%s: octet %d is %b of %v, want %b of %v", what, k, got.state, got.sent, want.state, want.sent)
			}
			if want.state&(sacked|lost) == 0 {
				pipe++
			}
		}
	}
	if b.pipe() != pipe {
		t.Fatalf("%s: %d in the pipe, want %d", what, b.pipe(), pipe)
	}
}

// TestBoardAgainstModel applies random operations to a scoreboard and to the naive model, and compares them.
func TestBoardAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		start := wire.Seq(0xfffffe00)
		b, m := &scoreboard{una: start}, &naive{una: start}
		now := clock.Instant(0)
		any := func() (l, r wire.Seq) {
			l = m.una.Add(rng.IntN(len(m.o) + 1))
			return l, l.Add(rng.IntN(len(m.o)/3 + 2))
		}
		for range 300 {
			now += clock.Instant(rng.IntN(2))
			what := ""
			switch k := rng.IntN(10); {
			case k < 3 && len(m.o) < 3000:
				n := 1 + rng.IntN(200)
				what = fmt.Sprintf("push %d", n)
				b.noteSent(b.end().Add(n), now)
				for range n {
					m.o = append(m.o, octet{0, now, false})
				}
			case k < 6:
				l, r := any()
				what = fmt.Sprintf("sack %d to %d", l.Sub(m.una), r.Sub(m.una))
				var d delivery
				b.noteSACK(l, r, &d)
				if want := m.sack(l, r); d.octets != want {
					t.Fatalf("%s: %d octets are news, want %d", what, d.octets, want)
				}
			case k < 7:
				if len(b.spans) == b.first {
					continue
				}
				k := b.first + rng.IntN(len(b.spans)-b.first)
				s, begin := b.spans[k], b.start(k)
				before := now - clock.Instant(rng.IntN(20))
				what = fmt.Sprintf("lose what went at %d, before %d at %d", before, begin.Sub(m.una), s.sent)
				b.markLostBefore(&sentSample{s.sent, s.end, true, s.state&retransmitted != 0}, before)
				for i := range m.o {
					o := &m.o[i]
					older := o.sent < s.sent || o.sent == s.sent && (o.state&retransmitted == 0 || s.state&retransmitted != 0) && m.una.Add(i).Less(begin)
					if o.state&(sacked|lost) == 0 && older && o.sent <= before {
						o.state |= lost
					}
				}
			case k < 8:
				l, r, ok := b.nextLost()
				if !ok {
					continue
				}
				if n := 1 + rng.IntN(30); l.Add(n).Less(r) {
					r = l.Add(n)
				}
				what = fmt.Sprintf("resend %d to %d", l.Sub(m.una), r.Sub(m.una))
				b.noteRetransmit(l, r, now)
				m.each(m.una, l, func(o *octet) {
					if o.state&lost != 0 {
						t.Fatalf("%s is not the first that is lost", what)
					}
				})
				m.each(l, r, func(o *octet) { *o = octet{retransmitted, now, false} })
			case k < 9:
				to := m.una.Add(rng.IntN(len(m.o)/2 + 1))
				what = fmt.Sprintf("ack %d", to.Sub(m.una))
				var d delivery
				b.noteAck(to, &d)
				if want := m.ack(to); d.octets != want {
					t.Fatalf("%s: %d octets are news, want %d", what, d.octets, want)
				}
			case rng.IntN(10) == 0:
				what = "timeout"
				b.markLostByTimeout(now)
				m.each(m.una, m.una.Add(len(m.o)), func(o *octet) { o.state = o.state&^sacked | lost })
			}
			checkSpans(t, b)
			m.compare(t, b, fmt.Sprint(seed, " ", what))
		}
	}
}

// TestReorderingWindowFallsBack: a widened reordering window lasts for sixteen recoveries (RFC 8985 §6.2 step 4), not for ever.
func TestReorderingWindowFallsBack(t *testing.T) {
	o := reordering{mult: 5, persist: reoPersist}
	for k := range 17 {
		if want := uint8(5); k < 16 && o.mult != want || k == 16 && o.mult != 1 {
			t.Errorf("after %d recoveries it is %d quarters", k, o.mult)
		}
		o.decayReoWindow()
	}
	c := Open(&Config{}, linkMSS, 1, 0, nil)
	c.snd.scoreboard = &scoreboard{}
	for range 300 {
		c.widenReoWindow()
		c.snd.una++
		c.snd.nxt, c.snd.max = c.snd.una, c.snd.una
	}
	if c.reo.mult != maxReoMult {
		t.Errorf("it grows to %d quarters", c.reo.mult)
	}
}

// TestBoardIsBounded has a hostile peer acknowledge every other octet, and retransmits every hole in the smallest pieces. Memory
// must stay bounded and the sums right (the attack is known as SACK slowness).
func TestBoardIsBounded(t *testing.T) {
	b := &scoreboard{}
	var d delivery
	const all = 200_000
	for end := 100; end <= all; end += 100 {
		b.noteSent(wire.Seq(end), clock.Instant(end))
	}
	most := 0
	for at := 1; at < all; at += 2 {
		b.noteSACK(wire.Seq(at), wire.Seq(at+1), &d)
		most = max(most, len(b.spans))
	}
	checkSpans(t, b)
	b.markLostBefore(&sentSample{clock.Instant(time.Hour), 0, true, false}, clock.Instant(time.Hour))
	for k := 0; ; k++ {
		from, to, ok := b.nextLost()
		if !ok {
			break
		}
		end := from.Add(48)
		if to.Less(end) {
			end = to
		}
		b.noteRetransmit(from, end, clock.Instant(time.Hour)+clock.Instant(k)*1000)
		if b.noteSent(b.end().Add(1), clock.Instant(time.Hour)); k%100 == 0 {
			checkSpans(t, b)
		}
		most = max(most, len(b.spans))
	}
	if checkSpans(t, b); most > 2*maxSpans+2 || cap(b.spans) > 8*maxSpans {
		t.Errorf("%d spans, room for %d", most, cap(b.spans))
	}
}

func BenchmarkBoardHostile(b *testing.B) {
	x := &scoreboard{}
	x.noteSent(1<<20, 0)
	var d delivery
	at := 1
	for b.Loop() {
		for range 4 {
			x.noteSACK(wire.Seq(at), wire.Seq(at+1), &d)
			if at += 2; at > 1<<20 {
				at = 1
			}
		}
		x.markLostBefore(&sentSample{0, 0, true, false}, 0)
	}
}
