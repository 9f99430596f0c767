package packet

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"smolsh/phy"
)

// layer returns a layer of a draft with fields set by name.
func layer(t testing.TB, p *Protocol, values map[string]any) DraftLayer {
	t.Helper()
	l := DraftLayer{Protocol: p}
	for name, v := range values {
		f := p.Field(name)
		if f == nil {
			t.Fatalf("%s has no field %s", p.Name, name)
		}
		var err error
		if l, err = l.With(f, v); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// segment returns a frame with a segment of TCP over IPv4 and data.
func segment(t testing.TB) *Packet {
	p, err := NewDraft(
		layer(t, Ether, nil),
		layer(t, IP, map[string]any{"src": netip.MustParseAddr("10.0.0.1"), "dst": netip.MustParseAddr("10.0.0.2")}),
		layer(t, TCP, map[string]any{"dport": uint64(80), "flags": uint64(0x18), "seq": uint64(1000)}),
		layer(t, Raw, map[string]any{"load": []byte("hello")})).Build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMatch: a pattern's layers are found in their order and next to each other, and its set fields are compared.
func TestMatch(t *testing.T) {
	p := segment(t)
	d := OfMedium(p.Octets, phy.MediumEthernet)
	for name, c := range map[string]struct {
		pattern *Draft
		want    bool
	}{
		"no layers":         {NewDraft(), true},
		"one layer":         {NewDraft(layer(t, TCP, nil)), true},
		"a field":           {NewDraft(layer(t, TCP, map[string]any{"dport": uint64(80)})), true},
		"another value":     {NewDraft(layer(t, TCP, map[string]any{"dport": uint64(81)})), false},
		"flags":             {NewDraft(layer(t, TCP, map[string]any{"flags": uint64(0x18)})), true},
		"an address":        {NewDraft(layer(t, IP, map[string]any{"dst": netip.MustParseAddr("10.0.0.2")}), layer(t, TCP, nil)), true},
		"with data":         {NewDraft(layer(t, TCP, nil), layer(t, Raw, map[string]any{"load": []byte("hello")})), true},
		"with other data":   {NewDraft(layer(t, TCP, nil), layer(t, Raw, map[string]any{"load": []byte("hell")})), false},
		"any data":          {NewDraft(layer(t, TCP, nil), layer(t, Raw, nil)), true},
		"another layer":     {NewDraft(layer(t, UDP, nil)), false},
		"not adjacent":      {NewDraft(layer(t, Ether, nil), layer(t, TCP, nil)), false},
		"beyond the packet": {NewDraft(layer(t, TCP, nil), layer(t, Raw, nil), layer(t, Raw, nil), layer(t, DNS, nil)), false},
	} {
		if got := c.pattern.Match(d); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if diffs := c.pattern.Differences(d); (diffs == nil) != c.want {
			t.Errorf("%s: differences %v", name, diffs)
		}
	}
}

// BenchmarkMatch matches a pattern with three set fields against a frame: one that is dissected whole for it, and one that is read no further than
// the match needs, without an allocation.
func BenchmarkMatch(b *testing.B) {
	frame := segment(b).Octets
	pattern := NewDraft(layer(b, IP, map[string]any{"dst": netip.MustParseAddr("10.0.0.2")}), layer(b, TCP, map[string]any{"dport": uint64(80), "flags": uint64(0x18)}))
	b.Run("fresh", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !pattern.Match(OfMedium(frame, phy.MediumEthernet)) {
				b.Fatal("no match")
			}
		}
	})
	b.Run("view", func(b *testing.B) { // as traces, captures and faults match the frames that pass
		b.ReportAllocs()
		p := new(Catalogue).View()
		for b.Loop() {
			if !pattern.MatchFrame(p, frame, len(frame), Ether) {
				b.Fatal("no match")
			}
		}
	})
}

// BenchmarkBuild builds a segment over IPv4 and Ethernet from a draft.
func BenchmarkBuild(b *testing.B) {
	d := segment(b).Draft().Unfilled(true)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Build(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMatchShown: a packet fits a pattern with a value that one of its fields shows, whichever octets show it.
func TestMatchShown(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, proto := range Protocols() {
		for range 300 {
			b := make([]byte, random.IntN(400))
			for i := range b {
				if random.IntN(2) == 0 { // zeros end texts and lists
					b[i] = byte(random.IntN(256))
				}
			}
			whole := len(b) + random.IntN(2)*random.IntN(40) // of which the capture has kept less
			p := Dissect(b, whole, proto)
			for _, l := range p.Layers {
				for i := range l.Protocol.Fields {
					f := &l.Protocol.Fields[i]
					v := l.plain(f)
					if set, ok := v.(bool); ok {
						v = map[bool]uint64{true: 1}[set]
					}
					if v == nil {
						continue
					}
					pattern, err := DraftLayer{Protocol: l.Protocol}.With(f, v)
					if err != nil {
						continue // the value can't be sent
					}
					if d := NewDraft(pattern); !d.Match(p) {
						t.Fatalf("%s.%s shows %s, which a pattern does not fit: % x", l.Protocol.Name, f.Name, Format(v), b)
					}
				}
			}
		}
	}
}
