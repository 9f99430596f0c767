package packet

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"smolsh/phy"
)

// field returns the value of a layer's field, and fails the test where the packet has none.
func field(t *testing.T, d *Dissected, layer, name string) any {
	t.Helper()
	l, ok := d.Layer(layer)
	i := slices.IndexFunc(l.Fields, func(f Field) bool { return f.Name == name })
	if !ok || i < 0 {
		t.Fatalf("no field %s of %s in %+v", name, layer, l)
	}
	return l.Fields[i].Value
}

// TestLayers: Layer returns each header's fields with the values on the wire, and no layer that the packet does not have.
func TestLayers(t *testing.T) {
	frames := map[string]Dissected{}
	for _, l := range lines(t) {
		frames[l.name] = Dissect(l.frame, phy.MediumEthernet)
	}
	for _, c := range []struct {
		frame, layer, field string
		want                any
	}{
		{"vlan", "eth", "type", 0x8100},
		{"vlan", "vlan", "ids", []any{5}},
		{"vlan", "vlan", "prio", 3},
		{"vlan", "ip", "src", netip.MustParseAddr("10.0.0.1")},
		{"vlan", "udp", "len", 10},
		{"extended", "ip6", "nh", 0},
		{"extended", "ip6", "proto", 6},
		{"tcp6", "tcp", "flags", "A"},
		{"tcp6", "tcp", "mss", nil},
		{"tcp6", "tcp", "sack", []any{SequenceRange{5100, 5110}}},
		{"frag needed", "icmp", "mtu", 1400},
		{"too big", "icmp6", "mtu", 1280},
		{"hostile name", "dns", "questions", []any{Layer{"question", []Field{{"name", "a?[2Jb?c"}, {"type", "A"}}}}},
		{"discover", "dhcp", "message", "Discover"},
		{"discover", "dhcp", "options", Options{{53, []byte{1}}}},
	} {
		d := frames[c.frame]
		if got := field(t, &d, c.layer, c.field); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s.%s of %s: got %#v, want %#v", c.layer, c.field, c.frame, got, c.want)
		}
	}
	d := frames["too big"]
	inner := Dissect(field(t, &d, "icmp6", "quoted").(Quoted), phy.MediumIP)
	if got := field(t, &inner, "udp", "dport"); got != 6000 {
		t.Errorf("port of the quoted packet: %v", got)
	}
	vlan := frames["vlan"]
	for _, name := range []string{"arp", "ip6", "tcp", "dns", "payload", "nothing"} {
		if l, ok := vlan.Layer(name); ok {
			t.Errorf("a UDP packet has the layer %+v", l)
		}
	}
	if data, ok := vlan.Data(); string(data) != "hi" || !ok {
		t.Errorf("data %q, %v", data, ok)
	}
	if !slices.ContainsFunc(LayerNames(), IsLayer) || len(LayerNames()) != len(layerReaders) {
		t.Errorf("names %v of %d layers", LayerNames(), len(layerReaders))
	}
}
