package packetvalue

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// A Protocol is a protocol's table as a Starlark value, such as TCP: `TCP in p` and `p[TCP]` look a layer up.
type Protocol struct {
	Table *packet.Protocol
	env   Environment
}

// String implements starlark.Value: the protocol's name.
func (v Protocol) String() string { return v.Table.Name }

// Type implements starlark.Value.
func (v Protocol) Type() string { return "protocol" }

// Freeze implements starlark.Value; a table never changes.
func (v Protocol) Freeze() {}

// Truth implements starlark.Value.
func (v Protocol) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v Protocol) Hash() (uint32, error) { return starlark.String(v.Table.Name).Hash() }

// CompareSameType implements starlark.Comparable. A protocol equals only itself.
func (v Protocol) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	return equality(op, v, y, v.Table == y.(Protocol).Table)
}

// equality returns the result of == or !=; other comparisons are errors.
func equality(op syntax.Token, x, y starlark.Value, equal bool) (bool, error) {
	switch op {
	case syntax.EQL:
		return equal, nil
	case syntax.NEQ:
		return !equal, nil
	}
	return false, fmt.Errorf("%s %s %s not implemented", x.Type(), op, y.Type())
}

// A LayerValue is one layer of a packet. Each field is parsed when a script reads it.
type LayerValue struct {
	packet *Value
	layer  packet.Layer       // of a frame
	draft  *packet.DraftLayer // set for a layer of a composed packet
	at     int                // index of the layer in the draft
}

// protocol returns the layer's table.
func (v *LayerValue) protocol() *packet.Protocol {
	if v.draft != nil {
		return v.draft.Protocol
	}
	return v.layer.Protocol
}

// index returns the index of the layer in its packet.
func (v *LayerValue) index() int {
	if v.draft != nil {
		return v.at
	}
	for i, l := range v.packet.dissected().Layers {
		if l == v.layer {
			return i
		}
	}
	return len(v.packet.dissected().Layers)
}

// field returns a field's value, None if the layer does not have it or it is unset.
func (v *LayerValue) field(f *packet.Field) starlark.Value {
	if v.draft != nil {
		return v.draftField(f)
	}
	return v.packet.value(v.layer.Value(f))
}

// String implements starlark.Value: the layer with its fields, "tcp(sport = 80, …)".
func (v *LayerValue) String() string {
	var parts []string
	fields := v.protocol().Fields
	for i := range fields {
		if v.draft != nil && v.draft.Value(&fields[i]) == nil {
			continue
		}
		if x := v.field(&fields[i]); x != starlark.None {
			parts = append(parts, fields[i].Name+" = "+sourceText(x))
		}
	}
	return v.protocol().Attr + "(" + strings.Join(parts, ", ") + ")"
}

// Type implements starlark.Value.
func (v *LayerValue) Type() string { return "layer" }

// Freeze implements starlark.Value; a layer never changes.
func (v *LayerValue) Freeze() {}

// Truth implements starlark.Value.
func (v *LayerValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v *LayerValue) Hash() (uint32, error) {
	if v.draft != nil {
		return draftHash(packet.NewDraft(*v.draft)), nil
	}
	return starlark.Bytes(v.layer.Header()).Hash()
}

// CompareSameType implements starlark.Comparable. Layers of one protocol with equal headers are equal.
func (v *LayerValue) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	w := y.(*LayerValue)
	switch {
	case v.draft != nil && w.draft != nil:
		same, err := sameLayer(*v.draft, *w.draft)
		if err != nil {
			return false, err
		}
		return equality(op, v, y, same)
	case v.draft != nil || w.draft != nil:
		return equality(op, v, y, false)
	}
	return equality(op, v, y, v.layer.Protocol == w.layer.Protocol && string(v.layer.Header()) == string(w.layer.Header()))
}

