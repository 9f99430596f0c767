package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

var (
	far6     = netip.MustParseAddr("fd00:1::2")
	router6  = netip.MustParseAddr("fd00::254")
	nowhere6 = netip.MustParseAddr("2001:db8::1")
)

// routed6 returns the hosts of routed with addresses of IPv6 too: a is on fd00::/64, b on fd00:1::/64, and r routes between them.
func routed6(t testing.TB) (n *network, a, r, b *Host) {
	n, a, r, b = routed(t)
	for _, x := range []struct {
		i    *Iface
		addr string
	}{
		{a.Ifaces()[0], "fd00::1/64"}, {a.Ifaces()[0], "fe80::a/64"}, {r.Ifaces()[0], "fd00::254/64"}, {r.Ifaces()[0], "fe80::c/64"},
		{r.Ifaces()[1], "fd00:1::254/64"}, {b.Ifaces()[0], "fd00:1::2/64"},
	} {
		if err := x.i.AddAddr(n.now, netip.MustParsePrefix(x.addr)); err != nil {
			t.Fatal(err)
		}
	}
	for h, gw := range map[*Host]string{a: "fd00::254", b: "fd00:1::254"} {
		if err := h.AddRoute(netip.MustParsePrefix("::/0"), netip.MustParseAddr(gw), nil); err != nil {
			t.Fatal(err)
		}
	}
	n.run(10 * time.Second)
	return n, a, r, b
}

// TestForwarding6: what a router does with each packet for others, and the error with which it answers (RFC 4443 §3.1, §3.2, §3.3,
// RFC 4291 §2.5.2, §2.5.6, RFC 8200 §3, §4.3, §4.5).
func TestForwarding6(t *testing.T) {
	const udp = wire.ProtocolUDP
	long := make([]byte, 1300)
	forwarded := Verdict{Kind: Forwarded}
	at := netip.MustParseAddr
	for _, c := range []struct {
		name   string
		packet []byte
		want   Verdict
		answer *wire.ICMPv6
	}{
		{"a datagram", ip6Packet(udp, ip6A, far6, udp6(port(ip6A, 5), port(far6, 7), nil), nil), forwarded, nil},
		{"hop limit 2", ip6Packet(udp, ip6A, far6, make([]byte, 8), hops(2)), forwarded, nil},
		{"hop limit 1", ip6Packet(udp, ip6A, far6, make([]byte, 8), hops(1)), refused(HopLimitExceeded, drop.TTLExceeded), &wire.ICMPv6{Type: 3}},
		{"hop limit 0", ip6Packet(udp, ip6A, far6, make([]byte, 8), hops(0)), refused(HopLimitExceeded, drop.TTLExceeded), &wire.ICMPv6{Type: 3}},
		{"no route", ip6Packet(udp, ip6A, nowhere6, make([]byte, 8), nil), refused(NetUnreachable, drop.NoRoute), &wire.ICMPv6{Type: 1}},
		{"1280 octets", ip6Packet(udp, ip6A, far6, long[:1240], nil), forwarded, nil},
		{"1281 octets", ip6Packet(udp, ip6A, far6, long[:1241], nil), refused(PacketTooBig, drop.TooBig), &wire.ICMPv6{Type: 2, MTU: 1280}},
		{"a long fragment", ip6Packet(44, ip6A, far6, behind(udp, firstPart, long[:1240]), nil), refused(PacketTooBig, drop.TooBig), &wire.ICMPv6{Type: 2, MTU: 1280}},
		{"a long error", ip6Packet(wire.ProtocolICMPv6, ip6A, far6, icmp6(ip6A, far6, wire.ICMPv6{Type: 1}, long), nil), dropped(drop.TooBig), nil},
		{"from a link-local address", ip6Packet(udp, localA, far6, make([]byte, 8), nil), refused(BeyondScope, drop.LinkLocal), &wire.ICMPv6{Type: 1, Code: 2}},
		{"from a link-local address to its link", ip6Packet(udp, localA, at("fd00::77"), make([]byte, 8), nil), forwarded, nil},
		{"to a link-local address", ip6Packet(udp, ip6A, at("fe80::77"), make([]byte, 8), nil), dropped(drop.LinkLocal), nil},
		{"from ::", ip6Packet(udp, any6, far6, make([]byte, 8), nil), dropped(drop.MartianSource), nil},
		{"from ::1", ip6Packet(udp, at("::1"), far6, make([]byte, 8), nil), dropped(drop.MartianSource), nil},
		{"to ::1", ip6Packet(udp, ip6A, at("::1"), make([]byte, 8), nil), dropped(drop.MartianDest), nil},
		{"to a group", ip6Packet(udp, ip6A, at("ff0e::77"), make([]byte, 8), nil), dropped(drop.MulticastUnknown), nil},
		{"bad hop-by-hop options", ip6Packet(0, ip6A, far6, behind(udp, badOption6, make([]byte, 8)), nil), forwarded, nil},
		{"options to answer", ip6Packet(0, ip6A, far6, behind(udp, answered2, make([]byte, 8)), nil), forwarded, nil},
		{"routing header", ip6Packet(43, ip6A, far6, behind(udp, routing0, make([]byte, 8)), nil), forwarded, nil},
		{"an unknown protocol", ip6Packet(253, ip6A, far6, []byte("12345678"), nil), forwarded, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, _, r, _ := routed6(t)
			i, o := r.Ifaces()[0], r.Ifaces()[1]
			for addr, on := range map[netip.Addr]*Iface{far6: o, at("fd00::77"): i, ip6A: i, localA: i} {
				if err := on.AddNeighbor(n.now, addr, macA); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.SetMTU(wire.MinMTU6); err != nil {
				t.Fatal(err)
			}
			v := r.Receive(n.now, i, toB6(c.packet))
			v.Proto = 0
			if v != c.want {
				t.Errorf("verdict %+v, want %+v", v, c.want)
			}
			out := drain(r, n.now, o)
			if c.want != forwarded {
				got := answer6(t, r, n.now, i)
				if (got == nil) != (c.answer == nil) || got != nil && got.m != *c.answer || len(out) != 0 {
					t.Errorf("answer %+v, want %+v; %d frames forwarded", got, c.answer, len(out))
				}
				if got != nil && (len(got.quote) != min(len(c.packet), wire.MaxICMPv6Quote) || !r.net.localAddrs[i.scoped(got.ip.Src)].Up()) {
					t.Errorf("%d octets are quoted, from %v", len(got.quote), got.ip.Src)
				}
				return
			}
			if len(out) == 0 { // back to its own link
				out = drain(r, n.now, i)
				out = out[len(out)-1:]
			}
			c.packet[7]--
			if len(out) != 1 || string(out[0].Bytes()[wire.EthernetLen:]) != string(c.packet) {
				t.Errorf("%d frames leave, want the packet with its hop limit reduced by one", len(out))
			}
		})
	}
}

