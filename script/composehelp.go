package script

import (
	"fmt"
	"strings"

	"smolsh/script/packetvalue"
	"smolsh/script/screen"
	"smolsh/stack/packet"
)

// helpOnProtocol returns help on a protocol: a line for each field.
func helpOnProtocol(p *packet.Protocol, width int) string {
	lines := []string{
		fmt.Sprintf("%s: %s", p.Name, p.Doc),
		fmt.Sprintf("  %s composes it. A packet has it as p.%s and p[%s]; fields(%s) is a table.", composing(p), p.Attr, p.Name, p.Name),
	}
	for i := range p.Fields {
		f := &p.Fields[i]
		lines = append(lines, fmt.Sprintf("  %-12s %s", f.Name, fieldText(p, f)))
	}
	return screen.Fold(strings.Join(append(lines, `  see also: help("compose"), help("patterns")`), "\n"), width, 13)
}

// composing returns a call that makes the protocol's layer.
func composing(p *packet.Protocol) string {
	if p == packet.Raw || p == packet.Padding {
		return p.Name + `("data")`
	}
	return p.Name + "(" + p.Fields[0].Name + "=…, …)"
}

// fieldText describes a field: its meaning, width, values, and what sending fills in.
func fieldText(p *packet.Protocol, f *packet.Field) string {
	if f.Derived() && f.Write == nil {
		return f.Doc + "; for reading: it follows from other fields"
	}
	text := ""
	if f.Doc != "" {
		text = f.Doc + "; "
	}
	switch {
	case f.Bits == 1:
		text += "1 bit, "
	case f.Bits > 0:
		text += fmt.Sprintf("%d bits, ", f.Bits)
	}
	return text + packetvalue.Takes(p, f) + "; unset: " + filledIn(f)
}

// filledIn describes what sending fills in for an unset field.
func filledIn(f *packet.Field) string {
	switch {
	case f.Compute != packet.Given:
		return f.Compute.String()
	case f.Default != nil:
		if n, ok := f.Default.(uint64); ok {
			if text, ok := f.LetterText(n); ok && f.Kind == packet.Letters {
				return text
			}
		}
		return packet.Format(f.Default)
	case f.Kind <= packet.Letters:
		return "0"
	case f.Bits > 0:
		return "zeros"
	}
	return "empty"
}

// protocolChapter returns the reference's chapter on the protocols, as Markdown.
func protocolChapter() string {
	var out strings.Builder
	out.WriteString("\n## Protocols\n\nA call such as `TCP(dport=80)` composes a packet of one layer, and `/` joins layers. Fields are given by name. " +
		"A pattern may have sets of values (`help(\"patterns\")`).\n")
	for _, p := range packet.Protocols() {
		fmt.Fprintf(&out, "\n### %s\n\n%s. A packet has it as `p.%s`.\n\n", p.Name, p.Doc, p.Attr)
		for i := range p.Fields {
			f := &p.Fields[i]
			fmt.Fprintf(&out, "- `%s`: %s\n", f.Name, fieldText(p, f))
		}
	}
	return out.String()
}

// protocolFields returns the names of the fields that a call of the protocol takes.
func protocolFields(p *packet.Protocol) (names []string) {
	for i := range p.Fields {
		if f := &p.Fields[i]; (!f.Derived() || f.Write != nil) && p != packet.Raw && p != packet.Padding { // those have load, a word of Starlark
			names = append(names, f.Name)
		}
	}
	return names
}

// fieldWords returns strings that a field can be set to: names of its values, or addresses that are known.
func (s *Session) fieldWords(p *packet.Protocol, name string) []string {
	f := p.Field(name)
	switch {
	case f == nil:
		return nil
	case packetvalue.IsAddress(p, f):
		return s.addresses(s.main.host)
	}
	return packetvalue.ValueNames(f)
}
