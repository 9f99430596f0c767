package packet

import (
	"fmt"
	"slices"

	"smolsh/phy"
)

// A Packet is a frame, or its first octets, and the layers that Dissect found in it.
type Packet struct {
	Octets []byte    // known octets of the frame, which must not be changed
	Length int       // length of the whole frame in octets, at least len(Octets)
	First  *Protocol // protocol of the first layer
	Layers []Layer   // layers from the link layer up; the last may be Raw

	damage     []Damage
	conditions map[fieldAt]bool // results of scripts' conditions (Layer.present)
	offsets    map[int][]int    // by the layer's index: offsets of fields that depend on others, in bits (Layer.start)
	carried    lookup
	built      bool     // true while Build computes the packet's fields
	depth      int      // number of errors in which the packet is quoted
	room       [5]Layer // storage of Layers, so that most packets need one allocation
}

// A Layer is one header of a packet. It is a view: it refers to the packet's octets.
type Layer struct {
	Protocol *Protocol
	packet   *Packet
	index    int  // index in Packet.Layers
	begin    int  // offset of the header's first octet
	body     int  // offset of the first octet after the header
	end      int  // offset of the layer's end by the length fields, within the frame
	stop     bool // true if the header's length is wrong, so that the next layer can't be found
}

// Damage is a field whose octets contradict the protocol or the frame.
type Damage struct {
	Layer int    // the index in Packet.Layers
	Field *Field // nil if the whole layer is damaged
	Text  string // the fault, such as "3 is below 5"
}

// maxLayers is the largest number of headers that are read in a packet, since tags, extension headers and tunnels can
// repeat.
const maxLayers = 32

// Dissect finds the layers of a frame of length octets; b has its first octets. It does not fail: it describes what it
// can read, and Damage returns the fields with contradictions. The packet keeps b.
func Dissect(b []byte, length int, first *Protocol) *Packet {
	return dissect(b, length, first, Carried)
}

// dissect implements Dissect. The lookup of protocol numbers is an argument, because the tables that it reads call
// dissect themselves.
func dissect(b []byte, length int, first *Protocol, carried lookup) *Packet {
	p := &Packet{carried: carried, Octets: b, Length: max(length, len(b)), First: first}
	p.read(nil)
	return p
}

// read finds the layers of a packet that has none. With a pattern it stops where the layers fit it, and returns true.
func (p *Packet) read(pattern *Draft) (fits bool) {
	p.Layers = p.room[:0]
	at, end := 0, p.Length
	for next := p.First; next != nil && len(p.Layers) < maxLayers && (at < end || len(p.Layers) == 0); {
		l := p.add(next, at, end)
		if pattern != nil && pattern.fitsEnd(p) {
			return true
		}
		at, end = l.body, l.end
		next = l.following()
		if next == nil && at < end {
			next = Raw
		}
	}
	return false
}

// First returns the protocol with which a frame of the medium begins.
func First(b []byte, m phy.Medium) *Protocol {
	if m == phy.MediumEthernet {
		return Ether
	}
	if len(b) > 0 {
		switch b[0] >> 4 {
		case 4:
			return IP
		case 6:
			return IPv6
		}
	}
	return Raw
}

// OfMedium dissects a whole frame of a medium.
func OfMedium(b []byte, m phy.Medium) *Packet { return Dissect(b, len(b), First(b, m)) }

// add reads the lengths in the header at offset at, whose protocol is proto, and appends the layer.
// The layer may be moved when the next one is appended.
func (p *Packet) add(proto *Protocol, at, end int) *Layer {
	index := len(p.Layers)
	p.Layers = append(p.Layers, Layer{})
	l := &p.Layers[index] // in place, because a copy costs as much as all its lengths
	l.Protocol, l.packet, l.index, l.begin, l.body, l.end = proto, p, index, at, end, end
	if proto.variants != "" {
		if n, ok := l.uint(proto.kind); ok {
			if v := p.carried(proto.variants, n); v != nil {
				l.Protocol, proto = v, v
			}
		}
	}
	if at+proto.fixed > end {
		p.wrong(*l, nil, "the header has %d octets, and %d are there", proto.fixed, end-at)
		return l
	}
	l.limit()
	l.body = l.begin + l.headerLen()
	return l
}

