package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/stack/drop"
)

func TestProtocolString(t *testing.T) {
	for want, p := range map[string]Protocol{"icmp": 1, "tcp": 6, "udp": 17, "icmp6": 58, "proto 0": 0, "proto 255": 255} {
		if got := p.String(); got != want {
			t.Errorf("Protocol(%d) = %q, want %q", uint8(p), got, want)
		}
	}
}

// A header from many textbooks, which compute its checksum, b861, by hand.
var ip4Header = octets("4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7")

func TestIPv4(t *testing.T) {
	payload := bytes.Repeat([]byte{0xab}, 0x73-20)
	packet := append(bytes.Clone(ip4Header), payload...)
	want := IPv4{
		DontFragment: true, TTL: 64, Protocol: ProtocolUDP, HeaderLen: 20, PayloadLen: 95,
		Src: netip.MustParseAddr("192.168.0.1"), Dst: netip.MustParseAddr("192.168.0.199"),
	}
	h, p, err := ParseIPv4(append(packet, 0xee, 0xee, 0xee)) // followed by padding
	if err != nil || h != want {
		t.Fatalf("got %+v, %v; want %+v", h, err, want)
	}
	wantOctets(t, "payload", p, payload)
	if h.IsFragment() {
		t.Error("a whole datagram is called a fragment")
	}
	out := bytes.Repeat([]byte{0xee}, IPv4Len)
	if n := h.Put(out); n != 20 {
		t.Errorf("Put = %d", n)
	}
	wantOctets(t, "written", out, ip4Header)
}

func TestIPv4Fragments(t *testing.T) {
	for _, c := range []struct {
		flags  layers.IPv4Flag
		offset uint16
		want   bool
	}{
		{0, 0, false},
		{layers.IPv4DontFragment, 0, false},
		{layers.IPv4MoreFragments, 0, true},
		{layers.IPv4MoreFragments, 185, true},
		{0, 8191, true},
	} {
		b := serialized(t, &layers.IPv4{
			Version: 4, TOS: 0xb8, Id: 0xbeef, Flags: c.flags, FragOffset: c.offset, TTL: 7, Protocol: 253,
			SrcIP: src4.AsSlice(), DstIP: dst4.AsSlice(),
		}, gopacket.Payload("eight oc"))
		h, p, err := ParseIPv4(b)
		want := IPv4{
			TOS: 0xb8, ID: 0xbeef, TTL: 7, Protocol: 253, Src: src4, Dst: dst4, HeaderLen: 20, PayloadLen: 8,
			DontFragment:  c.flags&layers.IPv4DontFragment != 0,
			MoreFragments: c.flags&layers.IPv4MoreFragments != 0, FragmentOffset: 8 * int(c.offset),
		}
		if err != nil || h != want || string(p) != "eight oc" || h.IsFragment() != c.want {
			t.Errorf("got %+v, %q, fragment %v, %v; want %+v", h, p, h.IsFragment(), err, want)
		}
		out := make([]byte, IPv4Len)
		h.Put(out)
		wantOctets(t, "written", out, b[:20])
	}
}

func TestIPv4OptionsAreSkipped(t *testing.T) {
	// A header of 60 octets. Its options are malformed, and the parser must not read them.
	b := append(changed(ip4Header, 0, 0x4f, 0, 0, 62), bytes.Repeat([]byte{0x07, 0xff}, 20)...)
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], ^naive(b))
	h, p, err := ParseIPv4(append(b, 1, 2, 3))
	if err != nil || h.HeaderLen != 60 || h.PayloadLen != 2 || !bytes.Equal(p, []byte{1, 2}) {
		t.Fatalf("got %+v, % x, %v", h, p, err)
	}
	b[59] ^= 1
	_, _, err = ParseIPv4(append(b, 1, 2, 3))
	wantErr(t, "an option's octet changed", err, drop.BadChecksum)
}

