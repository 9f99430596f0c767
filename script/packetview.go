package script

import (
	"net/netip"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/phy"
	"smolsh/script/registry"
	"smolsh/stack/packet"
)

// layer is a layer of the packet, or its payload, as a frozen value; nil where the packet has none.
func (p *packetValue) layer(name string) starlark.Value {
	d := packet.Dissect(p.octets, p.medium)
	if name == "payload" {
		if data, ok := d.Data(); ok {
			return starlark.Bytes(data)
		}
		return nil
	}
	if l, ok := d.Layer(name); ok {
		return p.value(l)
	}
	return nil
}

// isLayer reports whether a packet's attribute is a layer or the payload.
func isLayer(name string) bool { return name == "payload" || packet.IsLayer(name) }

// value is a field of a packet as a Starlark value.
func (p *packetValue) value(x any) starlark.Value {
	switch x := x.(type) {
	case bool:
		return starlark.Bool(x)
	case int:
		return num(x)
	case string:
		return starlark.String(x)
	case netip.Addr:
		return registry.Address(x)
	case packet.Quoted:
		return newPacket(p.s, x, phy.MediumIP)
	case packet.SequenceRange:
		return starlark.Tuple{num(x.Left), num(x.Right)}
	case []any:
		list := make([]starlark.Value, len(x))
		for i, e := range x {
			list[i] = p.value(e)
		}
		return starlark.NewList(list)
	case packet.Options:
		options := starlark.NewDict(len(x))
		for _, o := range x {
			options.SetKey(starlark.MakeInt(o.Code), starlark.Bytes(o.Data))
		}
		options.Freeze()
		return options
	case packet.Layer:
		fields := make([]starlark.Tuple, len(x.Fields))
		for i, f := range x.Fields {
			fields[i] = starlark.Tuple{starlark.String(f.Name), p.value(f.Value)}
		}
		return starlarkstruct.FromKeywords(starlark.String(x.Name), fields)
	}
	return starlark.None
}
