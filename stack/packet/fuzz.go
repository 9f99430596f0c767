package packet

import "slices"

// The most octets that Fuzz draws for a field of variable width.
const (
	fuzzedData    = 64
	fuzzedOptions = 40
)

// keptByFuzz are fields whose default says what the layer is. Fuzz leaves them unset.
var keptByFuzz = []string{"version", "cookie", "reserved", "res", "res1", "res2", "resv", "unused", "hwtype", "ptype", "htype", "hlen"}

// Fuzz returns the draft with the unset fields drawn by rng, which returns a number of 64 random bits. Lengths, counts, checksums
// and numbers of next layers stay unset, and so do addresses, lists of them, quoted packets, ports that follow from the next layer, and what
// makes a layer another protocol. Each field that is drawn has a value that the layer can have. A field that keep does not want stays
// unset, and all others have the same values as with it; a nil keep wants every field. drawn lists the fields that were drawn.
func Fuzz(d *Draft, rng func() uint64, keep func(layer int, f *Field) bool) (out *Draft, drawn []Drawn) {
	out = &Draft{Layers: slices.Clone(d.Layers)}
	_, sound := out.Build()
	for i := range out.Layers {
		l := &out.Layers[i]
		for j := range l.Protocol.Fields {
			f := &l.Protocol.Fields[j]
			if l.Value(f) != nil || !f.fuzzed(l.Protocol) || f.Kind == Uint && f.Names != nil && f.Compute == Host && out.follows(i) {
				continue
			}
			before := *l
			*l = l.put(f, f.draw(rng))
			if _, err := out.Build(); err != nil && sound == nil { // the message has no such field, or not with a field that is set
				*l = before
				continue
			}
			if keep != nil && !keep(i, f) {
				*l = before
				continue
			}
			drawn = append(drawn, Drawn{i, f})
		}
	}
	return out, drawn
}

// Drawn is a field that Fuzz has drawn.
type Drawn struct {
	Layer int // index of its layer
	Field *Field
}

// follows reports whether the ports of the layer at index i follow from the next one.
func (d *Draft) follows(i int) bool {
	if i+1 >= len(d.Layers) {
		return false
	}
	next := d.Layers[i+1].Protocol
	_, udp := next.number(UDPPorts)
	_, tcp := next.number(TCPPorts)
	return udp || tcp
}

// fuzzed reports whether Fuzz draws the field in a layer of the protocol.
func (f *Field) fuzzed(p *Protocol) bool {
	switch {
	case f.derived || f.Compute != Given && f.Compute != Host || slices.Contains(keptByFuzz, f.Name):
		return false
	case f.index == 0 && (p.Base != nil || p.kind != nil || len(p.On) > 0 && p.On[0].Table == NDOptions): // the type selects the table
		return false
	case f.Kind == Other:
		return f.options != nil
	}
	return f.Kind != MAC && f.Kind != Addr
}

// draw returns a value of the field.
func (f *Field) draw(rng func() uint64) any {
	switch f.Kind {
	case Octets, Other, Text:
		n := int(rng() % (fuzzedData + 1))
		if f.Kind == Other {
			n = int(rng()%(fuzzedOptions/8+1)) * 8
		}
		if f.Bits > 0 {
			n = min(n, f.Bits/8)
		}
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng())
			if f.Kind == Text {
				b[i] = 'a' + b[i]%26
			}
		}
		if f.Kind == Text {
			return string(b)
		}
		return b
	}
	n := rng()
	if f.Bits < 64 {
		n &= 1<<f.Bits - 1
	}
	return n * uint64(max(1, f.Factor))
}
