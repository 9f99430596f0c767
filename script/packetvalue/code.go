package packetvalue

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// Code returns the expression that makes the packet: evaluated, it is built to the same octets. Of a frame, it leaves out what sending
// fills in with the same values. A function in a pattern's field is written as its name.
func (p *Value) Code() string {
	switch {
	case p.draft == nil:
		return codeOf(shortest(p.Draft()))
	case p.received:
		return codeOf(shortest(p.draft))
	}
	return codeOf(p.draft)
}

// editableLayers returns the number of layers that the packet's code has.
func (p *Value) editableLayers() int { return len(p.Draft().Layers) }

// codeOf returns the expression of a draft.
func codeOf(d *packet.Draft) string {
	var c coder
	for i, l := range d.Layers {
		if i > 0 {
			c.WriteByte('/')
		}
		c.layer(l, i > 0 && d.Layers[i-1].Protocol != packet.Raw)
	}
	return c.String()
}

// shortest returns a draft that is built to the same octets, without the fields that sending fills in with the same values. A layer with text
// that no literal of a script has keeps its octets.
func shortest(d *packet.Draft) *packet.Draft {
	for i, l := range d.Layers {
		if !unwritable(l) {
			continue
		}
		built, err := d.Build()
		if err != nil {
			continue
		}
		d = d.Replace(i, octetsOf(built.Layers[i]))
	}
	return d.Unfilled(true)
}

// unwritable reports whether a layer has the data of a record as text that is not UTF-8, since bytes there are the data's own octets.
func unwritable(l packet.DraftLayer) bool {
	for i := range l.Protocol.Fields {
		list, _ := l.Value(&l.Protocol.Fields[i]).([]any)
		for _, x := range list {
			r, _ := x.(packet.Record)
			for _, m := range r.Parts {
				if s, ok := m.Value.(string); ok && m.Name == "rdata" && !utf8.ValidString(s) {
					return true
				}
			}
		}
	}
	return false
}

// octetsOf returns a layer with the numbers and octets of all its fields.
func octetsOf(l packet.Layer) packet.DraftLayer {
	d := packet.DraftLayer{Protocol: l.Protocol}
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		var v any
		from, to := l.Span(f)
		if n, ok := l.Uint(f); ok && f.Kind <= packet.Letters && !f.Derived() {
			v = n
		} else if f.Kind > packet.Letters && to > from {
			v = l.Octets(f)
		}
		if with, err := d.With(f, v); err == nil {
			d = with
		}
	}
	return d
}

// A coder writes expressions.
type coder struct{ strings.Builder }

// layer writes one layer. Data above another layer is written as such; bare is true if that is possible.
func (c *coder) layer(l packet.DraftLayer, bare bool) {
	if b, ok := l.Value(&l.Protocol.Fields[0]).([]byte); ok && (l.Protocol == packet.Raw || l.Protocol == packet.Padding) {
		text := octetsCode(b, true)
		if l.Protocol == packet.Raw && bare && !strings.Contains(text, " * ") {
			c.WriteString(text)
			return
		}
		c.WriteString(l.Protocol.Name + "(" + text + ")")
		return
	}
	if m, ok := l.Value(&l.Protocol.Fields[0]).(packet.Matcher); ok && (l.Protocol == packet.Raw || l.Protocol == packet.Padding) {
		c.WriteString(l.Protocol.Name + "(" + m.String() + ")") // load= is no syntax of Starlark
		return
	}
	c.WriteString(l.Protocol.Name + "(")
	sep := ""
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		v := l.Value(f)
		if v == nil {
			continue
		}
		c.WriteString(sep + f.Name + "=")
		c.field(f, v)
		sep = ", "
	}
	c.WriteByte(')')
}

// field writes a field's value.
func (c *coder) field(f *packet.Field, v any) {
	switch v := v.(type) {
	case uint64:
		c.WriteString(numberCode(f, v))
	case []byte:
		c.WriteString(octetsCode(v, f.Kind == packet.Octets))
	case string:
		if f.Kind == packet.Text {
			c.WriteString(octetsCode([]byte(v), true))
			return
		}
		c.value(v)
	default:
		c.value(v)
	}
}

// FieldCode returns the expression of a value of a field.
func FieldCode(f *packet.Field, v any) string {
	var c coder
	c.field(f, v)
	return c.String()
}