func TestIPv4Errors(t *testing.T) {
	packet := append(bytes.Clone(ip4Header), make([]byte, 95)...)
	for n := range packet {
		_, p, err := ParseIPv4(packet[:n])
		wantErr(t, "cut", err, drop.Truncated)
		if p != nil {
			t.Errorf("cut at %d: a payload", n)
		}
	}
	for bit := range 160 {
		b := bytes.Clone(packet)
		b[bit/8] ^= 1 << (bit % 8)
		if _, _, err := ParseIPv4(b); err == nil {
			t.Errorf("bit %d of the header inverted, and nothing is said", bit)
		}
	}
	for _, c := range []struct {
		what string
		b    []byte
		want drop.Reason
	}{
		{"version 6", changed(packet, 0, 0x65), drop.BadVersion},
		{"version 0", changed(packet, 0, 0x05), drop.BadVersion},
		{"header of 16", changed(packet, 0, 0x44), drop.BadHeaderLen},
		{"header of 0", changed(packet, 0, 0x40), drop.BadHeaderLen},
		{"header beyond the packet", changed(packet, 0, 0x4f)[:40], drop.Truncated},
		{"total length 19", changed(packet, 2, 0, 19), drop.BadLength},
		{"total length 0", changed(packet, 2, 0, 0), drop.BadLength},
		{"total length inside a header with options", changed(packet, 0, 0x46, 0, 0, 23), drop.BadLength},
		{"total length beyond the packet", changed(packet, 2, 0, 116), drop.Truncated},
		{"total length 65535", changed(packet, 2, 0xff, 0xff), drop.Truncated},
		{"checksum one off", changed(packet, 10, 0xb8, 0x62), drop.BadChecksum},
		{"checksum absent", changed(packet, 10, 0, 0), drop.BadChecksum},
		{"TTL changed", changed(packet, 8, 63), drop.BadChecksum},
	} {
		_, _, err := ParseIPv4(c.b)
		wantErr(t, c.what, err, c.want)
	}
}

func TestIPv4PutWithoutAddresses(t *testing.T) {
	b := make([]byte, IPv4Len)
	(&IPv4{Src: src6}).Put(b) // writes 0.0.0.0 for an IPv6 address, as for the missing source of DHCP's first packet
	wantOctets(t, "addresses", b[12:], make([]byte, 8))
	if _, _, err := ParseIPv4(b); err != nil {
		t.Error(err)
	}
}

func TestQuotedIPv4(t *testing.T) {
	quote := append(changed(ip4Header, 8, 1), octets("0102030405060708")...) // a router has changed the TTL
	h, p, err := ParseQuotedIPv4(quote)
	if err != nil || h.PayloadLen != 95 || h.TTL != 1 {
		t.Fatalf("got %+v, %v", h, err)
	}
	wantOctets(t, "payload", p, octets("0102030405060708"))
	short := changed(quote, 2, 0, 23) // a datagram of three octets, followed by padding
	if _, p, err = ParseQuotedIPv4(short); err != nil || len(p) != 3 {
		t.Errorf("got % x, %v; want three octets", p, err)
	}
	for n := range IPv4Len {
		_, _, err := ParseQuotedIPv4(quote[:n])
		wantErr(t, "cut", err, drop.Truncated)
	}
}

