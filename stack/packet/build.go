package packet

import (
	"fmt"
	"slices"
)

// Padding is octets after the end of a packet that no length field counts, such as those that fill an Ethernet frame.
var Padding = define(Protocol{
	Name: "Padding", Doc: "octets after the packet's end, which no length field counts",
	Fields: loadFields,
})

// maxBuilt is the largest packet that Build makes, in octets.
const maxBuilt = 1 << 17

// Build returns the packet of a draft with all its octets. It fills in the unset fields: defaults, header lengths, lengths, counts, numbers of
// next layers, and checksums. Fields that only a host knows are zero (Compute Host). Fields that are set are written as they are. The
// packet's layers are the draft's, whatever the octets say. The error names a field that can't be sent.
func (d *Draft) Build() (*Packet, error) {
	if l, f, ok := d.Pattern(); ok {
		return nil, fmt.Errorf("%s.%s is %v, which only a pattern may have", l.Protocol.Name, f.Name, l.Value(f))
	}
	if len(d.Layers) == 0 {
		return nil, fmt.Errorf("a packet without layers has no octets")
	}
	p := &Packet{carried: Carried, First: d.Layers[0].Protocol, built: true}
	p.Layers, p.Octets = p.room[:0], make([]byte, 0, 128)
	var room [8]DraftLayer
	layers := append(room[:0], d.Layers...)
	limitHops(layers)
	for i := range layers {
		var next *DraftLayer
		if i+1 < len(layers) {
			next = &d.Layers[i+1]
		}
		if prepare := layers[i].Protocol.prepare; prepare != nil {
			var err error
			if layers[i], err = prepare(layers[i], next); err != nil {
				return nil, fmt.Errorf("%s.%w", layers[i].Protocol.Name, err)
			}
		}
		if err := p.append(layers[i], next); err != nil {
			return nil, err
		}
	}
	p.Length = len(p.Octets)
	end := p.Length
	for i := len(layers) - 1; i >= 0; i-- {
		l := &p.Layers[i]
		l.end = end
		if l.Protocol == Padding {
			l.end, end = p.Length, l.begin
		}
	}
	for i := len(layers) - 1; i >= 0; i-- {
		if err := p.Layers[i].computed(layers[i]); err != nil {
			return nil, err
		}
	}
	p.built = false
	return p, nil
}

// append writes the layer's header at the end of the packet, with zeros for lengths and checksums.
func (p *Packet) append(d DraftLayer, next *DraftLayer) error {
	begin := len(p.Octets)
	l := Layer{Protocol: d.Protocol, packet: p, index: len(p.Layers), begin: begin}
	p.Layers = append(p.Layers, l)
	missing, err := p.fields(d, next, begin, false)
	if missing != nil { // its condition depends on the length of the message
		p.Octets, p.conditions = p.Octets[:begin], nil
		delete(p.offsets, l.index)
		missing, err = p.fields(d, next, begin, true)
	}
	switch {
	case err != nil:
		return err
	case missing != nil:
		return fmt.Errorf("%s.%s is not there in such a message", d.Protocol.Name, missing.Name)
	case len(p.Octets) > maxBuilt:
		return fmt.Errorf("the packet is longer than %d octets", maxBuilt)
	}
	if h := d.Protocol.header; h != nil {
		for (len(p.Octets)-begin-h.Plus)%h.Scale != 0 {
			p.Octets = append(p.Octets, 0)
		}
	}
	p.Layers[l.index].body = len(p.Octets)
	return nil
}

// fields writes the fields of a layer that begins at begin. Conditions are asked of a layer that ends at the field, or, if
// long is true, far beyond it. missing is a field that is set and whose condition is false.
func (p *Packet) fields(d DraftLayer, next *DraftLayer, begin int, long bool) (missing *Field, err error) {
	bit := begin * 8
	l := p.Layers[len(p.Layers)-1]
	var offsets []int // as they are written, whatever the fields that say so have
	record := func() {
		if d.Protocol.varies {
			offsets = append(offsets, bit-begin*8)
			p.record(l.index, offsets)
		}
	}
	for i := range d.Protocol.Fields {
		f := &d.Protocol.Fields[i]
		record()
		if f.derived {
			continue
		}
		v := d.Value(f)
		if there := f.When; there != nil {
			l.end = len(p.Octets)
			if long {
				l.end = begin + maxBuilt
			}
			if f.Sent != nil {
				there = f.Sent
			}
			if omitted, ok := v.([]byte); ok && len(omitted) == 0 && (f.Bits != 0 || f.Sent != nil) {
				continue
			}
			l.body = len(p.Octets)
			if f.scripted {
				there = func(l Layer) bool { return l.present(f) }
			}
			if !there(l) {
				if v != nil {
					return f, nil
				}
				continue
			}
		}
		if f.Kind <= Letters {
			n, ok := v.(uint64)
			if !ok {
				n = f.unset(next)
			}
			if f.Factor > 1 {
				n /= uint64(f.Factor)
			}
			if need := (bit + f.Bits + 7) / 8; need > len(p.Octets) {
				p.Octets = append(p.Octets, make([]byte, need-len(p.Octets))...)
			}
			putBits(p.Octets, bit, f.Bits, n)
			bit += f.Bits
			continue
		}
		if v == nil {
			v = f.Default
		}
		if p.Octets, err = f.append(p.Octets, v); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", d.Protocol.Name, f.Name, err)
		}
		bit = len(p.Octets) * 8
	}
	record()
	return nil, nil
}

