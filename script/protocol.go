package script

import (
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/stack/packet"
)

func protocolBuiltins() []*builtin {
	const foo = `Foo = protocol("Foo", [("type", "u8"), `
	return []*builtin{
		{Name: "protocol", Sig: `name, fields, over=None, carries=None, doc=""`, Kinds: "str any any any str", Result: "protocol", Pure: true,
			Args: "name: begins with a capital, and p.name in lower case is the layer of a packet; fields: (name, type) or (name, type, default), in wire order; " +
				"over: what carries it, such as UDP(dport=4242), or a list; carries: what it carries: a protocol, or dict(field={number: protocol}); doc: what it is, for help. help(\"protocols\") has the types of fields",
			See: "length_of, count_of, checksum, optional, repeated, fields", Doc: "Define a protocol; traces, packets, patterns and help know it from then on.",
			Example: foo + `("size", "u16", length_of("data")), ("data", "bytes")], over=UDP(dport=4242)); (UDP()/Foo(data="hello")).show()`, Fn: builtinProtocol},
		{Name: "length_of", Beside: true, Sig: "field, plus=0, unit=1", Kinds: "str int:0..65535 int:1..255", Result: "computed", Pure: true, See: "protocol",
			Args:    `field: a field, or "header", "payload" or "layer" (both); plus: octets added; unit: octets that 1 stands for, of "header"`,
			Doc:     "In a protocol's field: sending fills in the length of another field, in octets.",
			Example: foo + `("size", "u16", length_of("data", plus=3)), ("data", "bytes:size")]); Foo(data="hello").bytes`, Fn: builtinLengthOf},
		{Name: "count_of", Beside: true, Sig: "field", Kinds: "str", Args: "field: a field that is repeated", Result: "computed", Pure: true, See: "protocol, repeated",
			Doc:     "In a protocol's field: sending fills in the number of entries of a list.",
			Example: foo + `("n", "u8", count_of("ids")), repeated(("ids", "u16"), count="n")]); Foo(ids=[1, 2]).bytes`, Fn: builtinCountOf},
		{Name: "checksum", Beside: true, Sig: "*fields", Result: "computed", Pure: true, See: "protocol", Args: "fields: fields that the checksum covers, by default the whole layer with its payload",
			Doc:     "In a protocol's field of 16 bits: sending fills in the Internet checksum (RFC 1071).",
			Example: foo + `("sum", "u16", checksum()), ("data", "bytes")]); Foo(data="hello").bytes`, Fn: builtinChecksum},
		{Name: "optional", Beside: true, Sig: "field, when", Kinds: "any any", Result: "field", Pure: true, See: "protocol, repeated",
			Args:    "field: a field of a protocol; when: a function of the fields before it, or the name of one, whose number is then not 0",
			Doc:     "A protocol's field that only some packets have.",
			Example: foo + `optional(("id", "u32"), when=lambda l: l.type & 1)]); [Foo(type=1, id=7).len, Foo().len]`, Fn: builtinOptional},
		{Name: "repeated", Beside: true, Sig: "field, count=None", Kinds: "any str", Result: "field", Pure: true, See: "protocol, count_of, optional",
			Args:    "field: a field of a protocol, or (name, [fields]) for entries of several; count: the field before it with the number of entries, by default the one with count_of(), or else the list fills the layer",
			Doc:     "A protocol's field that is a list.",
			Example: foo + `repeated(("pairs", [("key", "u8"), ("value", "u8")]))]); Foo(pairs=[dict(key=1, value=2)]).bytes`, Fn: builtinRepeated},
	}
}

func builtinProtocol(c *call) (starlark.Value, error) {
	env := environment{c.s}
	d, err := packetvalue.Define(env, arg[string](c, "name"), arg[string](c, "doc"),
		arg[starlark.Value](c, "fields"), arg[starlark.Value](c, "over"), arg[starlark.Value](c, "carries"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	next, p, err := c.s.catalogue.Load().With(d)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	for _, at := range p.On {
		if q := c.s.catalogue.Load().Carried(at.Table, at.Number); q != nil && q.Name != p.Name {
			c.s.out.Print(c.s.clean(fmt.Sprintf("%s takes the place of %s where the %s is %d.", p.Name, q.Name, at.Table, at.Number)))
		}
	}
	c.s.catalogue.Store(next)
	return packetvalue.NewProtocol(env, p), nil
}

func builtinLengthOf(c *call) (starlark.Value, error) {
	return &packetvalue.Computed{Call: "length_of", Fields: []string{arg[string](c, "field")}, Plus: arg[int](c, "plus"), Unit: arg[int](c, "unit")}, nil
}

func builtinCountOf(c *call) (starlark.Value, error) {
	return &packetvalue.Computed{Call: "count_of", Fields: []string{arg[string](c, "field")}}, nil
}

func builtinChecksum(c *call) (starlark.Value, error) {
	v := &packetvalue.Computed{Call: "checksum"}
	for _, x := range c.Rest {
		name, ok := starlark.AsString(x)
		if !ok {
			return nil, c.errorf("fields are names, got %s", x.Type())
		}
		v.Fields = append(v.Fields, name)
	}
	return v, nil
}

func builtinOptional(c *call) (starlark.Value, error) {
	of, err := packetvalue.Snapshot(arg[starlark.Value](c, "field"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return &packetvalue.FieldSpec{Call: "optional", Of: of, When: arg[starlark.Value](c, "when")}, nil
}

func builtinRepeated(c *call) (starlark.Value, error) {
	count := ""
	if c.Given("count") {
		count = arg[string](c, "count")
	}
	of, err := packetvalue.Snapshot(arg[starlark.Value](c, "field"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return &packetvalue.FieldSpec{Call: "repeated", Of: of, Count: count}, nil
}

// carried returns the protocol with a number in a table, of the session's own and those of the package. It calls no script, so that any
// goroutine may call it.
func (s *Session) carried(t packet.Table, number uint64) *packet.Protocol {
	return s.catalogue.Load().Unscripted(t, number)
}

// Catalogue implements packetvalue.Environment.
func (e environment) Catalogue() *packet.Catalogue { return e.s.catalogue.Load() }

// Complain implements packetvalue.Environment.
func (e environment) Complain(err error) {
	if e.s.trouble("protocol", err) {
		return
	}
	e.s.out.Flush()
	fmt.Fprintf(e.s.cfg.Stderr, "%v\n", err)
}
