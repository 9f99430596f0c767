package packet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// reading is a protocol with every kind of field.
func reading() *Definition {
	return &Definition{
		Name: "Reading", Doc: "readings of sensors",
		Fields: []FieldDefinition{
			{Name: "ver", Bits: 4, Default: uint64(1)},
			{Name: "flags", Bits: 4},
			{Name: "type", Bits: 8},
			{Name: "total", Bits: 16, LengthOf: PartLayer},
			{Name: "sum", Bits: 16, Checksum: true},
			{Name: "size", Bits: 8, LengthOf: "name", Plus: 1},
			{Name: "name", Kind: Text},
			{Name: "extra", Bits: 32, When: func(l Layer) bool { n, _ := l.Uint(l.Protocol.Field("flags")); return n&1 != 0 }, Scripted: true},
			{Name: "n", Bits: 8, CountOf: "values"},
			{Name: "values", Repeat: []FieldDefinition{
				{Name: "unit", Bits: 8}, {Name: "len", Bits: 8, LengthOf: "text"}, {Name: "text", Kind: Octets},
			}},
		},
		Over: []DraftLayer{setting(UDP, "dport", uint64(4242))},
	}
}

// setting returns a layer with one field set.
func setting(p *Protocol, name string, v any) DraftLayer {
	l, err := DraftLayer{Protocol: p}.With(p.Field(name), v)
	if err != nil {
		panic(err)
	}
	return l
}

