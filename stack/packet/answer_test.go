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
			if l, err = l.With(p.MustField(f), v); err != nil {
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

var from4, to4, router4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.9")

// errorAbout returns time exceeded from router4 that quotes the octets q.
func errorAbout(t *testing.T, q []byte) *Packet {
	t.Helper()
	return sending(t, map[string]any{"0.src": router4, "0.dst": from4, "1.type": uint64(11), "1.quoted": q}, IP, ICMP)
}

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

// TestErrorsFindTheirProbe: an ICMP error answers the probe that it quotes, and no other with the same ports, however few octets it quotes
// and whatever routers have changed.
func TestErrorsFindTheirProbe(t *testing.T) {
	probe := func(id, seq int, data string) *Packet {
		set := map[string]any{"0.src": from4, "0.dst": to4, "0.id": uint64(id), "0.ttl": uint64(1 + seq%250), "1.sport": uint64(5), "1.dport": uint64(80), "1.seq": uint64(seq), "1.flags": uint64(2),
			"1.options": []byte{2, 4, 5, 0xb4}, "2.load": []byte(data)}
		return sending(t, set, IP, TCP, Raw)
	}
	q := probe(7, 1000, "hello")
	same, another, seq, data := probe(7, 1000, "hello"), probe(8, 1000, "hello"), probe(7, 1001, "hello"), probe(7, 1000, "hallo")
	change := func(at int, b ...byte) []byte {
		o := append([]byte(nil), q.Octets...)
		copy(o[at:], b)
		return o
	}
	padded := append(append([]byte(nil), q.Octets[:28]...), make([]byte, 100)...)
	for name, c := range map[string]struct {
		quoted []byte
		exact  bool // enough is quoted to tell the data
	}{
		"whole":             {q.Octets, true},
		"8 octets":          {q.Octets[:28], false},
		"in the options":    {q.Octets[:42], false},
		"padded":            {padded, false},
		"hop limit":         {change(8, 99), true},
		"traffic class, DF": {change(1, 3), true},
		"IP's checksum":     {change(10, 1, 2), true},
		"TCP's checksum":    {change(36, 1, 2), true},
		"MSS":               {change(40, 2, 4, 5, 0), true},
	} {
		t.Run(name, func(t *testing.T) {
			e := errorAbout(t, c.quoted)
			if !e.Answers(q) || !e.Answers(same) {
				t.Errorf("does not answer the probe it quotes: %x", c.quoted)
			}
			if e.Answers(another) || e.Answers(seq) || c.exact && e.Answers(data) {
				t.Errorf("answers %t, %t, %t", e.Answers(another), e.Answers(seq), e.Answers(data))
			}
		})
	}
	for at := 12; at < 28; at++ {
		if errorAbout(t, change(at, q.Octets[at]^1)).Answers(q) {
			t.Errorf("an error that quotes another octet %d is an answer", at)
		}
	}
}

// TestErrorsFindTheirQuery: the same for echo requests, fragments, protocols without a table, and flow labels.
func TestErrorsFindTheirQuery(t *testing.T) {
	echo := func(seq int) *Packet {
		return sending(t, map[string]any{"0.src": from4, "0.dst": to4, "0.id": uint64(7), "1.id": uint64(1), "1.seq": uint64(seq)}, IP, ICMP)
	}
	part := func(at int) *Packet {
		return sending(t, map[string]any{"0.src": from4, "0.dst": to4, "0.id": uint64(7), "0.proto": uint64(17), "0.frag": uint64(at), "1.load": []byte("abcdefgh")}, IP, Raw)
	}
	strange := func(data string) *Packet {
		return sending(t, map[string]any{"0.src": from4, "0.dst": to4, "0.id": uint64(7), "0.proto": uint64(253), "1.load": []byte(data)}, IP, Raw)
	}
	for k, c := range [][2]*Packet{{echo(1), echo(2)}, {part(8), part(16)}, {strange("one"), strange("two")}, {strange("one"), part(8)}} {
		e := errorAbout(t, c[0].Octets)
		if !e.Answers(c[0]) || e.Answers(c[1]) {
			t.Errorf("%d: answers its probe: %t, the other: %t", k, e.Answers(c[0]), e.Answers(c[1]))
		}
	}
	src, dst := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	label := func(fl int) *Packet {
		return sending(t, map[string]any{"0.src": src, "0.dst": dst, "0.fl": uint64(fl), "1.sport": uint64(5), "1.dport": uint64(7)}, IPv6, UDP)
	}
	exceeded := func(q []byte) *Packet {
		return sending(t, map[string]any{"0.src": netip.MustParseAddr("fd00::9"), "0.dst": src, "1.quoted": q}, IPv6, protocolNamed(t, "ICMPv6TimeExceeded"))
	}
	e := exceeded(label(4).Octets)
	if !e.Answers(label(4)) || e.Answers(label(5)) || !e.Answers(label(0)) {
		t.Errorf("flow labels: %t, %t, %t", e.Answers(label(4)), e.Answers(label(5)), e.Answers(label(0)))
	}
	cut := func(id uint32) *Packet {
		return sending(t, map[string]any{"0.src": src, "0.dst": dst, "0.fl": uint64(1), "1.id": uint64(id), "1.offset": uint64(8), "2.load": []byte("abcdefgh")}, IPv6, Fragment, Raw)
	}
	if e := exceeded(cut(1).Octets); !e.Answers(cut(1)) || e.Answers(cut(2)) {
		t.Errorf("fragments: %t, %t", e.Answers(cut(1)), e.Answers(cut(2)))
	}
}

func protocolNamed(t *testing.T, name string) *Protocol {
	t.Helper()
	for _, p := range Protocols() {
		if p.Name == name {
			return p
		}
	}
	t.Fatal("no protocol " + name)
	return nil
}
