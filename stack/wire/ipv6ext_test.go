package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"smolsh/stack/drop"
)

var (
	link6  = netip.MustParseAddr("fe80::1")
	peer6  = netip.MustParseAddr("fe80::2")
	group6 = netip.MustParseAddr("ff05::5")
)

// scapyChain is a packet of Scapy's: router alert, an unknown option to be skipped, a finished source route, a first fragment,
// destination options in the fragmentable part, UDP.
var scapyChain = octets(`6000000000480040 fe800000000000000000000000000001 fe800000000000000000000000000002
	3c00050200000100 2b001e0361626300 2c02000000000000 20010db8000000000000000000000009 3c00000112345678
	1100000103000000 138817700010 06fd 3132333435363738`)

// six returns a packet with the given first next header, destination and octets after the base header.
func six(next Protocol, dst netip.Addr, rest []byte) []byte {
	b := make([]byte, IPv6Len+len(rest))
	h := IPv6{NextHeader: next, HopLimit: 64, Src: link6, Dst: dst, PayloadLen: len(rest)}
	copy(b[h.Put(b):], rest)
	return b
}

// walked parses a packet and walks along its extension headers.
func walked(t *testing.T, b []byte) (IPv6Chain, []byte, error) {
	t.Helper()
	h, payload, err := ParseIPv6(b)
	if err != nil {
		t.Fatal(err)
	}
	return WalkIPv6(&h, payload)
}

// RFC 8200 §4, §4.1 to §4.7, RFC 2711 §2.1: the chain of extension headers leads to the upper layer.
func TestIPv6Chain(t *testing.T) {
	c, upper, err := walked(t, scapyChain)
	want := IPv6Chain{Protocol: ProtocolUDP, Offset: 96, NextHeaderAt: 88, HasRouterAlert: true,
		HasFragment: true, Fragment: IPv6Fragment{Next: 60, More: true, ID: 0x12345678}, FragmentAt: 80}
	if err != nil || c != want {
		t.Fatalf("got %+v, %v\nwant %+v", c, err, want)
	}
	wantOctets(t, "upper layer", upper, scapyChain[96:])
	if &upper[0] != &scapyChain[96] {
		t.Error("the upper layer is a copy")
	}

	for _, c := range []struct {
		what string
		next Protocol
		rest string
		want IPv6Chain
	}{
		{"none", ProtocolTCP, "0102", IPv6Chain{Protocol: ProtocolTCP, Offset: 40, NextHeaderAt: 6}},
		{"nothing at all", ProtocolNoNextHeader, "", IPv6Chain{Protocol: ProtocolNoNextHeader, Offset: 40, NextHeaderAt: 6}},
		{"an unknown protocol, whose octets are not read", 135, "ff", IPv6Chain{Protocol: 135, Offset: 40, NextHeaderAt: 6}},
		{"no next header behind options", 60, "3b00 0104 00000000 aabb", IPv6Chain{Protocol: 59, Offset: 48, NextHeaderAt: 40}},
		{"a router alert of another kind", 0, "3b00 0502 0001 0000", IPv6Chain{Protocol: 59, Offset: 48, NextHeaderAt: 40, HasRouterAlert: true, RouterAlert: 1}},
		{"a router alert in destination options", 60, "3b00 0502 0001 0000", IPv6Chain{Protocol: 59, Offset: 48, NextHeaderAt: 40}},
		{"an authentication header", 51, "0604 0000 00000001 00000002 000000000000000000000000 99", IPv6Chain{Protocol: ProtocolTCP, Offset: 64, NextHeaderAt: 40}},
		{"an authentication header without a check value", 51, "0601 0000 00000001 00000002 99", IPv6Chain{Protocol: ProtocolTCP, Offset: 52, NextHeaderAt: 40}},
		{"an unknown routing header that is finished", 43, "0600 fe00 00000000", IPv6Chain{Protocol: ProtocolTCP, Offset: 48, NextHeaderAt: 40}},
		{"an atomic fragment", 44, "3c00 0006 00000007 3b00 0104 00000000", IPv6Chain{Protocol: 59, Offset: 56, NextHeaderAt: 48, HasFragment: true,
			Fragment: IPv6Fragment{Next: 60, ID: 7}, FragmentAt: 40}},
		{"a later fragment, whose data is not read", 44, "3c00 0009 00000007 ffffffffffffffff", IPv6Chain{Protocol: 60, Offset: 48, NextHeaderAt: 40, HasFragment: true,
			Fragment: IPv6Fragment{Next: 60, Offset: 8, More: true, ID: 7}, FragmentAt: 40}},
		{"the last fragment of the largest packet", 44, "1100 fff0 00000007 ffffffffffffff ffffffffffffffff", IPv6Chain{Protocol: 17, Offset: 48, NextHeaderAt: 40, HasFragment: true,
			Fragment: IPv6Fragment{Next: 17, Offset: 65520, ID: 7}, FragmentAt: 40}},
		{"a first fragment whose options are not examined", 44, "3c00 0001 00000007 3b00 8100 aabbccdd", IPv6Chain{Protocol: 59, Offset: 56, NextHeaderAt: 48, HasFragment: true,
			Fragment: IPv6Fragment{Next: 60, More: true, ID: 7}, FragmentAt: 40}},
	} {
		got, upper, err := walked(t, six(c.next, peer6, octets(c.rest)))
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v\nwant %+v", c.what, got, err, c.want)
		}
		if rest := octets(c.rest); !bytes.Equal(upper, rest[got.Offset-IPv6Len:]) {
			t.Errorf("%s: upper layer % x", c.what, upper)
		}
	}
}

