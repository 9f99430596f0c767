package stack

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

var (
	localA = netip.MustParseAddr("fe80::a")
	localB = netip.MustParseAddr("fe80::b")
	any6   = netip.IPv6Unspecified()
)

// lone6 is lone with IPv6: B has fd00::2 and fe80::b, and A is a PERMANENT neighbour with fd00::1 and fe80::a. Time is 10 s, when
// B has sent all that a new interface sends.
func lone6(t testing.TB) (h *Host, i *Iface, now clock.Instant) {
	n := newNetwork(t)
	h, i = n.host("b", macB, "10.0.0.2/24")
	drain(h, 0, i)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.net.loop.AddAddr(0, netip.MustParsePrefix("::1/128")))
	must(i.AddAddr(0, netip.MustParsePrefix("fd00::2/64")))
	must(i.AddAddr(0, netip.MustParsePrefix("fe80::b/64")))
	must(i.AddNeighbor(0, ip6A, macA))
	must(i.AddNeighbor(0, localA, macA))
	for now = 0; now < clock.Instant(20*time.Second); now = now.Add(100 * time.Millisecond) {
		h.Tick(now)
		drain(h, now, i)
	}
	n.now = now
	return h, i, now
}

// toB6 returns a frame from A to B with an IPv6 packet. A packet to a group is in a frame to that group.
func toB6(b []byte) *phy.Frame {
	to := macB
	if dst := netip.AddrFrom16([16]byte(b[24:])); dst.IsMulticast() {
		to = wire.GroupMAC(dst)
	}
	return crafted{to, macA, wire.EtherTypeIPv6, b}.frame()
}

// ip6Packet returns an IPv6 packet with a payload, which may start with extension headers.
func ip6Packet(next wire.Protocol, src, dst netip.Addr, payload []byte, change func(*wire.IPv6)) []byte {
	h := wire.IPv6{HopLimit: 64, NextHeader: next, Src: src.WithZone(""), Dst: dst.WithZone(""), PayloadLen: len(payload)}
	if change != nil {
		change(&h)
	}
	b := make([]byte, wire.IPv6Len+len(payload))
	h.Put(b)
	copy(b[wire.IPv6Len:], payload)
	return b
}

func hops(n uint8) func(*wire.IPv6) { return func(h *wire.IPv6) { h.HopLimit = n } }

// udp6, tcp6 and icmp6 return transport headers with their data and checksum.
func udp6(src, dst netip.AddrPort, data []byte) []byte {
	b := make([]byte, wire.UDPLen+len(data))
	copy(b[wire.UDPLen:], data)
	(&wire.UDP{SrcPort: src.Port(), DstPort: dst.Port()}).Put(b, src.Addr(), dst.Addr())
	return b
}

func tcp6(src, dst netip.AddrPort, h wire.TCP) []byte {
	h.SrcPort, h.DstPort = src.Port(), dst.Port()
	b := make([]byte, h.HeaderLen())
	h.Put(b)
	wire.PutTCPChecksum(b, src.Addr(), dst.Addr())
	return b
}

func icmp6(src, dst netip.Addr, m wire.ICMPv6, data []byte) []byte {
	b := make([]byte, wire.ICMPv6Len+len(data))
	copy(b[wire.ICMPv6Len:], data)
	m.Put(b, src.WithZone(""), dst.WithZone(""))
	return b
}

func echoTo(src, dst netip.Addr) []byte {
	return ip6Packet(wire.ProtocolICMPv6, src, dst, icmp6(src, dst, wire.ICMPv6{Type: wire.ICMPv6EchoRequest, ID: 1}, []byte("12345678")), nil)
}

// behind returns the octets of a header of extension, options or another, with the next header set, and what follows.
func behind(next wire.Protocol, header []byte, rest []byte) []byte {
	b := append([]byte{byte(next)}, header...)
	return append(b, rest...)
}

