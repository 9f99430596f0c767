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
	Follows   []Follower   // protocols of the payload by the number in a field
}

// A Follower is a protocol that follows a user's protocol if a field has a number.
type Follower struct {
	Field    string
	Number   uint64
	Protocol *Protocol
}

// The names of the parts of a packet whose length a field can have (FieldDefinition.LengthOf), unless fields have these names.
const (
	PartHeader  = "header"  // header of the layer
	PartPayload = "payload" // what the layer carries
	PartLayer   = "layer"   // header and payload
)

// A FieldDefinition describes one field of a Definition.
type FieldDefinition struct {
	Name, Doc string
	Kind      Kind   // Uint, MAC, Addr, Octets or Text
	Bits      int    // width; 0 for a field of Octets or Text whose size differs
	SizeOf    string // field before this one with the size in octets; "" means that the field fills the rest of the layer
	Default   any

	LengthOf   string   // field, or part of the packet, whose length sending fills in here; "" for none
	Plus       int      // octets that are added to that length
	Unit       int      // octets that the number 1 stands for, for PartHeader; 0 means 1
	CountOf    string   // list whose number of entries sending fills in here; "" for none
	Checksum   bool     // true for the Internet checksum (RFC 1071), of 16 bits
	ChecksumOf []string // fields that the checksum covers; nil for the whole layer with its payload

	// When reports whether a packet has the field; nil for always. It may read the fields before it. If Scripted is true, it calls a script, and the protocol is
	// dissected only where that is possible.
	When     func(l Layer) bool
	Scripted bool

	Repeat []FieldDefinition // fields of each entry of a list; nil for a field that is no list
	Count  string            // field before this one with the number of entries; "" for a list that fills the rest of the layer
}

// define returns the table of the protocol.
func (d *Definition) define() (*Protocol, error) {
	m := definer{Definition: d}
	if err := m.make(); err != nil {
		return nil, err
	}
	p := define(Protocol{Name: d.Name, Doc: d.Doc, Fields: m.fields, scripted: m.scripted, own: true})
	p.relate(d)
	for _, x := range d.Follows {
		f := p.Field(x.Field)
		if f == nil || f.Table == "" {
			return nil, fmt.Errorf("%s has no field %s with a number that could say what follows", d.Name, x.Field)
		}
		if f.carries == nil {
			f.carries = map[*Protocol]uint64{}
		}
		f.carries[x.Protocol] = x.Number
	}
	for _, l := range d.Over {
		at, err := carrier(l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		p.On = append(p.On, at)
	}
	p.next = p.byField
	if d.Carries != nil {
		p.next = func(Layer, lookup) *Protocol { return d.Carries }
	}
	return p, nil
}

// byField returns the protocol that is defined over one of the layer's numbers.
func (p *Protocol) byField(l Layer, carried lookup) *Protocol {
	for i := range p.Fields {
		if f := &p.Fields[i]; f.Table != "" {
			if n, ok := l.Uint(f); ok {
				if q := carried(f.Table, n); q != nil {
					return q
				}
			}
		}
	}
	return nil
}

// fieldTable is the table of the protocols that are carried where a field of a user's protocol has their number.
func fieldTable(protocol, field string) Table { return Table(protocol + "." + field) }

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
	case l.Protocol.own && set.Table != "":
		return Place{set.Table, n}, nil
	}
	return at, fmt.Errorf("%s.%s does not say what %s carries", l.Protocol.Name, set.Name, l.Protocol.Name)
}

// A definer makes the fields of a Definition's table, one after the other.
type definer struct {
	*Definition
	fields   []Field
	bits     int    // width of the fields so far, without those whose width differs
	open     string // name of the field that fills the rest of the layer
	varies   bool   // true if a field's width differs, or the packet may lack it
	scripted bool
}

func (d *definer) wrong(x *FieldDefinition, format string, args ...any) error {
	return fmt.Errorf("%s.%s: %s", d.Name, x.Name, fmt.Sprintf(format, args...))
}

