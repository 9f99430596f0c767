package packet

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// asUint converts a number that a caller may have in another type.
func asUint(v any) (n uint64, ok bool) {
	switch v := v.(type) {
	case uint64:
		return v, true
	case int:
		return uint64(v), v >= 0
	case int64:
		return uint64(v), v >= 0
	}
	return 0, false
}

// shown formats a value that a caller gave, for messages.
func shown(v any) string {
	if n, ok := asUint(v); ok {
		v = n
	}
	if v == nil {
		return "nothing"
	}
	return Format(v)
}

// asPair converts a pair of numbers of at most 32 bits.
func asPair(v any) (pair [2]uint32, ok bool) {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return pair, false
	}
	for i, x := range list {
		n, ok := asUint(x)
		if !ok || n > 1<<32-1 {
			return pair, false
		}
		pair[i] = uint32(n)
	}
	return pair, true
}

// writeSACK writes the blocks of a SACK option: []SequenceRange, or a list of pairs.
func writeSACK(v any) (b []byte, ok bool) {
	var blocks []SequenceRange
	switch v := v.(type) {
	case []SequenceRange:
		blocks = v
	case []any:
		for _, x := range v {
			pair, ok := asPair(x)
			if !ok {
				return nil, false
			}
			blocks = append(blocks, SequenceRange{pair[0], pair[1]})
		}
	}
	for _, r := range blocks {
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, r.Left), r.Right)
	}
	return b, len(b) > 0
}

// writeTimestamps writes TSval and TSecr: [2]uint64, or a list of two numbers.
func writeTimestamps(v any) ([]byte, bool) {
	if ts, ok := v.([2]uint64); ok {
		v = []any{ts[0], ts[1]}
	}
	pair, ok := asPair(v)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, pair[0]), pair[1]), ok
}

// writeRoute writes a RouteOption, or a list of its pointer and its list of addresses.
func writeRoute(v any) ([]byte, bool) {
	r, ok := v.(RouteOption)
	if list, pair := v.([]any); pair && len(list) == 2 {
		pointer, number := asUint(list[0])
		addresses, many := list[1].([]any)
		r, ok = RouteOption{pointer, addresses}, number && many
	}
	if !ok || r.Pointer > 255 {
		return nil, false
	}
	b, err := writeAddresses(4)(r.Addresses)
	return append([]byte{byte(r.Pointer)}, b...), err == nil
}

// names lists the names of the options, for messages and completion.
func (t *optionTable) names() []string {
	names := slices.Clone(t.single)
	for _, kind := range t.order {
		names = append(names, t.kinds[kind].name)
	}
	return names
}

// OptionNames returns the names of the options that the field may have, nil for a field without named options.
func (f *Field) OptionNames() []string {
	if f.options == nil {
		return nil
	}
	return f.options.names()
}

// CanonicalOptions are options that ParseOption and NumberedOption have returned, which DraftLayer.With and NewLayer need not bring into the
// form of Option.Value again.
type CanonicalOptions []Option

// ParseOption returns the option of a header of the protocol with a name, such as "mss", and a value in the form of Option.Value. A
// list stands for a pair or for blocks too: of numbers for "ts", of pairs for "sack", of a pointer and a list of addresses
// for "rr". The error says which options there are, or which values the option has.
func ParseOption(p *Protocol, name string, value any) (Option, error) {
	f := p.Field("options")
	if f == nil || f.options == nil {
		return Option{}, fmt.Errorf("%s has no options with names", p.Name)
	}
	return f.options.named(name, value)
}

// NumberedOption returns the option of a header of the protocol with a kind. The value is octets or nil, or that of the option with
// this kind by name.
func NumberedOption(p *Protocol, kind uint64, value any) (Option, error) {
	f := p.Field("options")
	if f == nil || f.options == nil {
		return Option{}, fmt.Errorf("%s has no options with kinds", p.Name)
	}
	return f.options.numbered(kind, value)
}

// named returns the option with a name and a value.
func (t *optionTable) named(name string, value any) (Option, error) {
	if i := slices.Index(t.single, name); i >= 0 {
		if value != nil {
			return Option{}, fmt.Errorf("%s takes no value, got %s", name, shown(value))
		}
		return Option{Kind: i, Name: name}, nil
	}
	if kind, ok := t.byName[name]; ok {
		return t.valued(kind, t.kinds[kind], value)
	}
	return Option{}, fmt.Errorf("no option is called %q: there are %s, and (kind, octets)", name, strings.Join(t.names(), " "))
}

// valued returns the option of a row with a value.
func (t *optionTable) valued(kind int, row optionKind, value any) (Option, error) {
	if row.form == nil {
		b, err := t.octets(row.name, value)
		return Option{kind, row.name, b}, err
	}
	b, ok := row.form.write(value)
	if !ok {
		return Option{}, fmt.Errorf("%s is %s, got %s", row.name, row.form.takes, shown(value))
	}
	if _, err := t.octets(row.name, b); err != nil {
		return Option{}, err
	}
	v, _ := row.form.read(b)
	return Option{kind, row.name, v}, nil
}