// The octets of headers after the first, which names the next one.
var (
	plainOptions = []byte{0, 1, 4, 0, 0, 0, 0}       // PadN alone
	routing0     = []byte{0, 0, 1, 0, 0, 0, 0}       // type 0 with one segment left, and no room for it
	routingDone  = []byte{0, 0, 0, 0, 0, 0, 0}       // type 0 without segments left
	skipped      = []byte{0, 0x1e, 4, 0, 0, 0, 0}    // an unknown option to skip
	discarded    = []byte{0, 0x5e, 4, 0, 0, 0, 0}    // one to discard silently
	answered2    = []byte{0, 0x9e, 4, 0, 0, 0, 0}    // one to answer, even if the packet is to a group
	answeredUni  = []byte{0, 0xde, 4, 0, 0, 0, 0}    // one to answer unless the packet is to a group
	badOption6   = []byte{0, 0x1e, 5, 0, 0, 0, 0}    // an option longer than its header
	atomicPart   = []byte{0, 0, 0, 0, 0, 0, 9}       // a fragment header of a whole packet
	firstPart    = []byte{0, 0, 1, 0, 0, 0, 9}       // that of a first fragment
	laterPart    = []byte{0, 0, 8 | 1, 0, 0, 0, 9}   // that of a fragment in the middle
	overlongPart = []byte{0, 0xff, 0xf8, 0, 0, 0, 9} // that of a last fragment beyond all packets
)

// A sent6 is the ICMPv6 message that a packet causes, nil if there is none.
type sent6 struct {
	ip    wire.IPv6
	m     wire.ICMPv6
	quote []byte
}

// answer6 returns the ICMPv6 error that a host has to send on i, and fails for any other packet.
func answer6(t *testing.T, h *Host, now clock.Instant, i *Iface) *sent6 {
	t.Helper()
	frames := drain(h, now, i)
	switch {
	case len(frames) == 0:
		return nil
	case len(frames) > 1:
		t.Fatalf("%d frames are sent", len(frames))
	}
	ip, b, err := wire.ParseIPv6(frames[0].Bytes()[wire.EthernetLen:])
	if err != nil || ip.NextHeader != wire.ProtocolICMPv6 {
		t.Fatalf("%x was sent: %v", frames[0].Bytes(), err)
	}
	m, quote, err := wire.ParseICMPv6(b, ip.Src, ip.Dst, true)
	if err != nil {
		t.Fatal(err)
	}
	return &sent6{ip, m, quote}
}

// problem6 is a parameter problem, and nothing6 the absence of an answer.
func problem6(code uint8, pointer uint32) *wire.ICMPv6 {
	return &wire.ICMPv6{Type: wire.ICMPv6ParameterProblem, Code: code, Pointer: pointer}
}

// chainCase is a packet with extension headers to B, and what it causes.
type chainCase struct {
	name    string
	next    wire.Protocol
	dst     netip.Addr
	payload []byte
	verdict Verdict
	want    *wire.ICMPv6
	counter string // which grows by one
}

func (c *chainCase) run(t *testing.T) {
	t.Helper()
	h, i, now := lone6(t)
	sink, err := h.BindUDP(port(netip.Addr{}, 7))
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Join(now, group6, i); err != nil {
		t.Fatal(err)
	}
	drain(h, now, i)
	before := uint64(0)
	if c.counter != "" {
		before = counterOf(t, h, c.counter)
	}
	b := ip6Packet(c.next, ip6A, c.dst, c.payload, nil)
	v := h.Receive(now, i, toB6(b))
	if v.Kind != c.verdict.Kind || v.Reason != c.verdict.Reason || v.Answer != c.verdict.Answer {
		t.Errorf("verdict %+v, want %+v", v, c.verdict)
	}
	if c.counter != "" && counterOf(t, h, c.counter) != before+1 {
		t.Errorf("%s grew by %d", c.counter, counterOf(t, h, c.counter)-before)
	}
	got := answer6(t, h, now, i)
	switch {
	case got == nil && c.want == nil || c.verdict.Answer == EchoReply:
	case got == nil || c.want == nil || got.m != *c.want:
		t.Fatalf("answer %+v, want %+v", got, c.want)
	default:
		if got.ip.Dst != ip6A || got.ip.Src != ip6B || string(got.quote) != string(b) {
			t.Errorf("from %v to %v, quoting %x", got.ip.Src, got.ip.Dst, got.quote)
		}
	}
}

