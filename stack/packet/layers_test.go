package packet

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// field returns the value of a field of a layer, and fails the test if the packet does not have it.
func field(t *testing.T, p *Packet, layer, name string) any {
	t.Helper()
	l, ok := p.Named(layer)
	if !ok || l.Protocol.Field(name) == nil {
		t.Fatalf("no field %s of %s in %+v", name, layer, p.Layers)
	}
	return l.Value(l.Protocol.Field(name))
}

// TestLayers: each layer has the fields of its header with their values on the wire, and a packet has only the layers
// that it contains.
func TestLayers(t *testing.T) {
	frames := map[string]*Packet{}
	for _, l := range lines(t) {
		frames[l.name] = OfMedium(l.frame, phy.MediumEthernet)
	}
	for _, c := range []struct {
		frame, layer, field string
		want                any
	}{
		{"vlan", "eth", "type", uint64(0x8100)},
		{"vlan", "eth", "src", wire.HardwareAddr{2, 0, 0, 0, 0, 1}},
		{"vlan", "vlan", "ids", []any{uint64(5)}},
		{"vlan", "vlan", "prio", uint64(3)},
		{"vlan", "ip", "src", netip.MustParseAddr("10.0.0.1")},
		{"vlan", "ip", "ttl", uint64(64)},
		{"vlan", "ip", "df", false},
		{"vlan", "udp", "len", uint64(10)},
		{"vlan", "raw", "load", []byte("hi")},
		{"extended", "ip6", "nh", uint64(0)},
		{"extended", "ip6", "proto", uint64(6)},
		{"extended", "ipv6exthdrhopbyhop", "options", []Option{{5, "router_alert", uint64(0)}, {1, "padn", []byte{}}}},
		{"tcp6", "tcp", "flags", "A"},
		{"tcp6", "tcp", "mss", nil},
		{"tcp6", "tcp", "sack", []SequenceRange{{5100, 5110}}},
		{"tcp6", "tcp", "options", []Option{{Kind: 1, Name: "nop"}, {Kind: 1, Name: "nop"}, {5, "sack", []SequenceRange{{5100, 5110}}}}},
		{"frag needed", "icmp", "mtu", uint64(1400)},
		{"frag needed", "icmp", "id", nil},
		{"too big", "icmp6", "mtu", uint64(1280)},
		{"ns", "icmp6", "tgt", netip.MustParseAddr("fdaa::9")},
		{"hostile name", "dns", "questions", []any{Record{"question", []Part{{"name", `a\027[2Jb\010c`}, {"type", "A"}}}}},
		{"answer", "dns", "aa", true},
		{"discover", "dhcp", "message", "Discover"},
		{"discover", "dhcp", "options", OptionMap{{Code: 53, Data: []byte{1}}}},
	} {
		if got := field(t, frames[c.frame], c.layer, c.field); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s.%s of %s: got %#v, want %#v", c.layer, c.field, c.frame, got, c.want)
		}
	}
	inner := field(t, frames["too big"], "icmp6", "quoted").(*Packet)
	if got := field(t, inner, "udp", "dport"); got != uint64(6000) {
		t.Errorf("port of the quoted packet: %v", got)
	}
	for _, name := range []string{"arp", "ip6", "tcp", "dns", "nothing"} {
		if l, ok := frames["vlan"].Named(name); ok {
			t.Errorf("a UDP packet has the layer %+v", l)
		}
	}
	if data, ok := frames["vlan"].Data(); string(data) != "hi" || !ok {
		t.Errorf("data %q, %v", data, ok)
	}
	if _, ok := frames["ns"].Layer(ICMPv6); !ok {
		t.Error("a neighbour solicitation is no ICMPv6 message")
	}
}

// Flags are printed in one order, and letters in any order name them.
func TestLetters(t *testing.T) {
	for _, c := range []struct {
		table *Protocol
		join  string
		order string
	}{{TCP, "", "F S R P A U E C N"}, {IP, "+", "MF DF evil"}, {DHCP, "", "B"}} {
		f := c.table.Field("flags")
		names := strings.Fields(c.order)
		for n := range uint64(1) << len(names) {
			var set, reversed []string
			bits := uint64(0)
			for i, name := range names {
				if n&(1<<i) != 0 {
					set, reversed = append(set, name), append([]string{name}, reversed...)
					bits |= 1 << slices.Index(f.Letters, name)
				}
			}
			if got := f.letters(bits); got != strings.Join(set, c.join) {
				t.Errorf("%s: flags %#x are printed as %q, want %q", c.table.Name, bits, got, set)
			}
			if got, err := f.ParseLetters(strings.Join(reversed, c.join)); err != nil || got != bits {
				t.Errorf("%s: %q names %#x, %v, want %#x", c.table.Name, reversed, got, err, bits)
			}
		}
		for _, wrong := range []string{"X", "s", "S S", "F+S", "+", "DF+", "BX"} {
			if n, err := f.ParseLetters(wrong); err == nil {
				t.Errorf("%s: %q names %#x", c.table.Name, wrong, n)
			}
		}
	}
}