// chainOf returns n destination options headers of size octets each, and nothing behind them.
func chainOf(n, size int) (b []byte) {
	for range n {
		h := make([]byte, size)
		h[0], h[1] = byte(extDestination), byte(size/8-1)
		for i := 2; i < size; i += 2 + int(h[i+1]) { // options to be skipped
			h[i], h[i+1] = 0x1e, byte(min(255, size-i-2))
		}
		b = append(b, h...)
	}
	b[len(b)-size] = byte(ProtocolNoNextHeader)
	return b
}

// RFC 8200 §4.1 to §4.7, RFC 2711 §2.1, RFC 4443 §3.4, RFC 7112 §5, RFC 8504 §5.3: the first fault of a chain has a reason, and is answered
// by a parameter problem or not at all.
func TestIPv6ChainProblems(t *testing.T) {
	silent, none := IPv6Problem{}, IPv6Problem{Answer: true}
	answer := func(code uint8, at uint32) IPv6Problem { return IPv6Problem{true, code, at} }
	toGroup := func(code uint8, at uint32) IPv6Problem { return IPv6Problem{false, code, at} }
	for _, c := range []struct {
		what  string
		next  Protocol
		rest  string
		want  drop.Reason
		one   IPv6Problem
		group IPv6Problem // none: as to one, not answered
	}{
		{"hop-by-hop options behind another header", 60, "0000 0104 00000000 3b00 0104 00000000", drop.BadNextHeader, answer(1, 40), none},
		{"hop-by-hop options in a first fragment", 44, "0000 0001 00000007 3b00 0104 00000000", drop.BadNextHeader, answer(1, 40), none},
		{"hop-by-hop options in an atomic fragment", 44, "0000 0000 00000007 3b00 0104 00000000", drop.BadNextHeader, answer(1, 40), none},
		{"option 00", 60, "3b00 3f04 00000000", drop.None, silent, silent},
		{"option 01", 60, "3b00 4004 00000000", drop.UnknownOption, silent, silent},
		{"option 10", 60, "3b00 8004 00000000", drop.UnknownOption, answer(2, 42), answer(2, 42)},
		{"option 11", 60, "3b00 c004 00000000", drop.UnknownOption, answer(2, 42), none},
		{"a jumbo payload", 0, "3b00 c204 00010000", drop.UnknownOption, answer(2, 42), none},
		{"an option behind padding", 60, "3b00 00 0100 8101 00", drop.UnknownOption, answer(2, 45), answer(2, 45)},
		{"the highest option", 60, "3b00 ff04 00000000", drop.UnknownOption, answer(2, 42), none},
		{"an option beyond its header", 60, "3b00 1e05 00000000 00", drop.BadOption, answer(0, 43), none},
		{"an option of 255 octets", 60, "3b00 1eff 00000000", drop.BadOption, answer(0, 43), none},
		{"an option without a length", 60, "3b00 1e03 000000 1e", drop.BadOption, answer(0, 47), none},
		{"padding beyond its header", 60, "3b00 0105 00000000 00", drop.BadOption, answer(0, 43), none},
		{"a router alert of three octets", 0, "3b00 0503 000000 00", drop.BadOption, answer(0, 43), none},
		{"two router alerts", 0, "3b01 0502 0000 0502 0000 0104 00000000", drop.BadOption, answer(0, 46), none},
		{"seven octets of Pad1", 60, "3b01 0000 0000 0000 00 1e05 0000000000", drop.None, silent, silent},
		{"eight octets of Pad1", 60, "3b01 0000 0000 0000 0000 1e04 00000000", drop.BadPadding, silent, silent},
		{"eight octets of PadN", 60, "3b01 0106 0000 0000 0000 1e04 00000000", drop.BadPadding, silent, silent},
		{"eight octets of both", 60, "3b01 00 0105 0000 0000 00 1e04 00000000", drop.BadPadding, silent, silent},
		{"padding that is not zero", 60, "3b00 0104 00000001", drop.BadPadding, silent, silent},
		{"padding whose first octet is not zero", 60, "3b00 0104 01000000", drop.BadPadding, silent, silent},
		{"eight options", 60, "3b02 1e00 1e00 1e00 1e00 1e00 1e00 1e00 1e00 0104 00000000", drop.None, silent, silent},
		{"nine options", 60, "3b02 1e00 1e00 1e00 1e00 1e00 1e00 1e00 1e00 1e00 0102 0000", drop.TooManyOptions, silent, silent},
		{"source route, type 0", 43, "3b02 0001 00000000 20010db8000000000000000000000009", drop.RoutingHeader, answer(0, 42), none},
		{"an unknown route", 43, "3b00 fdff 00000000", drop.RoutingHeader, answer(0, 42), none},
		{"an authentication header of eight octets", 51, "3b00 0000 00000000", drop.BadHeaderLen, answer(0, 41), none},
		{"an authentication header beyond the packet", 51, "3bff 0000 00000000", drop.Truncated, answer(0, 41), none},
		{"no octets of a header", 60, "", drop.Truncated, silent, silent},
		{"seven octets of a header", 60, "3b00 0000 000000", drop.Truncated, silent, silent},
		{"a header beyond the packet", 60, "3b01 0104 00000000 0104 00000000", drop.Truncated, answer(0, 41), none},
		{"a header of 2048 octets", 0, "3bff 0104 00000000", drop.Truncated, answer(0, 41), none},
		{"a fragment of seven octets", 44, "1100 0001 00000007 11111111111111", drop.BadLength, answer(0, 4), none},
		{"a fragment beyond 65535", 44, "1100 fff8 00000007 1111111111111111", drop.BadLength, answer(0, 42), none},
		{"a fragment one octet beyond 65535", 44, "1100 fff0 00000007 ffffffffffffffff ffffffffffffffff", drop.BadLength, answer(0, 42), none},
		{"a fragment behind options, one octet beyond 65535", 60, "2c00 0104 00000000 1100 fff0 00000007 ffffffffffffffff", drop.BadLength, answer(0, 50), none},
		{"a fragment in an atomic fragment", 44, "2c00 0000 00000007 3b00 0000 00000000", drop.FragmentNested, silent, silent},
		{"a fragment in a fragment", 44, "2c00 0001 00000007 3b00 0000 00000000", drop.FragmentNested, silent, silent},
		{"a first fragment without UDP", 44, "1100 0001 00000007", drop.HeaderChainCut, answer(3, 0), none},
		{"a first fragment with half of TCP", 44, "0600 0001 00000007 0000000000000000", drop.HeaderChainCut, answer(3, 0), none},
		{"a first fragment without TCP's options", 44, "0600 0001 00000007 000000000000000000000000 f002 000000000000 00000000", drop.HeaderChainCut, answer(3, 0), none},
		{"a first fragment with TCP", 44, "0600 0001 00000007 000000000000000000000000 5002 000000000000 00000000", drop.None, silent, silent},
		{"a first fragment without ICMPv6", 44, "3a00 0001 00000007", drop.HeaderChainCut, answer(3, 0), none},
		{"a first fragment with a header that goes on", 44, "3c00 0001 00000007 3b01 0000 00000000", drop.HeaderChainCut, answer(3, 0), none},
		{"a first fragment whose chain goes on", 44, "3c00 0001 00000007", drop.HeaderChainCut, answer(3, 0), none},
	} {
		for _, dst := range []netip.Addr{peer6, group6} {
			want := c.one
			if dst == group6 {
				if want = c.group; want == none {
					want = toGroup(c.one.Code, c.one.Pointer)
				}
			}
			chain, upper, err := walked(t, six(c.next, dst, octets(c.rest)))
			if drop.Of(err) != c.want || chain.Problem != want || err != nil && upper != nil {
				t.Errorf("%s to %v: %v, %+v; want %v, %+v", c.what, dst, err, chain.Problem, c.want, want)
			}
		}
	}
	for _, c := range []struct {
		n, size int
		want    drop.Reason
	}{{8, 8, drop.None}, {9, 8, drop.TooManyHeaders}, {1, 1240, drop.None}, {1, 1248, drop.HeadersTooLong}, {5, 248, drop.None}, {6, 208, drop.HeadersTooLong}} {
		chain, _, err := walked(t, six(extDestination, peer6, chainOf(c.n, c.size)))
		if drop.Of(err) != c.want || chain.Problem != silent {
			t.Errorf("%d headers of %d octets: %v, %+v; want %v", c.n, c.size, err, chain.Problem, c.want)
		}
	}
}

