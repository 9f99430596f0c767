package stack

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// This file has what hostile runs have found, each as a test of its own.

// alone6 returns a host without a network, with an Ethernet and a medium without link layer. Both speak IPv6 and have their link-local
// addresses.
func alone6(t *testing.T) (h *Host, eth, tun *Iface, now clock.Instant) {
	t.Helper()
	h = New(Config{Name: "b", Seed: 1})
	eth = h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, Addrs: prefixes("fd00::2/64")})
	tun = h.AddIface(0, IfaceConfig{Name: "tun0", Caps: phy.Capabilities{Medium: phy.MediumIP, MTU: 1500}, Addrs: prefixes("fd01::2/64")})
	must(t, eth.AddNeighbor(0, ip6A, macA))
	for now.Sub(0) < time.Minute {
		now = now.Add(time.Second)
		h.Tick(now)
		drain(h, now, eth)
		drain(h, now, tun)
	}
	if !eth.LinkLocal().IsValid() || !tun.LinkLocal().IsValid() {
		t.Fatal("no link-local addresses")
	}
	return h, eth, tun, now
}

// packet6To returns a packet without extension headers.
func packet6To(proto wire.Protocol, src, dst netip.Addr, limit uint8, payload []byte) []byte {
	b := make([]byte, wire.IPv6Len, wire.IPv6Len+len(payload))
	h := wire.IPv6{HopLimit: limit, NextHeader: proto, Src: src.WithZone(""), Dst: dst.WithZone(""), PayloadLen: len(payload)}
	h.Put(b)
	return append(b, payload...)
}

// message6 returns an ICMPv6 message with its checksum, in a packet.
func message6(src, dst netip.Addr, limit uint8, b []byte) []byte {
	sum6(b, src.WithZone(""), dst.WithZone(""))
	return packet6To(wire.ProtocolICMPv6, src, dst, limit, b)
}

func echoRequest6(src, dst netip.Addr) []byte {
	return message6(src, dst, 64, []byte{128, 0, 0, 0, 0, 1, 0, 1, 2, 3})
}

// frame6 returns a frame from C with a packet of IPv6.
func foundFrame(dst wire.HardwareAddr, packet []byte) *phy.Frame {
	return crafted{dst, macC, wire.EtherTypeIPv6, packet}.frame()
}

// TestLinkLocalSourceStaysOnItsLink: what a host sends from a link-local address leaves only by the link of that address, also
// the answer to a packet whose source is reached by another link (RFC 4007 §9).
func TestLinkLocalSourceStaysOnItsLink(t *testing.T) {
	h, eth, tun, now := alone6(t)
	f := phy.NewFrame(phy.FrameSize)
	closed := packet6To(wire.ProtocolTCP, ip6A, tun.LinkLocal(), 64, tcpPacket(port(ip6A, 5), port(tun.LinkLocal().WithZone(""), 9), wire.TCP{Flags: wire.SYN}, nil)[wire.IPv4Len:])
	for _, p := range [][]byte{echoRequest6(ip6A, tun.LinkLocal()), closed, packet6To(89, ip6A, tun.LinkLocal(), 64, make([]byte, 20))} {
		f.Set(p)
		h.Receive(now, tun, f)
		if out := drain(h, now, eth); len(out) > 0 {
			t.Errorf("eth0 sends %x for a packet to the address of tun0", out[0].Bytes())
		}
		drain(h, now, tun)
	}
	u, err := h.BindUDP(port(tun.LinkLocal(), 7))
	must(t, err)
	if err := u.Send(now, nil, port(ip6A, 7)); !errors.Is(err, ErrNoRoute) {
		t.Errorf("a datagram from the address of tun0 to the link of eth0: %v", err)
	}
	if _, err := h.DialTCP(now, port(tun.LinkLocal(), 0), port(ip6A, 80), tcp.Config{}); !errors.Is(err, ErrNoRoute) {
		t.Errorf("a connection from the address of tun0 to the link of eth0: %v", err)
	}
	f.Set(echoRequest6(netip.MustParseAddr("fe80::9"), tun.LinkLocal()))
	if v := h.Receive(now, tun, f); v.Kind != Answered || len(drain(h, now, tun)) != 1 {
		t.Errorf("a neighbour on tun0: %v", v)
	}
}

