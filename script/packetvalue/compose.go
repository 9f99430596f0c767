package packetvalue

import (
	"fmt"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/packet"
)

// A Resolver returns the addresses of a host or of the host with a name, in the order in which to try them. It returns nil and no
// error for a value that is neither.
type Resolver func(v starlark.Value) ([]netip.Addr, error)

// NewProtocol returns a protocol's table as a value. Calling it makes a packet with one layer.
func NewProtocol(env Environment, table *packet.Protocol) Protocol { return Protocol{table, env} }

// Name implements starlark.Callable.
func (v Protocol) Name() string { return v.Table.Name }

// CallInternal implements starlark.Callable: TCP(dport=80) is a packet of one layer, in which the other fields are unset.
func (v Protocol) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	c := converter{env: v.env, thread: thread}
	l, err := c.layer(v.Table, args, kwargs)
	if err != nil {
		return nil, err
	}
	return Compose(v.env, packet.NewDraft(l)), nil
}

// layer returns a layer with the fields of a call's arguments set.
func (c converter) layer(p *packet.Protocol, args starlark.Tuple, kwargs []starlark.Tuple) (l packet.DraftLayer, err error) {
	l.Protocol = p
	switch {
	case len(args) > 0 && (p != packet.Raw && p != packet.Padding || len(args)+len(kwargs) > 1):
		return l, positional(p, args)
	case len(args) > 0:
		return c.set(l, &p.Fields[0], args[0])
	}
	return packet.NewLayer(p, len(kwargs), func(i int) (*packet.Field, any, error) {
		name := string(kwargs[i][0].(starlark.String))
		f := p.Field(name)
		if f == nil {
			return nil, nil, unknownField(p, name)
		}
		c.of, c.f = p, f
		v, err := c.convert(kwargs[i][1])
		return f, v, err
	})
}

// set returns the layer with a field set to a script's value.
func (c converter) set(l packet.DraftLayer, f *packet.Field, v starlark.Value) (packet.DraftLayer, error) {
	c.of, c.f = l.Protocol, f
	x, err := c.convert(v)
	if err != nil {
		return l, err
	}
	return l.With(f, x)
}

// positional returns the error for arguments without names.
func positional(p *packet.Protocol, args starlark.Tuple) error {
	if p == packet.Raw || p == packet.Padding {
		return fmt.Errorf("%s has one field, load, got %d arguments", p.Name, len(args))
	}
	name := p.Fields[0].Name
	for _, common := range []string{"dst", "dport", "pdst", "type", "tgt", "qd", "vlan"} {
		if p.Field(common) != nil {
			name = common
			break
		}
	}
	return fmt.Errorf("%s: fields are given by name, such as %s(%s=%s)", p.Name, p.Name, name, registry.Brief(args[0]))
}

// unknownField returns the error for a name that no field of the protocol has.
func unknownField(p *packet.Protocol, name string) error {
	var names []string
	for i := range p.Fields {
		names = append(names, p.Fields[i].Name)
	}
	if n := suggest.Nearest(name, names); n != "" {
		return fmt.Errorf("%s has no field %s (did you mean %s?)", p.Name, name, n)
	}
	for _, q := range packet.Protocols() {
		if q != p && q.Is(p) && q.Field(name) != nil {
			return fmt.Errorf("%s has no field %s; %s has one", p.Name, name, q.Name)
		}
	}
	if strings.Contains(p.Name, ".") { // an entry of a list
		return fmt.Errorf("an entry of %s has no field %s; it has %s", p.Name, name, strings.Join(names, ", "))
	}
	return fmt.Errorf("%s has no field %s; fields(%s) lists its fields", p.Name, name, p.Name)
}

// Binary implements starlark.HasBinary: the protocol itself is no packet, and the error says so.
func (v Protocol) Binary(op syntax.Token, _ starlark.Value, _ starlark.Side) (starlark.Value, error) {
	if op != syntax.SLASH {
		return nil, nil
	}
	return nil, fmt.Errorf("%s is a protocol, and %s() a packet", v.Table.Name, v.Table.Name)
}

// Unary implements starlark.HasUnary: ~TCP is the pattern of packets without TCP.
func (v Protocol) Unary(op syntax.Token) (starlark.Value, error) {
	if op != syntax.TILDE {
		return nil, nil
	}
	return &Negated{Compose(v.env, packet.NewDraft(packet.DraftLayer{Protocol: v.Table}))}, nil
}

// maxLayers is the largest number of layers of a composed packet.
const maxLayers = 256

// Binary implements starlark.HasBinary: the operator / puts a packet, str or bytes into another packet as its payload.
func (p *Value) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	if op != syntax.SLASH {
		return nil, nil
	}
	var other *packet.Draft
	switch y := y.(type) {
	case *Value:
		other = y.editable()
	case Protocol:
		return y.Binary(op, p, side)
	default:
		b, ok := registry.Octets(y)
		if !ok {
			return nil, fmt.Errorf("a packet carries a packet, str or bytes, got %s", y.Type())
		}
		other = raw(b)
	}
	lower, upper := p.editable(), other
	if side == starlark.Right {
		lower, upper = other, p.editable()
	}
	if len(lower.Layers)+len(upper.Layers) > maxLayers {
		return nil, fmt.Errorf("a packet has at most %d layers", maxLayers)
	}
	return Compose(p.env, join(lower, upper)), nil
}

// raw returns a draft with octets alone.
func raw(b []byte) *packet.Draft {
	l, _ := packet.DraftLayer{Protocol: packet.Raw}.With(&packet.Raw.Fields[0], b)
	return packet.NewDraft(l)
}

// join returns the draft of upper in lower. Adjacent data of two Raw layers becomes one layer, as it is one when it is received.
func join(lower, upper *packet.Draft) *packet.Draft {
	if len(lower.Layers) > 0 && len(upper.Layers) > 0 {
		last := len(lower.Layers) - 1
		a, ok := data(lower.Layers[last])
		b, ok2 := data(upper.Layers[0])
		if ok && ok2 {
			both := append(append(make([]byte, 0, len(a)+len(b)), a...), b...)
			lower = &packet.Draft{Layers: lower.Layers[:last:last]}
			return lower.Over(raw(both)).Over(&packet.Draft{Layers: upper.Layers[1:]})
		}
	}
	return lower.Over(upper)
}

// data returns the octets of a Raw layer; ok is false for another layer or octets that are not given.
func data(l packet.DraftLayer) (b []byte, ok bool) {
	if l.Protocol != packet.Raw {
		return nil, false
	}
	b, ok = l.Value(&packet.Raw.Fields[0]).([]byte)
	return b, ok
}

// editable returns the packet as a draft that can be changed: of a frame, the lengths, checksums and numbers of next layers that sending
// would fill in with the same values are unset.
func (p *Value) editable() *packet.Draft {
	if p.draft != nil {
		return p.draft
	}
	return p.Draft().Unfilled(false)
}