// TestForwardedAddressUnreachable: a router reports that its last hop did not answer (RFC 4443 §3.1, RFC 4861 §7.2.2).
func TestForwardedAddressUnreachable(t *testing.T) {
	n, a, r, _ := routed6(t)
	u, _ := a.DialUDP(netip.AddrPort{}, port(netip.MustParseAddr("fd00:1::99"), 9))
	if err := u.Send(n.now, []byte("x"), netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	n.run(10 * time.Second)
	if _, _, err := u.Recv(nil); err != tcp.ErrHostUnreach {
		t.Errorf("the sender is told %v", err)
	}
	if d := reasonsOf(r); d[drop.NeighborFailed] != 1 || counterOf(t, r, "Icmp6OutDestUnreachs") != 1 {
		t.Errorf("drops %v", d)
	}
}

// TestNoFragmentsByRouter: a router does not cut packets to a path MTU that it has learnt as a host (RFC 8200 §4.5).
func TestNoFragmentsByRouter(t *testing.T) {
	n, a, r, b := routed6(t)
	for _, checked := range []bool{true, false} {
		r.net.paths.Put(n.now, pmtuKey(far6, checked), 1300, 100)
	}
	from, _ := a.BindUDP(port(netip.Addr{}, 5))
	to, _ := b.BindUDP(port(netip.Addr{}, 7))
	if err := from.Send(n.now, octets(1452), port(far6, 7)); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if k, _, err := to.Recv(make([]byte, 2000)); k != 1452 || err != nil {
		t.Errorf("%d octets arrived: %v", k, err)
	}
	wantCounter(t, r, "Ip6FragCreates", 0)
	own, _ := r.BindUDP(port(netip.Addr{}, 5)) // the router's own packets are cut
	if err := own.Send(n.now, octets(1452), port(far6, 7)); err != nil {
		t.Fatal(err)
	}
	n.run(time.Second)
	if k, _, err := to.Recv(make([]byte, 2000)); k != 1452 || err != nil {
		t.Errorf("%d octets arrived from the router: %v", k, err)
	}
	wantCounter(t, r, "Ip6FragCreates", 2)
}

// TestForwardedSuperSegments: a super-segment is forwarded whole if its pieces fit the next link with all their headers.
func TestForwardedSuperSegments(t *testing.T) {
	for _, c := range []struct {
		size int
		want VerdictKind
	}{{1280 - 40 - 8 - 20, Forwarded}, {1280 - 40 - 8 - 20 + 1, Answered}} {
		n, _, r, _ := routed6(t)
		i, o := r.Ifaces()[0], r.Ifaces()[1]
		if err := o.SetMTU(wire.MinMTU6); err != nil {
			t.Fatal(err)
		}
		caps := ethernet
		caps.MaxGSO, caps.TxChecksum = 65535, true
		o.SetCapabilities(caps)
		segment := make([]byte, 20+4*c.size)
		segment[12] = 5 << 4
		b := ip6Packet(60, ip6A, far6, behind(wire.ProtocolTCP, plainOptions, segment), nil)
		f := phy.NewFrame(phy.SuperFrameSize)
		copy(f.Extend(len(b)), b)
		(&wire.Ethernet{Dst: macB, Src: macA, Type: wire.EtherTypeIPv6}).Put(f.Prepend(wire.EthernetLen))
		f.Offload = phy.Offload{GSOSize: uint16(c.size), CsumValid: true}
		if v := r.Receive(n.now, i, f); v.Kind != c.want {
			t.Errorf("pieces of %d octets behind options: %v", c.size, v)
		}
	}
}

func TestNoAllocsForwarding6(t *testing.T) {
	n, _, r, _ := routed6(t)
	i, o := r.Ifaces()[0], r.Ifaces()[1]
	if err := o.AddNeighbor(n.now, far6, macA); err != nil {
		t.Fatal(err)
	}
	in, out := toB6(ip6Packet(17, ip6A, far6, make([]byte, 1000), nil)), phy.NewFrame(phy.FrameSize)
	noAllocs(t, func() { passOn(t, r, n.now, i, o, in, out) })
}

// passOn forwards one packet.
func passOn(t testing.TB, r *Host, now clock.Instant, i, o *Iface, in, out *phy.Frame) {
	if v := r.Receive(now, i, in); v.Kind != Forwarded {
		t.Fatalf("verdict %q", v)
	}
	out.Reset()
	if !r.Transmit(now, o, out) {
		t.Fatal("nothing sent")
	}
	r.FrameSent(now, o, out, drop.None)
}
