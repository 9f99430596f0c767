package script

import (
	"encoding/hex"
	"fmt"
	"smolsh/script/packetvalue"
	"smolsh/stack/packet"
	"strings"

	"go.starlark.net/starlark"
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
	return starlark.String(c.recv.(*packetvalue.Value).String()), nil
}

func packetShow(c *call) (starlark.Value, error) {
	return c.printed(c.recv.(*packetvalue.Value).Show()), nil
}

func packetHexdump(c *call) (starlark.Value, error) {
	text := strings.TrimSuffix(hex.Dump(c.recv.(*packetvalue.Value).Octets), "\n")
	return c.printed(text), nil
}

// maxLines is how many packets of a list the prompt shows.
const maxLines = 100

// packetLines is a list of packets as a trace would have had them; false for another list.
func (s *Session) packetLines(list *starlark.List) (string, bool) {
	var lines []string
	var seqs packet.Sequences
	for i := range list.Len() {
		p, ok := list.Index(i).(*packetvalue.Value)
		if !ok {
			return "", false
		}
		if len(lines) < maxLines {
			lines = append(lines, s.lineOf(p, &seqs))
		}
	}
	if more := list.Len() - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("… %d more", more))
	}
	return strings.Join(lines, "\n"), len(lines) > 0
}

// lineOf describes a packet in one line, with the time and place where it was seen and its verdict.
func (s *Session) lineOf(p *packetvalue.Value, seqs *packet.Sequences) string {
	what := p.Line(seqs)
	if p.Seen == nil {
		return what
	}
	arrow := map[string]string{"rx": "< ", "tx": " >"}[p.Seen.Dir]
	if arrow == "" {
		arrow = p.Seen.Dir
	}
	words := strings.Fields(p.Seen.Time.String() + " " + p.Seen.Dev)
	return s.packetLine(strings.Join(words, " "), arrow, what, s.protocolHue(p.Octets, p.Medium), p.Seen.Verdict)
}