// TestIPv6BelowItsMTU: an interface whose MTU falls below 1280 octets sends nothing of IPv6, and is in no group. It starts again when
// the MTU rises (RFC 8200 §5).
func TestIPv6BelowItsMTU(t *testing.T) {
	h, eth, _, now := alone6(t)
	h.SetForwarding(now, true)
	drain(h, now, eth)
	c, err := h.DialTCP(now, netip.AddrPort{}, port(ip6A, 80), tcp.Config{})
	must(t, err)
	drain(h, now, eth)
	u, err := h.BindUDP(port(ip6B, 7))
	must(t, err)
	must(t, eth.SetMTU(1279))
	if err := u.Send(now, nil, port(ip6A, 7)); !errors.Is(err, ErrNoRoute) {
		t.Errorf("a datagram: %v", err)
	}
	for end := now.Add(10 * time.Minute); h.Deadline() < end; {
		now = max(now, h.Deadline())
		h.Tick(now)
		for _, f := range drain(h, now, eth) {
			t.Fatalf("sent at %v: %x", now, f.Bytes())
		}
		must(t, h.invariant6())
	}
	if c.State() != tcp.Closed {
		t.Errorf("the connection is %v", c.State())
	}
	must(t, eth.SetMTU(1280))
	h.Tick(now)
	must(t, h.invariant6())
	if eth.v6.mld == nil || eth.membership(wire.AllRouters6) == nil {
		t.Error("IPv6 does not start again")
	}
	must(t, u.Send(now, nil, port(ip6A, 7)))
	if out := drain(h, now, eth); len(out) == 0 {
		t.Error("nothing is sent")
	}
}

// TestConnectionByADownLink: a connection to a link-local address ends although its interface is down.
func TestConnectionByADownLink(t *testing.T) {
	h, _, tun, now := alone6(t)
	peer := netip.MustParseAddr("fe80::9")
	l := listen(t, h, 80, tcp.Config{})
	f := phy.NewFrame(phy.FrameSize)
	send := func(s wire.TCP) {
		f.Set(packet6To(wire.ProtocolTCP, peer, tun.LinkLocal(), 64, tcpPacket(port(peer, 5), port(tun.LinkLocal().WithZone(""), 80), s, nil)[wire.IPv4Len:]))
		h.Receive(now, tun, f)
	}
	send(wire.TCP{Seq: 1000, Flags: wire.SYN, Window: 1000})
	s, _, err := wire.ParseTCP(drain(h, now, tun)[0].Bytes()[wire.IPv6Len:])
	must(t, err)
	send(wire.TCP{Seq: 1001, Ack: s.Seq.Add(1), Flags: wire.ACK, Window: 1000})
	c := l.Accept()
	tun.SetUp(now, false)
	c.Abort(now)
	if n := len(h.sockets.conns); n != 0 || c.queued {
		t.Errorf("%d connections, queued: %v", n, c.queued)
	}
}

// TestLinkLocalRemovedAtRest: an interface whose link-local address was removed does not use it any more.
func TestLinkLocalRemovedAtRest(t *testing.T) {
	h, eth, _, now := alone6(t)
	must(t, eth.Advertise(now, &Advertising{}))
	must(t, eth.DelAddr(now, netip.PrefixFrom(eth.LinkLocal().WithZone(""), 64)))
	for k := 0; h.Deadline() != clock.Never; k++ {
		if k > 100 {
			t.Fatal("a router without a link-local address does not come to rest")
		}
		now = max(now, h.Deadline())
		h.Tick(now)
		for _, f := range drain(h, now, eth) {
			if ip, _, err := wire.ParseIPv6(f.Bytes()[wire.EthernetLen:]); err == nil && ip.Src.IsLinkLocalUnicast() {
				t.Errorf("sent from %v", ip.Src)
			}
		}
	}
	must(t, h.invariant6())
}

