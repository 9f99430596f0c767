package lab

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// TestPanicsByPlace: if a host's code panics, the world takes that host out of service, whatever the world was doing,
// and reports what it was doing. The other hosts continue, also in the round of transmissions that the panic has
// interrupted.
func TestPanicsByPlace(t *testing.T) {
	on := func(d stack.Dir) func(h *Host) {
		return func(h *Host) {
			h.Observe(func(ev *stack.PacketEvent) {
				if ev.Dir == d {
					panic("so")
				}
			})
		}
	}
	for _, c := range []struct {
		doing    string
		breaks   func(h *Host)
		hasFrame bool
	}{
		{"received a frame on eth0", on(stack.RX), true},
		{"sent", on(stack.TX), false},
	} {
		t.Run(c.doing, func(t *testing.T) {
			s := newScene(t, 1, LinkConfig{Delay: time.Millisecond})
			third, fourth := addHost(t, s.l, "c", "10.0.1.1/24"), addHost(t, s.l, "d", "10.0.1.2/24")
			if _, err := s.l.Link(third, fourth, LinkConfig{}); err != nil {
				t.Fatal(err)
			}
			var told []*Panic
			s.w.OnPanic = func(p *Panic) { told = append(told, p) }
			from, to := s.bindUDP(third, 9), s.bindUDP(fourth, 9)
			u := s.bindUDP(s.a, 9)
			s.bindUDP(s.b, 9)
			c.breaks(s.a)
			s.r.Do(func(now clock.Instant) { // makes both hosts transmit in one round, host a before host b
				_ = u.Send(now, nil, netip.MustParseAddrPort("10.0.0.2:9"))
				_ = from.Send(now, []byte("x"), netip.MustParseAddrPort("10.0.1.2:9"))
			})
			s.runFor(time.Second)
			if len(told) != 1 || told[0].Host != s.a || told[0].Doing != c.doing || (told[0].Frame != nil) != c.hasFrame {
				t.Fatalf("told of %+v", told)
			}
			if s.a.Broken() != told[0] || s.b.Broken() != nil || third.Broken() != nil {
				t.Error("the wrong host is out of service")
			}
			if got := recvUDP(to); got != "x" {
				t.Errorf("the other hosts moved %q", got)
			}
			if s.w.turn.transmitting || len(s.w.turn.round.hosts) > 0 || s.w.turn.entered.sender != nil || s.w.turn.entered.receiver != nil {
				t.Error("the world still runs the host's code")
			}
		})
	}
}

// TestPanicWithinABatch: after a panic in the middle of a batch, no frame left in the batch is passed to the next
// device.
func TestPanicWithinABatch(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	near, far := phy.NewPair("m0", "m1", phy.MemoryConfig{})
	if _, err := s.a.Attach(near, netip.MustParsePrefix("10.9.0.1/24")); err != nil {
		t.Fatal(err)
	}
	var told []*Panic
	s.w.OnPanic = func(p *Panic) { told = append(told, p) }
	s.a.Observe(func(ev *stack.PacketEvent) {
		if ev.Dir == stack.RX {
			panic("so")
		}
	})
	for range 5 {
		f := phy.NewFrame(phy.FrameSize)
		f.Extend(60)
		if _, err := far.Send([]*phy.Frame{f}); err != nil {
			t.Fatal(err)
		}
	}
	s.runFor(time.Second)
	if len(told) != 1 || told[0].Host != s.a || told[0].Doing != "received a frame on m0" || len(told[0].Frame) != 60 {
		t.Fatalf("told of %+v", told)
	}
	for k, f := range s.w.frames.recvSmall {
		if f != nil && f.Len() > 0 {
			t.Errorf("frame %d still has %d octets", k, f.Len())
		}
	}
}

// TestPanicGoesOn: a panic that nothing reports continues in the caller, and the world can be used after it.
func TestPanicGoesOn(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	u, other := s.bindUDP(s.a, 9), s.bindUDP(s.b, 9)
	cancel := s.a.Observe(func(*stack.PacketEvent) { panic("so") })
	func() {
		defer func() {
			if v := recover(); v != "so" {
				t.Errorf("the caller has %v", v)
			}
		}()
		s.sendUDP(u, "x", "10.0.0.2:9")
	}()
	cancel()
	s.sendUDP(u, "y", "10.0.0.2:9")
	s.runFor(time.Second)
	if got := recvUDP(other); got != "y" && got != "x" {
		t.Errorf("%q arrived", got)
	}
}
