package tcp

import (
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// aged is an established connection. The test is its peer, and acknowledges at once.
type aged struct {
	*testing.T
	c    *Conn
	now  clock.Instant
	text []byte
	peer Segment // the peer's latest header
}

const agedMSS = 60_000

func newAged(t *testing.T, cfg Config, syn Segment) *aged {
	cfg.NoDelay, cfg.InitialWindow, cfg.SendBuffer = true, 1000, MaxBuffer
	a := &aged{T: t, text: make([]byte, 16<<20), c: Open(&cfg, agedMSS, 1, 0, nil)}
	a.emit()
	syn.Seq, syn.Ack, syn.Window = 1000, a.c.snd.max, 0xffff
	syn.Options.MSS, syn.Options.WindowScale, syn.Options.HasWindowScale = agedMSS, 14, true
	syn.Flags |= wire.SYN | wire.ACK
	a.c.Receive(0, &syn)
	a.peer = Segment{TCP: wire.TCP{Seq: 1001, Flags: wire.ACK, Window: 0xffff}}
	a.emit()
	return a
}

// emit emits all that the connection has to send, and returns the number of segments with text.
func (a *aged) emit() (segments int) {
	buf := make([]byte, agedMSS+wire.MaxTCPLen)
	for {
		var s Segment
		n, ok := a.c.Emit(a.now, buf, &s)
		if !ok {
			return segments
		}
		if n > 0 {
			segments++
		}
	}
}

// acknowledge makes the peer acknowledge octets up to ack.
func (a *aged) acknowledge(ack wire.Seq, change ...func(s *Segment)) {
	s := a.peer
	s.Ack = ack
	for _, f := range change {
		f(&s)
	}
	a.c.Receive(a.now, &s)
}

// age sends 2.5 GiB. The peer acknowledges each octet a millisecond after it was sent.
func (a *aged) age() {
	for done := 0; done < 5<<29; {
		n, err := a.c.Write(a.text)
		if err != nil {
			a.Fatal(err)
		}
		done += n
		for a.c.snd.buf.Len() > 0 {
			a.emit()
			a.now += clock.Instant(time.Millisecond)
			a.acknowledge(a.c.snd.max)
		}
	}
}

// TestNumbersOfLongAgo: sequence numbers are compared modulo 2³² (RFC 9293 §3.4), so that a number remembered for 2 GiB would
// seem to lie ahead of SND.NXT. No remembered number may be taken for a future one.
func TestNumbersOfLongAgo(t *testing.T) {
	ece := func(s *Segment) { s.Flags |= wire.ECE }
	t.Run("recover", func(t *testing.T) { // RFC 6582 §3.2 step 2
		a := newAged(t, Config{NoSACK: true}, Segment{})
		a.age()
		_, _ = a.c.Write(a.text[:5*agedMSS])
		a.emit()
		for range 3 {
			a.acknowledge(a.c.snd.una)
		}
		if a.emit(); a.c.retrans != 1 || !a.c.cong.inRecovery {
			t.Errorf("three duplicate ACKs have repeated %d segments", a.c.retrans)
		}
	})
	t.Run("mark", func(t *testing.T) { // RFC 3168 §6.1.2
		a := newAged(t, Config{ECN: ECNRequest}, Segment{TCP: wire.TCP{Flags: wire.ECE}})
		for k := range 2 {
			_, _ = a.c.Write(a.text[:5*agedMSS])
			a.emit()
			before := a.c.cong.Cwnd
			a.acknowledge(a.c.snd.una.Add(agedMSS), ece)
			if a.c.cong.Cwnd >= before {
				t.Fatalf("mark %d leaves the window at %d", k+1, before)
			}
			a.acknowledge(a.c.snd.max)
			if k == 0 {
				a.age()
			}
		}
	})
	t.Run("widened", func(t *testing.T) { // RFC 8985 §6.2 step 4
		a := newAged(t, Config{}, Segment{TCP: wire.TCP{}})
		a.c.sack = true
		for k := range 2 {
			_, _ = a.c.Write(a.text[:5*agedMSS])
			a.emit()
			twice := wire.SACKBlock{Left: a.c.snd.una.Add(-100), Right: a.c.snd.una}
			a.acknowledge(a.c.snd.una.Add(agedMSS), func(s *Segment) { s.Options.SACK[0], s.Options.NumSACK = twice, 1 })
			if want := uint8(k + 2); a.c.reo.mult != want {
				t.Fatalf("D-SACK %d makes the reordering window %d quarters of the round trip, want %d", k+1, a.c.reo.mult, want)
			}
			a.acknowledge(a.c.snd.max)
			if k == 0 {
				a.age()
			}
		}
	})
	t.Run("urgent", func(t *testing.T) { // RFC 9293 §3.10.7.4 step six
		a := newAged(t, Config{RecvBuffer: MaxBuffer}, Segment{})
		give := func(flags wire.Flags) {
			s := a.peer
			s.Flags, s.Ack, s.Payload, s.Urgent = s.Flags|flags, a.c.snd.max, a.text[:agedMSS], 10
			a.c.Receive(a.now, &s)
			a.peer.Seq = a.peer.Seq.Add(agedMSS)
			_, _ = a.c.Discard(agedMSS)
			a.emit()
		}
		give(wire.URG)
		for done := 0; done < 5<<29; done += agedMSS {
			give(0)
		}
		want := a.peer.Seq.Add(10)
		if give(wire.URG); a.c.rcv.up != want {
			t.Errorf("the urgent pointer is %d, want %d", a.c.rcv.up, want)
		}
	})
}