// limit ends the layer at its length field's value, unless that contradicts the octets.
func (l *Layer) limit() {
	f := l.Protocol.length
	if f == nil {
		return
	}
	n, ok := l.uint(f)
	if !ok || n == 0 && l.Protocol.zeroLength {
		return
	}
	least := 0
	start := l.begin
	switch f.Compute {
	case PayloadLength:
		start += l.Protocol.fixed
	case RestLength:
		start += (l.start(f) + f.Bits) / 8
	default:
		least = l.Protocol.fixed
	}
	switch room := l.end - start; {
	case int(n) < least:
		l.packet.wrong(*l, f, "%d is below %d", n, least)
	case int(n) > room:
		if l.inFragment() { // the length of the whole datagram, of which the layer has only a part
			return
		}
		l.packet.wrong(*l, f, "%d, and %d octets are there", n, room)
	case int(n) < room:
		l.end = start + int(n)
	}
}

// inFragment reports whether the layer begins a datagram that continues in other fragments.
func (l Layer) inFragment() bool {
	ip, ok := l.ip()
	if !ok {
		return false
	}
	_, more := l.packet.fragment(ip)
	return more
}

// headerLen returns the length of the header in octets, at most the layer's length.
func (l *Layer) headerLen() int {
	room := l.end - l.begin
	if f := l.Protocol.header; f != nil {
		n, ok := l.uint(f)
		if !ok {
			return room
		}
		octets := int(n)*f.Scale + f.Plus
		switch {
		case octets < l.Protocol.fixed:
			l.packet.wrong(*l, f, "%d is below %d", n, (l.Protocol.fixed-f.Plus+f.Scale-1)/f.Scale)
			l.stop = true
			return l.Protocol.fixed
		case octets > room:
			l.packet.wrong(*l, f, "%d is %d octets, and %d are there", n, octets, room)
			return room
		}
		return octets
	}
	if l.Protocol.whole {
		return min(l.Protocol.fixed, room)
	}
	bits := 0
	for i := range l.Protocol.Fields {
		bits += l.width(&l.Protocol.Fields[i])
	}
	switch n := bits / 8; {
	case n > room && n >= maxBuilt: // sizes of fields end there
		l.packet.wrong(*l, nil, "the header has %d octets or more, and %d are there", maxBuilt, room)
	case n > room:
		l.packet.wrong(*l, nil, "the header has %d octets, and %d are there", n, room)
	}
	return min(bits/8, room)
}

// following returns the protocol of the next layer according to the header, nil for none.
func (l *Layer) following() *Protocol {
	switch f := l.Protocol.follow; {
	case l.stop:
		return nil
	case l.Protocol.next != nil:
		return l.Protocol.next(*l, l.packet.carried)
	case f != nil:
		if n, ok := l.uint(f); ok {
			return l.packet.carried(f.Table, n)
		}
	}
	return nil
}

// wrong records damage of a layer.
func (p *Packet) wrong(l Layer, f *Field, format string, args ...any) {
	p.damage = append(p.damage, Damage{l.index, f, fmt.Sprintf(format, args...)})
}

// known returns the end of the layer's octets that the caller has provided.
func (l Layer) known() int { return min(l.end, len(l.packet.Octets)) }

// octets returns the layer's known octets, header and payload.
func (l Layer) octets() []byte {
	return l.packet.Octets[min(l.begin, len(l.packet.Octets)):max(l.known(), min(l.begin, len(l.packet.Octets)))]
}

// Header returns the known octets of the header.
func (l Layer) Header() []byte {
	b := l.octets()
	return b[:min(len(b), l.body-l.begin)]
}

// Payload returns the known octets of the layer's payload.
func (l Layer) Payload() []byte {
	b := l.octets()
	return b[min(len(b), l.body-l.begin):]
}