// TestRouterWithoutLinkLocal: an interface that can't speak IPv6 does not try to advertise again and again.
func TestRouterWithoutLinkLocal(t *testing.T) {
	h := New(Config{Name: "b", Seed: 1})
	i := h.AddIface(0, IfaceConfig{Name: "eth0", Caps: phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1279}, MAC: macB})
	must(t, i.Advertise(0, &Advertising{}))
	h.Tick(0)
	if at := h.Deadline(); at != clock.Never {
		t.Errorf("something is due at %v", at)
	}
	i.SetLink(0, ethernet, true)
	sent := uint64(0)
	for k := 0; sent == 0 && k < 100; k++ {
		now := h.Deadline()
		h.Tick(now)
		drain(h, now, i)
		sent = counterOf(t, h, "Icmp6OutRouterAdvertisements")
	}
	if sent != 1 {
		t.Error("no advertisement when the interface speaks IPv6")
	}
}

// TestRouteByRedirectAndAdvertisement: a route that a redirect and an advertisement have both told of is there once, until the
// advertisement takes it back, whichever came first.
func TestRouteByRedirectAndAdvertisement(t *testing.T) {
	router, far := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("2001:db8:7::7")
	for _, redirectFirst := range []bool{true, false} {
		h, eth, _, now := alone6(t)
		advertise := func(lifetime uint32) {
			b := make([]byte, wire.RouterAdvertisementLen+100)
			info := wire.RouteInfo{Prefix: netip.PrefixFrom(far, 128), Lifetime: lifetime}
			b = b[:wire.RouterAdvertisementLen+info.Put(b[wire.RouterAdvertisementLen:])]
			m := wire.RouterAdvertisement{RouterLifetime: 1800}
			m.Put(b, router, wire.AllNodes6)
			h.Receive(now, eth, foundFrame(wire.GroupMAC(wire.AllNodes6), packet6To(wire.ProtocolICMPv6, router, wire.AllNodes6, 255, b)))
			must(t, h.invariant6())
		}
		redirect := func() {
			b := make([]byte, wire.RedirectLen)
			m := wire.Redirect{Target: router, Dest: far}
			m.Put(b, router, ip6B)
			h.Receive(now, eth, foundFrame(macB, packet6To(wire.ProtocolICMPv6, router, ip6B, 255, b)))
			must(t, h.invariant6())
		}
		if advertise(0); redirectFirst {
			redirect()
		}
		advertise(1000)
		redirect()
		if n := h.net.gateways[router.WithZone("eth0")]; n != 2 {
			t.Errorf("redirect first %v: %d routes by the router", redirectFirst, n)
		}
		advertise(0)
		if n := h.net.gateways[router.WithZone("eth0")]; n != 1 {
			t.Errorf("redirect first %v: %d routes by the router at the end", redirectFirst, n)
		}
	}
}

// TestLongDatagramToOwnGroup: a member of a group on the sending host receives a datagram as long as UDP allows, for which not even the
// loop has room in one packet of IPv6.
func TestLongDatagramToOwnGroup(t *testing.T) {
	n, _, b := pair6(t)
	u, err := b.BindUDP(port(netip.Addr{}, 7))
	must(t, err)
	group := netip.MustParseAddr("ff02::77")
	must(t, u.Join(0, group, b.Ifaces()[0]))
	data := octets(maxMTU - wire.UDPLen)
	must(t, u.Send(0, data, port(group.WithZone("eth0"), 7)))
	n.run(time.Second)
	buf := make([]byte, 70_000)
	if k, _, err := u.Recv(buf); err != nil || !bytes.Equal(buf[:max(0, k)], data) {
		t.Errorf("%d octets, %v", k, err)
	}
}
