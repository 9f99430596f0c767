package packetvalue

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/packet"
)

// maxEntries is the largest number of entries of a list in a header, more than any packet has room for.
const maxEntries = 1 << 16

// elements returns the values of a list, tuple or other sequence; ok is false for other values and for str and bytes.
func elements(v starlark.Value) (list []starlark.Value, ok bool) {
	seq, ok := v.(starlark.Sequence)
	if !ok || seq.Len() > maxEntries {
		return nil, false
	}
	it := seq.Iterate()
	defer it.Done()
	var x starlark.Value
	for it.Next(&x) {
		list = append(list, x)
	}
	return list, true
}

// options converts a list of options: names, (name, value) and (kind, octets).
func (c converter) options(v starlark.Value) (any, error) {
	list, ok := elements(v)
	if !ok {
		return nil, c.wrong(v, "")
	}
	options := []packet.Option{}
	for _, x := range list {
		o, err := c.option(x)
		if err != nil {
			return nil, err
		}
		options = append(options, o)
	}
	return options, nil
}

func (c converter) option(v starlark.Value) (o packet.Option, err error) {
	name, value := v, starlark.Value(starlark.None)
	if t, ok := v.(starlark.Tuple); ok {
		if len(t) < 1 || len(t) > 2 {
			return o, c.wrong(v, ": an option is a name, (name, value) or (kind, octets)")
		}
		if name = t[0]; len(t) == 2 {
			value = t[1]
		}
	}
	switch name := name.(type) {
	case starlark.Int:
		kind, ok := name.Uint64()
		b, isBytes := registry.Octets(value)
		if !ok || kind > 255 || !isBytes && value != starlark.None {
			return o, c.wrong(v, ": an option without a name is (kind, octets) with a kind from 0 to 255")
		}
		if o.Kind = int(kind); isBytes {
			o.Value = b
		}
		return o, nil
	case starlark.String:
		text := strings.ToLower(string(name))
		kind, ok := packet.OptionNumber(c.of, text)
		if !ok {
			if n := suggest.Nearest(text, packet.OptionNames(c.of)); n != "" {
				return o, c.wrong(v, fmt.Sprintf(": no option %s (did you mean %s?)", text, n))
			}
			return o, c.wrong(v, ": no option "+text)
		}
		o = packet.Option{Kind: kind, Name: text}
		if o.Value, err = c.optionValue(text, value); err != nil {
			return o, err
		}
		return o, nil
	}
	return o, c.wrong(v, ": an option is a name, (name, value) or (kind, octets)")
}

// optionValue converts the value of the option called name, nil for an option that has only its name.
func (c converter) optionValue(name string, v starlark.Value) (any, error) {
	bad := func(what string) error { return c.wrong(v, fmt.Sprintf(": %s takes %s", name, what)) }
	switch name {
	case "sack":
		list, ok := elements(v)
		blocks := []packet.SequenceRange{}
		for _, x := range list {
			left, right, isPair := pair(x)
			ok = ok && isPair && left>>32 == 0 && right>>32 == 0
			blocks = append(blocks, packet.SequenceRange{Left: uint32(left), Right: uint32(right)})
		}
		if !ok {
			return nil, bad("[(left, right)]")
		}
		return blocks, nil
	case "ts":
		value, reply, ok := pair(v)
		if !ok || value>>32 != 0 || reply>>32 != 0 {
			return nil, bad("(value, echo reply), each from 0 to 4294967295")
		}
		return [2]uint64{value, reply}, nil
	case "rr", "lsrr", "ssrr":
		if b, ok := v.(starlark.Bytes); ok {
			return []byte(b), nil
		}
		t, _ := elements(v)
		if len(t) != 2 {
			return nil, bad("(pointer, [addresses])")
		}
		pointer, ok := unsigned(t[0])
		list, err := c.list(t[1], shapeAddrs)
		if !ok || err != nil {
			return nil, bad("(pointer, [addresses])")
		}
		return packet.RouteOption{Pointer: pointer, Addresses: list.([]any)}, nil
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Int:
		if n, ok := v.Uint64(); ok {
			return n, nil
		}
	default:
		if b, ok := registry.Octets(v); ok {
			return b, nil
		}
	}
	return nil, bad("an int or bytes")
}

// unsigned converts an int that is not negative.
func unsigned(v starlark.Value) (uint64, bool) {
	n, ok := v.(starlark.Int)
	if !ok {
		return 0, false
	}
	return n.Uint64()
}

