package packetvalue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/packet"
)

// Computed is the value of length_of(), count_of() and checksum() in a protocol's field: how sending fills the field in.
type Computed struct {
	Call   string   // name of the builtin
	Fields []string // fields that it is about
	Plus   int      // octets that are added to a length
	Unit   int      // octets that the number 1 of a length stands for
}

// String implements starlark.Value: the call that makes the value.
func (v *Computed) String() string {
	var args []string
	for _, name := range v.Fields {
		args = append(args, strconv.Quote(name))
	}
	if v.Plus != 0 {
		args = append(args, fmt.Sprintf("plus=%d", v.Plus))
	}
	if v.Unit > 1 {
		args = append(args, fmt.Sprintf("unit=%d", v.Unit))
	}
	return v.Call + "(" + strings.Join(args, ", ") + ")"
}

// Type implements starlark.Value.
func (v *Computed) Type() string { return "computed" }

// Freeze implements starlark.Value; it never changes.
func (v *Computed) Freeze() {}

// Truth implements starlark.Value.
func (v *Computed) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v *Computed) Hash() (uint32, error) { return starlark.String(v.String()).Hash() }

// A FieldSpec is the value of optional() and repeated(): a field of a protocol that a packet may lack, or have several times.
type FieldSpec struct {
	Call  string         // name of the builtin
	Of    starlark.Value // the field, as the list of fields has it
	When  starlark.Value // of optional: a function of the fields before, or the name of one; nil for repeated
	Count string         // of repeated: field with the number of entries, "" for a list up to the layer's end
}

// String implements starlark.Value.
func (v *FieldSpec) String() string { return v.Call + "(" + registry.Brief(v.Of) + ")" }

// Type implements starlark.Value.
func (v *FieldSpec) Type() string { return "field" }

// Freeze implements starlark.Value.
func (v *FieldSpec) Freeze() { v.Of.Freeze() }

// Truth implements starlark.Value.
func (v *FieldSpec) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v *FieldSpec) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: %s", v.Type()) }

// maxOwnFields is the largest number of fields of a user's own protocol, and of the entries of its lists.
const maxOwnFields = 256

// Define returns the definition of a protocol by the arguments of protocol(). The error says which field is wrong, and what a field is.
func Define(env Environment, name, doc string, fields, over, carries starlark.Value) (*packet.Definition, error) {
	d := &packet.Definition{Name: name, Doc: doc}
	if d.Doc == "" {
		d.Doc = "a protocol of this session"
	}
	if !identifier(name) || name[0] < 'A' || name[0] > 'Z' {
		return nil, fmt.Errorf("a protocol's name is letters, digits and underscores and begins with a capital, got %q", name)
	}
	if attr := strings.ToLower(name); slices.Contains(wholeFields, attr) || slices.Contains(env.Members("packet"), attr) {
		return nil, fmt.Errorf("%s: p.%s is something else: choose another name", name, attr)
	}
	r := reader{env: env, d: d}
	var err error
	if d.Fields, err = r.fields(fields); err != nil {
		return nil, err
	}
	if err := r.over(over); err != nil {
		return nil, err
	}
	return d, r.carries(carries)
}

