package packet

import (
	"fmt"
	"slices"
	"strings"

	"smolsh/stack/wire"
)

// A Definition describes a protocol of a user's own.
type Definition struct {
	Name, Doc string
	Fields    []FieldDefinition
	Over      []DraftLayer // layers that carry the protocol, each with the one field set that says so, such as UDP with its dport
	Carries   *Protocol    // protocol of every payload; nil if a field says what follows, or nothing does
}

// A FieldDefinition describes one field of a Definition.
type FieldDefinition struct {
	Name, Doc string
	Kind      Kind   // Uint, MAC, Addr, Octets or Text
	Bits      int    // width; 0 for a field of Octets or Text whose size differs
	SizeOf    string // field before this one with the size in octets; "" means that the field fills the rest of the layer
	Default   any
	Table     Table // for a number that says what follows

	LengthOf   string   // field whose length sending fills in here, in octets; "" for none
	Plus       int      // octets that are added to that length
	CountOf    string   // list whose number of entries sending fills in here; "" for none
	Checksum   bool     // true for the Internet checksum (RFC 1071), of 16 bits
	ChecksumOf []string // fields that the checksum covers; nil for the whole layer with its payload

	// When reports whether a packet has the field; nil for always. If Scripted is true, it calls a script, and the protocol is
	// dissected only where that is possible.
	When     func(l Layer) bool
	Scripted bool

	Repeat []FieldDefinition // fields of each entry of a list; nil for a field that is no list
	Count  string            // field before this one with the number of entries; "" for a list that fills the rest of the layer
}