// record keeps the offsets of a layer's fields.
func (p *Packet) record(layer int, offsets []int) {
	if p.offsets == nil {
		p.offsets = map[int][]int{}
	}
	p.offsets[layer] = offsets
}

// unset returns the number that an unset field begins with, before lengths and checksums are computed. next is the layer that
// follows, or nil.
func (f *Field) unset(next *DraftLayer) uint64 {
	if f.Table != "" {
		if next == nil || next.Protocol == Padding {
			if n, ok := f.Last.(uint64); ok {
				return n
			}
		} else if n, ok := f.carries[next.Protocol]; ok {
			return n
		} else if n, ok := next.Protocol.number(f.Table); ok {
			return n
		}
	}
	n, _ := f.Default.(uint64)
	return n
}

// number returns the number of the protocol in a table. ok is false if it has none.
func (p *Protocol) number(t Table) (n uint64, ok bool) {
	for q := p; q != nil; q = q.Base {
		for _, at := range q.On {
			if at.Table == t && at.Number != anyNumber {
				return at.Number, true
			}
		}
	}
	return 0, false
}

// computed fills in the layer's unset lengths, counts and checksum. The layers above must be complete.
func (l Layer) computed(d DraftLayer) error {
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		if f.Compute == Given || f.Compute == Host || f.Compute == NextProtocol || f.Compute == Checksum || d.Value(f) != nil || l.width(f) == 0 {
			continue
		}
		n := 0
		switch f.Compute {
		case HeaderLength:
			n = (l.body - l.begin - f.Plus) / f.Scale
		case TotalLength:
			n = l.end - l.begin
		case PayloadLength:
			n = l.end - l.begin - l.Protocol.fixed
		case RestLength:
			n = l.body - l.begin - (l.start(f)+f.Bits)/8
		case Count:
			n = l.Protocol.entries(d, i)
		case FieldLength:
			n = d.lengthOf(f.about) + f.Plus
		}
		if err := f.checkNumber(f.Name, uint64(n)); err != nil {
			return fmt.Errorf("the packet is too long: %s.%w", l.Protocol.Name, err)
		}
		putBits(l.packet.Octets, l.begin*8+l.start(f), f.Bits, uint64(n))
	}
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		if f.Compute != Checksum || d.Value(f) != nil || l.width(f) == 0 {
			continue
		}
		if sum, ok := f.Sum(l); ok {
			putBits(l.packet.Octets, l.begin*8+l.start(f), f.Bits, sum)
		}
	}
	return nil
}

// lengthOf returns the length of a field in octets.
func (d DraftLayer) lengthOf(f *Field) int {
	if f.Bits != 0 {
		return f.Bits / 8
	}
	v := d.Value(f)
	if v == nil {
		v = f.Default
	}
	b, err := f.encode(v)
	if v == nil || err != nil {
		return 0
	}
	return len(b)
}

// entries returns the number of entries in the list that the field at index i counts, by default the first one after it.
func (p *Protocol) entries(d DraftLayer, i int) int {
	if about := p.Fields[i].about; about != nil {
		i = about.index
	}
	for ; i < len(p.Fields); i++ {
		if list, ok := d.Value(&p.Fields[i]).([]any); ok {
			return len(list)
		}
	}
	return 0
}

// Draft returns the packet as a draft whose fields are all set, such that Build returns the same octets. A layer that can't be told
// apart that way becomes Raw. The octets must be known to the packet's end.
func (p *Packet) Draft() *Draft {
	for n := len(p.Layers); ; n-- {
		d := p.draft(n)
		if q, err := d.Build(); n == 0 || err == nil && slices.Equal(q.Octets, p.Octets) {
			return d
		}
	}
}