// PayloadLen returns the length of the layer's payload by its length fields, in octets.
func (l Layer) PayloadLen() int { return l.end - l.body }

// complete reports whether all octets of the layer are known.
func (l Layer) complete() bool { return l.end <= len(l.packet.Octets) }

// under returns the layer below. ok is false for the first layer.
func (l Layer) under() (Layer, bool) {
	if l.index == 0 {
		return Layer{}, false
	}
	return l.packet.Layers[l.index-1], true
}

// Padding returns the octets after the end of the innermost layer as a layer, which Layers does not have in a dissected packet. ok is
// false if there are none.
func (p *Packet) Padding() (l Layer, ok bool) {
	if len(p.Layers) == 0 {
		return l, false
	}
	last := p.Layers[len(p.Layers)-1]
	if last.Protocol == Padding {
		return last, true
	}
	if last.end >= len(p.Octets) {
		return l, false
	}
	return Layer{Protocol: Padding, packet: p, index: len(p.Layers), begin: last.end, body: p.Length, end: p.Length}, true
}

// Layer returns the outermost layer of a protocol. ok is false if the packet has none.
func (p *Packet) Layer(proto *Protocol) (l Layer, ok bool) {
	if proto == Padding {
		return p.Padding()
	}
	for _, l := range p.Layers {
		if l.Protocol.Is(proto) {
			return l, true
		}
	}
	return l, false
}

// Named returns the outermost layer with the attribute attr. ok is false if the packet has none.
func (p *Packet) Named(attr string) (l Layer, ok bool) {
	if attr == Padding.Attr {
		return p.Padding()
	}
	for _, l := range p.Layers {
		if l.Protocol.Attr == attr {
			return l, true
		}
	}
	return l, false
}

// Damage returns the packet's faults, layer by layer. It reads every field.
func (p *Packet) Damage() []Damage {
	all := p.damage[:len(p.damage):len(p.damage)]
	for _, l := range p.Layers {
		for i := range l.Protocol.Fields {
			f := &l.Protocol.Fields[i]
			if text := l.fault(f); text != "" {
				all = append(all, Damage{l.index, f, text})
			}
			if f.Read == nil || f.derived {
				continue
			}
			if _, to := l.Span(f); to > len(p.Octets) { // the capture has cut the field off
				continue
			}
			if _, text := l.read(f); text != "" {
				all = append(all, Damage{l.index, f, text})
			}
		}
	}
	return all
}

// fault returns the fault of a field that is a number: one that the protocol forbids, or a wrong checksum. It returns "" for none.
func (l Layer) fault(f *Field) string {
	if f.check == nil && f.Compute != Checksum {
		return ""
	}
	n, ok := l.Uint(f)
	if !ok {
		return ""
	}
	if f.check != nil {
		if text := f.check(l, n); text != "" {
			return text
		}
	}
	if f.Compute == Checksum && !l.damaged() {
		if want, known := f.Sum(l); known && want != n {
			return fmt.Sprintf("%s is wrong, %s is right", f.hex(n), f.hex(want))
		}
	}
	return ""
}

// damaged reports whether a length of the layer or of one below is wrong, so that it is not known of which octets a checksum would be right.
func (l Layer) damaged() bool {
	return slices.ContainsFunc(l.packet.damage, func(d Damage) bool { return d.Layer <= l.index })
}

// Data returns the known octets of the outermost transport header's payload. For an ICMP message those are the octets
// after its first 8; without a transport header, those after the IP headers. ok is false if the packet has no IP
// header.
func (p *Packet) Data() (data []byte, ok bool) {
	ip, ok := p.network()
	if !ok {
		return nil, false
	}
	last := ip
	for _, l := range p.Layers[ip.index+1:] {
		switch {
		case l.Protocol == TCP || l.Protocol == UDP:
			return l.Payload(), true
		case l.Protocol == ICMP || l.Protocol.Is(ICMPv6):
			b := l.octets()
			return b[min(len(b), ICMPHeaderLen):], true
		case !l.Protocol.extension():
			return last.Payload(), true
		}
		last = l
	}
	return last.Payload(), true
}
