package packet

import (
	"fmt"

	"smolsh/phy"
)

// A Packet is a frame, or its first octets, with the layers that Dissect found in it.
type Packet struct {
	Octets []byte    // the frame's octets that are known; nobody changes them
	Length int       // octets of the whole frame, at least len(Octets)
	First  *Protocol // of the first layer
	Layers []Layer   // from the link layer up; the last may be Raw

	damage  []Damage
	carried lookup
	depth   int      // how many errors quote the packet
	room    [6]Layer // of Layers, so that most packets need one allocation
}

// A Layer is one header of a packet. It is a view: it refers to the packet's octets.
type Layer struct {
	Protocol *Protocol
	packet   *Packet
	index    int  // in Packet.Layers
	begin    int  // the first octet of the header
	body     int  // the first octet after the header
	end      int  // where the layer ends by the length fields, within the frame
	stop     bool // the header's length is wrong, so that what follows cannot be told
}

// Damage is a field whose octets contradict the protocol or the frame.
type Damage struct {
	Layer int    // the index in Packet.Layers
	Field *Field // nil for the layer as a whole
	Text  string // the fault, such as "3 is below 5"
}

// maxLayers bounds the headers of a packet that are read: tags, extension headers and tunnels repeat.
const maxLayers = 32

// Dissect finds the layers of a frame of length octets, of which b has the first. It does not fail: it describes what the
// octets allow, and Damage returns the fields that contradict them. The packet keeps b.
func Dissect(b []byte, length int, first *Protocol) *Packet {
	return dissect(b, length, first, Carried)
}

// dissect is Dissect with the numbers of protocols as an argument: tables that hold packets refer to it.
func dissect(b []byte, length int, first *Protocol, carried lookup) *Packet {
	p := &Packet{carried: carried, Octets: b, Length: max(length, len(b)), First: first}
	p.Layers = p.room[:0]
	at, end := 0, p.Length
	for next := first; next != nil && len(p.Layers) < maxLayers && (at < end || len(p.Layers) == 0); {
		l := p.add(next, at, end)
		at, end = l.body, l.end
		next = l.following()
		if next == nil && at < end {
			next = Raw
		}
	}
	return p
}

// First returns the table of the frames of a medium.
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

// add reads the lengths of a header that begins at an octet, and appends the layer.
func (p *Packet) add(proto *Protocol, at, end int) Layer {
	l := Layer{Protocol: proto, packet: p, index: len(p.Layers), begin: at, body: end, end: end}
	if proto.variants != "" {
		if n, ok := l.Uint(proto.kind); ok {
			if v := p.carried(proto.variants, n); v != nil {
				l.Protocol, proto = v, v
			}
		}
	}
	if at+proto.fixed > end {
		p.wrong(l, nil, "the header has %d octets, and %d are there", proto.fixed, end-at)
		p.Layers = append(p.Layers, l)
		return l
	}
	l.limit()
	l.body = l.begin + l.headerLen()
	p.Layers = append(p.Layers, l)
	return l
}

// limit ends the layer where its length field says, unless the field contradicts the octets.
func (l *Layer) limit() {
	f := l.Protocol.length
	if f == nil {
		return
	}
	n, ok := l.Uint(f)
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
		if l.inFragment() { // the length of the datagram, of which the layer is a part
			return
		}
		l.packet.wrong(*l, f, "%d, and %d octets are there", n, room)
	case int(n) < room:
		l.end = start + int(n)
	}
}

// inFragment reports whether the layer is the beginning of a datagram, whose rest other fragments have.
func (l Layer) inFragment() bool {
	ip, ok := l.ip()
	if !ok {
		return false
	}
	_, more := l.packet.fragment(ip)
	return more
}

// headerLen returns the octets of the header, at most as many as the layer has.
func (l *Layer) headerLen() int {
	room := l.end - l.begin
	if f := l.Protocol.header; f != nil {
		n, ok := l.Uint(f)
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
	bits := 0
	for i := range l.Protocol.Fields {
		bits += l.width(&l.Protocol.Fields[i])
	}
	if bits/8 > room {
		l.packet.wrong(*l, nil, "the header has %d octets, and %d are there", bits/8, room)
	}
	return min(bits/8, room)
}

// following returns the table of the layer that the header says follows, nil for none.
func (l Layer) following() *Protocol {
	switch f := l.Protocol.follow; {
	case l.stop:
		return nil
	case l.Protocol.next != nil:
		return l.Protocol.next(l, l.packet.carried)
	case f != nil:
		if n, ok := l.Uint(f); ok {
			return l.packet.carried(f.Table, n)
		}
	}
	return nil
}

// wrong records damage of a layer.
func (p *Packet) wrong(l Layer, f *Field, format string, args ...any) {
	p.damage = append(p.damage, Damage{l.index, f, fmt.Sprintf(format, args...)})
}

// known returns where the layer's octets end that the frame has and the caller knows.
func (l Layer) known() int { return min(l.end, len(l.packet.Octets)) }

// octets returns the layer's octets, header and payload, as far as they are known.
func (l Layer) octets() []byte {
	return l.packet.Octets[min(l.begin, len(l.packet.Octets)):max(l.known(), min(l.begin, len(l.packet.Octets)))]
}

// Header returns the octets of the header, as far as they are known.
func (l Layer) Header() []byte {
	b := l.octets()
	return b[:min(len(b), l.body-l.begin)]
}

// Payload returns the octets that the layer carries, as far as they are known.
func (l Layer) Payload() []byte {
	b := l.octets()
	return b[min(len(b), l.body-l.begin):]
}

// PayloadLen returns how many octets the layer carries by its length fields.
func (l Layer) PayloadLen() int { return l.end - l.body }

// complete reports whether all the layer's octets are known.
func (l Layer) complete() bool { return l.end <= len(l.packet.Octets) }

// under returns the layer below, ok false for the first.
func (l Layer) under() (Layer, bool) {
	if l.index == 0 {
		return Layer{}, false
	}
	return l.packet.Layers[l.index-1], true
}

// Layer returns the outermost layer of a protocol; ok is false if the packet has none.
func (p *Packet) Layer(proto *Protocol) (l Layer, ok bool) {
	for _, l := range p.Layers {
		if l.Protocol.Is(proto) {
			return l, true
		}
	}
	return l, false
}

// Named returns the outermost layer whose attribute has a name.
func (p *Packet) Named(attr string) (l Layer, ok bool) {
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

// Data returns the octets that the outermost transport header carries, as far as the frame has them: those behind the
// first 8 of an ICMP message, and without a transport header those behind the IP headers. ok is false for a packet that is
// not of IP.
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