var group6 = netip.MustParseAddr("ff02::77")

func udpIn(dst netip.Addr) []byte { return udp6(port(ip6A, 5), port(dst, 7), []byte("x")) }

func errorAbout(r drop.Reason) Verdict { return refused(ParameterProblem, r) }

// TestExtensionHeaders: each header of a chain is processed in its order, and each fault has the answer of RFC 8200 §4, §4.1, §4.2,
// §4.3, §4.4, §4.6 and §4.7.
func TestExtensionHeaders(t *testing.T) {
	const udp, none, hopByHop, destination, route = wire.ProtocolUDP, wire.ProtocolNoNextHeader, 0, 60, 43
	got := Verdict{Kind: Delivered}
	for _, c := range []chainCase{
		{"no header", udp, ip6B, udpIn(ip6B), got, nil, "UdpInDatagrams"},
		{"hop-by-hop options", hopByHop, ip6B, behind(udp, plainOptions, udpIn(ip6B)), got, nil, ""},
		{"destination options", destination, ip6B, behind(udp, plainOptions, udpIn(ip6B)), got, nil, ""},
		{"an option to skip", destination, ip6B, behind(udp, skipped, udpIn(ip6B)), got, nil, ""},
		{"no segments left", route, ip6B, behind(udp, routingDone, udpIn(ip6B)), got, nil, ""},
		{"all of them", hopByHop, ip6B, behind(destination, plainOptions, behind(route, plainOptions, behind(destination, routingDone, behind(udp, plainOptions, udpIn(ip6B))))), got, nil, ""},
		{"nothing", none, ip6B, nil, dropped(drop.NoNextHeader), nil, "Ip6InDelivers"},
		{"octets behind nothing", none, ip6B, []byte("ignored"), dropped(drop.NoNextHeader), nil, ""},
		{"nothing behind options", destination, ip6B, behind(none, plainOptions, nil), dropped(drop.NoNextHeader), nil, ""},
		{"options to discard", destination, ip6B, behind(udp, discarded, udpIn(ip6B)), dropped(drop.UnknownOption), nil, "Ip6InHdrErrors"},
		{"options to answer", destination, ip6B, behind(udp, answered2, udpIn(ip6B)), errorAbout(drop.UnknownOption), problem6(2, 42), "Icmp6OutParmProblems"},
		{"options to answer to one", destination, ip6B, behind(udp, answeredUni, udpIn(ip6B)), errorAbout(drop.UnknownOption), problem6(2, 42), ""},
		{"options hop by hop", hopByHop, ip6B, behind(udp, answeredUni, udpIn(ip6B)), errorAbout(drop.UnknownOption), problem6(2, 42), ""},
		{"a bad option", destination, ip6B, behind(udp, badOption6, udpIn(ip6B)), errorAbout(drop.BadOption), problem6(0, 43), "Ip6InHdrErrors"},
		{"second options", destination, ip6B, behind(destination, plainOptions, behind(udp, answered2, udpIn(ip6B))), errorAbout(drop.UnknownOption), problem6(2, 50), ""},
		{"a header longer than the packet", destination, ip6B, []byte{17, 9, 1, 4, 0, 0, 0, 0}, errorAbout(drop.Truncated), problem6(0, 41), ""},
		{"routing header of type 0", route, ip6B, behind(udp, routing0, udpIn(ip6B)), errorAbout(drop.RoutingHeader), problem6(0, 42), ""},
		{"hop-by-hop options in second place", destination, ip6B, behind(hopByHop, plainOptions, behind(udp, plainOptions, udpIn(ip6B))), errorAbout(drop.BadNextHeader), problem6(1, 40), ""},
		{"hop-by-hop options twice", hopByHop, ip6B, behind(hopByHop, plainOptions, behind(udp, plainOptions, udpIn(ip6B))), errorAbout(drop.BadNextHeader), problem6(1, 40), ""},
		{"an unknown next header", 253, ip6B, []byte("12345678"), refused(ProtocolUnreachable, drop.UnknownProtocol), problem6(1, 6), "Ip6InUnknownProtos"},
		{"an unknown header behind options", destination, ip6B, behind(253, plainOptions, []byte("12345678")), refused(ProtocolUnreachable, drop.UnknownProtocol), problem6(1, 40), ""},
		{"ESP", 50, ip6B, make([]byte, 16), refused(ProtocolUnreachable, drop.UnknownProtocol), problem6(1, 6), ""},
		{"mobility", 135, ip6B, make([]byte, 16), refused(ProtocolUnreachable, drop.UnknownProtocol), problem6(1, 6), ""},
		{"ICMP of IPv4", wire.ProtocolICMP, ip6B, make([]byte, 16), refused(ProtocolUnreachable, drop.UnknownProtocol), problem6(1, 6), ""},
		{"IGMP", wire.ProtocolIGMP, ip6B, make([]byte, 16), refused(ProtocolUnreachable, drop.UnknownProtocol), problem6(1, 6), ""},
		{"to a group", udp, group6, udpIn(group6), got, nil, ""},
		{"to a group, options to answer", destination, group6, behind(udp, answered2, udpIn(group6)), errorAbout(drop.UnknownOption), problem6(2, 42), ""},
		{"to a group, options to answer to one", destination, group6, behind(udp, answeredUni, udpIn(group6)), dropped(drop.UnknownOption), nil, ""},
		{"to a group, a bad option", destination, group6, behind(udp, badOption6, udpIn(group6)), dropped(drop.BadOption), nil, ""},
		{"to a group, routing header", route, group6, behind(udp, routing0, udpIn(group6)), dropped(drop.RoutingHeader), nil, ""},
		{"to a group, unknown next header", 253, group6, []byte("12345678"), dropped(drop.UnknownProtocol), nil, ""},
	} {
		t.Run(c.name, c.run)
	}
}

