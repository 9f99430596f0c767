package packetvalue

import (
	"fmt"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/phy"
	"smolsh/script/registry"
	"smolsh/stack/packet"
)

// layer is a layer of the packet, or its payload, as a frozen value; nil where the packet has none.
func (p *Value) layer(name string) starlark.Value {
	d := packet.Dissect(p.Octets, p.Medium)
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
func (p *Value) value(x any) starlark.Value {
	switch x := x.(type) {
	case bool:
		return starlark.Bool(x)
	case int:
		return starlark.MakeInt(x)
	case string:
		return starlark.String(x)
	case netip.Addr:
		return registry.Address(x)
	case packet.Quoted:
		return New(p.env, x, phy.MediumIP, nil)
	case packet.SequenceRange:
		return starlark.Tuple{starlark.MakeUint64(uint64(x.Left)), starlark.MakeUint64(uint64(x.Right))}
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

// Show formats each layer of the packet with its fields.
func (p *Value) Show() string {
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
		lines = append(lines, "[payload]", "  "+registry.Brief(data))
	}
	if len(lines) == 0 {
		return p.String()
	}
	return strings.Join(lines, "\n")
}
