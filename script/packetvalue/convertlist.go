package packetvalue

import (
	"fmt"
	"slices"
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
	list = make([]starlark.Value, 0, seq.Len())
	var x starlark.Value
	for it.Next(&x) {
		list = append(list, x)
	}
	return list, true
}

// anOption says how a script writes an option.
const anOption = ": an option is a name, (name, value) or (kind, octets)"

// options converts a list of options: names, (name, value) and (kind, octets).
func (c converter) options(v starlark.Value) (any, error) {
	list, ok := elements(v)
	if _, isDict := v.(starlark.Mapping); isDict || !ok {
		return nil, c.wrong(v, "")
	}
	options := make(packet.CanonicalOptions, 0, len(list))
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
			return o, c.wrong(v, anOption)
		}
		if name = t[0]; len(t) == 2 {
			value = t[1]
		}
	}
	var x any
	if value != starlark.None {
		if x, err = c.plainValue(value); err != nil {
			return o, err
		}
	}
	switch name := name.(type) {
	case starlark.Int:
		kind, ok := name.Uint64()
		if !ok {
			return o, c.wrong(v, anOption)
		}
		o, err = packet.NumberedOption(c.of, kind, x)
	case starlark.String:
		text := strings.ToLower(string(name))
		if emptyValue(x) && optionAlone(c.of, text) {
			x = nil
		}
		if o, err = packet.ParseOption(c.of, text, x); err != nil {
			known := c.f.OptionNames()
			if n := optionMeant(text, known); n != "" && !slices.Contains(known, text) {
				return o, fmt.Errorf("%s.%s: no option is called %q (did you mean %s?)", c.of.Name, c.f.Name, string(name), n)
			}
		}
	default:
		return o, c.wrong(v, anOption)
	}
	if err != nil {
		return o, fmt.Errorf("%s.%s: %w", c.of.Name, c.f.Name, err)
	}
	return o, nil
}

// optionAlone reports whether an option has no value.
func optionAlone(p *packet.Protocol, name string) bool {
	o, err := packet.ParseOption(p, name, nil)
	return err == nil && o.Value == nil
}

// dhcp converts a dict of options by code or name, or a list of pairs.
func (c converter) dhcp(v starlark.Value) (any, error) {
	var pairs []starlark.Tuple
	if d, ok := v.(starlark.IterableMapping); ok {
		pairs = d.Items()
	} else {
		list, ok := elements(v)
		for _, x := range list {
			t, isPair := x.(starlark.Tuple)
			ok = ok && isPair && len(t) == 2
			pairs = append(pairs, t)
		}
		if !ok {
			return nil, c.wrong(v, "")
		}
	}
	options := packet.OptionMap{}
	for _, kv := range pairs {
		x, err := c.plainValue(kv[1])
		if err != nil {
			return nil, err
		}
		if name, ok := starlark.AsString(kv[0]); ok {
			o, err := dhcpOption(name, x)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", c.of.Name, c.f.Name, err)
			}
			options = append(options, o)
			continue
		}
		code, ok := kv[0].(starlark.Int)
		n, inRange := code.Uint64()
		b, isBytes := x.([]byte)
		if s, isText := x.(string); isText {
			b, isBytes = []byte(s), true
		}
		if !ok || !inRange || n == 0 || n > 254 || !isBytes {
			return nil, c.wrong(v, fmt.Sprintf(": %v is not a code from 1 to 254 with str or bytes", starlark.Tuple{kv[0], kv[1]}))
		}
		options = append(options, packet.CodeValue{Code: int(n), Data: b})
	}
	return options, nil
}

// dhcpOption returns an option by its name, and suggests a similar one in the error about an unknown name.
func dhcpOption(name string, v any) (packet.CodeValue, error) {
	o, err := packet.ParseDHCPOption(name, v)
	known := packet.DHCPOptionNames()
	if n := suggest.Nearest(name, known); err != nil && n != "" && !strings.HasPrefix(err.Error(), n+" is ") {
		return o, fmt.Errorf("no option is called %q (did you mean %s?)", name, n)
	}
	return o, err
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

// entries converts a list of a user's own protocol: values of the entries' only field, or dicts.
func (c converter) entries(v starlark.Value) (any, error) {
	xs, ok := elements(v)
	if _, isRecord := members(v); isRecord || !ok {
		return nil, c.wrong(v, "")
	}
	p := c.f.Entries()
	list := []any{}
	for _, x := range xs {
		y, err := c.entry(p, x)
		if err != nil {
			return nil, err
		}
		list = append(list, y)
	}
	return list, nil
}

// entry converts one entry of a list.
func (c converter) entry(p *packet.Protocol, v starlark.Value) (any, error) {
	e := converter{env: c.env, resolve: c.resolve, thread: c.thread, of: p}
	if len(p.Fields) == 1 {
		e.f = &p.Fields[0]
		return e.literal(v)
	}
	parts, ok := members(v)
	if !ok {
		return nil, c.wrong(v, "")
	}
	_, name, _ := strings.Cut(p.Name, ".")
	r := packet.Record{Name: name}
	for _, m := range parts {
		if e.f = p.Field(m.name); e.f == nil {
			return nil, unknownField(p, m.name)
		}
		x, err := e.convert(m.value)
		if err != nil {
			return nil, err
		}
		if x != nil {
			r.Parts = append(r.Parts, packet.Part{Name: m.name, Value: x})
		}
	}
	return r, nil
}

// records converts a list of dicts or structs, or a single one.
func (c converter) records(v starlark.Value) (any, error) {
	xs, ok := elements(v)
	if _, isRecord := members(v); isRecord || !ok {
		xs = []starlark.Value{v}
	}
	list := []any{}
	for _, x := range xs {
		parts, ok := members(x)
		if !ok {
			return nil, c.wrong(v, "")
		}
		r, err := c.record(parts)
		if err != nil {
			return nil, err
		}
		if r.Name = "record"; c.f.Name == "qd" {
			r.Name = "question"
		}
		list = append(list, r)
	}
	return list, nil
}

// record converts the names and values of a dict.
func (c converter) record(parts []member) (r packet.Record, err error) {
	for _, m := range parts {
		if m.value == starlark.None {
			continue
		}
		x, err := c.plainValue(m.value)
		if err != nil {
			return r, err
		}
		if b, ok := x.([]byte); ok && (m.name == "qname" || m.name == "rrname") {
			x = string(b) // a name whose octets no str has
		}
		r.Parts = append(r.Parts, packet.Part{Name: m.name, Value: x})
	}
	return r, nil
}

// A member is a name with a value, in the order of a dict or struct.
type member struct {
	name  string
	value starlark.Value
}

// members returns the names and values of a dict with names, or of a struct; ok is false for other values.
func members(v starlark.Value) (list []member, ok bool) {
	switch v := v.(type) {
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

// maxNested is the largest depth of lists and dicts in a field's value.
const maxNested = 8

// plainValue converts a value whose own type determines the result's.
func (c converter) plainValue(v starlark.Value) (any, error) {
	if c.depth++; c.depth > maxNested {
		return nil, c.wrong(v, ": too many lists in each other")
	}
	switch v := v.(type) {
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		if n, ok := v.Uint64(); ok {
			return n, nil
		}
		return nil, fmt.Errorf("%s.%s: numbers in it are from 0 on, got %v", c.of.Name, c.f.Name, v)
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return []byte(v), nil
	default:
		if parts, ok := members(v); ok {
			return c.record(parts)
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
