package tcp

import (
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// TestGapsAreBounded: if a peer sends every second octet of the window, we keep a bounded number of ranges. When it fills the gaps
// later, the stream is complete.
func TestGapsAreBounded(t *testing.T) {
	c := NewListen(&Config{RecvBuffer: 65535}, 1460, 1, nil)
	receive := func(f wire.Flags, seq wire.Seq, p []byte) drop.Reason {
		return c.Receive(0, &Segment{TCP: wire.TCP{Seq: seq, Ack: 2, Flags: f, Window: 65535}, Payload: p})
	}
	said := func() {
		for ok := true; ok; {
			_, ok = c.Emit(0, make([]byte, 1460), new(Segment))
		}
	}
	receive(wire.SYN, 1000, nil)
	said()
	receive(wire.ACK, 1001, nil)
	octet := func(k int) []byte { return []byte{byte(k * 7)} }
	refused := 0
	for k := 1; k < 6000; k += 2 {
		switch r := receive(wire.ACK, wire.Seq(1001+k), octet(k)); r {
		case drop.TCPTooManyGaps:
			refused++
		case drop.None:
		default:
			t.Fatal(r)
		}
		said()
	}
	if got := c.Info(0).Gaps; got != 1024 || refused != 3000-1024 {
		t.Errorf("%d gaps, %d octets refused", got, refused)
	}
	if r := receive(wire.ACK, 1001+2, octet(2)); r != drop.None {
		t.Errorf("what closes a gap is refused: %v", r)
	}
	all := make([]byte, 6000)
	for k := range all {
		all[k] = byte(k * 7)
	}
	for k := 0; k < 6000; k += 1000 {
		receive(wire.ACK, wire.Seq(1001+k), all[k:k+1000])
		said()
	}
	got := make([]byte, 7000)
	if n, _ := c.Read(got); n != 6000 || string(got[:n]) != string(all) {
		t.Errorf("%d octets, or not the ones sent", n)
	}
}

// TestChallengeBudgets: challenge ACKs are limited by the connection's budget and the host's.
func TestChallengeBudgets(t *testing.T) {
	asked, answers := 0, 0
	allow := true
	c := NewListen(&Config{}, 1460, 1, &Hooks{Challenge: func(clock.Instant) bool { asked++; return allow }})
	c.Receive(0, &Segment{TCP: wire.TCP{Seq: 1000, Flags: wire.SYN, Window: 65535}})
	c.Emit(0, make([]byte, 1460), new(Segment))
	c.Receive(0, &Segment{TCP: wire.TCP{Seq: 1001, Ack: 2, Flags: wire.ACK, Window: 65535}})
	forge := func(now clock.Instant) {
		for k := range 40 {
			f := [...]wire.Flags{wire.RST, wire.SYN, wire.ACK, wire.ACK}[k%4]
			ack := [...]wire.Seq{0, 0, 0x7000_0000, 2}[k%4] // a reset, a SYN, an ACK of unsent data, a segment beyond the window
			seq := [...]wire.Seq{1500, 1500, 1001, 0x4000_0000}[k%4]
			c.Receive(now, &Segment{TCP: wire.TCP{Seq: seq, Ack: ack, Flags: f, Window: 65535}})
			if _, ok := c.Emit(now, make([]byte, 1460), new(Segment)); ok {
				answers++
			}
		}
	}
	forge(clock.Instant(time.Second))
	if asked != 10 || answers != 10 {
		t.Errorf("%d answers to 40 forgeries, the host was asked %d times", answers, asked)
	}
	allow = false
	forge(clock.Instant(2 * time.Second))
	if asked != 20 || answers != 10 {
		t.Errorf("%d answers though the host had said no, asked %d times", answers-10, asked-10)
	}
	if c.State() != Established {
		t.Errorf("%v", c.State())
	}
}

// TestStateless: a connection made from a cookie has all options of its SYN that its timestamp can encode.
func TestStateless(t *testing.T) {
	cfg := Shared(Config{})
	for _, c := range []struct {
		name           string
		o              wire.TCPOptions
		sack, ts       bool
		wscale, rscale uint8
		mss            int
	}{
		{"nothing", wire.TCPOptions{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 7}, false, false, 0, 0, 1460},
		{"all", wire.TCPOptions{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 14, HasTimestamps: true, TSVal: 77}, true, true, 14, 8, 1448},
		{"no SACK", wire.TCPOptions{MSS: 1460, HasWindowScale: true, HasTimestamps: true, TSVal: 77}, false, true, 0, 8, 1448},
		{"no scale", wire.TCPOptions{MSS: 1460, SACKPermitted: true, HasTimestamps: true, TSVal: 77}, true, true, 0, 0, 1448},
	} {
		for stamp := uint32(1<<32 - 40); stamp != 40; stamp++ {
			now := clock.Instant(time.Second)
			syn := Segment{TCP: wire.TCP{Seq: 1000, Flags: wire.SYN, Options: c.o}}
			a := StatelessAnswer(cfg, 1460, 5, stamp, &syn)
			o := &a.Options
			if a.Ack != 1001 || a.Seq != 5 || a.Window != 65535 || o.MSS != 1460 || o.SACKPermitted != c.sack ||
				o.HasTimestamps != c.ts || o.HasWindowScale != (c.rscale > 0) || o.WindowScale != c.rscale ||
				c.ts && (o.TSEcr != 77 || int32(stamp-o.TSVal) < 0 || int32(stamp-o.TSVal) > 31) {
				t.Fatalf("%s at %d: %+v", c.name, stamp, a)
			}
			ack := Segment{TCP: wire.TCP{Seq: 1001, Ack: 6, Flags: wire.ACK, Window: 100}}
			if c.ts {
				ack.Options = wire.TCPOptions{HasTimestamps: true, TSVal: 78, TSEcr: o.TSVal}
			}
			x := ResumeStateless(now, cfg, 1460, 1460, stamp-1000, &ack, nil)
			if x.State() != SynReceived {
				t.Fatalf("%s: %v", c.name, x.State())
			}
			r := x.Receive(now, &ack)
			i := x.Info(now)
			if r != drop.None || i.State != Established || x.sack != c.sack || x.ts.on != c.ts || i.SndWScale != c.wscale ||
				i.RcvWScale != c.rscale || i.MSS != c.mss || i.SndWnd != 100<<c.wscale || i.SRTT != 0 || x.Deadline() != clock.Never {
				t.Fatalf("%s: %v, sack %v, timestamps %v, timer %v, %+v", c.name, r, x.sack, x.ts.on, x.Deadline(), i)
			}
			if x.Ready(now) {
				t.Fatalf("%s: it has something to say", c.name)
			}
		}
	}
}