// TestIPv6ChainCut: a chain that is cut anywhere is refused, and so is a length field with any other value.
func TestIPv6ChainCut(t *testing.T) {
	whole := changed(scapyChain, 83, 0) // an atomic fragment, whose options are examined
	if _, _, err := walked(t, whole); err != nil {
		t.Fatal(err)
	}
	for n := IPv6Len; n < 96; n++ {
		if _, _, err := walked(t, changed(whole[:n], 4, 0, byte(n-IPv6Len))); err == nil {
			t.Errorf("cut at %d, and nothing is said", n)
		}
	}
	for _, at := range []int{41, 49, 57, 89} { // lengths of headers
		for v := range 256 {
			if _, upper, _ := walked(t, changed(whole, at, byte(v))); len(upper) > len(whole)-IPv6Len-24 {
				t.Errorf("length %d at %d: %d octets of an upper layer", v, at, len(upper))
			}
		}
	}
}

// TestIPv6Lengths: each length field of the base header and of an option has one range of values that are accepted.
func TestIPv6Lengths(t *testing.T) {
	packet := six(ProtocolNoNextHeader, peer6, make([]byte, 300))
	for n := range 1 << 16 {
		h, payload, err := ParseIPv6(changed(packet, 4, byte(n>>8), byte(n)))
		if n > 300 {
			wantErr(t, "payload length", err, drop.Truncated)
		} else if err != nil || len(payload) != n || h.PayloadLen != n {
			t.Errorf("payload length %d: %d octets, %v", n, len(payload), err)
		}
	}
	for n := range 256 {
		_, _, err := walked(t, six(extDestination, peer6, []byte{59, 0, 0x1e, byte(n), 0, 0, 0, 0}))
		want := drop.None // the octets behind a shorter option are Pad1
		if n > 4 {
			want = drop.BadOption
		}
		wantErr(t, "length of an option", err, want)

		_, _, err = walked(t, six(extHopByHop, peer6, []byte{59, 0, ip6OptRouterAlert, byte(n), 0, 0, 0, 0}))
		if want = drop.BadOption; n == 2 {
			want = drop.None
		}
		wantErr(t, "length of a router alert", err, want)
	}
}