func with(t *testing.T, c *Catalogue, d *Definition) (*Catalogue, *Protocol) {
	t.Helper()
	c, p, err := c.With(d)
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

func TestDefineBuildsAndDissects(t *testing.T) {
	c, p := with(t, nil, reading())
	l := setting(p, "name", "abc")
	for name, v := range map[string]any{"flags": uint64(1), "extra": uint64(7), "values": []any{
		Record{Parts: []Part{{"unit", uint64(2)}, {"text", []byte("xy")}}}, Record{Parts: []Part{{"unit", uint64(3)}}},
	}} {
		var err error
		if l, err = l.With(p.Field(name), v); err != nil {
			t.Fatal(err)
		}
	}
	built, err := NewDraft(setting(IP, "dst", netip.MustParseAddr("10.0.0.2")), DraftLayer{Protocol: UDP}, l).Build()
	if err != nil {
		t.Fatal(err)
	}
	got := built.Octets[28:]
	want := []byte{0x11, 0, 0, 21, 0, 0, 4, 'a', 'b', 'c', 0, 0, 0, 7, 2, 2, 2, 'x', 'y', 3, 0}
	copy(want[4:6], got[4:6])
	if !bytes.Equal(got, want) {
		t.Fatalf("got  % x\nwant % x", got, want)
	}
	q := c.Dissect(built.Octets, len(built.Octets), IP)
	if d := q.Damage(); len(d) > 0 {
		t.Fatal(d)
	}
	if n := len(q.Layers); n != 3 || q.Layers[2].Protocol != p {
		t.Fatalf("%d layers: %s", n, q.Show())
	}
	line := (&Sequences{Carried: c.Carried}).Describe(q)
	if w := "0.0.0.0.0 > 10.0.0.2.4242: Reading ver 1, flags 1, type 0, name abc, extra 7, values 2 entries"; line != w {
		t.Errorf("got  %s\nwant %s", line, w)
	}
	if again, err := q.Draft().Unfilled(true).Build(); err != nil || !bytes.Equal(again.Octets, built.Octets) {
		t.Errorf("the draft of the packet is built to other octets: %v", err)
	}
	q.Octets[33]++ // the sum of the readings is wrong now
	if shown := c.Dissect(q.Octets, q.Length, IP).Show(); !strings.Contains(shown, "is right") {
		t.Errorf("a wrong checksum is not seen:\n%s", shown)
	}
	if len(Dissect(q.Octets, q.Length, IP).Layers) != 3 || (*Catalogue)(nil).Carried(UDPPorts, 4242) != nil {
		t.Error("the protocol is known without its catalogue")
	}
	if c.Unscripted(UDPPorts, 4242) != nil {
		t.Error("the protocol calls a script, and is dissected without one")
	}
}

// TestDefineFollows: a number in a field says what a protocol of one's own carries, and other own protocols can be over it.
func TestDefineFollows(t *testing.T) {
	c, outer := with(t, nil, &Definition{Name: "Outer", Fields: []FieldDefinition{{Name: "next", Bits: 8}, {Name: "len", Bits: 16, LengthOf: PartPayload}},
		Over: []DraftLayer{setting(Ether, "type", uint64(0x88b5))}, Follows: []Follower{{"next", 4, IP}, {"next", 6, IPv6}}})
	c, inner := with(t, c, &Definition{Name: "Inner", Fields: []FieldDefinition{{Name: "x", Bits: 8}}, Over: []DraftLayer{setting(outer, "next", uint64(9))}})
	for _, x := range []struct {
		above *Protocol
		next  byte
	}{{IP, 4}, {IPv6, 6}, {inner, 9}} {
		p, err := NewDraft(DraftLayer{Protocol: Ether}, DraftLayer{Protocol: outer}, DraftLayer{Protocol: x.above}).Build()
		if err != nil {
			t.Fatal(err)
		}
		if p.Octets[12] != 0x88 || p.Octets[14] != x.next || int(p.Octets[16]) != len(p.Octets)-17 {
			t.Errorf("%s: % x", x.above.Name, p.Octets)
		}
		q := c.Dissect(append(p.Octets, 0, 0), len(p.Octets)+2, Ether)
		if len(q.Layers) < 3 || q.Layers[2].Protocol != x.above || q.Layers[1].PayloadLen() != int(p.Octets[16]) {
			t.Errorf("%s:\n%s", x.above.Name, q.Show())
		}
	}
}

func TestDefineRefuses(t *testing.T) {
	c, other := with(t, nil, &Definition{Name: "Other", Fields: []FieldDefinition{{Name: "x", Bits: 8}}})
	u8 := FieldDefinition{Name: "a", Bits: 8}
	for want, d := range map[string]*Definition{
		"TCP is the name of a protocol":           {Name: "TCP", Fields: []FieldDefinition{u8}},
		"attribute other is another layer":        {Name: "OTHER", Fields: []FieldDefinition{u8}},
		"has no fields":                           {Name: "X"},
		"is there already":                        {Name: "X", Fields: []FieldDefinition{u8, u8}},
		"have 4 bits, which fill no whole octets": {Name: "X", Fields: []FieldDefinition{{Name: "a", Bits: 4}}},
		"can't fill the rest of the layer":        {Name: "X", Fields: []FieldDefinition{{Name: "a", Kind: Octets}, {Name: "b", Kind: Octets}}},
		"X.n: data before it fills the rest":      {Name: "X", Fields: []FieldDefinition{u8, {Name: "data", Kind: Octets}, {Name: "n", Kind: Octets, SizeOf: "a"}}},
		"X.o: data before it fills the rest":      {Name: "X", Fields: []FieldDefinition{{Name: "data", Kind: Octets}, {Name: "o", Bits: 8, When: func(Layer) bool { return true }}}},
		"X.h: data before it fills the rest":      {Name: "X", Fields: []FieldDefinition{{Name: "data", Kind: Octets}, {Name: "h", Bits: 8, LengthOf: PartHeader}}},
		"and later is none":                       {Name: "X", Fields: []FieldDefinition{{Name: "a", Kind: Octets, SizeOf: "later"}, {Name: "later", Bits: 8}}},
		"there is no field nothing":               {Name: "X", Fields: []FieldDefinition{{Name: "a", Bits: 8, LengthOf: "nothing"}}},
		"has 16 bits, got 8":                      {Name: "X", Fields: []FieldDefinition{{Name: "a", Bits: 8, Checksum: true}}},
		"fixed width":                             {Name: "X", Fields: []FieldDefinition{{Name: "a", Bits: 8, LengthOf: PartPayload}, {Name: "b", Kind: Octets, SizeOf: "a"}}},
		"does not say what UDP carries":           {Name: "X", Fields: []FieldDefinition{u8}, Over: []DraftLayer{setting(UDP, "len", uint64(8))}},
		"two fields set": {Name: "X", Fields: []FieldDefinition{u8}, Over: []DraftLayer{func() DraftLayer {
			l, _ := setting(UDP, "sport", uint64(1)).With(UDP.Field("dport"), uint64(2))
			return l
		}()}},
		"has no field b": {Name: "X", Fields: []FieldDefinition{u8}, Follows: []Follower{{"b", 1, other}}},
	} {
		if _, _, err := c.With(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if same, _, err := c.With(&Definition{Name: "Other", Fields: []FieldDefinition{u8}}); err != nil || len(same.Own()) != 1 || c.Own()[0] != other {
		t.Errorf("a protocol defined anew: %v", err)
	}
}

// TestDefineReadsAnything: octets of any kind are dissected, shown and built again to the same.
func TestDefineReadsAnything(t *testing.T) {
	c, p := with(t, nil, reading())
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, random.IntN(60))
		for i := range b {
			b[i] = byte(random.IntN(256) & random.IntN(256)) // small numbers more often
		}
		q := c.Dissect(b, len(b), p)
		q.Show()
		(&Sequences{Carried: c.Carried}).Describe(q)
		if again, err := q.Draft().Build(); err != nil || !bytes.Equal(again.Octets, b) {
			t.Fatalf("% x is built to % x: %v", b, again.Octets, err)
		}
	}
}

// TestDefineSizesAsSet: a size or count that is set wrong is sent as it was set, and the other fields keep their places.
func TestDefineSizesAsSet(t *testing.T) {
	_, p := with(t, nil, &Definition{Name: "Odd", Fields: []FieldDefinition{{Name: "n", Bits: 8}, {Name: "data", Kind: Octets, SizeOf: "n"},
		{Name: "m", Bits: 8, LengthOf: "rest"}, {Name: "sum", Bits: 16, Checksum: true, ChecksumOf: []string{"data", "m"}}, {Name: "rest", Kind: Octets}}})
	for n, want := range map[uint64]string{1: "\x01xyz\x02", 3: "\x03xyz\x02", 200: "\xc8xyz\x02", 0: "\x00xyz\x02"} {
		q, err := NewDraft(layer(t, p, map[string]any{"n": n, "data": []byte("xyz"), "rest": []byte("ab")})).Build()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(q.Octets); got[:5] != want || got[7:] != "ab" || got[5:7] == "\x00\x00" {
			t.Errorf("n=%d: built to %q", n, got)
		}
	}
}

// TestDefineAnything: definitions drawn at random are refused or read any octets, in a time that grows with their size.
func TestDefineAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	accepted := 0
	for range 3000 {
		d := &Definition{Name: "Any", Fields: drawFields(random, 1+random.IntN(20), 0)}
		_, p, err := (*Catalogue)(nil).With(d)
		if err != nil {
			continue
		}
		accepted++
		for range 5 {
			b := make([]byte, random.IntN(80))
			for i := range b {
				b[i] = byte(random.IntN(256) & random.IntN(256))
			}
			q := (*Catalogue)(nil).Dissect(b, len(b), p)
			q.Show()
			if again, err := q.Draft().Build(); err != nil || !bytes.Equal(again.Octets, b) {
				t.Fatalf("%+v\n% x is built to % x: %v", d, b, again.Octets, err)
			}
		}
	}
	if accepted < 300 {
		t.Errorf("only %d definitions are accepted", accepted)
	}
}

