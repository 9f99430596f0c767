package packet

import (
	"bytes"
	"net/netip"
	"slices"

	"smolsh/stack/wire"
)

// A Difference is a field of a pattern that a packet does not fit.
type Difference struct {
	Layer DraftLayer // the pattern's layer
	Field *Field     // nil if the packet does not have the layer
	Got   any        // the packet's value; nil if the packet does not have the field
}

// Match reports whether a packet fits the pattern: it has the pattern's layers in their order, each next to the one
// before, and their set fields have the pattern's values. The first layer may be at any depth. Whatever follows the last one is free, unless the pattern
// ends in Raw, which matches the whole payload. A pattern without layers fits every packet.
func (d *Draft) Match(p *Packet) bool {
	for at := range p.Layers {
		if d.matchAt(p, at) {
			return true
		}
	}
	return len(d.Layers) == 0 || d.Layers[0].Protocol == Padding && d.matchAt(p, len(p.Layers))
}

// MatchFrame is Match for a frame of length octets, of which b has the first ones. It dissects the frame in
// p, which Catalogue.View has returned and whose layers it replaces, and no further than it takes to decide.
func (d *Draft) MatchFrame(p *Packet, b []byte, length int, first *Protocol) bool {
	if len(d.Layers) == 0 {
		return true
	}
	*p = Packet{carried: p.carried, Octets: b, Length: max(length, len(b)), First: first}
	return p.read(d)
}

// fitsEnd reports whether the packet fits with the pattern's last layer as its last one. Data at the pattern's end may be that layer's payload.
func (d *Draft) fitsEnd(p *Packet) bool {
	n := len(d.Layers)
	for n > 1 && (d.Layers[n-1].Protocol == Raw || d.Layers[n-1].Protocol == Padding) {
		n--
	}
	return len(p.Layers) >= n && d.matchAt(p, len(p.Layers)-n)
}

// matchAt reports whether the packet fits with the pattern's first layer at index at.
func (d *Draft) matchAt(p *Packet, at int) bool {
	for i := range d.Layers {
		l := &d.Layers[i]
		if l.Protocol == Raw && at+i > 0 && at+i <= len(p.Layers) {
			if !l.fitsData(p.Layers[at+i-1].Payload()) {
				return false
			}
			continue
		}
		var got *Layer
		if l.Protocol == Padding {
			padding, ok := p.Padding()
			if !ok || at+i < padding.index {
				return false
			}
			got = &padding
		} else if at+i >= len(p.Layers) || !p.Layers[at+i].Protocol.Is(l.Protocol) {
			return false
		} else {
			got = &p.Layers[at+i]
		}
		for j, v := range l.values {
			if v != nil && !got.fits(&got.Protocol.Fields[j], v) {
				return false
			}
		}
	}
	return true
}

// fitsData reports whether a Raw layer of a pattern matches a payload.
func (l *DraftLayer) fitsData(payload []byte) bool {
	if len(l.values) == 0 || l.values[0] == nil {
		return len(payload) > 0
	}
	return fitsOctets(l.values[0], payload)
}

// fitsOctets reports whether a pattern's value of a field of octets matches b.
func fitsOctets(v any, b []byte) bool {
	if m, ok := v.(Matcher); ok {
		return m.Matches(b)
	}
	want, ok := v.([]byte)
	return ok && bytes.Equal(want, b)
}

// fits reports whether the layer's field has a pattern's value v.
func (l *Layer) fits(f *Field, v any) bool {
	if m, ok := v.(Matcher); ok {
		return m.Matches(l.plain(f))
	}
	if n, ok := v.(uint64); ok && f.Kind <= Letters {
		got, there := l.uint(f)
		return there && got == n
	}
	if f.derived {
		return Equal(l.Value(f), v)
	}
	if f.When != nil && !l.present(f) {
		return false
	}
	if l.fitsSpan(f, v) {
		return true
	}
	// Many octets may show one value, which shows no octets behind a text's NUL or the end of a list of options, or beyond a capture's.
	return (f.Kind == Text || f.Read != nil || f.Size != nil) && Shows(l.Value(f), v)
}

