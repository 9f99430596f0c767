package script

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/stack/packet"
)

func packetBuiltins() []*builtin {
	const one = `after("10ms", lambda: ping("192.168.69.100", count=1)); p = sniff("icmp", count=1)[0]; `
	return []*builtin{
		{Name: "packet.summary", Result: "str", Pure: true, See: "packet.show, packet.hexdump",
			Doc: "Describe the packet in one line. Sequence numbers are TCP's own, in lists and traces relative.", Example: one + `p.summary()`, Fn: packetSummary},
		{Name: "packet.show", Result: "str", Pure: true, See: "packet.summary, packet.hexdump",
			Doc: "Print the packet's layers with their fields, and return the text.", Example: one + `p.show()`, Fn: packetShow},
		{Name: "packet.hexdump", Result: "str", Pure: true, See: "packet.show",
			Doc: "Print the packet's octets, sixteen to a line, and return the text.", Example: one + `p.hexdump()`, Fn: packetHexdump},
		{Name: "layer.has", Sig: "flags, only=False", Kinds: "str bool", Args: `flags: letters in any order, such as "AS", or names of several letters with plus signs, such as "DF+MF"; only: whether other flags have to be clear`,
			Result: "bool", Pure: true, See: "fields", Doc: "Whether all these flags are set. The field flags itself is a string in the order of fields().",
			Example: `t = spawn(sniff, "tcp", count=2); sleep(0); tcp.connect("192.168.69.100:7"); t.join()[1].tcp.has("AS", only=True)`, Fn: layerHas},
		{Name: "fields", Sig: "protocol", Kinds: "any", Args: "protocol: a protocol, such as TCP", Result: "table", Pure: true, See: "packet.show",
			Doc: "The fields of a protocol's header, in wire order; a field without BITS varies in length or is computed.", Example: `fields(TCP)`, Fn: builtinFields},
	}
}

// printed prints a text and returns it. The prompt does not print it again.
func (c *call) printed(text string) starlark.Value {
	c.s.out.Print(c.s.clean(text))
	c.s.prompt.shown = text
	c.told(starlark.String(text), text)
	return starlark.String(text)
}

// told notes that the call has printed the value that it returns, as text. Neither the prompt nor a print() of it that comes next prints
// it again.
func (c *call) told(v starlark.Value, text string) {
	c.s.prompt.printed = v
	c.s.prompt.told, c.s.prompt.toldAt = text, c.s.out.Mark()
}

func packetSummary(c *call) (starlark.Value, error) {
	return starlark.String(c.recv.(*packetvalue.Value).String()), nil
}

func packetShow(c *call) (starlark.Value, error) {
	return c.printed(c.recv.(*packetvalue.Value).Show()), nil
}

func packetHexdump(c *call) (starlark.Value, error) {
	d, err := c.recv.(*packetvalue.Value).Built()
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	text := strings.TrimSuffix(hex.Dump(d.Octets), "\n")
	return c.printed(text), nil
}

func layerHas(c *call) (starlark.Value, error) {
	has, err := c.recv.(*packetvalue.LayerValue).Has(arg[string](c, "flags"), arg[bool](c, "only"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return starlark.Bool(has), nil
}

// maxLines is the largest number of packets of a list that the prompt shows.
const maxLines = 100

// packetLines returns the lines that a trace prints for a list of packets. ok is false if the list contains another
// value.
func (s *Session) packetLines(list *starlark.List) (string, bool) {
	var lines []string
	seqs := packet.Sequences{Carried: s.carried}
	alone := oneDevice(list)
	for i := range list.Len() {
		p, ok := list.Index(i).(*packetvalue.Value)
		if !ok {
			return "", false
		}
		if len(lines) < maxLines {
			lines = append(lines, s.lineOf(p, &seqs, alone))
		}
	}
	if more := list.Len() - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("… %d more: _[%d:] shows the next", more, maxLines))
	}
	return strings.Join(lines, "\n"), len(lines) > 0
}

// oneDevice reports whether all packets of a list were seen at one interface.
func oneDevice(list *starlark.List) bool {
	names := map[string]bool{}
	for v := range list.Elements() {
		if p, ok := v.(*packetvalue.Value); ok && p.Seen != nil {
			names[p.Seen.Dev] = true
		}
	}
	return len(names) == 1
}

// lineOf returns a packet's line: where and when it was seen, its description and its verdict. alone is true if the packets around it were seen
// at the same interface.
func (s *Session) lineOf(p *packetvalue.Value, seqs *packet.Sequences, alone bool) string {
	what := p.Line(seqs)
	if p.Seen == nil {
		return what
	}
	arrow := map[string]string{"rx": "< ", "tx": " >"}[p.Seen.Dir]
	if arrow == "" {
		arrow = p.Seen.Dir
	}
	l := packetLine{at: p.Seen.Time.String(), dev: p.Seen.Dev, alone: alone, arrow: arrow, what: what, hue: s.protocolHue(p.Octets, p.Medium), verdict: p.Seen.Verdict}
	if p.Seen.Untimed {
		l.at = ""
	}
	return s.line(l)
}

// protocolNamed returns the end of an error about a value that stands for a protocol: the protocol of the name in a string or of a group such as tcp; "" if
// there is none.
func (s *Session) protocolNamed(x starlark.Value) string {
	name, ok := starlark.AsString(x)
	if !ok {
		name = x.Type()
	}
	for _, n := range slices.Sorted(maps.Keys(s.globals)) {
		if p, ok := s.globals[n].(packetvalue.Protocol); ok && strings.EqualFold(n, name) {
			return ": without quotes and in capital letters: " + p.String()
		}
	}
	return ""
}

// fieldColumns are the column titles of fields().
const fieldColumns = "FIELD BITS UNIT DEFAULT COMPUTED MEANING"

func builtinFields(c *call) (starlark.Value, error) {
	x := arg[starlark.Value](c, "protocol")
	p, ok := x.(packetvalue.Protocol)
	if !ok {
		return nil, c.errorf("argument 1 (protocol) is a protocol, such as TCP, got %s %s%s", x.Type(), registry.Brief(x), c.s.protocolNamed(x))
	}
	t := c.table(table.Columns(fieldColumns)...)
	for i := range p.Table.Fields {
		f := &p.Table.Fields[i]
		var bits, unset starlark.Value = starlark.None, starlark.None
		if f.Bits > 0 {
			bits = num(f.Bits)
		}
		if f.Default != nil {
			unset = starlark.String(packet.Format(f.Default))
		}
		text := func(s string) starlark.Value {
			if s == "" {
				return starlark.None
			}
			return starlark.String(s)
		}
		t.Add(starlark.String(f.Name), bits, text(f.Unit), unset, text(f.Compute.String()), starlark.String(f.Doc))
	}
	return t, nil
}