// drawFields returns n fields of any kinds, which refer to fields before them.
func drawFields(random *rand.Rand, n, depth int) (list []FieldDefinition) {
	for i := range n {
		f := FieldDefinition{Name: string(rune('a' + i)), Bits: 8}
		before := string(rune('a' + random.IntN(i+1)))
		at := random.IntN(max(1, i)) // a condition reads fields before its own
		switch random.IntN(9) {
		case 0:
			f.Kind, f.Bits, f.SizeOf = Octets, 0, before
		case 1:
			if random.IntN(4) == 0 {
				f.Kind, f.Bits = Octets, 0
			}
		case 2:
			if depth < 2 {
				f = FieldDefinition{Name: f.Name, Count: before, Repeat: drawFields(random, 1+random.IntN(3), depth+1)}
			}
		case 3:
			if i == 0 {
				break
			}
			f.When, f.Scripted = func(l Layer) bool { v, _ := l.Uint(&l.Protocol.Fields[at]); return v&1 != 0 }, random.IntN(2) == 0
		case 4:
			f.LengthOf = []string{before, PartHeader, PartLayer}[random.IntN(3)]
		case 5:
			f.CountOf = before
		}
		list = append(list, f)
	}
	return list
}

// TestDefineManyLists: a packet of many counted lists is read once, not once for each way to them.
func TestDefineManyLists(t *testing.T) {
	d := &Definition{Name: "Many"}
	for i := range 100 {
		n := fmt.Sprintf("n%d", i)
		d.Fields = append(d.Fields, FieldDefinition{Name: n, Bits: 8},
			FieldDefinition{Name: fmt.Sprintf("list%d", i), Count: n, Repeat: []FieldDefinition{{Name: "size", Bits: 8}, {Name: "data", Kind: Octets, SizeOf: "size"}}})
	}
	c, p := with(t, nil, d)
	b := bytes.Repeat([]byte{1, 2, 'x', 'y'}, 100)
	if q := c.Dissect(b, len(b), p); len(q.Damage()) > 0 || !strings.Contains(q.Show(), "list99") {
		t.Errorf("%v\n%s", q.Damage(), q.Show())
	}
}
