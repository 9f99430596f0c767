package stack

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

var (
	shared6 = netip.MustParseAddr("fdaa::2") // B's address of IPv6 on the shared interface
	linkB   = netip.MustParseAddr("fe80::b")
	peer6   = netip.MustParseAddr("fdaa::1")
)

// sharer is host B, whose interface eth0 has the addresses of a kernel beside it, and the ports that it has told of.
type sharer struct {
	h    *Host
	i    *Iface
	told []string
	deny func(proto wire.Protocol, port uint16) error
}

func newSharer(n *network) *sharer {
	s := &sharer{h: n.bare(Config{Name: "b", Seed: 2})}
	s.h.WatchPorts(func(proto wire.Protocol, port uint16, bound bool) error {
		if bound && s.deny != nil {
			if err := s.deny(proto, port); err != nil {
				return err
			}
		}
		s.told = append(s.told, fmt.Sprintf("%v %d %v", proto, port, bound))
		return nil
	})
	s.i = s.h.AddIface(n.now, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, Shared: true, Addrs: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.2/24"), netip.PrefixFrom(shared6, 64), netip.PrefixFrom(linkB, 64),
	}})
	return s
}

func (s *sharer) take() []string {
	told := s.told
	s.told = nil
	return told
}

// sharedSYN returns a SYN from A to a port of B in IPv6.
func sharedSYN(port uint16) *phy.Frame {
	h := wire.TCP{SrcPort: 9, DstPort: port, Flags: wire.SYN, Window: 1000}
	b := make([]byte, wire.IPv6Len+h.HeaderLen())
	h.Put(b[wire.IPv6Len:])
	wire.PutTCPChecksum(b[wire.IPv6Len:], peer6, shared6)
	ip := wire.IPv6{HopLimit: 64, NextHeader: wire.ProtocolTCP, Src: peer6, Dst: shared6, PayloadLen: h.HeaderLen()}
	ip.Put(b)
	return crafted{macB, macA, wire.EtherTypeIPv6, b}.frame()
}

