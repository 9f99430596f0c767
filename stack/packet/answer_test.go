package packet

import (
	"net/netip"
	"testing"
)

// sending returns the packet that layers make, with the fields that set maps by "layer.field".
func sending(t *testing.T, set map[string]any, protos ...*Protocol) *Packet {
	t.Helper()
	d := &Draft{}
	for i, p := range protos {
		l := DraftLayer{Protocol: p}
		for name, v := range set {
			n, f := splitField(name)
			if n != i {
				continue
			}
			var err error
			if l, err = l.With(fieldOf(p, f), v); err != nil {
				t.Fatal(err)
			}
		}
		d.Layers = append(d.Layers, l)
	}
	p, err := d.Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// splitField divides "1.sport" into the index of a layer and the name of a field.
func splitField(name string) (layer int, field string) {
	return int(name[0] - '0'), name[2:]
}

var from4, to4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")

// TestAnswersOfOtherTypes: a message answers none of another kind, whatever types and tables the two have.
func TestAnswersOfOtherTypes(t *testing.T) {
	var all []*Packet
	a := netip.MustParseAddr("fd00::1")
	for _, p := range Protocols() {
		for _, typ := range []uint64{0, 8, 13, 14, 128, 129, 133, 134, 135, 136} {
			set4 := map[string]any{"0.src": from4, "0.dst": from4}
			set6 := map[string]any{"0.src": a, "0.dst": a}
			if f := p.Field("type"); f != nil && f.Kind == Uint && f.Bits == 8 {
				set4["1.type"], set6["1.type"] = typ, typ
			} else if typ > 0 {
				break
			}
			all = append(all, sending(t, set4, IP, p), sending(t, set6, IPv6, p))
		}
	}
	for _, q := range all {
		for _, p := range all {
			p.Answers(q) // must not panic
		}
	}
	query := sending(t, map[string]any{"0.src": from4, "0.dst": to4}, IP, ICMP)
	other := sending(t, map[string]any{"0.src": to4, "0.dst": from4}, IP, UDP)
	if other.Answers(query) {
		t.Error("a datagram of UDP answers an echo request")
	}
}
