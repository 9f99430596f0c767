package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// TestSendPacket: packets leave octet for octet as they were given, however wrong they are, after their neighbour was resolved.
func TestSendPacket(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, _ := f.pair(t)
		n.wrong = true
		good := f.datagramTo(1, 7, "hello")
		change := func(at int, v byte) []byte {
			b := bytes.Clone(good)
			b[at] = v
			return b
		}
		packets := [][]byte{good, change(len(good)-1, 'x'), change(3, 0xff), change(5, 0xee), change(12, 9), good[:f.family.headerLen()]}
		var seen [][]byte
		a.Observe(func(ev *PacketEvent) {
			eth, b, _ := wire.ParseEthernet(ev.Frame.Bytes())
			if ev.Dir == TX && eth.Type == f.family.etherType() && (len(b) < 7 || f.family == ipv4 || b[6] == byte(wire.ProtocolUDP)) {
				if eth.Dst != macB || eth.Src != macA {
					t.Errorf("sent from %v to %v", eth.Src, eth.Dst)
				}
				seen = append(seen, bytes.Clone(b))
			}
		})
		for _, p := range packets {
			if err := a.SendPacket(n.now, nil, p, nil); err != nil {
				t.Fatal(err)
			}
		}
		n.run(time.Second)
		if len(seen) != len(packets) {
			t.Fatalf("%d packets sent, want %d", len(seen), len(packets))
		}
		for k := range packets {
			if !bytes.Equal(seen[k], packets[k]) {
				t.Errorf("sent %x, want %x", seen[k], packets[k])
			}
		}
	})
}

// TestSendPacketErrors: each reason for which no interface or next hop is found has its error.
func TestSendPacketErrors(t *testing.T) {
	n, a, _ := pair(t)
	i := a.Ifaces()[0]
	to := func(dst string) []byte { return ipPacket(89, ipA, netip.MustParseAddr(dst), nil, nil) }
	for k, c := range []struct {
		iface *Iface
		b     []byte
		want  error
	}{
		{nil, nil, ErrInvalid},
		{i, []byte{0x50, 1, 2}, ErrInvalid},
		{nil, to("10.0.0.2")[:19], ErrInvalid},
		{nil, to("8.8.8.8"), ErrNoRoute},
		{i, to("0.0.0.0"), ErrNoRoute},
		{i, to("240.0.0.1"), ErrNoRoute},
		{nil, ipPacket(89, ipA, ipB, make([]byte, 1481), nil), ErrTooBig},
		{nil, append([]byte{0x60}, make([]byte, 39)...), ErrNoRoute},
	} {
		if err := a.SendPacket(n.now, c.iface, c.b, nil); !errors.Is(err, c.want) {
			t.Errorf("%d: %v, want %v", k, err, c.want)
		}
	}
	if err := a.SendPacket(n.now, nil, ipPacket(89, ipA, ipB, make([]byte, 1480), nil), nil); err != nil {
		t.Error(err)
	}
	n.run(time.Second)
	var said []error
	note := func(_ clock.Instant, err error) { said = append(said, err) }
	for range 17 {
		if err := a.SendPacket(n.now, nil, to("10.0.0.9"), note); err != nil && !errors.Is(err, ErrQueueFull) {
			t.Error(err)
		}
	}
	n.run(10 * time.Second)
	if len(said) != 16 || said[0] != ErrHostUnreach || said[15] != ErrHostUnreach {
		t.Errorf("a neighbour that does not answer: %v", said)
	}
	wantLimit(t, a, "neighbor_queue", 0, 16, 1)
	i.SetUp(n.now, false)
	if err := a.SendPacket(n.now, i, to("10.0.0.2"), nil); !errors.Is(err, ErrDown) {
		t.Errorf("down: %v", err)
	}
	if err := a.SendFrame(n.now, i, make([]byte, 14)); !errors.Is(err, ErrDown) {
		t.Errorf("down: %v", err)
	}
}