// TestSharedIsSilent: on a shared interface the host sends nothing of its own accord, and answers nothing that is the kernel's.
func TestSharedIsSilent(t *testing.T) {
	n := newNetwork(t)
	s := newSharer(n)
	h, i := s.h, s.i
	n.run(time.Hour)
	if n.sent > 0 {
		t.Errorf("%d frames sent without a cause", n.sent)
	}
	if at := min(h.Deadline(), h.Upkeep()); at != clock.Never {
		t.Errorf("there is a timer: %v", at)
	}
	arp := func(op wire.ARPOp, from wire.HardwareAddr, sender, target netip.Addr) *phy.Frame {
		return arpFrame(wire.Broadcast, from, wire.ARP{Op: op, SenderHW: from, SenderIP: sender, TargetIP: target})
	}
	echo6 := make([]byte, wire.ICMPv6Len)
	(&wire.ICMPv6{Type: wire.ICMPv6EchoRequest, ID: 1}).Put(echo6, peer6, shared6)
	none := netip.IPv4Unspecified()
	group := netip.MustParseAddr("224.0.0.251")
	wide := ndMessage{src: llA, dst: wire.AllNodes6, put: func(b []byte, _, _ netip.Addr) int { b[0] = byte(wire.ICMPv6ListenerQuery); return 28 }, size: 28, hop: 1, change: func([]byte) {}}
	for _, c := range []struct {
		name  string
		frame *phy.Frame
		want  string
	}{
		{"ARP request for the address", arp(wire.ARPRequest, macA, ipA, ipB), "arp not for us"},
		{"ARP probe for the address", arp(wire.ARPRequest, macA, none, ipB), "arp not for us"},
		{"another station's ARP with the address", arp(wire.ARPRequest, macA, ipB, ipB), "dropped: arp conflict"},
		{"the kernel's ARP", arp(wire.ARPRequest, macB, ipB, ipA), "the kernel's"},
		{"solicitation", solicitation(peer6, wire.SolicitedNode(shared6), shared6, sourceLink(macA)).frame(), "nd not for us"},
		{"probe of IPv6", solicitation(netip.IPv6Unspecified(), wire.SolicitedNode(shared6), shared6).frame(), "nd not for us"},
		{"advertisement with the address", advertisement(shared6, wire.AllNodes6, shared6, "O", targetLink(macA)).frame(), "dropped: nd conflict"},
		{"advertisement for the kernel", advertisement(peer6, shared6, peer6, "SO", targetLink(macA)).frame(), "nd not for us"},
		{"router advertisement", routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}, sourceLink(macA), prefixOption("2001:db8::/64", "LA", 3600, 3600)).frame(), "nd not for us"},
		{"redirect", redirectTo(llA, shared6, llA, distant).frame(), "nd not for us"},
		{"MLD query", wide.frame(), "mld not for us"},
		{"echo request", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1}, nil)), "the kernel's"},
		{"echo request of IPv6", ndFrame(macA, peer6, shared6, 64, echo6), "the kernel's"},
		{"echo reply for the kernel", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPEchoReply, ID: 1}, nil)), "the kernel's"},
		{"error for the kernel", toB(icmpPacket(ipA, ipB, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachablePort}, udpPacket(port(ipB, 4), port(ipA, 5), nil))), "the kernel's"},
		{"SYN", toB(tcpPacket(port(ipA, 9), port(ipB, 80), wire.TCP{Flags: wire.SYN}, nil)), "the kernel's"},
		{"SYN of IPv6", sharedSYN(80), "the kernel's"},
		{"segment", toB(tcpPacket(port(ipA, 9), port(ipB, 80), wire.TCP{Flags: wire.ACK}, []byte("x"))), "the kernel's"},
		{"half a segment", toB(ipPacket(wire.ProtocolTCP, ipA, ipB, []byte{0, 9, 0}, nil)), "the kernel's"},
		{"datagram", toB(udpPacket(port(ipA, 9), port(ipB, 53), []byte("x"))), "the kernel's"},
		{"broadcast", crafted{wire.Broadcast, macA, wire.EtherTypeIPv4, udpPacket(port(ipA, 9), port(limitedBroadcast, 67), nil)}.frame(), "the kernel's"},
		{"datagram to a group", crafted{wire.GroupMAC(group), macA, wire.EtherTypeIPv4, udpPacket(port(ipA, 9), port(group, 5353), nil)}.frame(), "the kernel's"},
		{"packet to be forwarded", toB(udpPacket(port(ipA, 9), port(ipC, 53), []byte("x"))), "the kernel's"},
		{"other protocol", toB(ipPacket(99, ipA, ipB, []byte("x"), nil)), "the kernel's"},
	} {
		before := n.sent
		v := h.Receive(n.now, i, c.frame)
		n.run(time.Minute)
		if v.String() != c.want {
			t.Errorf("%s: verdict %q, want %q", c.name, v, c.want)
		}
		if n.sent != before {
			t.Errorf("%s: the host has sent %d frames", c.name, n.sent-before)
		}
	}
	if k := len(h.NeighborInfos(n.now)); k > 0 {
		t.Errorf("the host has %d neighbours that it has not asked", k)
	}
	if got := h.RouteInfos(); len(got) != 2 {
		t.Errorf("routes %v, want only those of the addresses", got)
	}
	h.SetForwarding(n.now, true)
	if v := h.Receive(n.now, i, toB(udpPacket(port(ipA, 9), port(ipC, 53), []byte("x")))); v.String() != "the kernel's" {
		t.Errorf("a router forwards what the kernel forwards: %v", v)
	}
	if err := i.Advertise(n.now, &Advertising{}); err != ErrInvalid {
		t.Errorf("advertising itself as a router: %v", err)
	}
	if p, err := i.ProbeAddr(n.now, netip.MustParsePrefix("10.0.0.77/24")); err != nil {
		t.Error(err)
	} else if done, _, err := p.Done(); !done || err != nil {
		t.Errorf("the host probes for an address: %v, %v", done, err)
	}
	n.run(time.Minute)
	if n.sent > 0 {
		t.Errorf("%d frames sent", n.sent)
	}
}