// pair converts two ints.
func pair(v starlark.Value) (a, b uint64, ok bool) {
	t, _ := elements(v)
	if len(t) != 2 {
		return 0, 0, false
	}
	a, ok = unsigned(t[0])
	b, ok2 := unsigned(t[1])
	return a, b, ok && ok2
}

// list converts a list of addresses or names.
func (c converter) list(v starlark.Value, s shape) (any, error) {
	xs, ok := elements(v)
	if !ok {
		return nil, c.wrong(v, "")
	}
	list := []any{}
	for _, x := range xs {
		if s == shapeNames {
			b, ok := registry.Octets(x)
			if !ok {
				return nil, c.wrong(v, "")
			}
			list = append(list, string(b))
			continue
		}
		a, err := c.address(x)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// records converts a list of dicts or structs, or a single one.
func (c converter) records(v starlark.Value) (any, error) {
	xs, ok := elements(v)
	if _, isDict := v.(starlark.IterableMapping); isDict || !ok {
		xs = []starlark.Value{v}
	}
	list := []any{}
	for _, x := range xs {
		parts, ok := members(x)
		if !ok {
			return nil, c.wrong(v, "")
		}
		r := packet.Record{Name: "record"}
		if c.f.Name == "qd" {
			r.Name = "question"
		}
		kind := starlark.Value(starlark.String("A"))
		for _, m := range parts {
			if m.name == "type" {
				kind = m.value
			}
		}
		for _, m := range parts {
			if m.value == starlark.None {
				continue
			}
			y, err := c.recordPart(m.name, m.value, kind)
			if err != nil {
				return nil, err
			}
			r.Parts = append(r.Parts, packet.Part{Name: m.name, Value: y})
		}
		list = append(list, r)
	}
	return list, nil
}

// A member is a name with a value, in the order of a dict or struct.
type member struct {
	name  string
	value starlark.Value
}

// members returns the names and values of a dict with names, or of a struct; ok is false for other values.
func members(v starlark.Value) (list []member, ok bool) {
	switch v := v.(type) {
	case *Value, *LayerValue:
		return nil, false
	case starlark.IterableMapping:
		for _, kv := range v.Items() {
			name, ok := starlark.AsString(kv[0])
			if !ok {
				return nil, false
			}
			list = append(list, member{name, kv[1]})
		}
		return list, true
	case starlark.HasAttrs:
		if _, ok := v.(interface{ ToStringDict(starlark.StringDict) }); !ok {
			return nil, false
		}
		for _, name := range v.AttrNames() {
			x, err := v.Attr(name)
			if err != nil || x == nil {
				return nil, false
			}
			list = append(list, member{name, x})
		}
		return list, true
	}
	return nil, false
}

// recordPart converts one value of a record. kind is the type of a DNS record, which determines what its data is.
func (c converter) recordPart(name string, v, kind starlark.Value) (any, error) {
	switch name {
	case "maddr":
		return c.address(v)
	case "srcaddrs":
		return c.list(v, shapeAddrs)
	case "rdata":
		for want, names := range map[int][]starlark.Value{4: {starlark.String("A"), starlark.MakeInt(1)}, 6: {starlark.String("AAAA"), starlark.MakeInt(28)}} {
			for _, k := range names {
				same, err := starlark.Equal(k, kind)
				if _, isBytes := v.(starlark.Bytes); err == nil && same && !isBytes {
					return c.addressOf(v, want)
				}
			}
		}
	}
	return c.plainValue(v)
}

// plainValue converts a value whose type determines that of the field.
func (c converter) plainValue(v starlark.Value) (any, error) {
	switch v := v.(type) {
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		if n, ok := v.Uint64(); ok {
			return n, nil
		}
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return []byte(v), nil
	default:
		if parts, ok := members(v); ok {
			r := packet.Record{}
			for _, m := range parts {
				x, err := c.plainValue(m.value)
				if err != nil {
					return nil, err
				}
				r.Parts = append(r.Parts, packet.Part{Name: m.name, Value: x})
			}
			return r, nil
		}
		if xs, ok := elements(v); ok {
			list := []any{}
			for _, x := range xs {
				y, err := c.plainValue(x)
				if err != nil {
					return nil, err
				}
				list = append(list, y)
			}
			return list, nil
		}
	}
	return nil, c.wrong(v, "")
}
