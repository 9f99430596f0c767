package packet

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"smolsh/stack/wire"
)

// Show describes every field of the packet, layer by layer, in the order of the wire. It shows a number by its name if
// it has one, in hexadecimal if the protocol's documents do so, and a checksum with its verdict. It marks fields that
// contradict the protocol or the frame as "malformed".
func (p *Packet) Show() string {
	var b strings.Builder
	p.show(&b, "")
	return strings.TrimSuffix(b.String(), "\n")
}

func (p *Packet) show(b *strings.Builder, indent string) {
	damage := p.Damage()
	mark := func(l Layer, f *Field) (text string) {
		for _, d := range damage {
			if d.Layer == l.index && d.Field == f && (f == nil || f.Compute != Checksum) { // a checksum has its verdict
				text += "   malformed: " + d.Text
			}
		}
		return text
	}
	for _, l := range p.Layers {
		fmt.Fprintf(b, "%s[%s]%s\n", indent, l.Protocol.Attr, mark(l, nil))
		for i := range l.Protocol.Fields {
			f := &l.Protocol.Fields[i]
			if f.derived && f.Kind != Other {
				continue
			}
			l.showField(b, f, indent, mark(l, f))
		}
	}
	if l, ok := p.Padding(); ok && l.index == len(p.Layers) {
		fmt.Fprintf(b, "%s[padding]\n%s  %d octets\n", indent, indent, l.end-l.begin)
	}
}

// showField writes one field. A quoted packet is written below the field.
func (l Layer) showField(b *strings.Builder, f *Field, indent, mark string) {
	v := l.Value(f)
	switch x := v.(type) {
	case nil:
		if mark == "" {
			return
		}
	case *Packet:
		fmt.Fprintf(b, "%s  %s%s\n", indent, f.Name, mark)
		x.show(b, indent+"    ")
		return
	case []Option:
		if len(x) == 0 && mark == "" {
			return
		}
	case []any:
		if len(x) == 0 && f.derived {
			return
		}
	case []byte:
		if len(x) == 0 && mark == "" {
			return
		}
	}
	if f.derived && shownElsewhere[f.Name] {
		return
	}
	text := f.Format(l)
	if f.Compute == Checksum {
		text += l.verdict(f)
	}
	if _, to := l.Span(f); f.Size != nil && to > len(l.packet.Octets) && to <= l.end {
		text += "   cut off by the capture"
	}
	fmt.Fprintf(b, "%s  %-*s %s%s\n", indent, nameWidth, f.Name, text, mark)
}

// nameWidth is the width of the column of field names.
const nameWidth = 10

// shownElsewhere has the derived fields that repeat other fields of the layer.
var shownElsewhere = map[string]bool{"id": true, "ids": true, "sack": true, "data": true, "questions": true, "answers": true, "message": true}

// verdict returns the text about a checksum field, which begins with a blank: correct, wrong, unverified if octets are
// missing, or none. It returns "" if the packet does not have the field.
func (l Layer) verdict(f *Field) string {
	got, there := l.Uint(f)
	want, ok := f.Sum(l)
	switch {
	case !there:
		return ""
	case !ok:
		return " unverified"
	case want == got && got == 0 && l.Protocol == UDP:
		return " none"
	case want == got:
		return " correct"
	}
	return fmt.Sprintf(" wrong, %s is right", f.hex(want))
}

func (f *Field) hex(v uint64) string { return fmt.Sprintf("0x%0*x", (f.Bits+3)/4, v) }

// Format formats the field's value in a layer as Show does. It omits the field's name.
func (f *Field) Format(l Layer) string {
	v := l.Value(f)
	n, isNumber := v.(uint64)
	if !isNumber {
		if f.Kind == Letters && v == "" {
			return "none"
		}
		return Format(v)
	}
	text := strconv.FormatUint(n, 10)
	if f.Hex {
		text = f.hex(n)
	}
	if f.Names != nil {
		if name := f.Names(n); name != "" {
			text += " " + name
		}
	}
	if f.note != nil {
		if note := f.note(n); note != "" {
			text += " " + note
		}
	}
	return text
}

// maxShown is the largest number of octets of a value, or entries of a list, that Show writes.
const maxShown = 64

// Format formats a field's value. Text from the wire is reduced to printable characters.
func Format(v any) string {
	switch v := v.(type) {
	case nil:
		return "not there"
	case string:
		return Printable([]byte(v))
	case []byte:
		return octets(v)
	case []any:
		var parts []string
		for i, x := range v {
			if i == maxShown {
				parts = append(parts, fmt.Sprintf("… %d more", len(v)-i))
				break
			}
			parts = append(parts, Format(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case [2]uint64:
		return fmt.Sprintf("(%d, %d)", v[0], v[1])
	case []SequenceRange:
		parts := make([]string, len(v))
		for i, r := range v {
			parts[i] = fmt.Sprintf("(%d, %d)", r.Left, r.Right)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case RouteOption:
		return fmt.Sprintf("(%d, %s)", v.Pointer, Format(v.Addresses))
	case Record:
		parts := make([]string, len(v.Parts))
		for i, p := range v.Parts {
			parts[i] = p.Name + "=" + Format(p.Value)
		}
		return v.Name + "(" + strings.Join(parts, ", ") + ")"
	case []Option:
		parts := make([]string, len(v))
		for i, o := range v {
			parts[i] = o.String()
		}
		return strings.Join(parts, ", ")
	case OptionMap:
		parts := make([]string, len(v))
		for i, o := range v {
			parts[i] = fmt.Sprintf("%d: %s", o.Code, octets(o.Data))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case wire.HardwareAddr, netip.Addr, bool, uint64:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("%T", v)
}

// String formats the option as Show does: "mss 1460", "sackok", "253 b"…"".
func (o Option) String() string {
	name := o.Name
	if name == "" {
		name = strconv.Itoa(o.Kind)
	}
	if o.Value == nil {
		return name
	}
	return name + " " + Format(o.Value)
}

// octets formats octets as a Starlark bytes literal, cut to maxShown.
func octets(b []byte) string {
	text := Literal(b[:min(len(b), maxShown)])
	if more := len(b) - maxShown; more > 0 {
		return fmt.Sprintf("%s… %d more", text, more)
	}
	return text
}

// Literal returns octets as a Starlark bytes literal, such as b"a\x00".
func Literal(b []byte) string {
	var t strings.Builder
	t.WriteString(`b"`)
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			t.WriteByte('\\')
			t.WriteByte(c)
		case c >= 0x20 && c < 0x7f:
			t.WriteByte(c)
		default:
			fmt.Fprintf(&t, `\x%02x`, c)
		}
	}
	t.WriteByte('"')
	return t.String()
}
