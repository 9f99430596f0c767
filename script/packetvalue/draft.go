package packetvalue

import (
	"fmt"
	"hash/fnv"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/stack/packet"
)

// layerAt returns a layer of the draft as a value.
func (p *Value) layerAt(i int) *LayerValue {
	return &LayerValue{packet: p, draft: &p.draft.Layers[i], at: i}
}

// draftLayer returns the layer of a composed packet with an attribute, None if it has none.
func (p *Value) draftLayer(attr string) starlark.Value {
	if i, ok := p.draft.Named(attr); ok {
		return p.layerAt(i)
	}
	return starlark.None
}

// fieldValue returns the value to which a field of a composed packet is set, None for an unset field.
func (p *Value) fieldValue(f *packet.Field, x any) starlark.Value {
	switch v := x.(type) {
	case nil:
		return starlark.None
	case part:
		return v.source()
	case *packet.Draft:
		return Compose(p.env, v)
	case uint64:
		switch {
		case f.Kind == packet.Bool:
			return starlark.Bool(v != 0)
		case f.Kind == packet.Letters:
			text, _ := f.LetterText(v)
			return starlark.String(text)
		}
	}
	return p.value(x)
}

// draftField returns a field of a composed packet's layer. Of an unset field it is None. A field that follows from others is read from the
// packet as it would be built.
func (v *LayerValue) draftField(f *packet.Field) starlark.Value {
	x := v.draft.Value(f)
	if x == nil && f.Derived() {
		if d, err := v.packet.Built(); err == nil && v.at < len(d.Layers) {
			return v.packet.value(d.Layers[v.at].Value(f))
		}
	}
	return v.packet.fieldValue(f, x)
}

// sameDraft reports whether two drafts have the same layers with the same fields set to equal values.
func sameDraft(a, b *packet.Draft) (bool, error) {
	if len(a.Layers) != len(b.Layers) {
		return false, nil
	}
	for i, l := range a.Layers {
		if same, err := sameLayer(l, b.Layers[i]); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func sameLayer(l, m packet.DraftLayer) (bool, error) {
	if l.Protocol != m.Protocol {
		return false, nil
	}
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		if same, err := sameValue(l.Value(f), m.Value(f)); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// sameValue reports whether two values of a field are equal. Two sets of values are equal if a script has written equal ones.
func sameValue(a, b any) (bool, error) {
	switch x := a.(type) {
	case part:
		y, ok := b.(part)
		if !ok {
			return false, nil
		}
		return starlark.Equal(x.source(), y.source())
	case *packet.Draft:
		y, ok := b.(*packet.Draft)
		if !ok {
			return false, nil
		}
		return sameDraft(x, y)
	}
	if _, ok := b.(part); ok {
		return false, nil
	}
	return packet.Equal(a, b), nil
}

// draftHash returns a number that equal drafts share.
func draftHash(d *packet.Draft) uint32 {
	h := fnv.New32a()
	for _, l := range d.Layers {
		h.Write([]byte(l.Protocol.Name))
		for i := range l.Protocol.Fields {
			if n, ok := l.Value(&l.Protocol.Fields[i]).(uint64); ok {
				fmt.Fprintf(h, " %d %d", i, n)
			}
		}
	}
	return h.Sum32()
}

// nameWidth is the width of the column of field names, as of a frame's.
const nameWidth = 10

// showDraft describes every field of a composed packet. Of an unset field it shows what sending fills in.
func (p *Value) showDraft() string {
	built, err := p.Built()
	var b strings.Builder
	for i, l := range p.draft.Layers {
		fmt.Fprintf(&b, "[%s]\n", l.Protocol.Attr)
		for j := range l.Protocol.Fields {
			f := &l.Protocol.Fields[j]
			v := l.Value(f)
			var at *packet.Layer
			if err == nil && i < len(built.Layers) {
				at = &built.Layers[i]
			}
			text := ""
			switch {
			case v != nil:
				text = said(f, v)
			case f.Derived() || at != nil && !at.Has(f):
				continue
			default:
				text = unsetText(f, at)
			}
			fmt.Fprintf(&b, "  %-*s %s\n", nameWidth, f.Name, text)
		}
	}
	if err != nil {
		fmt.Fprintf(&b, "it can't be sent: %v\n", err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// unsetText returns what sending fills in for an unset field. at is the layer as it would be built without a host, nil if the packet can't
// be built.
func unsetText(f *packet.Field, at *packet.Layer) string {
	what := f.Compute.String()
	switch {
	case at == nil && what != "":
		return "unset: " + what
	case at == nil && f.Default != nil:
		return "unset: " + packet.Format(f.Default)
	case at == nil:
		return "unset: 0"
	case f.Compute == packet.Host, f.Compute == packet.Checksum:
		return "unset: " + what
	}
	value := f.Format(*at)
	if value == `b""` || value == "" {
		value = "empty"
	}
	if what == "" {
		return "unset: " + value
	}
	return fmt.Sprintf("unset: %s, %s", what, value)
}
