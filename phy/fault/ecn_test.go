package fault

import (
	"slices"
	"testing"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// TestCongest checks that a packet with an ECN-capable codepoint is marked (RFC 3168 §5), and no other packet.
func TestCongest(t *testing.T) {
	v4 := func(tos byte) []byte {
		p := make([]byte, wire.IPv4Len+8)
		h := wire.IPv4{TOS: tos, TTL: 64, Protocol: wire.ProtocolUDP, PayloadLen: 8}
		h.Put(p)
		return p
	}
	v6 := func(class byte) []byte {
		p := make([]byte, wire.IPv6Len)
		p[0], p[1] = 0x60|class>>4, class<<4|5
		return p
	}
	typed := func(t string, p []byte) []byte { return append([]byte("............"+t), p...) }
	ether := func(p []byte) []byte {
		if p[0]>>4 == 6 {
			return typed("\x86\xdd", p)
		}
		return typed("\x08\x00", p)
	}
	extended := v6(1)
	extended[6] = 0 // hop-by-hop options; the codepoint stands in the base header
	for _, c := range []struct {
		what   string
		m      phy.Medium
		in     []byte
		at     int
		before byte
		after  byte // the octet's value afterwards; equal if it must not change
	}{
		{"ECT(0)", phy.MediumIP, v4(0xb8 | 2), 1, 0xba, 0xbb},
		{"ECT(1)", phy.MediumEthernet, ether(v4(1)), 15, 1, 3},
		{"marked already", phy.MediumIP, v4(3), 1, 3, 3},
		{"no ECT", phy.MediumIP, v4(0xb8), 1, 0xb8, 0xb8},
		{"IPv6", phy.MediumIP, v6(2), 1, 0x25, 0x35},
		{"IPv6 without", phy.MediumEthernet, ether(v6(0xb8)), 15, 0x85, 0x85},
		{"IPv6 with options", phy.MediumEthernet, ether(extended), 15, 0x15, 0x35},
		{"IPv6 with a tag", phy.MediumEthernet, typed("\x81\x00\x60\x21\x86\xdd", v6(2)), 19, 0x25, 0x35},
		{"the tag, which looks like IPv6", phy.MediumEthernet, typed("\x81\x00\x60\x21\x86\xdd", v6(0xb8)), 15, 0x21, 0x21},
		{"IPv4 with two tags", phy.MediumEthernet, typed("\x88\xa8\x60\x21\x81\x00\x60\x21\x08\x00", v4(1)), 23, 1, 3},
		{"another protocol", phy.MediumEthernet, typed("\x88\xcc", v6(2)), 15, 0x25, 0x25},
		{"IPv6 by its EtherType alone", phy.MediumEthernet, typed("\x86\xdd", v4(2)), 15, 2, 2},
		{"too short", phy.MediumIP, v4(2)[:19], 1, 2, 2},
		{"header too short", phy.MediumIP, append([]byte{0x44, 2}, make([]byte, 40)...), 1, 2, 2},
		{"header too long", phy.MediumIP, append([]byte{0x4f, 2}, make([]byte, 40)...), 1, 2, 2},
		{"no IP", phy.MediumEthernet, ether([]byte{0, 2, 0, 0}), 15, 2, 2},
		{"nothing", phy.MediumEthernet, []byte{1, 2, 3}, 1, 2, 2},
	} {
		s := NewSet(nil)
		r := &Rule{ECN: true, Every: 1}
		s.Add(r)
		f := phy.NewFrame(128)
		copy(f.Extend(len(c.in)), c.in)
		if f.Bytes()[c.at] != c.before {
			t.Fatalf("%s: octet %d is %#x", c.what, c.at, f.Bytes()[c.at])
		}
		v := s.Apply(0, RX, c.m, f)
		marked := c.before != c.after || c.before == 3
		if got := f.Bytes()[c.at]; got != c.after || v.Congested != marked || (v.Drop == drop.None) != marked || r.Hits != 1 {
			t.Errorf("%s: %#x, verdict %+v, %d hits", c.what, got, v, r.Hits)
		}
		if !marked && !slices.Equal(f.Bytes(), c.in) {
			t.Errorf("%s was changed", c.what)
		}
		if p := f.Bytes()[len(c.in)-min(len(c.in), wire.IPv4Len+8):]; marked && p[0]>>4 == 4 {
			if _, _, err := wire.ParseIPv4(p); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		}
	}
}