func TestIPv6HeadersWritten(t *testing.T) {
	b := bytes.Repeat([]byte{0xee}, 16)
	if n := PutRouterAlert6(b, extFragment); n != RouterAlert6Len {
		t.Errorf("PutRouterAlert6 = %d", n)
	}
	f := IPv6Fragment{Next: ProtocolUDP, Offset: 65528, More: true, ID: 0x89abcdef}
	if n := f.Put(b[8:]); n != IPv6FragmentLen || !f.IsFragment() {
		t.Errorf("Put = %d", n)
	}
	wantOctets(t, "written", b, octets("2c00 0502 0000 0100 1100 fff9 89abcdef"))
	if f = (IPv6Fragment{}); f.IsFragment() {
		t.Error("an atomic fragment is a fragment")
	}
}

// RFC 4291 §2.7.1, RFC 2464 §7.
func TestSolicitedNode(t *testing.T) {
	for a, want := range map[string]string{
		"4037::1:800:200e:8c6c": "ff02::1:ff0e:8c6c", // the example of the RFC
		"fe80::9":               "ff02::1:ff00:9",
		"::":                    "ff02::1:ff00:0",
		"ffff::ffff:ffff":       "ff02::1:ffff:ffff",
	} {
		got := SolicitedNode(netip.MustParseAddr(a))
		if got != netip.MustParseAddr(want) || !IsSolicitedNode(got) {
			t.Errorf("%s: %v, want %s", a, got, want)
		}
	}
	for _, a := range []string{"ff02::1", "ff02::1:fe00:1", "ff05::1:ff00:1", "fe80::1:ff00:1", "ff02::2:1:ff00:1"} {
		if IsSolicitedNode(netip.MustParseAddr(a)) {
			t.Errorf("%s is a solicited-node group", a)
		}
	}
	for group, want := range map[netip.Addr]HardwareAddr{
		AllNodes6:                                {0x33, 0x33, 0, 0, 0, 1},
		AllRouters6:                              {0x33, 0x33, 0, 0, 0, 2},
		MLDv2Routers6:                            {0x33, 0x33, 0, 0, 0, 0x16},
		netip.MustParseAddr("ff02::1:ff0e:8c6c"): {0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c},
	} {
		if got := GroupMAC(group); got != want {
			t.Errorf("%v: %v, want %v", group, got, want)
		}
	}
}