// TestSharedPorts: sockets work from a shared address in both families, and a port is the host's as long as a socket has it. The
// host asks for neighbours itself.
func TestSharedPorts(t *testing.T) {
	n := newNetwork(t)
	a, ia := n.host("a", macA, "10.0.0.1/24")
	_ = ia.AddAddr(n.now, netip.PrefixFrom(peer6, 64))
	s := newSharer(n)
	h := s.h
	n.join(ia, s.i)
	n.run(20 * time.Second)
	for _, to := range []netip.AddrPort{port(ipA, 80), port(peer6, 80)} {
		l, err := a.ListenTCP(to, 0, tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		echo(l)
		c, err := h.DialTCP(n.now, netip.AddrPort{}, to, tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.take(); !slices.Equal(got, []string{fmt.Sprintf("tcp %d true", c.Local().Port())}) {
			t.Errorf("told of %v before the first segment", got)
		}
		if _, err := c.Write(n.now, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		n.runUntil("the echo", time.Second, func() bool { return c.Readable() == 5 })
		_, _ = c.Discard(n.now, 5)
		c.Close(n.now)
		n.run(time.Second)
		if c.State() != tcp.TimeWait || len(s.take()) > 0 {
			t.Errorf("the connection is in %v; the port may not be released before its end", c.State())
		}
		n.run(10 * time.Minute)
		if got := s.take(); !slices.Equal(got, []string{fmt.Sprintf("tcp %d false", c.Local().Port())}) {
			t.Errorf("told of %v at the end", got)
		}
		l.Close(n.now)
	}
	l, err := h.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 80), 0, tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.DialTCP(n.now, netip.AddrPort{}, port(ipB, 80), tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	// A's request for the address is the kernel's to answer.
	_ = ia.AddNeighbor(n.now, ipB, macB)
	n.runUntil("a connection from A", 10*time.Second, func() bool { return l.Pending() == 1 })
	accepted := l.Accept()
	l.Close(n.now)
	if got := s.take(); !slices.Equal(got, []string{"tcp 80 true"}) {
		t.Errorf("told of %v while a connection has the port", got)
	}
	c.Abort(n.now)
	n.run(time.Second)
	if got := s.take(); accepted.State() != tcp.Closed || !slices.Equal(got, []string{"tcp 80 false"}) {
		t.Errorf("%v, told of %v at the end", accepted.State(), got)
	}
	u, err := h.BindUDP(netip.AddrPortFrom(netip.Addr{}, 53))
	if err != nil {
		t.Fatal(err)
	}
	loop, err := h.BindUDP(netip.MustParseAddrPort("127.0.0.1:54"))
	if err != nil {
		t.Fatal(err)
	}
	loop.Close()
	if v := h.Receive(n.now, s.i, toB(udpPacket(port(ipA, 9), port(ipB, 53), []byte("x")))); v.String() != "udp :53" {
		t.Errorf("a datagram to our port: %v", v)
	}
	u.Close()
	if got := s.take(); !slices.Equal(got, []string{"udp 53 true", "udp 53 false"}) {
		t.Errorf("told of %v", got)
	}
	if v := h.Receive(n.now, s.i, toB(udpPacket(port(ipA, 9), port(ipB, 53), []byte("x")))); v.String() != "the kernel's" {
		t.Errorf("a datagram after the socket's end: %v", v)
	}
}

// TestRefusedPorts: a port that WatchPorts refuses is not opened. An ephemeral one is replaced, a given one is an error.
func TestRefusedPorts(t *testing.T) {
	n := newNetwork(t)
	s := newSharer(n)
	h := s.h
	refusal := fmt.Errorf("%w: the kernel has a socket on it", ErrPortInUse)
	tries := 0
	s.deny = func(_ wire.Protocol, port uint16) error {
		if tries++; port == 80 || port%4 != 0 {
			return refusal
		}
		return nil
	}
	open := map[string]func(p uint16) (netip.AddrPort, error){
		"listen": func(p uint16) (netip.AddrPort, error) {
			l, err := h.ListenTCP(netip.AddrPortFrom(netip.Addr{}, p), 0, tcp.Config{})
			if err != nil {
				return netip.AddrPort{}, err
			}
			return l.Local(), nil
		},
		"dial": func(p uint16) (netip.AddrPort, error) {
			c, err := h.DialTCP(n.now, netip.AddrPortFrom(netip.Addr{}, p), port(ipA, 80), tcp.Config{})
			if err != nil {
				return netip.AddrPort{}, err
			}
			return c.Local(), nil
		},
		"bind": func(p uint16) (netip.AddrPort, error) {
			u, err := h.BindUDP(netip.AddrPortFrom(netip.Addr{}, p))
			if err != nil {
				return netip.AddrPort{}, err
			}
			return u.Local(), nil
		},
		"connect": func(p uint16) (netip.AddrPort, error) {
			u, err := h.DialUDP(netip.AddrPortFrom(netip.Addr{}, p), port(ipA, 53))
			if err != nil {
				return netip.AddrPort{}, err
			}
			return u.Local(), nil
		},
	}
	for name, fn := range open {
		if _, err := fn(80); err == nil || !errors.Is(err, ErrPortInUse) || !strings.Contains(err.Error(), "the kernel") {
			t.Errorf("%s on a port of the kernel: %v", name, err)
		}
		if at, err := fn(0); err != nil || at.Port()%4 != 0 {
			t.Errorf("%s on a port of the host's choice: %v, %v", name, at, err)
		}
	}
	s.deny, tries = func(wire.Protocol, uint16) error { tries++; return refusal }, 0
	for name, fn := range open {
		if _, err := fn(0); !errors.Is(err, ErrPortInUse) {
			t.Errorf("%s when all ports are the kernel's: %v", name, err)
		}
	}
	if tries != 4*portTries {
		t.Errorf("%d ports were tried, want %d for each call", tries, portTries)
	}
	s.deny, tries = func(wire.Protocol, uint16) error { tries++; return ErrLimit }, 0
	if _, err := open["dial"](0); err != ErrLimit || tries != 1 {
		t.Errorf("another refusal: %v after %d tries", err, tries)
	}
}

// TestAvoidPorts: the host chooses no ephemeral port of a range, and spreads over the others.
func TestAvoidPorts(t *testing.T) {
	for _, c := range []struct{ first, last uint16 }{{32768, 60999}, {60000, 65535}, {50000, 50010}, {1, 2}} {
		h, _ := lone(t)
		h.AvoidPorts(c.first, c.last)
		allowed := 0
		for p := firstEphemeral; p <= 65535; p++ {
			if p < int(c.first) || p > int(c.last) {
				allowed++
			}
		}
		low := 0
		for k := 0; ; k++ {
			port, err := h.ephemeral(portsUDP, port(ipB, 0), port(ipA, uint16(k)), nil)
			if err != nil {
				if k != allowed || err != ErrNoPorts {
					t.Errorf("%v: %d ports, want %d: %v", c, k, allowed, err)
				}
				break
			}
			if c.first <= port && port <= c.last || port < firstEphemeral {
				t.Fatalf("%v: port %d", c, port)
			}
			if k < 100 && int(port) < (firstEphemeral+65536)/2 {
				low++
			}
			h.ports.bind(portsUDP, families{ipv4, ipv4}, port)
		}
		for p := firstEphemeral; p <= 65535; p++ {
			if h.ports.inUse(portsUDP, ipv4, uint16(p)) {
				h.ports.unbind(portsUDP, families{ipv4, ipv4}, uint16(p))
			}
		}
		if c.first == 1 && (low < 20 || low > 80) {
			t.Errorf("%d of 100 ports are in the lower half", low)
		}
	}
	h, _ := lone(t)
	h.AvoidPorts(1024, 65535)
	if _, err := h.ephemeral(portsUDP, port(ipB, 0), port(ipA, 1), nil); err != nil {
		t.Errorf("with no other ports: %v", err)
	}
}