// TestRoutePacket: the way follows the routing table, or the interface that was asked for.
func TestRoutePacket(t *testing.T) {
	n, a, _ := pair(t)
	i := a.Ifaces()[0]
	if err := a.AddRoute(netip.MustParsePrefix("10.9.0.0/16"), ipB, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ dst, next, src string }{
		{"10.0.0.3", "10.0.0.3", "10.0.0.1"},
		{"10.9.1.1", "10.0.0.2", "10.0.0.1"},
		{"10.0.0.255", "10.0.0.255", "10.0.0.1"},
		{"255.255.255.255", "255.255.255.255", "10.0.0.1"},
		{"224.0.0.1", "224.0.0.1", "10.0.0.1"},
	} {
		dst := netip.MustParseAddr(c.dst)
		for _, by := range []*Iface{nil, i} {
			r, err := a.RoutePacket(by, dst)
			if err != nil || r.Iface != i || r.Next.String() != c.next || r.Src.String() != c.src {
				t.Errorf("%v: %+v, %v", dst, r, err)
			}
			hw, ok, err := a.Resolve(n.now, r, nil)
			if group := dst != r.Next || a.IsGroup(dst); err != nil || ok != (a.IsGroup(dst)) || group && ok && !hw.IsGroup() {
				t.Errorf("%v: %v %v %v", dst, hw, ok, err)
			}
		}
	}
	n.run(10 * time.Second)
	if r, err := a.RoutePacket(nil, ipA); err != nil || r.Iface.Medium() != phy.MediumIP || r.Src != ipA {
		t.Errorf("to itself: %+v, %v", r, err)
	}
	if r, err := a.RoutePacket(i, netip.MustParseAddr("8.8.8.8")); err != nil || r.Next.String() != "8.8.8.8" {
		t.Errorf("without a route, by an interface: %+v, %v", r, err)
	}
}

// TestSendPacketToItself: a packet to an address of the host arrives by the loop.
func TestSendPacketToItself(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, _ := f.pair(t)
		c, _ := a.ClaimUDP(9)
		f.b = f.a
		if err := a.SendPacket(n.now, nil, f.datagramTo(8, 9, "x"), nil); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		if c.Delivered() != 1 {
			t.Errorf("%d arrived", c.Delivered())
		}
	})
}

// TestShortPacketWaits: a packet that is no header waits for its neighbour like others, since its caller knows its way.
func TestShortPacketWaits(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, _ := f.pair(t)
		n.wrong = true
		r, err := a.RoutePacket(nil, f.b)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		if err := a.SendRouted(n.now, r, []byte{0x55}, func(_ clock.Instant, err error) {
			if told++; err != nil {
				t.Error(err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if n.run(time.Second); told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// TestResolve: the caller is told when the neighbour has answered.
func TestResolve(t *testing.T) {
	inBoth(t, func(t *testing.T, f pairing) {
		n, a, _ := f.pair(t)
		r, err := a.RoutePacket(nil, f.b)
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		if _, ok, err := a.Resolve(n.now, r, func(_ clock.Instant, err error) {
			if told++; err != nil {
				t.Error(err)
			}
		}); ok || err != nil {
			t.Fatalf("%v %v", ok, err)
		}
		n.run(time.Second)
		if hw, ok, err := a.Resolve(n.now, r, nil); told != 1 || hw != macB || !ok || err != nil {
			t.Errorf("told %d times, then %v %v %v", told, hw, ok, err)
		}
	})
}

// TestSendPacketWithoutHeader: octets that are no header of IP leave by a medium that carries bare packets, and count in the table of neither
// family. On Ethernet they have no EtherType.
func TestSendPacketWithoutHeader(t *testing.T) {
	h := New(Config{})
	i := h.AddIface(0, IfaceConfig{Name: "tun0", Caps: phy.Capabilities{Medium: phy.MediumIP, MTU: 1500}, IPv6: true})
	drain(h, 0, i)
	before := h.CounterInfos()
	reports := 0
	if err := h.SendPacket(0, i, []byte{0x50, 1, 2}, func(_ clock.Instant, err error) {
		if reports++; err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if out := drain(h, 0, i); len(out) != 1 || !bytes.Equal(out[0].Bytes(), []byte{0x50, 1, 2}) || reports != 1 {
		t.Errorf("%d frames, reported %d times", len(out), reports)
	}
	if err := h.SendPacket(0, i, append([]byte{0x50}, make([]byte, 1500)...), nil); err != ErrTooBig {
		t.Error(err)
	}
	if after := h.CounterInfos(); !slices.Equal(before, after) {
		t.Errorf("counted from %v to %v", before, after)
	}
	e := h.AddIface(0, IfaceConfig{Name: "eth0", MAC: macA, Caps: phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1500}})
	if err := h.SendRouted(0, PacketRoute{Iface: e}, []byte{0x50}, nil); err != ErrInvalid {
		t.Error(err)
	}
}
