package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"smolsh/stack/wire"
)

// A Kind determines how a field's octets are converted to a value, and the value's Go type.
type Kind uint8

// The kinds of fields.
const (
	Uint    Kind = iota // uint64
	Bool                // bool
	Letters             // string: the names of the bits that are set, lowest bit first (Field.Letters)
	MAC                 // wire.HardwareAddr
	Addr                // netip.Addr, an IPv4 address if the field has 32 bits, otherwise IPv6
	Octets              // []byte, a part of the frame
	Text                // string, up to the first NUL
	Other               // type that Field.Read returns: []any, []Option, Record, *Packet, …
)

// Compute determines how sending fills in a field that the user left unset.
type Compute uint8

// The ways to compute a field.
const (
	Given         Compute = iota // Field.Default, or zero
	HeaderLength                 // length of the header in octets, less Field.Plus, divided by Field.Scale
	TotalLength                  // length of header and payload in octets
	PayloadLength                // length of the payload in octets
	RestLength                   // length of the rest of the layer after the field, in octets
	NextProtocol                 // number of the next layer in Field.Table
	Checksum                     // checksum from Field.Sum
	Count                        // number of entries in a list, the one that follows if Field.about is nil
	FieldLength                  // length of another field in octets, with Field.Plus
	Host                         // value from the sending host: addresses, routes, neighbours and identifiers
)

// String describes the value that sending fills in; "" for Given.
func (c Compute) String() string {
	return [...]string{"", "header length", "total length", "payload length", "length of the rest", "next layer", "checksum", "count", "length", "host"}[c]
}

// A Field is one row of a protocol's table. Header fields are in the order of the wire, each after the one before.
// Derived fields (Derived) have no octets of their own.
type Field struct {
	Name string // Scapy's name, where Scapy has the field
	Doc  string // meaning of the field, with the RFC's section if the name does not suffice
	Unit string // "octets", "seconds", …; "" for a plain number
	Kind Kind

	Bits   int               // width; 0 for a field of variable width, or a derived field
	Size   func(l Layer) int // size in octets of a field of variable width
	When   func(l Layer) bool
	Sent   func(l Layer) bool // replaces When while a packet is built; nil for most fields
	Factor int                // value of one unit on the wire: 8 if the header counts units of 8 octets; 0 means 1

	Hex     bool                  // true if shown in hexadecimal
	Letters []string              // letters of a field of kind Letters, lowest bit first
	Names   func(v uint64) string // returns the name of a value, "" without a name
	note    func(v uint64) string // describes a value without a name in Show; nil for most fields
	// check returns the fault of a number that the field should not have, "" for none; nil for most fields.
	check func(l Layer, v uint64) string

	// Read converts the field's octets to a value. damage describes their fault, "" if there is none. For a derived
	// field b is nil, and Read reads other fields of the layer. Read is nil for kinds that need no conversion.
	Read func(l Layer, b []byte) (v any, damage string)
	// Write converts a value that Read returns to the field's octets, without padding. It is nil for kinds that need no
	// conversion. A derived field with Write can be set: the protocol's prepare computes other fields from it.
	Write func(v any) ([]byte, error)
	// canonical converts a value that a caller may have instead to one that Read returns (Canonical); nil for none.
	canonical func(v any) (any, error)
	options   *optionTable // options with names; nil for most fields

	Default any // value of an unset field when it is sent; nil means zero
	Last    any // for NextProtocol: value where no layer follows; nil means Default
	Compute Compute
	Scale   int                                  // octets per unit, for HeaderLength
	Plus    int                                  // octets of the header that are not counted, for HeaderLength
	Table   Table                                // numbers, for NextProtocol; Default is the number before a layer without one
	Sum     func(l Layer) (want uint64, ok bool) // computes the sum, for Checksum; ok is false if octets of the sum are not known

	of       string               // field of which this one is another name; "" for most fields
	about    *Field               // field that Count and FieldLength are about
	carries  map[*Protocol]uint64 // numbers of what a user's protocol carries, beside those of Table
	entries  *Protocol            // table of each entry of a list in a user's protocol
	scripted bool                 // true if When calls a function of a script
	derived  bool
	index    int
	at       int // offset from the start of the header in bits; -1 if it depends on earlier fields of the packet
}