func FuzzIPv6Chain(f *testing.F) {
	f.Add(byte(0), false, scapyChain[IPv6Len:])
	f.Add(byte(60), true, chainOf(5, 248))
	f.Add(byte(44), false, octets("3c00 0006 00000007 3b00 0104 00000000"))
	f.Add(byte(51), true, octets("0604 0000 00000001 00000002 000000000000000000000000 99"))
	f.Add(byte(60), false, octets("0000 0104 00000000 3b00 0104 00000000"))
	f.Fuzz(func(t *testing.T, next byte, group bool, rest []byte) {
		rest = rest[:min(len(rest), 0xffff)]
		h := IPv6{NextHeader: Protocol(next), Src: link6, Dst: peer6, PayloadLen: len(rest)}
		if group {
			h.Dst = group6
		}
		c, upper, err := WalkIPv6(&h, rest[:len(rest):len(rest)])
		if c2, _, err2 := WalkIPv6(&h, rest); c2 != c || err2 != err {
			t.Errorf("a second time: %+v, %v\nfirst: %+v, %v", c2, err2, c, err)
		}
		if p := c.Problem; int(p.Pointer) >= IPv6Len+max(len(rest), 1) || p.Code > ParamIncompleteChain {
			t.Errorf("%d octets: %+v", len(rest), p)
		}
		if refused(t, err) {
			if group && c.Problem.Answer && c.Problem.Code != ParamUnknownOption {
				t.Errorf("answered to a group: %+v", c.Problem)
			}
			return
		}
		if c.Problem != (IPv6Problem{}) || !bytes.Equal(upper, rest[c.Offset-IPv6Len:]) {
			t.Fatalf("%+v, %d octets of %d", c, len(upper), len(rest))
		}
		if named := append([]byte{0, 0, 0, 0, 0, 0, next}, make([]byte, 33)...); append(named, rest...)[c.NextHeaderAt] != byte(c.Protocol) {
			t.Errorf("%+v: the field at NextHeaderAt is another", c)
		}
		// Without its extension headers, and with a router alert and a fragment header of its own, the packet is the same.
		b := make([]byte, RouterAlert6Len+IPv6FragmentLen, len(rest)+RouterAlert6Len+IPv6FragmentLen)
		frag := c.Fragment
		frag.Next = c.Protocol
		frag.Put(b[PutRouterAlert6(b, extFragment):])
		b = append(b, upper...)
		h.NextHeader, h.PayloadLen = extHopByHop, len(b)
		if c.Offset+frag.Offset+len(upper) > 0xff00 { // the headers may make the reassembled packet too long
			return
		}
		c2, upper2, err := WalkIPv6(&h, b)
		if frag.More && frag.Offset == 0 && len(upper)%8 != 0 {
			return // the options before the upper layer made the number of octets even
		}
		if err != nil || c2.Protocol != c.Protocol || c2.Fragment != frag || !bytes.Equal(upper2, upper) || !c2.HasRouterAlert {
			t.Errorf("written and walked again: %+v, %v\nfirst: %+v", c2, err, c)
		}
	})
}
