package stack

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// twins returns host a with two links, and hosts b and c, one on each, which have the same link-local address fe80::2. On the
// second link, a also has fd00:1::1 and c has fd00:1::2.
func twins(t testing.TB) (n *network, a, b, c *Host) {
	n = newNetwork(t)
	a, a0 := n.host("a", macA, "10.0.0.1/24")
	b, b0 := n.host("b", macB, "10.0.0.2/24")
	c, c0 := n.host("c", macC, "10.0.1.2/24")
	a1 := a.AddIface(n.now, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macA, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.1.1/24")}})
	n.join(a0, b0)
	n.join(a1, c0)
	for _, h := range n.hosts {
		if err := h.net.loop.AddAddr(n.now, netip.MustParsePrefix("::1/128")); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		i     *Iface
		addrs string
	}{{a0, "fe80::1"}, {a1, "fe80::1"}, {b0, "fe80::2"}, {c0, "fe80::2"}, {a1, "fd00:1::1"}, {c0, "fd00:1::2"}} {
		if err := x.i.AddAddr(n.now, netip.PrefixFrom(netip.MustParseAddr(x.addrs), 64)); err != nil {
			t.Fatal(err)
		}
	}
	n.run(5 * time.Second)
	return n, a, b, c
}

var (
	peerOn0 = netip.MustParseAddr("fe80::2%eth0")
	peerOn1 = netip.MustParseAddr("fe80::2%eth1")
)

// TestSamePeerOnTwoLinks: equal addresses in two zones are two peers, for connections with equal ports, datagrams and echo requests
// (RFC 4007 §6, §9).
func TestSamePeerOnTwoLinks(t *testing.T) {
	n, a, b, c := twins(t)
	var conns []*TCPConn
	for k, peer := range []netip.Addr{peerOn0, peerOn1} {
		l := listen(t, []*Host{b, c}[k], 80, tcp.Config{})
		client, err := a.DialTCP(n.now, port(netip.Addr{}, 5000), port(peer, 80), tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var server *TCPConn
		n.runUntil("accept", time.Minute, func() bool { server = l.Accept(); return server != nil })
		conns = append(conns, client, server)
	}
	for k := 0; k < 4; k += 2 {
		if conns[k].Remote().Addr().Zone() != conns[k].Local().Addr().Zone() {
			t.Errorf("from %v to %v", conns[k].Local(), conns[k].Remote())
		}
		transfer(n, conns[k], conns[k+1], octets(20_000+k), time.Minute)
		transfer(n, conns[k+1], conns[k], octets(10_000+k), time.Minute)
	}
	u, _ := a.BindUDP(port(netip.Addr{}, 7))
	atB, _ := b.BindUDP(port(netip.Addr{}, 7))
	atC, _ := c.BindUDP(port(netip.Addr{}, 7))
	buf := make([]byte, 100)
	for k, peer := range []netip.Addr{peerOn0, peerOn1} {
		at := []*UDPConn{atB, atC}[k]
		if err := u.Send(n.now, []byte("hello"), port(peer, 7)); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		got, from, _ := at.Recv(buf)
		if got != 5 || from.Addr() != netip.MustParseAddr("fe80::1%eth0") {
			t.Fatalf("%d octets from %v", got, from)
		}
		if err := at.Send(n.now, []byte("answer"), from); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		if got, from, _ := u.Recv(buf); got != 6 || from != port(peer, 7) {
			t.Errorf("%d octets from %v, want 6 from %v", got, from, peer)
		}
		if got := echo6(t, n, a, peer, 2000); len(got) != 2000 {
			t.Errorf("%v: %d octets came back", peer, len(got))
		}
	}
	noDrops(t, a, b, c)
}

// TestOwnAddressOnTwoLinks: a host reaches its own link-local address by its loop, in the zone that was asked for, although it has the
// same address on two links (RFC 4007 §6).
func TestOwnAddressOnTwoLinks(t *testing.T) {
	n, a, _, _ := twins(t)
	l := listen(t, a, 80, tcp.Config{})
	u, _ := a.BindUDP(port(netip.Addr{}, 7))
	buf := make([]byte, 2000)
	for _, zone := range []string{"eth0", "eth1"} {
		own := netip.MustParseAddr("fe80::1%" + zone)
		client, server := dial(n, a, port(own, 80), l)
		transfer(n, client, server, octets(100_000), time.Minute)
		if server.Remote() != client.Local() || server.Local() != port(own, 80) {
			t.Errorf("%v to %v", server.Remote(), server.Local())
		}
		for _, size := range []int{10, 65_527} {
			if err := u.Send(n.now, make([]byte, size), port(own, 7)); err != nil {
				t.Fatal(err)
			}
			n.run(time.Second)
			if k, from, err := u.Recv(make([]byte, size)); k != size || from != port(own, 7) {
				t.Errorf("%d octets from %v: %v, want %v", k, from, err, own)
			}
		}
		ping, _ := a.BindICMP(1)
		_ = ping.Send(n.now, []byte{128, 0, 0, 0, 0, 1, 0, 2}, own, 0)
		n.run(time.Second)
		if k, from, _, _ := ping.Recv(buf); k != 8 || from != own {
			t.Errorf("an echo reply from %v", from)
		}
		ping.Close()
		c, _ := a.DialUDP(netip.AddrPort{}, port(own, 99))
		_ = c.Send(n.now, []byte("x"), netip.AddrPort{})
		n.run(time.Second)
		if _, _, err := c.Recv(buf); err != tcp.ErrPortUnreach {
			t.Errorf("to a closed port: %v", err)
		}
	}
}

// TestZones: a link-local address needs a zone that names an interface, a group may have one, and an address that is unique on all
// links has none (RFC 4007 §6, §11). No packet leaves the zone of its source (RFC 4007 §9).
func TestZones(t *testing.T) {
	n, a, _, _ := twins(t)
	for _, c := range []struct {
		local, remote string // "" stands for no address
		tcp, udp      error
	}{
		{"", "fe80::2", ErrZone, ErrZone},
		{"", "fe80::2%eth1", nil, nil},
		{"", "fe80::2%eth9", ErrZone, ErrZone},
		{"", "fd00:1::2", nil, nil},
		{"", "fd00:1::2%eth1", ErrInvalid, ErrInvalid},
		{"", "ff02::1", ErrInvalid, ErrZone},
		{"", "ff02::1%eth0", ErrInvalid, nil},
		{"", "ff05::1%eth1", ErrInvalid, nil},
		{"", "ff05::1%eth9", ErrInvalid, ErrZone},
		{"fe80::1", "fe80::2%eth1", nil, nil},
		{"fe80::1%eth0", "fe80::2", nil, nil},
		{"fe80::1%eth0", "fe80::2%eth1", ErrInvalid, ErrInvalid},
		{"fe80::1%eth0", "fe80::1%eth1", ErrInvalid, ErrInvalid},
		{"fe80::1%eth0", "fe80::1%eth0", nil, nil},
		{"fe80::1%eth0", "fd00:1::2", ErrNoRoute, ErrNoRoute},
		{"fe80::1%eth1", "fd00:1::2", nil, nil},
		{"fe80::1%eth0", "ff05::1%eth1", ErrInvalid, ErrInvalid},
		{"fd00:1::1%eth1", "fd00:1::2", ErrInvalid, ErrInvalid},
		{"fd00:1::1", "fe80::2%eth0", nil, nil}, // the weak host model
	} {
		var local netip.Addr
		if c.local != "" {
			local = netip.MustParseAddr(c.local)
		}
		remote := netip.MustParseAddr(c.remote)
		conn, err := a.DialTCP(n.now, port(local, 0), port(remote, 80), tcp.Config{})
		if want := c.tcp; !errors.Is(err, want) && !(want == ErrInvalid && errors.Is(err, ErrZone)) {
			t.Errorf("TCP from %q to %s: %v, want %v", c.local, c.remote, err, want)
		}
		if err == nil {
			conn.Abort(n.now)
		}
		u, err := a.DialUDP(port(local, 0), port(remote, 7))
		if !errors.Is(err, c.udp) {
			t.Errorf("UDP from %q to %s: %v, want %v", c.local, c.remote, err, c.udp)
		}
		if err == nil {
			u.Close()
		}
		if local.Zone() == "" && needsZone(local) { // BindUDP needs the zone that remote has lent to DialUDP
			continue
		}
		if u, err = a.BindUDP(port(local, 0)); err == nil {
			err = u.Send(n.now, []byte("x"), port(remote, 7))
			u.Close()
		}
		if (err != nil) != (c.udp != nil) {
			t.Errorf("a datagram from %q to %s: %v", c.local, c.remote, err)
		}
	}
	n.run(time.Second)
}

// TestAnswersStayInZone: the host does not answer from a link-local address by another link (RFC 4007 §9).
func TestAnswersStayInZone(t *testing.T) {
	n, a, _, _ := twins(t)
	a0 := a.Ifaces()[0]
	stranger, local := netip.MustParseAddr("fd00:1::77"), netip.MustParseAddr("fe80::1") // the route to the stranger is by eth1
	if err := a.Ifaces()[1].AddNeighbor(n.now, stranger, macC); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"echo request": echoTo(stranger, local),
		"SYN":          ip6Packet(wire.ProtocolTCP, stranger, local, tcp6(port(stranger, 5), port(local, 81), wire.TCP{Flags: wire.SYN}), nil),
		"datagram":     ip6Packet(wire.ProtocolUDP, stranger, local, udp6(port(stranger, 5), port(local, 81), nil), nil),
	} {
		f := crafted{macA, macB, wire.EtherTypeIPv6, b}.frame()
		if v := a.Receive(n.now, a0, f); v != dropped(drop.NoRoute) {
			t.Errorf("%s: %+v", name, v)
		}
		for _, i := range a.Ifaces() {
			if frames := drain(a, n.now, i); len(frames) != 0 {
				t.Errorf("%s: sent %x on %s", name, frames[0].Bytes(), i.name)
			}
		}
	}
}

// TestSourceOfGroupAnswer: the answer to an echo request to a group comes from the interface that the request reached, even if a
// larger scope is elsewhere (RFC 4443 §4.2).
func TestSourceOfGroupAnswer(t *testing.T) {
	n, a, _, _ := twins(t)
	a0, stranger := a.Ifaces()[0], netip.MustParseAddr("fd00:2::77")
	if err := a.AddRoute(netip.MustParsePrefix("fd00:2::/64"), netip.Addr{}, a0); err != nil {
		t.Fatal(err)
	}
	if err := a0.AddNeighbor(n.now, stranger, macB); err != nil {
		t.Fatal(err)
	}
	f := crafted{wire.GroupMAC(wire.AllNodes6), macB, wire.EtherTypeIPv6, echoTo(stranger, wire.AllNodes6)}.frame()
	if v := a.Receive(n.now, a0, f); v.Answer != EchoReply {
		t.Fatalf("%+v", v)
	}
	if got := answer6(t, a, n.now, a0); got == nil || a.net.localAddrs[a0.scoped(got.ip.Src)] != a0 {
		t.Errorf("answer %+v", got)
	}
}