// draft returns the first n layers as layers of a draft, and the rest of the octets as Raw, or as Padding after the packet's end.
func (p *Packet) draft(n int) *Draft {
	d, at := &Draft{}, 0
	for _, l := range p.Layers[:n] {
		dl, ok := l.draft()
		if !ok {
			break
		}
		d.Layers, at = append(d.Layers, dl), min(l.body, len(p.Octets))
	}
	rest := p.Octets[at:]
	last := len(d.Layers) == len(p.Layers)
	switch {
	case len(rest) == 0 && len(d.Layers) > 0:
	case last:
		d.Layers = append(d.Layers, DraftLayer{Padding, []any{rest}})
	default:
		if end := p.Layers[len(p.Layers)-1].end - at; end > 0 && end < len(rest) {
			d.Layers = append(d.Layers, DraftLayer{Raw, []any{rest[:end]}}, DraftLayer{Padding, []any{rest[end:]}})
			break
		}
		d.Layers = append(d.Layers, DraftLayer{Raw, []any{rest}})
	}
	return d
}

// draft returns the layer with all fields set. ok is false if the header is not whole.
func (l Layer) draft() (d DraftLayer, ok bool) {
	d = DraftLayer{l.Protocol, make([]any, len(l.Protocol.Fields))}
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		if f.derived {
			continue
		}
		if !l.present(f) {
			if f.Sent != nil {
				d.values[i] = []byte{}
			}
			continue
		}
		from, to := l.Span(f)
		if to > l.known() {
			return d, false
		}
		if f.Kind <= Letters {
			n, ok := l.Uint(f)
			if !ok {
				return d, false
			}
			d.values[i] = n
			continue
		}
		octets := l.packet.Octets[from:to]
		d.values[i] = octets
		if f.Size != nil && len(octets) == 0 {
			d.values[i] = nil
			continue
		}
		if v := l.Value(f); v != nil {
			if b, err := f.encode(v); err == nil && slices.Equal(l.padded(b, from, to), octets) {
				d.values[i] = v
			}
		}
	}
	if describe := l.Protocol.describe; describe != nil {
		d = describe(l, d)
	}
	return d, true
}

// padded returns the octets of a field that begins at the offset from and ends at to, with the zeros that Build puts at the end of a
// header whose length counts words.
func (l Layer) padded(b []byte, from, to int) []byte {
	h := l.Protocol.header
	if h == nil || to != l.body {
		return b
	}
	for b = b[:len(b):len(b)]; (from-l.begin+len(b)-h.Plus)%h.Scale != 0; {
		b = append(b, 0)
	}
	return b
}

// Unfilled returns the draft without the lengths, counts, checksums and numbers of next layers that Build would fill in with the values that
// they have. If defaults is true, it also omits fields that have their default value. Build returns the same octets as before.
func (d *Draft) Unfilled(defaults bool) *Draft {
	want, err := d.Build()
	if err != nil {
		return d
	}
	keep := make([][]bool, len(d.Layers))
	for range 2 {
		u := &Draft{Layers: slices.Clone(d.Layers)}
		for i, l := range u.Layers {
			values := slices.Clone(l.values)
			for j := range values {
				f := &l.Protocol.Fields[j]
				computed := f.Compute != Given && f.Compute != Host
				if !f.derived && (computed || defaults && f.Compute == Given && f.isDefault(values[j])) && (keep[i] == nil || !keep[i][j]) {
					values[j] = nil
				}
			}
			u.Layers[i].values = values
		}
		got, err := u.Build()
		if err != nil {
			return d
		}
		if slices.Equal(got.Octets, want.Octets) {
			return u
		}
		for i, l := range d.Layers {
			keep[i] = make([]bool, len(l.Protocol.Fields))
			for j := range l.values {
				f := &l.Protocol.Fields[j]
				keep[i][j] = !f.derived && !sameOctets(got.Layers[i], want.Layers[i], f)
			}
		}
	}
	return d
}

// isDefault reports whether a field of fixed width that is unset is sent with the value v.
func (f *Field) isDefault(v any) bool {
	if f.Size != nil || v == nil {
		return false
	}
	if f.Kind <= Letters {
		n, _ := f.Default.(uint64)
		return v == n
	}
	want := make([]byte, f.Bits/8)
	if f.Default != nil {
		var err error
		if want, err = f.encode(f.Default); err != nil {
			return false
		}
	}
	b, err := f.encode(v)
	return err == nil && slices.Equal(b, want)
}

// sameOctets reports whether a field has the same number, or the same octets, in two layers of one protocol.
func sameOctets(a, b Layer, f *Field) bool {
	if f.Kind <= Letters {
		x, ok1 := a.Uint(f)
		y, ok2 := b.Uint(f)
		return ok1 == ok2 && x == y
	}
	af, at := a.Span(f)
	bf, bt := b.Span(f)
	return at <= len(a.packet.Octets) && bt <= len(b.packet.Octets) && slices.Equal(a.packet.Octets[af:at], b.packet.Octets[bf:bt])
}
