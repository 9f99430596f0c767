package packet

import (
	"fmt"
	"slices"
)

// A Draft is a packet as a person composes it: layers from the outermost in, each with the fields that are set. Sending
// fills the unset fields in (Build). In a pattern they match anything (Match). A Draft never changes: its methods
// return new ones.
type Draft struct{ Layers []DraftLayer }

// A DraftLayer is one layer of a Draft. It never changes.
type DraftLayer struct {
	Protocol *Protocol
	values   []any // by the field's index, nil for an unset field; the slice may be shorter than the fields
}

// NewDraft returns a draft of layers.
func NewDraft(layers ...DraftLayer) *Draft { return &Draft{Layers: layers} }

// Over returns the draft with the layers of upper as the payload of its own.
func (d *Draft) Over(upper *Draft) *Draft {
	return &Draft{Layers: slices.Concat(d.Layers, upper.Layers)}
}

// Layer returns the index of the outermost layer of a protocol. ok is false if the draft has none.
func (d *Draft) Layer(proto *Protocol) (i int, ok bool) {
	i = slices.IndexFunc(d.Layers, func(l DraftLayer) bool { return l.Protocol.Is(proto) })
	return i, i >= 0
}

// Named returns the index of the outermost layer with the attribute attr. ok is false if the draft has none.
func (d *Draft) Named(attr string) (i int, ok bool) {
	i = slices.IndexFunc(d.Layers, func(l DraftLayer) bool { return l.Protocol.Attr == attr })
	return i, i >= 0
}

// Replace returns the draft with another layer at index i.
func (d *Draft) Replace(i int, l DraftLayer) *Draft {
	layers := slices.Clone(d.Layers)
	layers[i] = l
	return &Draft{Layers: layers}
}

// Without returns the draft without the layer at index i.
func (d *Draft) Without(i int) *Draft {
	return &Draft{Layers: slices.Delete(slices.Clone(d.Layers), i, i+1)}
}

// Value returns the value that a field is set to, nil if it is unset.
func (l DraftLayer) Value(f *Field) any {
	if f.index >= len(l.values) {
		return nil
	}
	return l.values[f.index]
}

// Canonical converts a value of a field of kind Other to the form in which Layer.Value returns it: lists of options by name, lists of
// addresses as text, and records of which some parts are not given. Other values are returned as they are. The error says
// what the field's entries are.
func (f *Field) Canonical(v any) (any, error) {
	if f.canonical == nil {
		return v, nil
	}
	return f.canonical(v)
}

// With returns the layer with a field set. The value has the type of the field's kind (Kind), or it is a []byte with
// the field's own octets, or a Matcher. A value of nil unsets the field. The error describes a value that is out of the field's
// range.
func (l DraftLayer) With(f *Field, v any) (DraftLayer, error) {
	v, err := l.Protocol.check(f, v)
	if err != nil {
		return l, err
	}
	return l.put(f, v), nil
}

// NewLayer returns a layer with n fields set; field returns the i-th of them and its value, as With takes them, or an error.
func NewLayer(p *Protocol, n int, field func(i int) (*Field, any, error)) (DraftLayer, error) {
	l := DraftLayer{Protocol: p}
	if n > 0 {
		l.values = make([]any, len(p.Fields))
	}
	for i := range n {
		f, v, err := field(i)
		if err == nil {
			v, err = p.check(f, v)
		}
		if err != nil {
			return DraftLayer{Protocol: p}, err
		}
		l.values[f.index] = v
	}
	return l, nil
}

// put returns the layer with a field set to a value that is known to be valid.
func (l DraftLayer) put(f *Field, v any) DraftLayer {
	values := make([]any, len(l.Protocol.Fields))
	copy(values, l.values)
	values[f.index] = v
	return DraftLayer{l.Protocol, values}
}

// of returns the value that the field called name is set to, nil if it is unset. The protocol must have the field.
func (l DraftLayer) of(name string) any { return l.Value(l.Protocol.Field(name)) }