// octets returns the octets of an option without a form.
func (t *optionTable) octets(name string, value any) ([]byte, error) {
	b, ok := value.([]byte)
	if text, is := value.(string); is {
		b, ok = []byte(text), true
	}
	switch most := 255 - t.head; {
	case value == nil:
		return []byte{}, nil
	case !ok:
		return nil, fmt.Errorf("%s is octets, got %s", name, shown(value))
	case len(b) > most:
		return nil, fmt.Errorf("%s is 0 to %d octets, got %d", name, most, len(b))
	}
	return b, nil
}

// numbered returns the option with a kind. It has a name if its octets are what the name says.
func (t *optionTable) numbered(kind uint64, value any) (Option, error) {
	row, known := t.kinds[int(min(kind, 256))]
	octets, is := value.([]byte)
	switch {
	case kind > 255:
		return Option{}, fmt.Errorf("an option's kind is 0 to 255, got %d", kind)
	case kind < uint64(len(t.single)):
		return t.named(t.single[kind], value)
	case known && !is && (value != nil || row.form == nil || row.form == empty):
		return t.valued(int(kind), row, value)
	case known && row.form != nil:
		if v, ok := row.form.read(octets); ok {
			return Option{int(kind), row.name, v}, nil
		}
	}
	b, err := t.octets(fmt.Sprintf("option %d", kind), value)
	return Option{int(kind), row.octetsName(), b}, err
}

// octetsName returns the name that an option of octets keeps; "" if its octets are wrong for the name.
func (row optionKind) octetsName() string {
	if row.form != nil {
		return ""
	}
	return row.name
}

// option returns the option that an entry of a list stands for: an Option, a name, a kind, or a list of either and a value.
func (t *optionTable) option(v any) (Option, error) {
	var value any
	if pair, ok := v.([]any); ok {
		switch len(pair) {
		case 2:
			v, value = pair[0], pair[1]
		case 1:
			v = pair[0]
		}
	}
	if n, ok := asUint(v); ok {
		return t.numbered(n, value)
	}
	switch v := v.(type) {
	case Option:
		switch {
		case v.Name != "":
			return t.named(v.Name, v.Value)
		case v.Kind < 0:
			return Option{}, fmt.Errorf("an option's kind is 0 to 255, got %d", v.Kind)
		}
		return t.numbered(uint64(v.Kind), v.Value)
	case string:
		return t.named(v, value)
	}
	return Option{}, fmt.Errorf("an option is a name, (name, value) or (kind, octets), got %s", shown(v))
}

// canonical converts a list of options to []Option.
func (t *optionTable) canonical(v any) (any, error) {
	var list []any
	switch v := v.(type) {
	case []Option:
		for _, o := range v {
			list = append(list, o)
		}
	case []any:
		list = v
	default:
		return v, nil
	}
	options := []Option{}
	for _, x := range list {
		o, err := t.option(x)
		if err != nil {
			return nil, err
		}
		options = append(options, o)
	}
	return options, nil
}

// write writes a list of options, without padding.
func (t *optionTable) write(v any) ([]byte, error) {
	if list, ok := v.([]Option); ok {
		if b, ok := t.writeList(list); ok {
			return b, nil
		}
	}
	v, err := t.canonical(v)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]Option)
	if !ok {
		return nil, fmt.Errorf("it is a list of options or octets, got %s", shown(v))
	}
	b, _ := t.writeList(list)
	return b, nil
}

// writeList writes options. ok is false if one of them is not in the form that canonical returns.
func (t *optionTable) writeList(list []Option) (b []byte, ok bool) {
	for _, o := range list {
		single := o.Kind >= 0 && o.Kind < len(t.single)
		row, known := t.kinds[o.Kind]
		data, octets := o.Value.([]byte)
		switch {
		case o.Kind < 0 || o.Kind > 255:
			return nil, false
		case single:
			if o.Name != t.single[o.Kind] || o.Value != nil {
				return nil, false
			}
			b = append(b, byte(o.Kind))
			continue
		case o.Name != "" && (!known || o.Name != row.name):
			return nil, false
		case !octets && known && row.form != nil:
			if data, ok = row.form.write(o.Value); !ok {
				return nil, false
			}
		case !octets && o.Value != nil:
			return nil, false
		}
		if len(data)+t.head > 255 {
			return nil, false
		}
		b = append(append(b, byte(o.Kind), byte(len(data)+t.head)), data...)
	}
	return b, true
}

// optionsField returns the field of a header's options.
func optionsField(t *optionTable, size func(Layer) int, read func(b []byte) ([]Option, string), doc string) Field {
	return Field{Name: "options", Kind: Other, Size: size, Doc: doc, options: t, Write: t.write, canonical: t.canonical,
		Read: func(_ Layer, b []byte) (any, string) { return listed(read(b)) }}
}
