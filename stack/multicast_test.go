package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

var group = netip.MustParseAddr("239.1.2.3")

func toGroup(g netip.Addr, packet []byte) *phy.Frame {
	return crafted{wire.GroupMAC(g), macA, wire.EtherTypeIPv4, packet}.frame()
}

func igmpFrame(src, dst netip.Addr, m wire.IGMP) *phy.Frame {
	b := make([]byte, wire.IGMPLen)
	m.Put(b)
	return toGroup(dst, ipPacket(wire.ProtocolIGMP, src, dst, b, func(h *wire.IPv4) { h.TTL = 1 }))
}

func query(g netip.Addr, tenths uint8) *phy.Frame {
	dst := g
	if g.IsUnspecified() {
		dst = wire.AllHosts
	}
	return igmpFrame(ipA, dst, wire.IGMP{Type: wire.IGMPQuery, MaxResp: tenths, Group: g})
}

func joined(t *testing.T, h *Host, now clock.Instant, at netip.AddrPort, groups ...netip.Addr) *UDPConn {
	t.Helper()
	u, err := h.BindUDP(at)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if err := u.Join(now, g, nil); err != nil {
			t.Fatalf("joining %v: %v", g, err)
		}
	}
	return u
}

func recvString(u *UDPConn) string {
	b := make([]byte, 100)
	n, _, err := u.Recv(b)
	if err != nil {
		return err.Error()
	}
	return string(b[:max(n, 0)])
}

// TestMulticastBetweenHosts: every socket with the group and port receives a copy, also on the sender's own host. No
// other socket does.
func TestMulticastBetweenHosts(t *testing.T) {
	n, a, b := pair(t)
	ib := b.net.ifaces[1]
	if err := ib.AddAddr(0, netip.MustParsePrefix("10.0.0.22/24")); err != nil {
		t.Fatal(err)
	}
	first := joined(t, b, 0, port(ipB, 5000), group)
	second := joined(t, b, 0, port(netip.MustParseAddr("10.0.0.22"), 5000), group)
	outside := joined(t, b, 0, port(netip.Addr{}, 6000), group)
	own := joined(t, a, 0, port(netip.Addr{}, 5000), group)
	apart, _ := a.BindUDP(port(netip.Addr{}, 7000))
	if err := apart.Send(n.now, []byte("hi"), port(group, 5000)); err != nil {
		t.Fatal(err)
	}
	var ttl uint8
	n.hosts[0].Observe(func(ev *PacketEvent) {
		if ip, _, err := wire.ParseIPv4(ev.Frame.Bytes()[14:]); ev.Dir == TX && !ev.Iface.loop && err == nil && ip.Protocol == wire.ProtocolUDP {
			ttl = ip.TTL
		}
	})
	n.run(time.Second)
	if ttl != 1 {
		t.Errorf("sent with ttl %d, want 1", ttl)
	}
	for name, c := range map[string]struct {
		u    *UDPConn
		want string
	}{"first": {first, "hi"}, "second": {second, "hi"}, "another port": {outside, ""}, "sender's host": {own, "hi"}} {
		if got := recvString(c.u); got != c.want {
			t.Errorf("%s received %q, want %q", name, got, c.want)
		}
	}
	apart.SetTTL(7)
	if err := first.Leave(group); err != nil {
		t.Fatal(err)
	}
	_ = apart.Send(n.now, []byte("again"), port(group, 5000))
	n.run(time.Second)
	if ttl != 7 {
		t.Errorf("sent with ttl %d, want 7", ttl)
	}
	if got := recvString(first) + recvString(second); got != "again" {
		t.Errorf("after the first left they received %q", got)
	}
}

func TestMulticastErrors(t *testing.T) {
	h, i := lone(t)
	u, _ := h.BindUDP(port(netip.Addr{}, 5000))
	h.limits.Groups = 2
	next := netip.MustParseAddr("239.1.2.4")
	for k, c := range []struct {
		want error
		call func() error
	}{
		{ErrInvalid, func() error { return u.Join(0, ipA, nil) }},
		{ErrInvalid, func() error { return u.Join(0, limitedBroadcast, nil) }},
		{ErrZone, func() error { return u.Join(0, netip.MustParseAddr("ff02::1"), nil) }}, // the host does not speak IPv6
		{ErrInvalid, func() error { return u.Join(0, netip.Addr{}, nil) }},
		{nil, func() error { return u.Join(0, netip.MustParseAddr("::ffff:239.1.2.3"), nil) }},
		{ErrExists, func() error { return u.Join(0, group, nil) }},
		{nil, func() error { return u.Join(0, next, nil) }},
		{ErrLimit, func() error { return u.Join(0, netip.MustParseAddr("239.1.2.5"), nil) }},
		{ErrNotFound, func() error { return u.Leave(netip.MustParseAddr("239.1.2.5")) }},
		{nil, func() error { return u.Leave(next) }},
		{ErrNotOurs, func() error { _, err := h.BindUDP(port(group, 1)); return err }},
		{ErrInvalid, func() error { return i.AddAddr(0, netip.PrefixFrom(group, 24)) }},
		{ErrInvalid, func() error { _, err := h.DialTCP(0, netip.AddrPort{}, port(group, 1), h.cfg.TCP); return err }},
		{ErrNoRoute, func() error { i.SetUp(0, false); return u.Join(0, next, nil) }},
		{ErrNoRoute, func() error { return u.Send(0, nil, port(group, 1)) }},
		{ErrClosed, func() error { u.Close(); return u.Join(0, group, nil) }},
		{ErrClosed, func() error { return u.Leave(group) }},
	} {
		if err := c.call(); !errors.Is(err, c.want) {
			t.Errorf("%d: %v, want %v", k, err, c.want)
		}
	}
}