// make returns the fields of the definition.
func (d *definer) make() error {
	if len(d.Fields) == 0 {
		return fmt.Errorf("%s has no fields", d.Name)
	}
	for i := range d.Fields {
		x := &d.Fields[i]
		if slices.ContainsFunc(d.fields, func(f Field) bool { return f.Name == x.Name }) {
			return d.wrong(x, "a field of this name is there already")
		}
		if d.bits%8 != 0 && (x.Bits == 0 || x.When != nil || x.Kind != Uint) {
			return d.wrong(x, "the fields before it have %d bits, which fill no whole octets", d.bits)
		}
		if x.When != nil && x.Bits%8 != 0 {
			return d.wrong(x, "an optional field has whole octets, got %d bits", x.Bits)
		}
		f := Field{Name: x.Name, Doc: x.Doc, Kind: x.Kind, Bits: x.Bits, Default: x.Default, When: x.When, scripted: x.Scripted}
		before := d.open
		if err := d.sized(&f, x); err != nil {
			return err
		}
		if err := d.computed(&f, x); err != nil {
			return err
		}
		if part := f.Compute == HeaderLength || f.Compute == TotalLength || f.Compute == PayloadLength; before != "" && (x.When != nil || x.Bits == 0 || part) {
			return d.wrong(x, "%s before it fills the rest of the layer, and behind that are only fields of fixed width that are always there", before)
		}
		d.bits += x.Bits
		d.varies = d.varies || x.When != nil || x.Bits == 0
		d.scripted = d.scripted || x.Scripted
		d.fields = append(d.fields, f)
	}
	if d.bits%8 != 0 {
		return fmt.Errorf("%s: its fields have %d bits, which fill no whole octets", d.Name, d.bits)
	}
	return nil
}

// sized sets the function that returns the size of a field whose width differs.
func (d *definer) sized(f *Field, x *FieldDefinition) error {
	switch {
	case x.Bits != 0:
		return nil
	case x.Repeat != nil:
		count := x.Count
		if count == "" {
			count = d.filled(func(y *FieldDefinition) bool { return y.CountOf == x.Name })
		}
		if count != "" && !d.before(count) {
			return d.wrong(x, "its count is a number in a field before it, and %s is none", count)
		}
		if err := d.repeat(f, x, count); err != nil || count != "" {
			return err
		}
	default:
		size := x.SizeOf
		if size == "" {
			size = d.filled(func(y *FieldDefinition) bool { return y.LengthOf == x.Name })
		}
		if size == "" {
			break
		}
		if !d.before(size) {
			return d.wrong(x, "its size is a number in a field before it, and %s is none", size)
		}
		plus := 0
		for _, y := range d.Fields {
			if y.Name == size && y.LengthOf == x.Name {
				plus = y.Plus
			}
		}
		f.Size = func(l Layer) int {
			n, _ := l.numOr(size)
			return max(0, int(min(n, maxBuilt))-plus)
		}
		return nil
	}
	if d.open != "" {
		return d.wrong(x, "it can't fill the rest of the layer, because %s does", d.open)
	}
	d.open = x.Name
	f.Size = restOf(len(d.fields))
	return nil
}

// before reports whether a field so far has the name, and is a number.
func (d *definer) before(name string) bool {
	return slices.ContainsFunc(d.fields, func(f Field) bool { return f.Name == name && f.Kind == Uint })
}

// filled returns the name of the first field so far that fits, "" for none.
func (d *definer) filled(fits func(y *FieldDefinition) bool) string {
	for i := range d.fields {
		if fits(&d.Fields[i]) {
			return d.Fields[i].Name
		}
	}
	return ""
}

// computed sets how sending fills the field in.
func (d *definer) computed(f *Field, x *FieldDefinition) error {
	for _, name := range append([]string{x.CountOf}, x.ChecksumOf...) {
		if name != "" && !d.has(name) {
			return d.wrong(x, "there is no field %s", name)
		}
	}
	number := x.Kind == Uint && x.Repeat == nil && x.Bits != 0
	if !number && (x.LengthOf != "" || x.CountOf != "" || x.Checksum) {
		return d.wrong(x, "it is no number, and can't be computed")
	}
	switch {
	case x.LengthOf != "":
		return d.length(f, x)
	case x.CountOf != "":
		f.Compute = Count
	case x.Checksum:
		if x.Bits != 16 {
			return d.wrong(x, "a checksum has 16 bits, got %d", x.Bits)
		}
		f.Compute, f.Hex = Checksum, true
	case number:
		f.Table = fieldTable(d.Name, x.Name)
	}
	return nil
}

// length sets which length sending fills in.
func (d *definer) length(f *Field, x *FieldDefinition) error {
	f.Unit = "octets"
	switch part := x.LengthOf; {
	case d.has(part):
		f.Compute, f.Plus = FieldLength, x.Plus
		return nil
	case part == PartHeader:
		f.Compute, f.Plus, f.Scale = HeaderLength, -x.Plus, max(1, x.Unit)
		if f.Scale > 1 {
			f.Unit = fmt.Sprintf("%d octets", f.Scale)
		}
		return nil
	case part == PartLayer:
		f.Compute = TotalLength
	case part == PartPayload:
		f.Compute = PayloadLength
		if d.varies || slices.ContainsFunc(d.Fields, func(y FieldDefinition) bool { return y.Bits == 0 || y.When != nil }) {
			return d.wrong(x, "the length of the payload can be there only if every field has a fixed width; use length_of(%q)", PartLayer)
		}
	default:
		return d.wrong(x, "there is no field %s; the parts of a packet are %s, %s and %s", part, PartHeader, PartPayload, PartLayer)
	}
	if x.Plus != 0 {
		return d.wrong(x, "nothing can be added to the length of the %s", x.LengthOf)
	}
	return nil
}