// Derived reports whether the field has no octets of its own. Its value is then computed from other fields.
func (f *Field) Derived() bool { return f.derived }

// Entries returns the table of each entry of a list in a user's own protocol, nil for other fields.
func (f *Field) Entries() *Protocol { return f.entries }

// present reports whether the layer has the field. Of a script's condition it remembers the result, because a condition may read fields
// whose offsets depend on further conditions.
func (l Layer) present(f *Field) bool {
	switch {
	case f.When == nil:
		return true
	case !f.scripted:
		return f.When(l)
	}
	key := fieldAt{l.index, f.index}
	there, known := l.packet.conditions[key]
	if !known {
		there = f.When(l)
		if l.packet.conditions == nil {
			l.packet.conditions = map[fieldAt]bool{}
		}
		l.packet.conditions[key] = there
	}
	return there
}

// fieldAt is a field of a packet, by the indexes of its layer and its own.
type fieldAt struct{ layer, field int }

// start returns the field's offset from the start of the header, in bits.
func (l Layer) start(f *Field) int {
	if f.at >= 0 {
		return f.at
	}
	if known := l.packet.offsets[l.index]; f.index < len(known) {
		return known[f.index]
	}
	if l.Protocol.own {
		return l.measure(f.index)
	}
	fields, bits := l.Protocol.Fields, 0
	for i := range f.index {
		bits += l.width(&fields[i])
	}
	return bits
}

// measure returns the offset of the field at index i of a user's own protocol, in bits. It keeps the offsets, because the size of a field
// may depend on any fields before it, whose offsets depend on others.
func (l Layer) measure(i int) int {
	p := l.packet
	if p.offsets == nil {
		p.offsets = map[int][]int{}
	}
	for {
		known := p.offsets[l.index]
		switch n := len(known); {
		case n > i:
			return known[i]
		case n == 0:
			p.offsets[l.index] = append(known, 0)
		default:
			end := known[n-1] + l.width(&l.Protocol.Fields[n-1])
			p.offsets[l.index] = append(p.offsets[l.index][:n], end)
		}
	}
}

// width returns the field's width in bits in this packet, 0 if the packet does not have the field.
func (l Layer) width(f *Field) int {
	known := l.packet.offsets[l.index]
	switch {
	case f.index+1 < len(known):
		return known[f.index+1] - known[f.index]
	case f.derived || !l.present(f):
		return 0
	case f.Size != nil:
		return 8 * max(0, f.Size(l))
	}
	return f.Bits
}

// Has reports whether the packet has the field and all its octets are known.
func (l Layer) Has(f *Field) bool {
	if f.derived {
		return l.Value(f) != nil
	}
	if !l.present(f) {
		return false
	}
	_, end := l.Span(f)
	return end <= l.known()
}

// Span returns the field's octets as offsets in the frame, [from, to). A field of less than an octet spans each octet
// in which it has bits. A derived field spans none.
func (l Layer) Span(f *Field) (from, to int) {
	if f.derived {
		return l.begin, l.begin
	}
	bit := l.start(f)
	return l.begin + bit/8, l.begin + (bit+l.width(f)+7)/8
}

// Uint returns the number in a field of at most 64 bits. ok is false if the packet does not have the field, or octets
// of it are not known.
func (l Layer) Uint(f *Field) (v uint64, ok bool) { return l.uint(f) }

// uint is Uint without a copy of the layer.
func (l *Layer) uint(f *Field) (v uint64, ok bool) {
	if f.When != nil && !l.present(f) {
		return 0, false
	}
	at := f.at
	if at < 0 {
		at = l.start(f)
	}
	v, ok = l.bits(at, f.Bits)
	if f.Factor > 1 {
		v *= uint64(f.Factor)
	}
	return v, ok
}