// number returns the number that the field called name is set to, or its default.
func (l DraftLayer) number(name string) uint64 {
	f := l.Protocol.Field(name)
	if n, ok := l.Value(f).(uint64); ok {
		return n
	}
	n, _ := f.Default.(uint64)
	return n
}

// octets returns the octets of the field called name, nil if it is unset.
func (l DraftLayer) octets(name string) ([]byte, error) {
	f := l.Protocol.Field(name)
	v := l.Value(f)
	if v == nil {
		return nil, nil
	}
	b, err := f.octets(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// fill returns the layer with the field called name set to v, unless it is set already.
func (l DraftLayer) fill(name string, v any) DraftLayer {
	f := l.Protocol.Field(name)
	if l.Value(f) != nil {
		return l
	}
	if n, ok := v.(int); ok {
		v = uint64(n)
	}
	return l.put(f, v)
}

// fillLength sets the field called length, unless it is set, to the length of the address in the field called name. An address of
// most octets fills its field, and does not say how many of them are in use.
func (l DraftLayer) fillLength(length, name string, most int) DraftLayer {
	f := l.Protocol.Field(name)
	v := l.Value(f)
	if v == nil {
		return l
	}
	b, err := f.octets(v)
	if err != nil || len(b) >= most {
		return l
	}
	return l.fill(length, len(b))
}

// A Matcher is a set of values of a field. Only a pattern may have it.
type Matcher interface {
	// Matches reports whether a field with the value v belongs to the set; v is nil if the packet does not have the field.
	Matches(v any) bool
	// String describes the set, as a script would write it.
	String() string
}

// Pattern returns the first field that a Matcher describes, so that the draft can't be sent. ok is false if there is none.
func (d *Draft) Pattern() (l DraftLayer, f *Field, ok bool) {
	for _, l := range d.Layers {
		for i, v := range l.values {
			if _, ok := v.(Matcher); ok {
				return l, &l.Protocol.Fields[i], true
			}
		}
	}
	return DraftLayer{}, nil, false
}

// check returns the value in the form in which a draft stores it: a number for a field of kind Uint, Bool or Letters.
// The error says which values the field can have.
func (p *Protocol) check(f *Field, v any) (any, error) {
	if _, ok := v.(Matcher); ok || v == nil {
		return v, nil
	}
	if n, ok := v.(uint64); ok && f.Kind <= Letters && !f.derived && f.Factor <= 1 && (f.Bits == 64 || n>>f.Bits == 0) { // most fields
		return v, nil
	}
	name := p.Name + "." + f.Name
	if f.derived && f.Write == nil {
		return nil, fmt.Errorf("%s is computed from other fields, and can't be set", name)
	}
	if b, ok := v.([]byte); ok && len(b) == 0 && f.Sent != nil { // left out, as Packet.Draft has it
		return v, nil
	}
	if f.Kind <= Letters {
		n, ok := v.(uint64)
		if !ok {
			return nil, fmt.Errorf("%s is a number, got %s", name, Format(v))
		}
		return n, f.checkNumber(name, n)
	}
	var err error
	if options, ok := v.(CanonicalOptions); ok {
		v = []Option(options)
	} else if v, err = f.Canonical(v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b, err := f.encode(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Bits != 0 && f.Kind != Text && len(b) != f.Bits/8 {
		return nil, fmt.Errorf("%s has %d octets, got %d", name, f.Bits/8, len(b))
	}
	return v, nil
}

// checkNumber reports a number that the field's octets can't hold.
func (f *Field) checkNumber(name string, n uint64) error {
	unit := uint64(max(f.Factor, 1))
	most := uint64(1)<<f.Bits - 1
	if f.Bits == 64 {
		most = 1<<64 - 1
	}
	switch {
	case unit > 1 && (n%unit != 0 || n/unit > most):
		return fmt.Errorf("%s is 0 to %d in steps of %d, got %d", name, most*unit, unit, n)
	case unit == 1 && n > most:
		return fmt.Errorf("%s is 0 to %d, got %d", name, most, n)
	}
	return nil
}