// fitsSpan reports whether the field's octets are those of a pattern's value v.
func (l *Layer) fitsSpan(f *Field, v any) bool {
	from, to := l.Span(f)
	if to > l.known() {
		return false
	}
	got := l.packet.Octets[from:to]
	if a, ok := v.(netip.Addr); ok && f.Kind == Addr {
		return address(got) == a.WithZone("")
	}
	want, err := f.encode(v)
	if err != nil {
		return false
	}
	if f.Size == nil {
		return bytes.Equal(got, want)
	}
	return bytes.HasPrefix(got, want) && len(bytes.TrimRight(got[len(want):], "\x00")) == 0 && len(got)-len(want) < 8
}

// Shows reports whether a field with the value got, as Layer.Value returns it, has the value want, as a draft has it: octets may stand for
// an address or a text.
func Shows(got, want any) bool {
	if b, ok := want.([]byte); ok {
		switch v := got.(type) {
		case wire.HardwareAddr:
			return bytes.Equal(b, v[:])
		case netip.Addr:
			return bytes.Equal(b, v.AsSlice())
		case string:
			return v == string(b)
		}
	}
	return Equal(want, got)
}

// plain returns a field's value for a Matcher: a number for a field of kind Letters, like the values of drafts.
func (l Layer) plain(f *Field) any {
	if f.Kind == Letters {
		n, ok := l.Uint(f)
		if !ok {
			return nil
		}
		return n
	}
	return l.Value(f)
}

// Differences returns the fields by which the packet fails the pattern, at the depth where it comes nearest to fitting. It returns nil for
// a packet that fits.
func (d *Draft) Differences(p *Packet) []Difference {
	if d.Match(p) {
		return nil
	}
	var best []Difference
	for at := range max(1, len(p.Layers)) {
		if diffs := d.differencesAt(p, at); best == nil || missingLayers(diffs) < missingLayers(best) || missingLayers(diffs) == missingLayers(best) && len(diffs) < len(best) {
			best = diffs
		}
	}
	return best
}

func missingLayers(diffs []Difference) (n int) {
	for _, d := range diffs {
		if d.Field == nil {
			n++
		}
	}
	return n
}

// differencesAt returns the differences with the pattern's first layer at index at.
func (d *Draft) differencesAt(p *Packet, at int) (diffs []Difference) {
	for i := range d.Layers {
		l := d.Layers[i]
		if l.Protocol == Raw && at+i > 0 && at+i <= len(p.Layers) {
			if payload := p.Layers[at+i-1].Payload(); !l.fitsData(payload) {
				diffs = append(diffs, Difference{l, Raw.Field("load"), payload})
			}
			continue
		}
		if at+i >= len(p.Layers) || !p.Layers[at+i].Protocol.Is(l.Protocol) {
			diffs = append(diffs, Difference{Layer: l})
			continue
		}
		got := p.Layers[at+i]
		for j, v := range l.values {
			if f := &got.Protocol.Fields[j]; v != nil && !got.fits(f, v) {
				diffs = append(diffs, Difference{l, f, got.plain(f)})
			}
		}
	}
	return diffs
}

// Equal reports whether two values of a field are equal.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case []byte:
		y, ok := b.([]byte)
		return ok && bytes.Equal(x, y)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case []Option:
		y, ok := b.([]Option)
		return ok && slices.EqualFunc(x, y, func(a, b Option) bool {
			return a.Kind == b.Kind && a.Name == b.Name && Equal(a.Value, b.Value)
		})
	case []SequenceRange:
		y, ok := b.([]SequenceRange)
		return ok && slices.Equal(x, y)
	case OptionMap:
		y, ok := b.(OptionMap)
		return ok && slices.EqualFunc(x, y, func(a, b CodeValue) bool { return a.Code == b.Code && bytes.Equal(a.Data, b.Data) })
	case Record:
		y, ok := b.(Record)
		return ok && x.Name == y.Name && slices.EqualFunc(x.Parts, y.Parts, func(a, b Part) bool { return a.Name == b.Name && Equal(a.Value, b.Value) })
	case RouteOption:
		y, ok := b.(RouteOption)
		return ok && x.Pointer == y.Pointer && Equal(x.Addresses, y.Addresses)
	case *Packet:
		y, ok := b.(*Packet)
		return ok && bytes.Equal(x.Octets, y.Octets)
	}
	return a == b
}