// Has reports whether the layer's flags contain all letters of text, in any order. If only is true, the flags must
// contain no other letters. A layer without flags and a letter that the flags do not have are errors.
func (v *LayerValue) Has(text string, only bool) (bool, error) {
	for i := range v.protocol().Fields {
		f := &v.protocol().Fields[i]
		if f.Kind != packet.Letters {
			continue
		}
		want, err := f.ParseLetters(text)
		if err != nil {
			return false, err
		}
		if v.draft != nil {
			n, ok := v.draft.Value(f).(uint64)
			return ok && n&want == want && (!only || n == want), nil
		}
		n, ok := v.layer.Uint(f)
		return ok && n&want == want && (!only || n == want), nil
	}
	return false, fmt.Errorf("%s has no flags", v.protocol().Attr)
}

// AttrNames implements starlark.HasAttrs: the fields of the protocol's table, and the methods.
func (v *LayerValue) AttrNames() []string {
	var names []string
	for i := range v.protocol().Fields {
		names = append(names, v.protocol().Fields[i].Name)
	}
	names = append(names, v.packet.env.Members("layer")...)
	slices.Sort(names)
	return names
}

// Attr returns a field's value or a method. The value is None if this packet's header lacks the field or the capture
// lacks its octets. For an unknown name, suggest.Attr may return an error.
func (v *LayerValue) Attr(name string) (starlark.Value, error) {
	if f := v.protocol().Field(name); f != nil {
		return v.field(f), nil
	}
	if base := v.protocol().Base; base != nil && packet.FamilyHas(base, name) {
		return starlark.None, nil
	}
	x, err := suggest.Attr(v, name, v.packet.env.Member("layer", v, name))
	if x == nil && err == nil {
		err = fmt.Errorf("the layer %s has no .%s field or method: it has %s", v.protocol().Attr, name, strings.Join(v.AttrNames(), " "))
	}
	return x, err
}

// dissected returns the packet's layers. It dissects a frame at the first call. A composed packet that can't be built has no layers.
func (p *Value) dissected() *packet.Packet {
	if p.draft != nil {
		d, err := p.Built()
		if err != nil {
			return &packet.Packet{}
		}
		return d
	}
	if p.layers == nil {
		first := p.First
		if first == nil {
			first = packet.First(p.Octets, p.Medium)
		}
		p.layers = p.env.Catalogue().Dissect(p.Octets, p.Length, first)
	}
	return p.layers
}

// Source returns the source address of the packet's outermost IP or ARP header. ok is false if it has none.
func (p *Value) Source() (src netip.Addr, ok bool) {
	for _, l := range p.dissected().Layers {
		name := map[*packet.Protocol]string{packet.IP: "src", packet.IPv6: "src", packet.ARP: "psrc"}[l.Protocol]
		if name == "" {
			continue
		}
		src, ok = l.Value(l.Protocol.Field(name)).(netip.Addr)
		return src, ok
	}
	return src, false
}

// named returns a layer of the packet by its attribute, or the payload; None if the packet does not have it.
func (p *Value) named(name string) starlark.Value {
	if p.draft != nil && name != "payload" {
		return p.draftLayer(name)
	}
	d := p.dissected()
	if name == "payload" {
		if data, ok := d.Data(); ok {
			return starlark.Bytes(data)
		}
		return starlark.None
	}
	if l, ok := d.Named(name); ok {
		return &LayerValue{packet: p, layer: l}
	}
	return starlark.None
}

// Get implements starlark.Mapping. The expression `p[TCP]` returns the packet's outermost TCP layer; `TCP in p` reports
// whether the packet has one.
func (p *Value) Get(key starlark.Value) (v starlark.Value, found bool, err error) {
	proto, ok := key.(Protocol)
	if !ok {
		return nil, false, fmt.Errorf("a packet is indexed by a protocol, such as p[TCP], got %s", key.Type())
	}
	if p.draft != nil {
		i, found := p.draft.Layer(proto.Table)
		if !found {
			return nil, false, nil
		}
		return p.layerAt(i), true, nil
	}
	l, found := p.dissected().Layer(proto.Table)
	if !found {
		return nil, false, nil
	}
	return &LayerValue{packet: p, layer: l}, true, nil
}

