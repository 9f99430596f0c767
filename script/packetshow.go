package script

import (
	"encoding/hex"
	"fmt"
	"smolsh/stack/packet"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func packetBuiltins() []*builtin {
	const one = `after("10ms", lambda: ping("192.168.69.100", count=1)); p = sniff("icmp", count=1)[0]; `
	return []*builtin{
		{Name: "packet.summary", Result: "str", Pure: true, See: "packet.show, packet.hexdump",
			Doc: "The packet in one line.", Example: one + `p.summary()`, Fn: packetSummary},
		{Name: "packet.show", Result: "str", Pure: true, See: "packet.summary, packet.hexdump",
			Doc: "Print the packet's layers with their fields; gives the text too.", Example: one + `p.show()`, Fn: packetShow},
		{Name: "packet.hexdump", Result: "str", Pure: true, See: "packet.show",
			Doc: "Print the packet's octets, sixteen to a line; gives the text too.", Example: one + `p.hexdump()`, Fn: packetHexdump},
	}
}

// printed prints a text and gives it; the prompt does not print it again.
func (c *call) printed(text string) starlark.Value {
	c.s.out.print(c.s.clean(text))
	c.s.shown = text
	return starlark.String(text)
}

func packetSummary(c *call) (starlark.Value, error) {
	return starlark.String(c.recv.(*packetValue).String()), nil
}

func packetShow(c *call) (starlark.Value, error) {
	return c.printed(c.recv.(*packetValue).layers()), nil
}

func packetHexdump(c *call) (starlark.Value, error) {
	text := strings.TrimSuffix(hex.Dump(c.recv.(*packetValue).octets), "\n")
	return c.printed(text), nil
}

// layers is each layer's name, and below it its fields.
func (p *packetValue) layers() string {
	var lines []string
	for _, name := range packet.LayerNames() {
		v, _ := p.Attr(name)
		fields, ok := v.(*starlarkstruct.Struct)
		if !ok {
			continue
		}
		lines = append(lines, "["+name+"]")
		for _, f := range fields.AttrNames() {
			x, _ := fields.Attr(f)
			text := x.String()
			if s, ok := starlark.AsString(x); ok {
				text = s
			}
			lines = append(lines, fmt.Sprintf("  %-8s %s", f, text))
		}
	}
	v, _ := p.Attr("payload")
	if data, ok := v.(starlark.Bytes); ok && data != "" {
		lines = append(lines, "[payload]", "  "+brief(data))
	}
	if len(lines) == 0 {
		return p.String()
	}
	return strings.Join(lines, "\n")
}

// maxLines is how many packets of a list the prompt shows.
const maxLines = 100

// packetLines is a list of packets as a trace would have had them; false for another list.
func (s *Session) packetLines(list *starlark.List) (string, bool) {
	var lines []string
	var seqs packet.Sequences
	for i := range list.Len() {
		p, ok := list.Index(i).(*packetValue)
		if !ok {
			return "", false
		}
		if len(lines) < maxLines {
			lines = append(lines, p.line(&seqs))
		}
	}
	if more := list.Len() - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("… %d more", more))
	}
	return strings.Join(lines, "\n"), len(lines) > 0
}

// line is the packet with when and where it was seen, and what became of it.
func (p *packetValue) line(seqs *packet.Sequences) string {
	what := seqs.Line(p.octets, p.medium)
	if p.seen == nil {
		return what
	}
	arrow := map[string]string{"rx": "< ", "tx": " >"}[p.seen.dir]
	if arrow == "" {
		arrow = p.seen.dir
	}
	words := strings.Fields(p.seen.now.String() + " " + p.seen.dev)
	return p.s.packetLine(strings.Join(words, " "), arrow, what, p.s.protocolHue(p.octets, p.medium), p.seen.verdict)
}
