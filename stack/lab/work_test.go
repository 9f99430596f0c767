package lab

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TestCallsGiveWork: after any call of an application that needs work, the host reports work. The world skips hosts that report
// none.
func TestCallsGiveWork(t *testing.T) {
	near, far := netip.MustParseAddrPort("10.0.0.2:7"), netip.MustParseAddr("10.0.0.77")
	group := netip.MustParseAddr("239.1.2.3")
	type made struct {
		*scene
		i   *stack.Iface
		u   *stack.UDPConn
		c   *stack.TCPConn
		now clock.Instant
	}
	for name, fn := range map[string]func(m *made) error{
		"datagram": func(m *made) error { return m.u.Send(m.now, []byte("x"), near) },
		"datagram to a member": func(m *made) error {
			_ = m.u.Join(m.now, group, nil)
			return m.u.Send(m.now, nil, netip.AddrPortFrom(group, 9))
		},
		"unknown neighbour":  func(m *made) error { return m.u.Send(m.now, []byte("x"), netip.AddrPortFrom(far, 7)) },
		"own address":        func(m *made) error { return m.u.Send(m.now, []byte("x"), netip.MustParseAddrPort("10.0.0.1:9")) },
		"join":               func(m *made) error { return m.u.Join(m.now, group, nil) },
		"join and leave":     func(m *made) error { _ = m.u.Join(m.now, group, nil); return m.u.Leave(group) },
		"address":            func(m *made) error { return m.i.AddAddr(m.now, netip.MustParsePrefix("10.0.5.1/24")) },
		"probe":              func(m *made) error { _, err := m.i.ProbeAddr(m.now, netip.MustParsePrefix("10.0.5.1/24")); return err },
		"hardware address":   func(m *made) error { return m.i.SetMAC(m.now, wire.HardwareAddr{2, 9}) },
		"down and up":        func(m *made) error { m.i.SetUp(m.now, false); m.i.SetUp(m.now, true); return nil },
		"open":               func(m *made) error { _, err := m.a.DialTCP(m.now, netip.AddrPort{}, near, tcp.Config{}); return err },
		"write":              func(m *made) error { _, err := m.c.Write(m.now, []byte("x")); return err },
		"close":              func(m *made) error { m.c.Close(m.now); return nil },
		"abort":              func(m *made) error { m.c.Abort(m.now); return nil },
		"address taken away": func(m *made) error { return m.i.DelAddr(m.now, netip.MustParsePrefix("10.0.0.1/24")) },
		"neighbour resolved": func(m *made) error {
			_ = m.u.Send(m.now, nil, netip.AddrPortFrom(far, 7))
			return m.i.AddNeighbor(m.now, far, wire.HardwareAddr{2, 8})
		},
		"neighbour taken away": func(m *made) error {
			_ = m.u.Send(m.now, nil, netip.AddrPortFrom(far, 7))
			return m.i.DelNeighbor(m.now, far)
		},
		"neighbours taken away": func(m *made) error { m.i.FlushNeighbors(m.now); return nil },
		"echo request": func(m *made) error {
			p, err := m.a.BindICMP(0)
			if err != nil {
				return err
			}
			return p.Send(m.now, []byte{8, 0, 0, 0, 0, 1, 0, 1}, near.Addr(), 0)
		},
		"raw packet": func(m *made) error {
			p, err := m.a.BindRaw(89)
			if err != nil {
				return err
			}
			return p.Send(m.now, nil, near.Addr(), 0)
		},
		"frame": func(m *made) error {
			p, err := m.a.BindFrames(nil, 0)
			if err != nil {
				return err
			}
			return p.Send(m.now, nil, make([]byte, 60))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &made{scene: newScene(t, 1, LinkConfig{Delay: time.Millisecond})}
			m.i = m.a.Ifaces()[0]
			m.u = m.bindUDP(m.a, 9)
			m.r.Do(func(now clock.Instant) {
				if _, err := m.b.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 7), 1, tcp.Config{}); err != nil {
					t.Fatal(err)
				}
				var err error
				if m.c, err = m.a.DialTCP(now, netip.AddrPort{}, near, tcp.Config{}); err != nil {
					t.Fatal(err)
				}
			})
			for m.w.Next() < clock.Instant(time.Second) && m.w.Step() {
			}
			m.r.Do(func(now clock.Instant) {
				m.now = now
				if err := fn(m); err != nil {
					t.Fatal(err)
				}
			})
			for _, i := range m.a.Ifaces() {
				if m.a.Pending(m.w.Now(), i) {
					t.Errorf("%s has something to transmit, and nobody asked", i.Name())
				}
			}
			if at, due := m.a.turn.timer.At(), m.a.Deadline(); at > due {
				t.Errorf("the host is looked at by %v, and has something to do by %v", at, due)
			}
		})
	}
}