// TestNoErrorsAboutErrors: no packet that carries an ICMPv6 error or a redirect is answered with an error, wherever its type is
// (RFC 4443 §2.4).
func TestNoErrorsAboutErrors(t *testing.T) {
	for _, c := range []struct {
		typ      wire.ICMPv6Type
		answered bool
	}{{1, false}, {4, false}, {127, false}, {wire.ICMPv6Redirect, false}, {wire.ICMPv6EchoReply, true}, {200, true}} {
		inner := icmp6(ip6A, ip6B, wire.ICMPv6{Type: c.typ}, make([]byte, 40))
		for name, b := range map[string][]byte{
			"behind options":              behind(wire.ProtocolICMPv6, answered2, inner),
			"behind two":                  behind(60, plainOptions, behind(wire.ProtocolICMPv6, answered2, inner)),
			"behind an atomic fragment's": behind(44, answered2, behind(wire.ProtocolICMPv6, atomicPart, inner)),
			"in a fragment":               behind(44, answered2, behind(wire.ProtocolICMPv6, firstPart, inner)),
		} {
			h, i, now := lone6(t)
			v := h.Receive(now, i, toB6(ip6Packet(60, ip6A, ip6B, b, nil)))
			if a := answer6(t, h, now, i); (a != nil) != c.answered || v.Reason != drop.UnknownOption {
				t.Errorf("type %d %s: %+v, answer %+v", c.typ, name, v, a)
			}
		}
	}
}