// has reports whether the definition has a field with the name.
func (d *Definition) has(name string) bool {
	return slices.ContainsFunc(d.Fields, func(x FieldDefinition) bool { return x.Name == name })
}

// relate sets the fields that are computed from others.
func (p *Protocol) relate(d *Definition) {
	for i := range d.Fields {
		x, f := &d.Fields[i], &p.Fields[i]
		switch {
		case f.Compute == FieldLength:
			f.about = p.Field(x.LengthOf)
		case x.CountOf != "":
			f.about = p.Field(x.CountOf)
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

// restOf returns the size of the field at index i, which fills what the fields around it leave of the header, or of the layer if no field
// has the header's length. The fields behind it have fixed widths.
func restOf(i int) func(l Layer) int {
	return func(l Layer) int {
		fields := l.Protocol.Fields
		used := l.start(&fields[i])
		for _, f := range fields[i+1:] {
			used += f.Bits
		}
		end := l.end
		if h := l.Protocol.header; h != nil {
			n, _ := l.Uint(h)
			end = min(end, l.begin+int(n)*h.Scale+h.Plus)
		}
		return max(0, end-l.begin-used/8)
	}
}

// repeat completes a field that is a list of entries. count is the field with their number, "" for none.
func (d *definer) repeat(f *Field, x *FieldDefinition, count string) error {
	sub := Definition{Name: d.Name + "." + x.Name, Fields: x.Repeat}
	if len(x.Repeat) == 1 {
		sub.Name = d.Name
	}
	p, err := sub.define()
	if err != nil {
		return err
	}
	p.next = noLayer
	d.scripted = d.scripted || p.scripted
	f.Kind, f.Bits, f.entries = Other, 0, p
	number := func(l Layer) uint64 {
		if count == "" {
			return allEntries
		}
		n, _ := l.numOr(count)
		return min(n, allEntries-1)
	}
	f.Read = func(l Layer, b []byte) (any, string) {
		list, _, damage := p.entriesOf(b, number(l))
		return list, damage
	}
	if count != "" {
		i := len(d.fields)
		f.Size = func(l Layer) int {
			from := min(l.begin+l.start(&l.Protocol.Fields[i])/8, l.known())
			return p.sizeOf(l.packet.Octets[from:l.known()], number(l))
		}
	}
	f.Write = p.putEntries
	return nil
}

// allEntries is the number of entries of a list without a count: as many as there are octets for.
const allEntries = ^uint64(0)

// sizeOf returns the number of octets of n entries of a list. Of entries without optional or variable fields, it is their size even if b does
// not hold them all, at most that of maxBuilt entries.
func (p *Protocol) sizeOf(b []byte, n uint64) int {
	if !slices.ContainsFunc(p.Fields, func(f Field) bool { return f.When != nil || f.Size != nil }) {
		return int(min(n, maxBuilt)) * p.fixed
	}
	size, _ := p.eachEntry(b, n, func(*Layer) {})
	return size
}

// entriesOf reads n entries of a list. size is the number of their octets.
func (p *Protocol) entriesOf(b []byte, n uint64) (list []any, size int, damage string) {
	list = []any{}
	size, damage = p.eachEntry(b, n, func(l *Layer) { list = append(list, l.entry()) })
	return list, size, damage
}

// eachEntry calls fn with n entries of a list, as far as b holds them. A layer is valid until fn returns.
func (p *Protocol) eachEntry(b []byte, n uint64, fn func(l *Layer)) (size int, damage string) {
	q, all := &Packet{First: p, carried: Carried}, n == allEntries
	for i := 0; n != 0 && size < len(b); i++ {
		*q = Packet{Octets: b[size:], Length: len(b) - size, First: p, carried: Carried}
		q.Layers = q.room[:0]
		l := q.add(p, 0, q.Length)
		if len(q.damage) > 0 || l.body == 0 {
			return size, fmt.Sprintf("entry %d is not there whole", i)
		}
		fn(l)
		size += l.body
		n--
	}
	if n > 0 && !all {
		damage = missing(n, "entries")
	}
	return size, damage
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