// numberCode returns a number, in the form in which the field is read.
func numberCode(f *packet.Field, n uint64) string {
	switch {
	case f.Kind == packet.Bool && n <= 1:
		return map[uint64]string{0: "False", 1: "True"}[n]
	case f.Kind == packet.Letters:
		if text, ok := f.LetterText(n); ok {
			return starlark.String(text).String()
		}
	case worded(f):
		if name := plain(f.Names(n)); name != "" {
			if back, ok := valuesOf(f)[name]; ok && back == n {
				return starlark.String(name).String()
			}
		}
	case f.Hex && n > 9:
		return fmt.Sprintf("%#x", n)
	}
	return fmt.Sprint(n)
}

// worded reports whether people write the names of a field's values rather than its numbers, as of an ICMP message's type.
func worded(f *packet.Field) bool {
	if f.Names == nil || f.Hex || f.Compute != packet.Given {
		return false
	}
	return f.Name == "type" || f.Name == "op" || f.Name == "opcode" || f.Name == "rcode"
}

// repeats is the least number of equal octets that octetsCode writes as a product.
const repeats = 12

// octetsCode returns octets as a literal: a str if they are printable ASCII and text is true, otherwise bytes.
func octetsCode(b []byte, text bool) string {
	if len(b) >= repeats && bytes.Count(b, b[:1]) == len(b) {
		return fmt.Sprintf("%s * %d", octetsCode(b[:1], text), len(b))
	}
	printable := len(b) > 0
	for _, o := range b {
		printable = printable && (o >= 0x20 && o < 0x7f || o == '\n' || o == '\r' || o == '\t')
	}
	if text && printable {
		return starlark.String(b).String()
	}
	return packet.Literal(b)
}

// value writes a value whose type is not that of a number field.
func (c *coder) value(v any) {
	switch v := v.(type) {
	case packet.Matcher:
		c.WriteString(v.String())
	case nil:
		c.WriteString("None")
	case bool:
		c.WriteString(starlark.Bool(v).String())
	case uint64:
		fmt.Fprint(c, v)
	case []byte:
		c.WriteString(octetsCode(v, false))
	case string:
		if utf8.ValidString(v) {
			c.WriteString(starlark.String(v).String())
			return
		}
		c.WriteString(octetsCode([]byte(v), false)) // a str literal has no such octets
	case wire.HardwareAddr, netip.Addr:
		fmt.Fprintf(c, "%q", fmt.Sprint(v))
	case *packet.Draft:
		c.WriteString(codeOf(v))
	case *packet.Packet:
		c.WriteString(codeOf(shortest(v.Draft())))
	case []any:
		c.sequence("[", "]", len(v), func(i int) { c.value(v[i]) })
	case [2]uint64:
		fmt.Fprintf(c, "(%d, %d)", v[0], v[1])
	case packet.SequenceRange:
		fmt.Fprintf(c, "(%d, %d)", v.Left, v.Right)
	case []packet.SequenceRange:
		c.sequence("[", "]", len(v), func(i int) { c.value(v[i]) })
	case packet.RouteOption:
		fmt.Fprintf(c, "(%d, ", v.Pointer)
		c.value(v.Addresses)
		c.WriteByte(')')
	case []packet.Option:
		c.sequence("[", "]", len(v), func(i int) { c.option(v[i]) })
	case packet.OptionMap:
		c.sequence("{", "}", len(v), func(i int) {
			fmt.Fprintf(c, "%d: %s", v[i].Code, octetsCode(v[i].Data, false))
		})
	case packet.Record:
		c.sequence("dict(", ")", len(v.Parts), func(i int) {
			c.WriteString(v.Parts[i].Name + "=")
			c.value(v.Parts[i].Value)
		})
	default:
		c.WriteString("None")
	}
}

// option writes one option: its name, (name, value), or (kind, octets).
func (c *coder) option(o packet.Option) {
	name := starlark.String(o.Name).String()
	if o.Name == "" {
		name = fmt.Sprint(o.Kind)
	}
	if o.Value == nil {
		c.WriteString(name)
		return
	}
	c.WriteString("(" + name + ", ")
	c.value(o.Value)
	c.WriteByte(')')
}

// sequence writes n parts between brackets.
func (c *coder) sequence(begin, end string, n int, write func(i int)) {
	c.WriteString(begin)
	for i := range n {
		if i > 0 {
			c.WriteString(", ")
		}
		write(i)
	}
	c.WriteString(end)
}