// bits reads n bits. The offset at of the first bit counts bits from the header's start. ok is false if not all n bits
// are known.
func (l *Layer) bits(at, n int) (v uint64, ok bool) {
	from, to := l.begin+at/8, l.begin+(at+n+7)/8
	if to > l.end || to > len(l.packet.Octets) || n == 0 {
		return 0, false
	}
	b := l.packet.Octets[from:to]
	switch {
	case at%8 == 0 && n == 8:
		return uint64(b[0]), true
	case at%8 == 0 && n == 16:
		return uint64(binary.BigEndian.Uint16(b)), true
	case at%8 == 0 && n == 32:
		return uint64(binary.BigEndian.Uint32(b)), true
	}
	for _, o := range b {
		v = v<<8 | uint64(o)
	}
	spare := (to-from)*8 - at%8 - n
	return v >> spare & (1<<n - 1), true
}

// Value returns a field's value, whose type depends on Field.Kind. It returns nil if the packet does not have the
// field, or octets of it are not known.
func (l Layer) Value(f *Field) any {
	v, _ := l.read(f)
	return v
}

// read returns the field's value, and the fault of its octets.
func (l Layer) read(f *Field) (v any, damage string) {
	if !l.present(f) {
		return nil, ""
	}
	if f.derived {
		return f.Read(l, nil)
	}
	if f.Kind <= Letters {
		n, ok := l.Uint(f)
		switch {
		case !ok:
			return nil, ""
		case f.Kind == Bool:
			return n != 0, ""
		case f.Kind == Letters:
			return f.letters(n), ""
		}
		return n, ""
	}
	from, to := l.Span(f)
	if to > l.known() {
		if f.Size == nil || from > l.known() {
			return nil, ""
		}
		to = l.known() // reads a list or text as far as its octets are known
	}
	b := l.packet.Octets[from:to]
	if f.Read != nil {
		return f.Read(l, b)
	}
	switch f.Kind {
	case MAC:
		return wire.HardwareAddr(b), ""
	case Addr:
		a, _ := netip.AddrFromSlice(b)
		return a, ""
	case Text:
		s, _, _ := strings.Cut(string(b), "\x00")
		return s, ""
	}
	return b, ""
}

// letters returns the names of the bits that are set in a number.
func (f *Field) letters(n uint64) string {
	var set []string
	sep := ""
	for i, s := range f.Letters {
		if n&(1<<i) != 0 && s != "" {
			set = append(set, s)
		}
		if len(s) > 1 {
			sep = "+"
		}
	}
	return strings.Join(set, sep)
}

// ParseLetters returns the number whose bits a text names: letters in any order, such as "AS" of TCP, or longer names joined by
// plus signs, such as "DF+MF" of IP. The error names a letter that the field does not have.
func (f *Field) ParseLetters(text string) (n uint64, err error) {
	sep := ""
	if slices.ContainsFunc(f.Letters, func(s string) bool { return len(s) > 1 }) {
		sep = "+"
	}
	if text == "" {
		return 0, nil
	}
	for _, s := range strings.Split(text, sep) {
		i := slices.Index(f.Letters, s)
		if i < 0 || s == "" {
			return 0, fmt.Errorf("%q is none of %s", s, strings.Join(slices.DeleteFunc(slices.Clone(f.Letters), func(s string) bool { return s == "" }), " "))
		}
		n |= 1 << i
	}
	return n, nil
}

// num reads the number in the field called name, which the protocol must have. ok is false if the packet does not have
// the field.
func (l Layer) num(name string) (v uint64, ok bool) { return l.Uint(l.Protocol.Field(name)) }

// is reports whether the field called name has the value want.
func (l Layer) is(name string, want uint64) bool {
	v, ok := l.num(name)
	return ok && v == want
}