// RFC 8200 §3.
func TestIPv6(t *testing.T) {
	packet := serialized(t, &layers.IPv6{
		Version: 6, TrafficClass: 0xa5, FlowLabel: 0xbcdef, NextHeader: 253, HopLimit: 63,
		SrcIP: src6.AsSlice(), DstIP: dst6.AsSlice(),
	}, gopacket.Payload("payload"))
	want := IPv6{TrafficClass: 0xa5, FlowLabel: 0xbcdef, PayloadLen: 7, NextHeader: 253, HopLimit: 63, Src: src6, Dst: dst6}
	h, p, err := ParseIPv6(append(bytes.Clone(packet), 0, 0, 0))
	if err != nil || h != want || string(p) != "payload" {
		t.Fatalf("got %+v, %q, %v; want %+v", h, p, err, want)
	}
	out := bytes.Repeat([]byte{0xee}, IPv6Len)
	h.FlowLabel |= 0xfff00000 // bits beyond the field, which must not change the adjacent fields
	if n := h.Put(out); n != 40 {
		t.Errorf("Put = %d", n)
	}
	wantOctets(t, "written", out, packet[:40])

	for n := range packet {
		_, p, err := ParseIPv6(packet[:n])
		wantErr(t, "cut", err, drop.Truncated)
		if p != nil {
			t.Errorf("cut at %d: a payload", n)
		}
	}
	_, _, err = ParseIPv6(changed(packet, 0, 0x4a))
	wantErr(t, "version 4", err, drop.BadVersion)
	_, _, err = ParseIPv6(changed(packet, 4, 0, 8))
	wantErr(t, "length beyond the packet", err, drop.Truncated)
}

// TestIPv6Mapped: an IPv4-mapped IPv6 address on the wire is parsed as it is, and does not become an IPv4 address.
func TestIPv6Mapped(t *testing.T) {
	b := make([]byte, IPv6Len)
	mapped := netip.MustParseAddr("::ffff:1.2.3.4")
	(&IPv6{Src: mapped}).Put(b)
	h, _, err := ParseIPv6(b)
	if err != nil || h.Src != mapped || h.Src.Is4() || h.Dst != netip.IPv6Unspecified() {
		t.Errorf("got %+v, %v", h, err)
	}
}

func TestIPv4Fragment(t *testing.T) {
	route, stamp := "\x83\x07\x04\x0a\x00\x00\x09", "\x44\x04\x05\x00" // the first is copied into fragments, the second is not
	for _, c := range []struct {
		options   string
		field     uint16
		off, n    int
		more      bool
		wantField uint16
		want      string // the options of the fragment
	}{
		{"", 0, 0, 8, true, 0x2000, ""},
		{"", 0, 8, 24, true, 0x2001, ""},
		{"", 0, 1480, 20, false, 185, ""},
		{"", 0x2000 | 100, 8, 8, false, 0x2000 | 101, ""}, // the last part of a fragment that is not the last
		{"", 100, 0, 8, true, 0x2000 | 100, ""},
		{stamp + route + "\x00", 0, 0, 8, true, 0x2000, stamp + route + "\x00"},
		{stamp + route + "\x00", 0, 8, 8, true, 0x2001, route + "\x00"},
		{"\x01\x01" + stamp + "\x01\x00", 0, 8, 8, false, 1, ""},
		{"\x83\x01\x04\x0a", 0, 8, 8, false, 1, ""}, // malformed
		{"\x83\x09\x04\x0a", 0, 8, 8, false, 1, ""},
	} {
		head := make([]byte, IPv4Len, 60)
		(&IPv4{ID: 5, TTL: 9, Protocol: 17, Src: netip.MustParseAddr("1.2.3.4"), Dst: netip.MustParseAddr("5.6.7.8")}).Put(head)
		head = append(head, c.options...)
		head[0] = 0x40 | byte(len(head)/4)
		be.PutUint16(head[6:], c.field)
		b := make([]byte, 100)
		n := PutIPv4Fragment(b, head, c.off, c.n, c.more)
		h, payload, err := ParseIPv4(b[:n+c.n])
		if err != nil || len(payload) != c.n || h.ID != 5 || h.TTL != 9 || be.Uint16(b[6:]) != c.wantField || string(b[IPv4Len:n]) != c.want {
			t.Errorf("%q %04x at %d: %+v %04x %q, %v", c.options, c.field, c.off, h, be.Uint16(b[6:]), b[IPv4Len:n], err)
		}
		JoinIPv4(b[:n+c.n], n)
		if h, _, err := ParseIPv4(b[:n+c.n]); err != nil || h.IsFragment() || h.PayloadLen != c.n {
			t.Errorf("joined: %+v, %v", h, err)
		}
	}
}
