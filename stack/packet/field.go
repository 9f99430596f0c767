package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"smolsh/stack/wire"
)

// A Kind says how a field's octets become a value, and of which Go type the value is.
type Kind uint8

// The kinds of fields.
const (
	Uint    Kind = iota // uint64
	Bool                // bool
	Letters             // string: the names of the bits that are set, from the lowest bit (Field.Letters)
	MAC                 // wire.HardwareAddr
	Addr                // netip.Addr, of IPv4 where the field has 32 bits, otherwise of IPv6
	Octets              // []byte, a part of the frame
	Text                // string, up to the first NUL
	Other               // the type that Field.Read returns: []any, []Option, Record, *Packet, …
)

// Compute says how sending fills in a field that the user left unset.
type Compute uint8

// The ways to compute a field.
const (
	Given         Compute = iota // Field.Default, or zero
	HeaderLength                 // the octets of the header, less Field.Plus, divided by Field.Scale
	TotalLength                  // the octets of header and payload
	PayloadLength                // the octets of the payload
	RestLength                   // the octets of the layer behind the field
	NextProtocol                 // the number in Field.Table of the layer that follows
	Checksum                     // Field.Sum
	Count                        // the number of entries of the list that follows
	Host                         // the sending host: its addresses, routes, neighbours and identifiers
)

// String names what sending writes into an unset field; "" for Given.
func (c Compute) String() string {
	return [...]string{"", "header length", "total length", "payload length", "length of the rest", "next layer", "checksum", "count", "host"}[c]
}

// A Field is one row of a protocol's table. Fields of the header stand in the order of the wire, each behind the one
// before; derived fields (Derived) have no octets of their own.
type Field struct {
	Name string // Scapy's name, where Scapy has the field
	Doc  string // what the field holds, with the section of the RFC where the name does not say enough
	Unit string // "octets", "seconds", …; "" for a plain number
	Kind Kind

	Bits   int               // the width; 0 for a field of variable width, or a derived one
	Size   func(l Layer) int // octets of a field of variable width
	When   func(l Layer) bool
	Factor int // the value of one unit of the wire: 8 where the header counts in units of 8 octets; 0 means 1

	Hex     bool                  // shown in hexadecimal
	Letters []string              // of a field of kind Letters, from the lowest bit
	Names   func(v uint64) string // the name of a value, "" for a value without a name

	// Read converts the field's octets to a value. damage describes their fault, "" if they have none. A derived
	// field's octets are nil; it reads other fields of the layer. nil for the kinds that need no conversion.
	Read func(l Layer, b []byte) (v any, damage string)

	Default any // the value of an unset field when it is sent; nil means zero
	Compute Compute
	Scale   int                                  // octets of a unit of HeaderLength
	Plus    int                                  // octets of the header that HeaderLength does not count
	Table   Table                                // of NextProtocol
	Sum     func(l Layer) (want uint64, ok bool) // of Checksum: ok is false where the frame has not all octets of the sum

	derived bool
	index   int
	at      int // bits from the start of the header; -1 if earlier fields of the packet decide
}

// Derived reports whether the field has no octets of its own: its value follows from other fields.
func (f *Field) Derived() bool { return f.derived }

// start returns where the field begins, in bits from the start of the header.
func (l Layer) start(f *Field) int {
	if f.at >= 0 {
		return f.at
	}
	fields, bits := l.Protocol.Fields, 0
	for i := range f.index {
		bits += l.width(&fields[i])
	}
	return bits
}

// width returns the field's width in bits in this packet, 0 where the packet does not have the field.
func (l Layer) width(f *Field) int {
	switch {
	case f.derived || f.When != nil && !f.When(l):
		return 0
	case f.Size != nil:
		return 8 * max(0, f.Size(l))
	}
	return f.Bits
}

// Has reports whether the layer holds the field in this packet and the frame has all its octets.
func (l Layer) Has(f *Field) bool {
	if f.derived {
		return l.Value(f) != nil
	}
	if f.When != nil && !f.When(l) {
		return false
	}
	_, end := l.Span(f)
	return end <= l.known()
}

// Span returns the field's octets as offsets in the frame, [from, to). A field of less than an octet spans the octets that
// it has a part of. A derived field spans none.
func (l Layer) Span(f *Field) (from, to int) {
	if f.derived {
		return l.begin, l.begin
	}
	bit := l.start(f)
	return l.begin + bit/8, l.begin + (bit+l.width(f)+7)/8
}

// Uint returns the number in a field of at most 64 bits. ok is false if the packet does not have the field, or the
// frame not all its octets.
func (l Layer) Uint(f *Field) (v uint64, ok bool) {
	if f.When != nil && !f.When(l) {
		return 0, false
	}
	v, ok = l.bits(l.start(f), f.Bits)
	if f.Factor > 1 {
		v *= uint64(f.Factor)
	}
	return v, ok
}

// bits reads n bits at a distance from the header's first bit.
func (l Layer) bits(at, n int) (v uint64, ok bool) {
	from, to := l.begin+at/8, l.begin+(at+n+7)/8
	if to > l.known() || n == 0 {
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

// Value returns a field's value, of the type that Field.Kind says; nil if the packet does not have the field, or the
// frame not all its octets.
func (l Layer) Value(f *Field) any {
	v, _ := l.read(f)
	return v
}

// read returns the field's value and the fault of its octets.
func (l Layer) read(f *Field) (v any, damage string) {
	if f.When != nil && !f.When(l) {
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
		to = l.known() // a list or text is read as far as it is there
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

// letters names the bits of a number that are set.
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

// num reads the number in the field of a name, which the protocol must have.
func (l Layer) num(name string) (v uint64, ok bool) { return l.Uint(l.Protocol.Field(name)) }

// is reports whether a field holds a number.
func (l Layer) is(name string, want uint64) bool {
	v, ok := l.num(name)
	return ok && v == want
}