// layerNames returns the names of the packet's layers, outermost first.
func (p *Value) layerNames() starlark.Value {
	list := []starlark.Value{}
	if p.draft != nil {
		for _, l := range p.draft.Layers {
			list = append(list, starlark.String(l.Protocol.Name))
		}
		return starlark.NewList(list)
	}
	d := p.dissected()
	for _, l := range d.Layers {
		list = append(list, starlark.String(l.Protocol.Name))
	}
	if l, ok := d.Padding(); ok && len(list) > 0 && list[len(list)-1] != starlark.String(l.Protocol.Name) {
		list = append(list, starlark.String(l.Protocol.Name))
	}
	return starlark.NewList(list)
}

// malformed lists the packet's faults, a line for each bad field.
func (p *Value) malformed() starlark.Value {
	list := []starlark.Value{}
	whole := p.dissected()
	for _, d := range whole.Damage() {
		where := whole.Layers[d.Layer].Protocol.Attr
		if d.Field != nil {
			where += "." + d.Field.Name
		}
		list = append(list, starlark.String(where+": "+d.Text))
	}
	return starlark.NewList(list)
}

// list returns a list of values.
func list[T any](xs []T, value func(T) starlark.Value) starlark.Value {
	vs := make([]starlark.Value, len(xs))
	for i, x := range xs {
		vs[i] = value(x)
	}
	return starlark.NewList(vs)
}

// value returns a field of a packet as a Starlark value.
func (p *Value) value(x any) starlark.Value {
	switch x := x.(type) {
	case bool:
		return starlark.Bool(x)
	case uint64:
		return starlark.MakeUint64(x)
	case string:
		return starlark.String(x)
	case []byte:
		return starlark.Bytes(x)
	case wire.HardwareAddr:
		return starlark.String(x.String())
	case netip.Addr:
		return registry.Address(x)
	case *packet.Packet:
		return &Value{env: p.env, Octets: x.Octets, First: x.First, Length: x.Length, layers: x}
	case packet.SequenceRange:
		return starlark.Tuple{starlark.MakeUint64(uint64(x.Left)), starlark.MakeUint64(uint64(x.Right))}
	case [2]uint64:
		return starlark.Tuple{starlark.MakeUint64(x[0]), starlark.MakeUint64(x[1])}
	case []packet.SequenceRange:
		return list(x, func(r packet.SequenceRange) starlark.Value { return p.value(r) })
	case packet.RouteOption:
		return starlark.Tuple{starlark.MakeUint64(x.Pointer), p.value(x.Addresses)}
	case []any:
		return list(x, p.value)
	case []packet.Option:
		return list(x, p.option)
	case packet.OptionMap:
		options := starlark.NewDict(len(x))
		for _, o := range x {
			options.SetKey(starlark.MakeInt(o.Code), starlark.Bytes(o.Data))
		}
		options.Freeze()
		return options
	case packet.Record:
		fields := make([]starlark.Tuple, len(x.Parts))
		for i, f := range x.Parts {
			fields[i] = starlark.Tuple{starlark.String(f.Name), p.value(f.Value)}
		}
		return starlarkstruct.FromKeywords(starlark.String(x.Name), fields)
	}
	return starlark.None
}

// option returns an option of a header as its name, or as (name, value). An option without a name is (kind, octets).
func (p *Value) option(o packet.Option) starlark.Value {
	var name starlark.Value = starlark.String(o.Name)
	if o.Name == "" {
		name = starlark.MakeInt(o.Kind)
	}
	if o.Value == nil {
		return name
	}
	return starlark.Tuple{name, p.value(o.Value)}
}

// Show formats the packet's layers, and the fields of each layer, in the order of the wire. Of a composed packet it marks the unset fields.
func (p *Value) Show() string {
	if p.draft != nil {
		return p.showDraft()
	}
	return p.dissected().Show()
}
