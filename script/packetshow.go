package script

import (
	"encoding/hex"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

func packetBuiltins() []*builtin {
	const one = `after("10ms", lambda: ping("192.168.69.100", count=1)); p = sniff("icmp", count=1)[0]; `
	return []*builtin{
		{name: "packet.summary", result: "str", pure: true, see: "packet.show, packet.hexdump",
			doc: "The packet in one line.", example: one + `p.summary()`, fn: packetSummary},
		{name: "packet.show", result: "str", pure: true, see: "packet.summary, packet.hexdump",
			doc: "Print the packet's layers with their fields; gives the text too.", example: one + `p.show()`, fn: packetShow},
		{name: "packet.hexdump", result: "str", pure: true, see: "packet.show",
			doc: "Print the packet's octets, sixteen to a line; gives the text too.", example: one + `p.hexdump()`, fn: packetHexdump},
	}
}

// printed prints a text and gives it; the prompt does not print it again.
func (c *call) printed(text string) starlark.Value {
	c.s.out.print(text)
	c.s.shown = text
	return starlark.String(text)
}

func packetSummary(c *call) (starlark.Value, error) {
	return starlark.String(c.recv.(*packet).String()), nil
}

func packetShow(c *call) (starlark.Value, error) { return c.printed(c.recv.(*packet).layers()), nil }

func packetHexdump(c *call) (starlark.Value, error) {
	text := strings.TrimSuffix(hex.Dump(c.recv.(*packet).octets), "\n")
	return c.printed(text), nil
}

// layers is each layer's name, and below it its fields.
func (p *packet) layers() string {
	var lines []string
	for _, name := range []string{"eth", "arp", "ip", "icmp", "udp", "tcp"} {
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
	if data, ok := p.internet("payload").(starlark.Bytes); ok && data != "" {
		lines = append(lines, "[payload]", "  "+brief(data))
	}
	if len(lines) == 0 {
		return p.String()
	}
	return strings.Join(lines, "\n")
}