// define returns the table of the protocol.
func (d *Definition) define() (*Protocol, error) {
	fields, scripted, err := d.fields()
	if err != nil {
		return nil, err
	}
	p := define(Protocol{Name: d.Name, Doc: d.Doc, Fields: fields, scripted: scripted, own: true})
	p.relate(d)
	for _, l := range d.Over {
		at, err := carrier(l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		p.On = append(p.On, at)
	}
	switch {
	case d.Carries != nil:
		p.next = func(Layer, lookup) *Protocol { return d.Carries }
	case p.follow == nil:
		p.next = p.byField
	}
	return p, nil
}

// byField returns the protocol that is defined over one of the layer's numbers.
func (p *Protocol) byField(l Layer, carried lookup) *Protocol {
	for i := range p.Fields {
		if f := &p.Fields[i]; f.Kind == Uint {
			if n, ok := l.Uint(f); ok {
				if q := carried(fieldTable(p, f), n); q != nil {
					return q
				}
			}
		}
	}
	return nil
}

// fieldTable is the table of the protocols that are carried where a field of a user's protocol has their number.
func fieldTable(p *Protocol, f *Field) Table { return Table(p.Name + "." + f.Name) }

// carrier returns the place of a protocol that is defined over a layer.
func carrier(l DraftLayer) (at Place, err error) {
	var set *Field
	for i := range l.Protocol.Fields {
		if f := &l.Protocol.Fields[i]; l.Value(f) != nil {
			if set != nil {
				return at, fmt.Errorf("%s has two fields set, %s and %s: one says what it carries", l.Protocol.Name, set.Name, f.Name)
			}
			set = f
		}
	}
	if set == nil {
		return at, fmt.Errorf("%s has no field set that says what it carries", l.Protocol.Name)
	}
	n, ok := l.Value(set).(uint64)
	switch {
	case !ok:
	case set.Compute == NextProtocol:
		return Place{set.Table, n}, nil
	case l.Protocol == UDP && (set.Name == "dport" || set.Name == "sport"):
		return Place{UDPPorts, n}, nil
	case l.Protocol == TCP && (set.Name == "dport" || set.Name == "sport"):
		return Place{TCPPorts, n}, nil
	case l.Protocol.own && set.Kind == Uint:
		return Place{fieldTable(l.Protocol, set), n}, nil
	}
	return at, fmt.Errorf("%s.%s does not say what %s carries", l.Protocol.Name, set.Name, l.Protocol.Name)
}

// fields returns the fields of the table.
func (d *Definition) fields() (fields []Field, scripted bool, err error) {
	wrong := func(name, format string, args ...any) error {
		return fmt.Errorf("%s.%s: %s", d.Name, name, fmt.Sprintf(format, args...))
	}
	if len(d.Fields) == 0 {
		return nil, false, fmt.Errorf("%s has no fields", d.Name)
	}
	bits, open := 0, ""
	for i := range d.Fields {
		x := &d.Fields[i]
		if slices.ContainsFunc(fields, func(f Field) bool { return f.Name == x.Name }) {
			return nil, false, wrong(x.Name, "a field of this name is there already")
		}
		before := func(name, what string) error {
			j := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
			if j < 0 || fields[j].Kind != Uint {
				return wrong(x.Name, "its %s is the number in a field before it, and %s is none", what, name)
			}
			return nil
		}
		if bits%8 != 0 && (x.Bits == 0 || x.When != nil || x.Kind != Uint) {
			return nil, false, wrong(x.Name, "the fields before it have %d bits, which fill no whole octets", bits)
		}
		if x.When != nil && x.Bits%8 != 0 {
			return nil, false, wrong(x.Name, "an optional field has whole octets, got %d bits", x.Bits)
		}
		bits += x.Bits
		scripted = scripted || x.Scripted
		f := Field{Name: x.Name, Doc: x.Doc, Kind: x.Kind, Bits: x.Bits, Default: x.Default, When: x.When, Table: x.Table}
		switch {
		case x.Repeat != nil:
			if x.Count != "" {
				if err := before(x.Count, "count"); err != nil {
					return nil, false, err
				}
			}
			if err := d.repeat(&f, x); err != nil {
				return nil, false, err
			}
		case x.Bits == 0 && x.SizeOf != "":
			if err := before(x.SizeOf, "size"); err != nil {
				return nil, false, err
			}
			f.Size = func(l Layer) int {
				n, _ := l.numOr(x.SizeOf)
				return int(min(n, maxBuilt))
			}
		}
		if x.Bits == 0 && x.SizeOf == "" && x.Count == "" {
			if open != "" {
				return nil, false, wrong(x.Name, "it can't fill the rest of the layer, because %s does", open)
			}
			open = x.Name
			f.Size = restOf(i)
		}
		switch {
		case x.Table != "":
			f.Compute = NextProtocol
		case x.LengthOf != "":
			f.Compute, f.Plus = FieldLength, x.Plus
		case x.CountOf != "":
			f.Compute = Count
		case x.Checksum:
			if x.Bits != 16 {
				return nil, false, wrong(x.Name, "a checksum has 16 bits, got %d", x.Bits)
			}
			f.Compute, f.Hex = Checksum, true
		}
		fields = append(fields, f)
	}
	if bits%8 != 0 {
		return nil, false, fmt.Errorf("%s: its fields have %d bits, which fill no whole octets", d.Name, bits)
	}
	return fields, scripted, d.refer()
}

// refer reports a field that refers to one that is not there.
func (d *Definition) refer() error {
	for _, x := range d.Fields {
		for _, name := range append([]string{x.LengthOf, x.CountOf}, x.ChecksumOf...) {
			if name != "" && !slices.ContainsFunc(d.Fields, func(y FieldDefinition) bool { return y.Name == name }) {
				return fmt.Errorf("%s.%s: there is no field %s", d.Name, x.Name, name)
			}
		}
	}
	return nil
}

// relate sets the fields that are computed from others.
func (p *Protocol) relate(d *Definition) {
	for i := range d.Fields {
		x, f := &d.Fields[i], &p.Fields[i]
		switch {
		case x.LengthOf != "":
			f.of = p.Field(x.LengthOf)
		case x.CountOf != "":
			f.of = p.Field(x.CountOf)
		case x.Checksum:
			f.Sum = fieldsSum(f, x.ChecksumOf)
		}
	}
}

// fieldsSum returns the function that computes the Internet checksum of fields, or of the whole layer, with the field f counted as zero.
func fieldsSum(f *Field, names []string) func(l Layer) (uint64, bool) {
	return func(l Layer) (uint64, bool) {
		if !l.complete() {
			return 0, false
		}
		var octets []byte
		if names == nil {
			octets = slices.Clone(l.packet.Octets[l.begin:l.end])
			from, to := l.Span(f)
			clear(octets[from-l.begin : min(to-l.begin, len(octets))])
		}
		for _, name := range names {
			from, to := l.Span(l.Protocol.Field(name))
			if to > l.end {
				return 0, false
			}
			if name != f.Name {
				octets = append(octets, l.packet.Octets[from:to]...)
			}
		}
		return uint64(wire.Sum(0).AddBytes(octets).Checksum()), true
	}
}

// restOf returns the size of the field at index i, which fills what the fields around it leave of the layer.
func restOf(i int) func(l Layer) int {
	return func(l Layer) int {
		f := &l.Protocol.Fields[i]
		used := l.start(f)
		for j := i + 1; j < len(l.Protocol.Fields); j++ {
			used += l.width(&l.Protocol.Fields[j])
		}
		return max(0, l.end-l.begin-used/8)
	}
}

// repeat completes a field that is a list of entries.
func (d *Definition) repeat(f *Field, x *FieldDefinition) error {
	sub := Definition{Name: d.Name + "." + x.Name, Fields: x.Repeat}
	p, err := sub.define()
	if err != nil {
		return err
	}
	p.next = noLayer
	f.Kind, f.Bits = Other, 0
	f.Read = func(l Layer, b []byte) (any, string) {
		n := -1
		if x.Count != "" {
			count, _ := l.numOr(x.Count)
			n = int(min(count, maxBuilt))
		}
		list, _, damage := p.entriesOf(b, n)
		return list, damage
	}
	if x.Count != "" {
		f.Size = func(l Layer) int {
			n, _ := l.numOr(x.Count)
			from := min(l.begin+l.start(l.Protocol.Field(x.Name))/8, l.known())
			_, size, _ := p.entriesOf(l.packet.Octets[from:l.known()], int(min(n, maxBuilt)))
			return size
		}
	}
	f.Write = p.putEntries
	return nil
}

// entriesOf reads n entries of a list, or all of them if n is negative. size is the number of their octets.
func (p *Protocol) entriesOf(b []byte, n int) (list []any, size int, damage string) {
	list = []any{}
	for n != 0 && size < len(b) {
		q := &Packet{Octets: b[size:], Length: len(b) - size, First: p, carried: Carried}
		l := q.add(p, 0, q.Length)
		if len(q.damage) > 0 || l.body == 0 {
			return list, size, fmt.Sprintf("entry %d is not there whole", len(list))
		}
		list = append(list, l.entry())
		size += l.body
		n--
	}
	if n > 0 {
		damage = missing(uint64(n), "entries")
	}
	return list, size, damage
}

// entry returns an entry of a list: the value of its only field, or a Record.
func (l Layer) entry() any {
	fields := l.Protocol.Fields
	if len(fields) == 1 {
		return l.Value(&fields[0])
	}
	_, name, _ := strings.Cut(l.Protocol.Name, ".")
	r := Record{Name: name}
	for i := range fields {
		if v := l.Value(&fields[i]); v != nil {
			r.Parts = append(r.Parts, Part{fields[i].Name, v})
		}
	}
	return r
}

// putEntries returns the octets of a list of entries: Records, or values of their only field.
func (p *Protocol) putEntries(v any) (b []byte, err error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("it is a list, got %s", Format(v))
	}
	for i, e := range list {
		l := DraftLayer{Protocol: p}
		parts := []Part{{p.Fields[0].Name, e}}
		if r, ok := e.(Record); ok && len(p.Fields) > 1 {
			parts = r.Parts
		} else if len(p.Fields) > 1 {
			return nil, fmt.Errorf("entry %d is %s, and an entry has the fields %s", i, Format(e), p.fieldNames())
		}
		for _, part := range parts {
			f := p.Field(part.Name)
			if f == nil {
				return nil, fmt.Errorf("entry %d: there is no field %s", i, part.Name)
			}
			if l, err = l.With(f, part.Value); err != nil {
				return nil, fmt.Errorf("entry %d: %w", i, err)
			}
		}
		q, err := NewDraft(l).Build()
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		b = append(b, q.Octets...)
	}
	return b, nil
}

// fieldNames lists the fields that have octets.
func (p *Protocol) fieldNames() string {
	var names []string
	for i := range p.Fields {
		names = append(names, p.Fields[i].Name)
	}
	return strings.Join(names, ", ")
}
