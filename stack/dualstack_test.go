package stack

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// bindings are the local ends for which a socket may ask, with the families for which it receives.
var bindings = []struct {
	name   string
	addr   netip.Addr
	only6  bool
	takes4 bool
	takes6 bool
	all    bool // bound to all addresses
}{
	{"no address", netip.Addr{}, false, true, true, true},
	{"::", any6, false, true, true, true},
	{":: for IPv6 only", any6, true, false, true, true},
	{"no address for IPv6 only", netip.Addr{}, true, false, true, true},
	{"0.0.0.0", netip.IPv4Unspecified(), false, true, false, true},
	{"::ffff:0.0.0.0", netip.MustParseAddr("::ffff:0.0.0.0"), false, true, false, true},
	{"10.0.0.2", ipB, false, true, false, false},
	{"::ffff:10.0.0.2", netip.MustParseAddr("::ffff:10.0.0.2"), false, true, false, false},
	{"fd00::2", ip6B, false, false, true, false},
	{"fe80::b", localB, false, false, true, false},
	{"::1", netip.MustParseAddr("::1"), false, false, true, false},
	{"127.0.0.1", netip.MustParseAddr("127.0.0.1"), false, true, false, false},
}

// TestPortConflicts: two sockets can't have one port if a packet could be for both: they share a family, and an address or one of them
// is bound to all (RFC 3493 §5.3, §3.7). Closing one frees its port for the other, in every combination.
func TestPortConflicts(t *testing.T) {
	h, _, now := lone6(t)
	bind := func(udp bool, k int) (close func(), err error) {
		x, at := bindings[k], port(bindings[k].addr, 99)
		switch {
		case udp && x.only6:
			u, err := h.BindUDP6(at)
			return func() { u.Close() }, err
		case udp:
			u, err := h.BindUDP(at)
			return func() { u.Close() }, err
		case x.only6:
			l, err := h.ListenTCP6(at, 0, tcp.Config{})
			return func() { l.Close(now) }, err
		}
		l, err := h.ListenTCP(at, 0, tcp.Config{})
		return func() { l.Close(now) }, err
	}
	for _, udp := range []bool{false, true} {
		for j, x := range bindings {
			for k, y := range bindings {
				same := x.addr.Unmap() == y.addr.Unmap()
				want := (x.takes4 && y.takes4 || x.takes6 && y.takes6) && (x.all || y.all || same)
				name := fmt.Sprintf("UDP %v, %s and then %s", udp, x.name, y.name)
				closeFirst, err := bind(udp, j)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				closeSecond, err := bind(udp, k)
				if want != (err == ErrPortInUse) || !want && err != nil {
					t.Errorf("%s: %v, want a conflict: %v", name, err, want)
				}
				if err == nil {
					closeSecond()
				}
				closeFirst()
				if closeSecond, err = bind(udp, k); err != nil {
					t.Fatalf("%s, after the first was closed: %v", name, err)
				}
				closeSecond()
			}
		}
	}
	if _, err := h.ListenTCP6(port(ipB, 9), 0, tcp.Config{}); err != ErrInvalid {
		t.Errorf("an IPv4 address for IPv6 only: %v", err)
	}
	if _, err := h.BindUDP6(port(netip.IPv4Unspecified(), 9)); err != ErrInvalid {
		t.Errorf("0.0.0.0 for IPv6 only: %v", err)
	}
	if h.sockets.open != 0 || len(h.ports.users[portsTCP])+len(h.ports.users[portsUDP]) != 0 {
		t.Errorf("%d sockets are left, ports %v", h.sockets.open, h.ports.users)
	}
}

