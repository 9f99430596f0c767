package packetvalue

import (
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/packet"
)

// changed returns a packet of a draft that was made of p. Its code may leave out what sending fills in if p was a frame.
func (p *Value) changed(d *packet.Draft) *Value {
	q := Compose(p.env, d)
	q.received = p.draft == nil || p.received
	return q
}

// Replace returns the packet with fields of layers changed. Each pair of layers has an attribute such as tcp, and a dict of fields, a packet
// or layer whose layer replaces it, or octets for raw.
func (p *Value) Replace(resolve Resolver, layers []starlark.Tuple) (*Value, error) {
	d := p.editable()
	c := converter{env: p.env, resolve: resolve}
	for _, kv := range layers {
		attr := string(kv[0].(starlark.String))
		i, ok := d.Named(attr)
		if !ok {
			return nil, noLayer(c.env, d, attr)
		}
		l, err := c.replaced(d.Layers[i], kv[1])
		if err != nil {
			return nil, err
		}
		d = d.Replace(i, l)
	}
	return p.changed(d), nil
}

// noLayer returns the error for the attribute of a layer that a draft does not have.
func noLayer(env Environment, d *packet.Draft, attr string) error {
	var have []string
	for _, l := range d.Layers {
		have = append(have, l.Protocol.Attr)
	}
	n := suggest.Nearest(attr, have)
	switch {
	case n != "":
		return fmt.Errorf("the packet has no layer %s (did you mean %s?)", attr, n)
	case !env.Catalogue().IsLayer(attr):
		return fmt.Errorf("%s is no layer; the packet has %v", attr, have)
	}
	return fmt.Errorf("the packet has no layer %s; it has %v", attr, have)
}

// replaced returns a layer changed by a dict of fields, or the layer of another packet.
func (c converter) replaced(l packet.DraftLayer, v starlark.Value) (packet.DraftLayer, error) {
	attr := l.Protocol.Attr
	switch v := v.(type) {
	case *Value:
		d := v.Draft()
		i, ok := d.Named(attr)
		if !ok {
			return l, noLayer(c.env, d, attr)
		}
		return d.Layers[i], nil
	case *LayerValue:
		d := v.packet.Draft()
		if v.index() < len(d.Layers) && v.protocol().Attr == attr {
			return d.Layers[v.index()], nil
		}
	}
	if b, ok := registry.Octets(v); ok && (l.Protocol == packet.Raw || l.Protocol == packet.Padding) {
		return l.With(&l.Protocol.Fields[0], b)
	}
	fields, ok := members(v)
	if !ok {
		return l, fmt.Errorf("%s is a dict of fields such as dict(%s=…), or a packet with that layer, got %s", attr, l.Protocol.Fields[0].Name, v.Type())
	}
	for _, m := range fields {
		f := l.Protocol.Field(m.name)
		if f == nil {
			return l, unknownField(l.Protocol, m.name)
		}
		var err error
		if l, err = c.set(l, f, m.value); err != nil {
			return l, err
		}
	}
	return l, nil
}

// Without returns the packet without its outermost layer of a protocol.
func (p *Value) Without(proto *packet.Protocol) (*Value, error) {
	d := p.editable()
	i, ok := d.Layer(proto)
	if !ok {
		return nil, noLayer(p.env, d, proto.Attr)
	}
	return p.changed(d.Without(i)), nil
}

// Fill returns the packet with its octets: the unset fields are filled in without a host. Of a frame it is the packet itself.
func (p *Value) Fill() (*Value, error) {
	if p.draft == nil {
		return p, nil
	}
	d, err := p.Built()
	if err != nil {
		return nil, err
	}
	return ofOctets(p.env, d.Octets, d.First), nil
}

// Parse returns the packet of octets whose first layer is of a protocol.
func Parse(env Environment, b []byte, first *packet.Protocol) *Value { return ofOctets(env, b, first) }

// ofOctets returns a packet of octets. It keeps b.
func ofOctets(env Environment, b []byte, first *packet.Protocol) *Value {
	p := &Value{env: env, Octets: b, First: first, Length: len(b)}
	switch first {
	case packet.Ether:
		p.First = nil
	case packet.IP, packet.IPv6:
		p.Medium = phy.MediumIP
	}
	return p
}
