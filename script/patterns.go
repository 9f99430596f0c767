package script

import (
	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
)

func patternBuiltins() []*builtin {
	return []*builtin{
		{Name: "packet.matches", Sig: "pattern", Kinds: "pattern", Args: "pattern: a packet in which unset fields match anything, ~packet, a filter string, or a function of the packet",
			Result: "bool", Pure: true, See: "NOT, packet.differences", Doc: "Whether the packet fits a pattern.", Example: `(IP()/TCP(dport=80)).matches(TCP(dport=range(1, 1024), flags=NOT("R")))`, Fn: packetMatches},
		{Name: "packet.differences", Sig: "pattern", Kinds: "pattern", Args: "pattern: as of packet.matches",
			Result: "list", Pure: true, See: "packet.matches", Doc: `The fields by which the packet fails a pattern, as lines such as "tcp.flags: want SA, got RA".`,
			Example: `(IP()/TCP(flags="RA")).differences(TCP(flags="SA"))`, Fn: packetDifferences},
		{Name: "NOT", Beside: true, Sig: "x", Kinds: "any", Args: "x: a value, list of alternatives, range, function of the value, or ANY", Result: "pattern", Pure: true, See: "packet.matches",
			Doc: "In a field of a pattern, every value but these.", Example: `TCP(dport=NOT([80, 443]))`, Fn: builtinNot},
	}
}

// pattern compiles the argument pattern.
func (c *call) pattern() (*packetvalue.Pattern, error) {
	pt, err := packetvalue.NewPattern(environment{c.s}, arg[starlark.Value](c, "pattern"))
	if err != nil {
		return nil, c.errorf("argument 1 (pattern): %v", err)
	}
	return pt, nil
}

func packetMatches(c *call) (starlark.Value, error) {
	pt, err := c.pattern()
	if err != nil {
		return nil, err
	}
	ok, err := pt.Match(c.recv.(*packetvalue.Value))
	return starlark.Bool(ok), err
}

func packetDifferences(c *call) (starlark.Value, error) {
	pt, err := c.pattern()
	if err != nil {
		return nil, err
	}
	lines := []starlark.Value{}
	for _, l := range packetvalue.Differences(pt, c.recv.(*packetvalue.Value)) {
		lines = append(lines, starlark.String(l))
	}
	return starlark.NewList(lines), nil
}

func builtinNot(c *call) (starlark.Value, error) {
	n, err := packetvalue.NewNot(arg[starlark.Value](c, "x"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return n, nil
}