// TestMulticastInterface: the interface for packets to a group is that of the bound address, else that of a route, else
// the first Ethernet.
func TestMulticastInterface(t *testing.T) {
	h, i := lone(t)
	j := h.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.0.2/24")}})
	sent := func(at netip.AddrPort) (via string) {
		t.Helper()
		u, err := h.BindUDP(at)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		for _, k := range []*Iface{h.net.loop, i, j} {
			drain(h, 0, k)
		}
		if err := u.Send(0, nil, port(group, 9)); err != nil {
			return err.Error()
		}
		for _, k := range []*Iface{h.net.loop, i, j} {
			for _, f := range drain(h, 0, k) {
				b := f.Bytes()
				if !k.loop {
					if eth, _, _ := wire.ParseEthernet(b); eth.Dst != wire.GroupMAC(group) || eth.Src != k.mac {
						t.Errorf("the frame is for %v from %v", eth.Dst, eth.Src)
					}
					b = b[wire.EthernetLen:]
				}
				ip, _, _ := wire.ParseIPv4(b)
				via += fmt.Sprint(k.name, " ", ip.Src)
			}
		}
		return via
	}
	for _, c := range []struct{ at, want string }{
		{"0.0.0.0:0", "eth0 10.0.0.2"}, {"10.1.0.2:0", "eth1 10.1.0.2"}, {"127.0.0.1:0", "lo 127.0.0.1"},
	} {
		if got := sent(netip.MustParseAddrPort(c.at)); got != c.want {
			t.Errorf("from %s: %s, want %s", c.at, got, c.want)
		}
	}
	if err := h.AddRoute(netip.MustParsePrefix("224.0.0.0/4"), netip.Addr{}, j); err != nil {
		t.Fatal(err)
	}
	if got := sent(netip.AddrPort{}); got != "eth1 10.1.0.2" {
		t.Errorf("by the route: %s", got)
	}
	// A member on one interface does not receive packets sent by another interface.
	u := joined(t, h, 0, port(netip.MustParseAddr("10.0.0.2"), 9), group)
	if got := sent(netip.AddrPort{}); got != "eth1 10.1.0.2" {
		t.Errorf("with a member elsewhere: %s", got)
	}
	u.Close()
	joined(t, h, 0, port(netip.MustParseAddr("10.1.0.2"), 9), group)
	if got := sent(netip.AddrPort{}); got != "lo 10.1.0.2eth1 10.1.0.2" {
		t.Errorf("with a member there: %s", got)
	}
}

func TestNoAllocsMulticast(t *testing.T) {
	h, i := lone(t)
	u := joined(t, h, 0, port(ipB, 5000), group)
	drain(h, 0, i)
	in, ask, buf := toGroup(group, udpPacket(port(ipA, 9), port(group, 5000), make([]byte, 1000))), query(group, 1), make([]byte, 2000)
	out := phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() {
		if v := h.Receive(0, i, in); v.Kind != Delivered {
			t.Fatalf("verdict %q", v)
		}
		if v := h.Receive(0, i, ask); v.Kind != Delivered {
			t.Fatalf("verdict %q", v)
		}
		if n, _, _ := u.Recv(buf); n != 1000 {
			t.Fatalf("%d octets", n)
		}
		if err := u.Send(0, buf[:1000], port(group, 5000)); err != nil {
			t.Fatal(err)
		}
		for _, k := range []*Iface{i, h.net.loop} {
			out.Reset()
			if !h.Transmit(0, k, out) {
				t.Fatal("nothing sent")
			}
			h.FrameSent(0, k, out, drop.None)
		}
		h.Tick(h.Deadline())
		out.Reset()
		h.Transmit(0, i, out)
	})
}
