package script

import (
	"net/netip"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/packetvalue"
	"smolsh/script/screen"
	"smolsh/stack/packet"
)

func composeBuiltins() []*builtin {
	const made = `p = IP(dst="10.0.0.2")/TCP(dport=80); `
	return []*builtin{
		{Name: "parse", Sig: "data, first=", Kinds: "data any", Args: "data: octets of a packet; first: the protocol of its first layer, by default Ether",
			Result: "packet", Pure: true, See: "packet.code, packet.fill", Doc: "The packet of these octets.", Example: `parse(b"\x45\x00\x00\x14", first=IP).ip.version`, Fn: builtinParse},
		{Name: "packet.replace", Sig: "**layers", Result: "packet", Pure: true, See: "packet.without, packet.fill",
			Doc:     "The packet with fields of layers changed; lengths and checksums that were filled in are unset again.",
			Example: made + `p.replace(tcp=dict(flags="FS"), ip=dict(ttl=3))`, Fn: packetReplace},
		{Name: "packet.without", Sig: "protocol", Kinds: "any", Args: "protocol: a protocol, such as TCP", Result: "packet", Pure: true, See: "packet.replace",
			Doc: "The packet without its outermost layer of a protocol.", Example: made + `p.without(TCP)`, Fn: packetWithout},
		{Name: "packet.fill", Result: "packet", Pure: true, See: "packet.replace, packet.show",
			Doc:     "The packet with its octets: lengths, checksums and defaults are filled in, and what only a host knows is zero.",
			Example: made + `p.fill().ip.chksum`, Fn: packetFill},
		{Name: "packet.code", Result: "str", Pure: true, See: "parse, packet.show",
			Doc: "The expression that makes the packet: evaluated, it has the same octets.", Example: made + `p.code()`, Fn: packetCode},
		{Name: "DNSQR", Beside: true, Sig: `qname, qtype="A", qclass=1`, Kinds: "str any any", Args: `qname: a domain name; qtype: the type, a name or number; qclass: the class, 1 for IN`,
			Result: "struct", Fields: "qname qtype qclass", Pure: true, See: "DNSRR", Doc: "A question of a DNS message, for its field qd.", Example: `DNSQR("example.org", qtype="AAAA")`, Fn: builtinQuestion},
		{Name: "DNSRR", Beside: true, Sig: `rrname, rdata, type="A", ttl=0, rclass=1`, Kinds: "str any any int:0..4294967295 any",
			Args:   `rrname: a domain name; rdata: the data, such as an address for A; type: the type, a name or number; ttl: seconds; rclass: the class, 1 for IN`,
			Result: "struct", Fields: "rrname type rclass ttl rdata", Pure: true, See: "DNSQR", Doc: "A record of a DNS message, for its fields an, ns and ar.",
			Example: `DNSRR("example.org", "192.0.2.1", ttl=60)`, Fn: builtinRecord},
	}
}

// Addresses implements packetvalue.Environment.
func (e environment) Addresses(thread *starlark.Thread, v starlark.Value) ([]netip.Addr, error) {
	t, _ := thread.Local("task").(*taskValue)
	c := &call{s: e.s, t: t, b: e.s.reg.ByName["parse"]}
	return c.hostAddresses(v)
}

// hostAddresses implements packetvalue.Resolver for the values in a call.
func (c *call) hostAddresses(v starlark.Value) ([]netip.Addr, error) {
	h, err := c.HostOf(v)
	if name, ok := v.(starlark.String); ok && h == nil {
		if list, lookErr := c.Lookup(string(name)); lookErr != nil || len(list) > 0 {
			return list, lookErr
		}
	}
	if h == nil || err != nil {
		return nil, err
	}
	if h := h.(*hostValue); c.t != nil && h.lab.lab != c.lab().lab { // a packet may be for any lab: who sends it is not known yet
		list, last := h.addrs(nil, false)
		return append(list, last...), nil
	}
	return c.AddrsOf(h)
}

// Judge implements packetvalue.Environment.
func (e environment) Judge(fn starlark.Callable, v starlark.Value) (starlark.Value, error) {
	thread := &starlark.Thread{Name: fn.Name(), Print: e.s.print}
	thread.SetMaxExecutionSteps(predicateSteps)
	before := e.s.judging
	e.s.judging = thread
	defer func() { e.s.judging = before }()
	return starlark.Call(thread, fn, starlark.Tuple{v}, nil)
}

// protocolArg returns the argument of a name that is a protocol.
func (c *call) protocolArg(name string) (*packet.Protocol, error) {
	v := arg[starlark.Value](c, name)
	p, ok := v.(packetvalue.Protocol)
	if !ok {
		return nil, c.errorf("argument %d (%s) is a protocol, such as TCP, got %s", c.b.Index(name)+1, name, v.Type())
	}
	return p.Table, nil
}

func builtinParse(c *call) (starlark.Value, error) {
	first := packet.Ether
	if v := arg[starlark.Value](c, "first"); v != nil && v != starlark.None {
		var err error
		if first, err = c.protocolArg("first"); err != nil {
			return nil, err
		}
	}
	return packetvalue.Parse(environment{c.s}, arg[[]byte](c, "data"), first), nil
}

func packetReplace(c *call) (starlark.Value, error) {
	p, err := c.recv.(*packetvalue.Value).Replace(c.hostAddresses, c.Opts)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return p, nil
}

func packetWithout(c *call) (starlark.Value, error) {
	proto, err := c.protocolArg("protocol")
	if err != nil {
		return nil, err
	}
	p, err := c.recv.(*packetvalue.Value).Without(proto)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return p, nil
}

func packetFill(c *call) (starlark.Value, error) {
	p, err := c.recv.(*packetvalue.Value).Fill()
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return p, nil
}

func packetCode(c *call) (starlark.Value, error) {
	return starlark.String(c.recv.(*packetvalue.Value).Code()), nil
}

// record returns a struct with the arguments of the call, in the order in which a DNS message has them.
func (c *call) record(kind string, names ...string) starlark.Value {
	fields := make([]starlark.Tuple, len(names))
	for i, name := range names {
		var v starlark.Value
		switch x := c.Values[c.b.Index(name)].(type) {
		case string:
			v = starlark.String(x)
		case int:
			v = starlark.MakeInt(x)
		case starlark.Value:
			v = x
		}
		fields[i] = starlark.Tuple{starlark.String(name), v}
	}
	return starlarkstruct.FromKeywords(starlark.String(kind), fields)
}

func builtinQuestion(c *call) (starlark.Value, error) {
	return c.record("question", "qname", "qtype", "qclass"), nil
}

func builtinRecord(c *call) (starlark.Value, error) {
	return c.record("record", "rrname", "type", "rclass", "ttl", "rdata"), nil
}

// displayPacket returns the text that the prompt shows for a composed packet: its code.
func (s *Session) displayPacket(p *packetvalue.Value) string {
	code := p.Code()
	if s.cfg.Terminal && len(code) > maxShown {
		code = code[:maxShown] + remark(len(code)-maxShown, len(code), "characters")
	}
	return screen.Fold(s.clean(code), s.cfg.Width, 1)
}