// TestSocketsByFamily: each packet reaches the socket for its family and address: the connected one first, then the one bound to the
// address, then the one bound to all (RFC 3493 §3.7, §5.3).
func TestSocketsByFamily(t *testing.T) {
	n, a, b := pair6(t)
	n.run(5 * time.Second)
	buf := make([]byte, 10)
	both, _ := b.BindUDP(port(any6, 7))
	sender, _ := a.BindUDP(port(netip.Addr{}, 5))
	for _, c := range []struct{ to, from netip.Addr }{{ipB, ipA}, {ip6B, ip6A}, {netip.MustParseAddr("::ffff:10.0.0.2"), ipA}} {
		if err := sender.Send(n.now, []byte("x"), port(c.to, 7)); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		if k, from, _ := both.Recv(buf); k != 1 || from != port(c.from, 5) {
			t.Errorf("to %v: %d octets from %v", c.to, k, from)
		}
		if err := both.Send(n.now, []byte("yy"), port(c.from, 5)); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		if k, from, _ := sender.Recv(buf); k != 2 || from != port(c.to.Unmap(), 7) {
			t.Errorf("the answer: %d octets from %v", k, from)
		}
	}
	connected, err := b.DialUDP(port(ip6B, 8), port(ip6A, 5))
	if err != nil {
		t.Fatal(err)
	}
	bound, err := b.DialUDP(port(ip6B, 8), port(ip6A, 6)) // the same local end, another peer
	if err != nil {
		t.Fatal(err)
	}
	_ = sender.Send(n.now, []byte("x"), port(ip6B, 8))
	n.run(time.Second)
	if k, _, _ := connected.Recv(buf); k != 1 || bound.NextLen() != -1 {
		t.Errorf("the connected socket received %d octets", k)
	}
	only6, _ := b.BindUDP6(port(any6, 9))
	_ = sender.Send(n.now, []byte("x"), port(ipB, 9))
	n.run(time.Second)
	if only6.NextLen() != -1 || counterOf(t, b, "IcmpOutDestUnreachs") != 1 {
		t.Error("a socket for IPv6 alone received a datagram of IPv4")
	}
	if err := only6.Send(n.now, nil, port(ipA, 5)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a socket for IPv6 alone sends over IPv4: %v", err)
	}
	l, l6 := listen(t, b, 80, tcp.Config{}), (*TCPListener)(nil)
	if l6, err = b.ListenTCP6(port(any6, 81), 0, tcp.Config{}); err != nil {
		t.Fatal(err)
	}
	for _, to := range []netip.Addr{ipB, ip6B, b.Ifaces()[0].LinkLocal()} {
		client, server := dial(n, a, port(to, 80), l)
		transfer(n, client, server, octets(1000), time.Minute)
		if familyOf(server.Remote().Addr()) != familyOf(to) || server.Remote().Addr().Is4In6() {
			t.Errorf("accepted from %v", server.Remote())
		}
	}
	dial(n, a, port(ip6B, 81), l6)
	c, err := a.DialTCP(n.now, netip.AddrPort{}, port(ipB, 81), tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if !errors.Is(c.Err(), tcp.ErrRefused) {
		t.Errorf("IPv4 to a listener for IPv6 alone: %v", c.Err())
	}
}

// TestEphemeralPorts6: a free port is free in both families.
func TestEphemeralPorts6(t *testing.T) {
	h, _, _ := lone6(t)
	seen := map[uint16]bool{}
	for k := range numEphemeral {
		at := []netip.Addr{{}, any6, ip6B, ipB, localB}[k%5]
		u, err := h.BindUDP(port(at, 0))
		if err != nil {
			t.Fatalf("socket %d: %v", k, err)
		}
		if p := u.Local().Port(); p < firstEphemeral || seen[p] {
			t.Fatalf("port %d", p)
		} else {
			seen[p] = true
		}
	}
	if _, err := h.BindUDP(port(ip6B, 0)); err != ErrNoPorts {
		t.Errorf("one more: %v", err)
	}
}

// TestSYNCookies6: the cookie of a SYN over IPv6 keeps the segment size, 1220 octets if the SYN has none (RFC 9293 §3.7.1,
// RFC 4987 §3.6).
func TestSYNCookies6(t *testing.T) {
	for _, c := range []struct {
		cfg tcp.Config
		mss int
	}{{tcp.Config{}, 1440 - 12}, {tcp.Config{NoTimestamps: true}, 1440}, {tcp.Config{MSS: 1250}, 1220 - 12}} {
		n, a, b := pair6(t)
		n.run(5 * time.Second)
		b.limits.SYNQueue = 4
		l := listen(t, b, 80, tcp.Config{})
		for k := range 4 {
			syn := tcp6(port(ip6A, uint16(1000+k)), port(ip6B, 80), wire.TCP{Seq: wire.Seq(k), Flags: wire.SYN, Window: 1000})
			b.Receive(n.now, b.Ifaces()[0], toB6(ip6Packet(6, ip6A, ip6B, syn, nil)))
		}
		n.lose = func(i *Iface, f *phy.Frame) bool {
			return i.host == b && bytes.Contains(f.Bytes()[54:56], []byte{0, 80}) && f.Bytes()[56] == 3
		}
		client, err := a.DialTCP(n.now, netip.AddrPort{}, port(ip6B, 80), c.cfg)
		if err != nil {
			t.Fatal(err)
		}
		var server *TCPConn
		n.runUntil("accept", 5*time.Second, func() bool { server = l.Accept(); return server != nil })
		if got := server.Info(n.now).MSS; got != c.mss {
			t.Errorf("%+v: MSS %d, want %d", c.cfg, got, c.mss)
		}
		wantCounter(t, b, "TcpExtSyncookiesRecv", 1)
		transfer(n, client, server, octets(100_000), time.Minute)
		transfer(n, server, client, octets(100_000), time.Minute)
	}
}

// TestRaw6: a raw socket receives the payload behind extension headers, and the host computes the checksum of ICMPv6 (RFC 3542 §3.1).
func TestRaw6(t *testing.T) {
	n, a, b := pair6(t)
	n.run(5 * time.Second)
	from, _ := a.BindRaw(253)
	to, _ := b.BindRaw(253)
	buf := make([]byte, 100)
	if err := from.Send(n.now, []byte("raw"), ip6B, 9); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if k, src, hops, _ := to.Recv(buf); string(buf[:max(k, 0)]) != "raw" || src != ip6A || hops != 9 {
		t.Errorf("%d octets from %v with hop limit %d", k, src, hops)
	}
	v := b.Receive(n.now, b.Ifaces()[0], toB6(ip6Packet(60, ip6A, ip6B, behind(253, plainOptions, []byte("behind")), nil)))
	if k, _, _, _ := to.Recv(buf); !v.Raw || string(buf[:max(k, 0)]) != "behind" {
		t.Errorf("behind options: %v, %q", v, buf[:max(k, 0)])
	}
	icmp, _ := a.BindRaw(wire.ProtocolICMPv6)
	if err := icmp.Send(n.now, []byte{128, 0, 0xba, 0xd0, 0, 1, 0, 2, 'x'}, ip6B, 0); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if k, src, _, _ := icmp.Recv(buf); k != 9 || buf[0] != 129 || src != ip6B {
		t.Errorf("%x from %v", buf[:max(k, 0)], src)
	}
	if err := icmp.Send(n.now, []byte{128, 0, 0}, ip6B, 0); err != ErrInvalid {
		t.Errorf("no room for the checksum: %v", err)
	}
	noDrops(t, b)
	if err := from.Send(n.now, []byte("raw"), ip6B, 0); err != nil {
		t.Fatal(err)
	}
	to.Close()
	n.run(time.Second)
	if _, _, _, err := from.Recv(buf); err != tcp.ErrProtoUnreach {
		t.Errorf("without a receiver the sender is told %v", err)
	}
}

// TestMulticast6: every socket with the group and port on the link receives a copy, also on the sender's host, and on the link of
// its membership alone (RFC 3493 §5.2, RFC 4291 §2.7, §2.8). The default hop limit is 1.
func TestMulticast6(t *testing.T) {
	n, a, b, c := twins(t)
	site := netip.MustParseAddr("ff05::77")
	socket := func(h *Host, group string) *UDPConn {
		t.Helper()
		u, err := h.BindUDP(port(netip.Addr{}, 5000))
		if err == nil {
			err = u.Join(n.now, netip.MustParseAddr(group), nil)
		}
		if err != nil {
			t.Fatalf("%s: %v", group, err)
		}
		return u
	}
	own := socket(a, "ff05::77%eth1")
	atB, atC := socket(b, "ff05::77"), socket(c, "ff05::77")
	sender, _ := a.BindUDP(port(netip.Addr{}, 6000))
	hopLimit := uint8(0)
	a.Observe(func(ev *PacketEvent) {
		if ip, _, err := wire.ParseIPv6(ev.Frame.Bytes()[14:]); ev.Dir == TX && !ev.Iface.loop && err == nil && ip.NextHeader == 17 {
			hopLimit = ip.HopLimit
		}
	})
	for _, x := range []struct{ to, own, b, c string }{{"ff05::77%eth0", "", "x", ""}, {"ff05::77%eth1", "x", "", "x"}, {"ff02::1%eth1", "", "", ""}} {
		if err := sender.Send(n.now, []byte("x"), port(netip.MustParseAddr(x.to), 5000)); err != nil {
			t.Fatal(err)
		}
		n.run(time.Second)
		if got := [3]string{recvString(own), recvString(atB), recvString(atC)}; got != [3]string{x.own, x.b, x.c} {
			t.Errorf("to %s: %q", x.to, got)
		}
		if hopLimit != 1 {
			t.Errorf("to %s: hop limit %d", x.to, hopLimit)
		}
	}
	if err := sender.Send(n.now, []byte("x"), port(wire.AllNodes6, 5000)); !errors.Is(err, ErrZone) {
		t.Errorf("a group of link-local scope without a zone, on two links: %v", err)
	}
	if err := own.Join(n.now, netip.MustParseAddr("ff05::77%eth0"), nil); err != nil {
		t.Errorf("the same group on another link: %v", err)
	}
	if err := atC.Leave(site); err != nil {
		t.Error(err)
	}
	_ = sender.Send(n.now, []byte("x"), port(netip.MustParseAddr("ff05::77%eth1"), 5000))
	n.run(time.Second)
	if got := recvString(atC); got != "" {
		t.Errorf("after it has left: %q", got)
	}
	if err := own.Join(n.now, wire.AllNodes6.WithZone("eth0"), nil); err != nil {
		t.Error(err)
	}
	_ = sender.Send(n.now, []byte("all"), port(wire.AllNodes6.WithZone("eth0"), 5000))
	n.run(time.Second)
	if got := recvString(own); got != "x" || recvString(own) != "all" { // the first is the last to eth1
		t.Errorf("from the group of all nodes: %q", got)
	}
}

// TestInterfaceLocalGroup: a packet to a group with the scope of an interface stays in the host, where it reaches the members, and no
// packet goes to the reserved scope 0 (RFC 4291 §2.7).
func TestInterfaceLocalGroup(t *testing.T) {
	n, a, _, _ := twins(t)
	u := joined(t, a, n.now, port(netip.Addr{}, 5000), netip.MustParseAddr("ff01::77"))
	from, _ := a.BindUDP(port(netip.Addr{}, 6000))
	n.run(time.Second)
	for _, i := range a.Ifaces() {
		n.peer[i] = nil
	}
	if err := from.Send(n.now, []byte("inside"), port(netip.MustParseAddr("ff01::77"), 5000)); err != nil {
		t.Fatal(err)
	}
	sent := a.Ifaces()[0].Info().TxPackets + a.Ifaces()[1].Info().TxPackets
	n.run(time.Second)
	if got := recvString(u); got != "inside" {
		t.Errorf("the member received %q: %v", got, reasonsOf(a))
	}
	if got := a.Ifaces()[0].Info().TxPackets + a.Ifaces()[1].Info().TxPackets; got != sent {
		t.Errorf("%d frames have left", got-sent)
	}
	if err := from.Send(n.now, nil, port(netip.MustParseAddr("ff00::77"), 5000)); err != ErrNoRoute {
		t.Errorf("to scope 0: %v", err)
	}
}

// TestGroupEcho: echo requests to groups are answered from a unicast address, at the rate of errors (RFC 4443 §4.2, §2.4).
func TestGroupEcho(t *testing.T) {
	h, i, now := lone6(t)
	answers := 0
	for range 500 {
		v := h.Receive(now, i, toB6(echoTo(ip6A, wire.AllNodes6)))
		switch {
		case v.Answer == EchoReply:
			answers++
		case v != dropped(drop.ICMPRateLimit):
			t.Fatal(v)
		}
		for _, f := range drain(h, now, i) {
			if ip, _, err := wire.ParseIPv6(f.Bytes()[wire.EthernetLen:]); err != nil || ip.Src != ip6B || ip.Dst != ip6A || ip.HopLimit != 64 {
				t.Fatalf("%+v", ip)
			}
		}
	}
	if answers == 0 || answers > 200 {
		t.Errorf("%d answers at once", answers)
	}
	if v := h.Receive(now.Add(time.Second), i, toB6(echoTo(any6, wire.AllNodes6))); v != dropped(drop.ICMPBroadcast) {
		t.Errorf("from ::, %v", v)
	}
}

// TestFlowLabels: all packets of a flow have one label, which is not 0 and differs from those of other flows (RFC 6437 §2, §3).
func TestFlowLabels(t *testing.T) {
	n, a, b := pair6(t)
	n.run(5 * time.Second)
	labels := map[string]map[uint32]bool{}
	a.Observe(func(ev *PacketEvent) {
		b := ev.Frame.Bytes()[wire.EthernetLen:]
		ip, p, err := wire.ParseIPv6(b)
		if ev.Dir != TX || ev.Iface.loop || err != nil || ip.NextHeader != 6 && ip.NextHeader != 17 {
			return
		}
		flow := fmt.Sprintf("%v %v %v %x", ip.NextHeader, ip.Src, ip.Dst, p[:4])
		if labels[flow] == nil {
			labels[flow] = map[uint32]bool{}
		}
		labels[flow][ip.FlowLabel] = true
	})
	l := listen(t, b, 80, tcp.Config{})
	for range 20 {
		client, server := dial(n, a, port(ip6B, 80), l)
		transfer(n, client, server, octets(20_000), time.Minute)
		u, _ := a.BindUDP(port(netip.Addr{}, 0))
		for k := range uint16(6) {
			_ = u.Send(n.now, []byte("x"), port(ip6B, 7+k%3))
		}
		n.run(time.Second)
	}
	all := map[uint32]bool{}
	for flow, set := range labels {
		if len(set) != 1 || set[0] {
			t.Errorf("%s: labels %v", flow, set)
		}
		for label := range set {
			all[label] = true
		}
	}
	if len(labels) < 80 || len(all) != len(labels) {
		t.Errorf("%d flows have %d labels", len(labels), len(all))
	}
}

// TestHopLimits: packets start with the hop limit that a router has advertised, unless the socket has set one (RFC 4861 §6.3.4,
// RFC 3493 §5.1).
func TestHopLimits(t *testing.T) {
	h, i, now := lone6(t)
	i.v6.link.HopLimit = 33
	next := func() (limits []uint8) {
		for _, f := range drain(h, now, i) {
			limits = append(limits, f.Bytes()[wire.EthernetLen+7])
		}
		return limits
	}
	u, _ := h.BindUDP(port(netip.Addr{}, 7))
	_ = u.Send(now, nil, port(ip6A, 9))
	u.SetTTL(5)
	_ = u.Send(now, nil, port(ip6A, 9))
	if got := fmt.Sprint(next()); got != "[33 5]" {
		t.Errorf("datagrams: %s", got)
	}
	for want, cfg := range map[string]tcp.Config{"[33]": {}, "[9]": {TTL: 9}} {
		if _, err := h.DialTCP(now, netip.AddrPort{}, port(ip6A, 80), cfg); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(next()); got != want {
			t.Errorf("a SYN: %s, want %s", got, want)
		}
	}
	h.Receive(now, i, toB6(echoTo(ip6A, ip6B)))
	h.Receive(now, i, toB6(ip6Packet(6, ip6A, ip6B, tcp6(port(ip6A, 5), port(ip6B, 81), wire.TCP{Flags: wire.SYN}), nil)))
	if got := fmt.Sprint(next()); got != "[33 33]" {
		t.Errorf("answers: %s", got)
	}
}