// curious is a device that counts the calls to it.
type curious struct {
	phy.Device
	looks int
}

func (c *curious) Capabilities() phy.Capabilities {
	c.looks++
	return c.Device.Capabilities()
}

// TestRestingHostsAreNotAsked: a call to one host, and an event of one, cost nothing for the other hosts.
func TestRestingHostsAreNotAsked(t *testing.T) {
	s := newScene(t, 1, LinkConfig{Delay: time.Millisecond})
	dev := &curious{Device: phy.NewLoopback("dev")}
	rests := addHost(t, s.l, "rests")
	s.r.Do(func(clock.Instant) {
		if _, err := rests.Attach(dev); err != nil {
			t.Fatal(err)
		}
	})
	s.w.detach(rests.ports[0]) // in each turn the world would drain it, like every device in memory
	u := s.bindUDP(s.a, 9)
	dev.looks = 0
	for range 10 {
		s.sendUDP(u, "x", "10.0.0.2:9")
		s.w.At(s.w.Now().Add(time.Microsecond), func(clock.Instant) {})
		for s.w.Step() {
		}
	}
	if dev.looks != 0 {
		t.Errorf("the host at rest was asked %d times", dev.looks)
	}
}

// TestHardwareAddressesSetByHandDiffer: no host gets a hardware address that another host was given, or has chosen.
func TestHardwareAddressesSetByHandDiffer(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	third := wire.HardwareAddr{2, 0, 0, 0, 0, 3}
	if err := s.a.Ifaces()[0].SetMAC(0, third); err != nil {
		t.Fatal(err)
	}
	c := addHost(t, s.l, "c")
	if _, err := s.l.Link(s.a, c, LinkConfig{}); err != nil {
		t.Fatal(err)
	}
	if mac := c.Ifaces()[0].MAC(); mac == third || mac.IsZero() {
		t.Errorf("the third host has %v, like the first", mac)
	}
}

// TestFlightsAreNotKept: after many frames in transit at once, the world's storage shrinks to its usual size.
func TestFlightsAreNotKept(t *testing.T) {
	w := NewWorld()
	end := &catch{w: w}
	for range 3 * idleInTransit {
		w.send(clock.Instant(time.Second), w.frameOf(0, 60), end)
	}
	w.run()
	kept := 0
	for fl := w.frames.freeInTransit; fl != nil; fl = fl.next {
		kept++
	}
	if end.n != 3*idleInTransit || kept != idleInTransit || w.frames.numFree != kept {
		t.Errorf("%d frames arrived, %d flights are kept, %d counted", end.n, kept, w.frames.numFree)
	}
}

// TestInterfaceNames: interfaces are numbered from the lowest free number. A hidden loopback leaves its name to a device.
func TestInterfaceNames(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	c := addHost(t, s.l, "c")
	if _, err := s.a.Attach(phy.NewLoopback("eth1")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.l.Link(s.a, c, LinkConfig{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := s.a.Attach(phy.NewLoopback("lo")); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	for _, p := range s.a.Ports() {
		got += " " + p.Iface().Name()
	}
	if want := " eth0 eth1 eth2 eth3 lo lo.1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