// TestAddresses6: packets whose addresses can't be right are dropped without an answer (RFC 4291 §2.4, §2.5, §2.5.2, §2.5.3, §2.5.6,
// §2.7, RFC 4007 §9).
func TestAddresses6(t *testing.T) {
	parse := netip.MustParseAddr
	for _, c := range []struct {
		src, dst string
		want     Verdict
	}{
		{"fd00::1", "fd00::2", answered(EchoReply)},
		{"fe80::a", "fe80::b", answered(EchoReply)},
		{"fe80::a", "fd00::2", answered(EchoReply)},
		{"fd00::1", "fe80::b", answered(EchoReply)},
		{"fd00::1", "ff02::1", answered(EchoReply)},
		{"ff02::1", "fd00::2", dropped(drop.MartianSource)},
		{"::", "fd00::2", dropped(drop.MartianSource)},
		{"::1", "fd00::2", dropped(drop.MartianSource)},
		{"::1", "ff02::1", dropped(drop.MartianSource)},
		{"::ffff:10.0.0.1", "fd00::2", dropped(drop.MartianSource)},
		{"fd00::2", "fd00::2", dropped(drop.MartianSource)},
		{"fe80::b", "fd00::2", dropped(drop.MartianSource)},
		{"fd00::2", "ff02::1", dropped(drop.MartianSource)},
		{"fd00::1", "::", dropped(drop.MartianDest)},
		{"fd00::1", "::1", dropped(drop.MartianDest)},
		{"fd00::1", "::ffff:10.0.0.2", dropped(drop.MartianDest)},
		{"fd00::1", "ff00::1", dropped(drop.MartianDest)},
		{"fd00::1", "ff01::1", dropped(drop.MartianDest)},
		{"fd00::1", "ff11::1", dropped(drop.MartianDest)},
		{"fd00::1", "ff02::99", dropped(drop.MulticastUnknown)},
		{"fd00::1", "ff05::1", dropped(drop.MulticastUnknown)},
		{"fd00::1", "fd00::3", dropped(drop.NotForUs)},
		{"fe80::a", "fe80::c", dropped(drop.NotForUs)},
	} {
		h, i, now := lone6(t)
		errors := counterOf(t, h, "Ip6InAddrErrors")
		v := h.Receive(now, i, toB6(echoTo(parse(c.src), parse(c.dst))))
		if v.Kind != c.want.Kind || v.Reason != c.want.Reason || v.Answer != c.want.Answer {
			t.Errorf("from %s to %s: %+v, want %+v", c.src, c.dst, v, c.want)
		}
		if sent := len(drain(h, now, i)); sent > 0 != (c.want.Kind == Answered) {
			t.Errorf("from %s to %s: %d frames are sent", c.src, c.dst, sent)
		}
		counted := c.want.Kind == Dropped && c.want.Reason != drop.MulticastUnknown
		if got := counterOf(t, h, "Ip6InAddrErrors") != errors; got != counted {
			t.Errorf("from %s to %s: Ip6InAddrErrors counts it: %v", c.src, c.dst, got)
		}
	}
	h, i, now := lone6(t)
	f := crafted{wire.GroupMAC(wire.AllNodes6), macA, wire.EtherTypeIPv6, echoTo(ip6A, ip6B)}.frame()
	if v := h.Receive(now, i, f); v != dropped(drop.MartianDest) {
		t.Errorf("a packet to us in a frame to a group: %v", v)
	}
	h.SetForwarding(now, true)
	f = crafted{wire.GroupMAC(wire.AllNodes6), macA, wire.EtherTypeIPv6, echoTo(ip6A, netip.MustParseAddr("fd00::3"))}.frame()
	if v := h.Receive(now, i, f); v != dropped(drop.NotForUs) {
		t.Errorf("a packet to another in a frame to a group, at a router: %v", v)
	}
}