// identifier reports whether a text can be the name of a protocol or field.
func identifier(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// maxOwnDepth is the largest depth of lists in each other in a user's own protocol: each level is read for its size and for its values.
const maxOwnDepth = 4

// A reader reads the arguments of protocol().
type reader struct {
	env   Environment
	d     *packet.Definition
	depth int // of the lists around a field
}

// inside returns the reader of a list's entries.
func (r reader) inside(name string) (reader, error) {
	if r.depth++; r.depth > maxOwnDepth {
		return r, fmt.Errorf("%s.%s: at most %d lists in each other", r.d.Name, name, maxOwnDepth)
	}
	return r, nil
}

const aField = `a field is (name, type), with a default or length_of(…) as the third, such as ("size", "u16", length_of("data"))`

// fields reads a list of fields.
func (r reader) fields(v starlark.Value) (list []packet.FieldDefinition, err error) {
	xs, ok := elements(v)
	if !ok || len(xs) == 0 {
		return nil, fmt.Errorf("%s: fields is a list: %s", r.d.Name, aField)
	}
	if len(xs) > maxOwnFields {
		return nil, fmt.Errorf("%s: at most %d fields", r.d.Name, maxOwnFields)
	}
	for _, x := range xs {
		f, err := r.field(x, list)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// field reads one field. before are those before it.
func (r reader) field(v starlark.Value, before []packet.FieldDefinition) (f packet.FieldDefinition, err error) {
	switch v := v.(type) {
	case starlark.Tuple:
		return r.tuple(v)
	case *starlark.List:
		if xs, ok := elements(v); ok {
			return r.tuple(xs)
		}
	case *FieldSpec:
		if r, err = r.inside(v.Call); err != nil {
			return f, err
		}
		if f, err = r.field(v.Of, before); err != nil {
			return f, err
		}
		if v.When == nil {
			if f.Repeat != nil && f.Count != "" || f.When != nil {
				return f, fmt.Errorf("%s.%s: repeated() has a field or a list of fields, not %s", r.d.Name, f.Name, v.Of.Type())
			}
			if f.Repeat == nil {
				one := f
				f = packet.FieldDefinition{Name: one.Name, Repeat: []packet.FieldDefinition{one}}
			}
			f.Count = v.Count
			return f, nil
		}
		return f, r.condition(&f, v.When, before)
	}
	return f, fmt.Errorf("%s: %s, got %s", r.d.Name, aField, registry.Brief(v))
}

// tuple reads a field's name, type, and its default or how it is computed.
func (r reader) tuple(t []starlark.Value) (f packet.FieldDefinition, err error) {
	if len(t) < 2 || len(t) > 3 {
		return f, fmt.Errorf("%s: %s, got %s", r.d.Name, aField, registry.Brief(starlark.Tuple(t)))
	}
	name, ok := starlark.AsString(t[0])
	if !ok || !identifier(name) {
		return f, fmt.Errorf("%s: a field's name is letters, digits and underscores, got %s", r.d.Name, registry.Brief(t[0]))
	}
	f.Name = name
	if _, err := registry.FileOptions.ParseExpr("name", name, 0); err != nil || slices.Contains(r.env.Members("layer"), name) {
		return f, fmt.Errorf("%s: no field can be called %s, since a script could not read it", r.d.Name, name)
	}
	switch kind := t[1].(type) {
	case starlark.String:
		if err := r.kind(&f, string(kind)); err != nil {
			return f, err
		}
	default:
		entries, err := r.inside(name)
		if err != nil {
			return f, err
		}
		if f.Repeat, err = entries.fields(t[1]); err != nil {
			return f, err
		}
	}
	if len(t) == 3 {
		return f, r.third(&f, t[2])
	}
	return f, nil
}

// numberKinds are the types of numbers, with their widths in bits.
var numberKinds = map[string]int{"u8": 8, "u16": 16, "u24": 24, "u32": 32, "u64": 64}

// fieldKinds lists the types of fields.
const fieldKinds = "u8 u16 u24 u32 u64 bits:N mac ip ip6 bytes bytes:N bytes:FIELD str str:N str:FIELD, or a list of fields in repeated()"

// kind sets the field's type.
func (r reader) kind(f *packet.FieldDefinition, text string) error {
	base, size, sized := strings.Cut(text, ":")
	n, err := strconv.Atoi(size)
	switch {
	case numberKinds[base] != 0 && !sized:
		f.Bits = numberKinds[base]
		return nil
	case base == "bits" && sized:
		if err != nil || n < 1 || n > 64 {
			return fmt.Errorf("%s.%s: bits:N has N from 1 to 64, got %s", r.d.Name, f.Name, text)
		}
		f.Bits = n
		return nil
	case base == "mac" && !sized:
		f.Kind, f.Bits = packet.MAC, 48
		return nil
	case base == "ip" && !sized:
		f.Kind, f.Bits = packet.Addr, 32
		return nil
	case base == "ip6" && !sized:
		f.Kind, f.Bits = packet.Addr, 128
		return nil
	case base == "bytes" || base == "str":
		if f.Kind = packet.Octets; base == "str" {
			f.Kind = packet.Text
		}
		switch {
		case !sized:
		case err == nil && n > 0 && n <= 65535:
			f.Bits = 8 * n
		case err != nil && identifier(size):
			f.SizeOf = size
		default:
			return fmt.Errorf("%s.%s: %s:N has N from 1 to 65535, got %s", r.d.Name, f.Name, base, text)
		}
		return nil
	}
	known := []string{"u8", "u16", "u24", "u32", "u64", "bits:8", "mac", "ip", "ip6", "bytes", "str"}
	if near := suggest.Nearest(text, known); near != "" {
		return fmt.Errorf("%s.%s: no type is called %q (did you mean %s?)", r.d.Name, f.Name, text, near)
	}
	return fmt.Errorf("%s.%s: no type is called %q; the types are %s", r.d.Name, f.Name, text, fieldKinds)
}

// third sets the field's default, or how it is computed.
func (r reader) third(f *packet.FieldDefinition, v starlark.Value) (err error) {
	c, ok := v.(*Computed)
	if !ok {
		if f.Repeat != nil {
			return fmt.Errorf("%s.%s: a list has no default", r.d.Name, f.Name)
		}
		as := converter{env: r.env, of: &packet.Protocol{Name: r.d.Name}, f: &packet.Field{Name: f.Name, Kind: f.Kind, Bits: f.Bits, Size: sizeUnknown(f)}}
		f.Default, err = as.literal(v)
		return err
	}
	switch c.Call {
	case "length_of":
		f.LengthOf, f.Plus, f.Unit = c.Fields[0], c.Plus, c.Unit
	case "count_of":
		f.CountOf = c.Fields[0]
	default:
		f.Checksum, f.ChecksumOf = true, c.Fields
	}
	return nil
}

// sizeUnknown returns a size for a field whose width differs, so that it is one with octets of its own.
func sizeUnknown(f *packet.FieldDefinition) func(packet.Layer) int {
	if f.Bits != 0 {
		return nil
	}
	return func(packet.Layer) int { return 0 }
}

// condition sets the condition of an optional field: the number in a field before it, or a function of those fields.
func (r reader) condition(f *packet.FieldDefinition, when starlark.Value, before []packet.FieldDefinition) error {
	if f.When != nil {
		return fmt.Errorf("%s.%s: a field has one condition", r.d.Name, f.Name)
	}
	names := make([]string, len(before))
	for i := range before {
		names[i] = before[i].Name
	}
	switch when := when.(type) {
	case starlark.String:
		i := slices.Index(names, string(when))
		if i < 0 || before[i].Kind != packet.Uint || before[i].Repeat != nil {
			return fmt.Errorf("%s.%s: when= is a function, or a field before it with a number, got %s", r.d.Name, f.Name, when)
		}
		f.When = func(l packet.Layer) bool {
			n, ok := l.Uint(&l.Protocol.Fields[i])
			return ok && n != 0
		}
	case starlark.Callable:
		failed := false
		f.Scripted = true
		f.When = func(l packet.Layer) bool {
			v, err := r.env.Judge(when, earlier{r.env, l, len(before)})
			if err != nil && !failed {
				failed = true
				r.env.Complain(fmt.Errorf("%s.%s: when= failed, and the field counts as not there: %w", r.d.Name, f.Name, err))
			}
			return err == nil && bool(v.Truth())
		}
	default:
		return fmt.Errorf("%s.%s: when= is a function, or a field before it with a number, got %s", r.d.Name, f.Name, when.Type())
	}
	return nil
}

// over reads the layers that carry the protocol.
func (r reader) over(v starlark.Value) error {
	if v == nil || v == starlark.None {
		return nil
	}
	list := []starlark.Value{v}
	if xs, ok := elements(v); ok {
		list = xs
	}
	for _, x := range list {
		p, ok := x.(*Value)
		if !ok || !p.Composed() || len(p.draft.Layers) != 1 {
			return fmt.Errorf("%s: over= is a layer with the number that says what it carries, such as UDP(dport=4242), or a list of them, got %s", r.d.Name, registry.Brief(x))
		}
		r.d.Over = append(r.d.Over, p.draft.Layers[0])
	}
	return nil
}

// carries reads what the protocol carries: a protocol, or protocols by the numbers of fields.
func (r reader) carries(v starlark.Value) error {
	const what = "carries= is a protocol, such as Ether, or a dict of protocols by a field's number, such as dict(type={4: IP, 6: IPv6})"
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil
	case Protocol:
		r.d.Carries = v.Table
		return nil
	case starlark.IterableMapping:
		for _, kv := range v.Items() {
			name, isName := starlark.AsString(kv[0])
			numbers, ok := kv[1].(starlark.IterableMapping)
			if !isName || !ok {
				return fmt.Errorf("%s: %s", r.d.Name, what)
			}
			for _, x := range numbers.Items() {
				n, isInt := x[0].(starlark.Int)
				number, inRange := n.Uint64()
				p, ok := x[1].(Protocol)
				if !isInt || !inRange || !ok {
					return fmt.Errorf("%s: %s", r.d.Name, what)
				}
				r.d.Follows = append(r.d.Follows, packet.Follower{Field: name, Number: number, Protocol: p.Table})
			}
		}
		return nil
	}
	return fmt.Errorf("%s: %s, got %s", r.d.Name, what, v.Type())
}

// earlier is what the condition of an optional field reads: the fields of its layer before it.
type earlier struct {
	env   Environment
	layer packet.Layer
	n     int // number of these fields
}

// String implements starlark.Value.
func (v earlier) String() string { return v.layer.Protocol.Attr + "(…)" }

// Type implements starlark.Value.
func (v earlier) Type() string { return "layer" }

// Freeze implements starlark.Value.
func (v earlier) Freeze() {}

// Truth implements starlark.Value.
func (v earlier) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v earlier) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: %s", v.Type()) }

// AttrNames implements starlark.HasAttrs.
func (v earlier) AttrNames() (names []string) {
	for i := range v.n {
		names = append(names, v.layer.Protocol.Fields[i].Name)
	}
	return names
}

// Attr implements starlark.HasAttrs.
func (v earlier) Attr(name string) (starlark.Value, error) {
	for i := range v.n {
		if f := &v.layer.Protocol.Fields[i]; f.Name == name {
			return (&Value{env: v.env}).value(v.layer.Value(f)), nil
		}
	}
	return nil, fmt.Errorf("%s.%s is not a field before %s, and only these can decide whether it is there", v.layer.Protocol.Name, name, v.layer.Protocol.Fields[v.n].Name)
}
