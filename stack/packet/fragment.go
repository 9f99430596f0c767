package packet

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"smolsh/stack/wire"
)

// maxDatagram is the largest number of octets of a datagram's data: an offset has 13 bits that count units of 8 octets.
const maxDatagram = 1<<16 - 1

// fragmentNumber is the protocol number of the fragment header.
const fragmentNumber = 44

// A fragmented is a packet as fragments divide it.
type fragmented struct {
	link     []byte // octets in front of the IP header
	header   []byte // IP header, and for IPv6 the extension headers of each fragment (RFC 8200 §4.5)
	data     []byte
	version  int
	next     byte // number of the first header of the data, for IPv6
	nextAt   int  // offset in header of the number in front of the fragment header, for IPv6
	id       uint32
	offset   int // octets
	more     bool
	fragment bool // true if the packet is a fragment, also one of offset 0 without others
}

// dividedPacket returns the packet of which the outermost IP header begins a datagram or a fragment. The error says why a packet
// can't be divided.
func dividedPacket(p *Packet) (d fragmented, err error) {
	ip, ok := p.network()
	if !ok {
		return d, fmt.Errorf("it has no IP header")
	}
	b := ip.octets()
	if !ip.complete() || len(b) < ip.body-ip.begin || ip.body-ip.begin < ip.Protocol.fixed || ip.stop {
		return d, fmt.Errorf("not all its octets are known")
	}
	d.link = p.Octets[:ip.begin]
	if ip.Protocol == IP {
		n := ip.body - ip.begin
		at := binary.BigEndian.Uint16(b[6:])
		d.version, d.header, d.data = 4, b[:n], b[n:]
		d.id, d.offset, d.more = uint32(binary.BigEndian.Uint16(b[4:])), int(at&0x1fff)*8, at&0x2000 != 0
		d.fragment = d.more || d.offset > 0
		return d, nil
	}
	d.version = 6
	n, nextAt := ip.body-ip.begin, 6
	for _, x := range p.extensions(ip) { // headers up to a routing header are in each fragment
		if x.body > ip.end || x.stop {
			return d, fmt.Errorf("its extension headers are not whole")
		}
		if x.Protocol == Fragment && len(x.Header()) == 8 {
			h := x.Header()
			at := binary.BigEndian.Uint16(h[2:])
			n, nextAt = x.begin-ip.begin, 6
			if x.index > ip.index+1 {
				nextAt = p.Layers[x.index-1].begin - ip.begin
			}
			d.header, d.nextAt, d.next = b[:n], nextAt, h[0]
			d.data, d.id = b[x.body-ip.begin:], binary.BigEndian.Uint32(h[4:])
			d.offset, d.more, d.fragment = int(at&^7), at&1 != 0, true
			return d, nil
		}
		if x.Protocol == HopByHop || x.Protocol == Routing {
			n, nextAt = x.body-ip.begin, x.begin-ip.begin
		}
	}
	d.header, d.data, d.nextAt, d.next = b[:n], b[n:], nextAt, b[nextAt]
	d.id = identification(p.Octets)
	return d, nil
}

// identification returns the identification of a packet that had none. It is the same each time.
func identification(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}

// Fragments divides the packet of the outermost IP header into fragments with at most size octets of data each, rounded down to a
// multiple of 8 (RFC 791 §3.2, RFC 8200 §4.5). The layers in front of that header are in each fragment; octets after its end are
// not. The flag DF stays as it is. The checksum of the layer above is that of the whole. A packet with less data is returned as it is. A
// fragment can be divided further.
func (p *Packet) Fragments(size int) ([]*Packet, error) {
	d, err := dividedPacket(p)
	if err != nil {
		return nil, fmt.Errorf("the packet can't be fragmented: %w", err)
	}
	unit := size &^ 7
	switch {
	case size < 8 || size > maxDatagram:
		return nil, fmt.Errorf("the size of fragments is 8 to %d octets, got %d", maxDatagram, size)
	case len(d.data) <= size:
		return []*Packet{p}, nil
	case d.offset+len(d.data) > maxDatagram:
		return nil, fmt.Errorf("the packet can't be fragmented: %d octets are too many", d.offset+len(d.data))
	}
	var list []*Packet
	for at := 0; at < len(d.data); at += unit {
		n := min(unit, len(d.data)-at)
		last := at+n == len(d.data)
		f := d.part(d.data[at:at+n], d.offset+at, !last || d.more)
		list = append(list, Dissect(f, len(f), p.First))
	}
	return list, nil
}

// part returns the octets of a fragment.
func (d *fragmented) part(data []byte, offset int, more bool) []byte {
	flag := uint16(0)
	if more {
		flag = 1
	}
	header := d.header
	if d.version == 4 {
		if offset > 0 {
			header = copiedOptions(header)
		}
		b := slices.Concat(d.link, header, data)
		h := b[len(d.link):][:len(header)]
		binary.BigEndian.PutUint16(h[6:], binary.BigEndian.Uint16(h[6:])&0xc000|flag<<13|uint16(offset/8))
		finishIPv4(h, len(data))
		return b
	}
	ext := []byte{d.next, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(ext[2:], uint16(offset)|flag)
	binary.BigEndian.PutUint32(ext[4:], d.id)
	b := slices.Concat(d.link, header, ext, data)
	h := b[len(d.link):]
	h[d.nextAt] = byte(fragmentNumber)
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)-wire.IPv6Len))
	return b
}

// finishIPv4 writes the lengths and the checksum of an IPv4 header in front of data of n octets.
func finishIPv4(h []byte, n int) {
	h[0] = 4<<4 | byte(len(h)/4)
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+n))
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], uint16(wire.Sum(0).AddBytes(h).Checksum()))
}

// copiedOptions returns an IPv4 header with the options only that each fragment has (RFC 791 §3.1).
func copiedOptions(h []byte) []byte {
	list, damage := headerOptions(h[wire.IPv4Len:], ipOptions)
	if damage != "" {
		return h
	}
	list = slices.DeleteFunc(list, func(o Option) bool { return o.Kind&0x80 == 0 })
	b, err := ipOptions.write(list)
	if err != nil {
		return h
	}
	out := append(slices.Clone(h[:wire.IPv4Len]), b...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

// whole returns the octets of a packet that is put together of fragments, of which d has the offset 0.
func (d *fragmented) whole(data []byte) []byte {
	b := slices.Concat(d.link, d.header, data)
	h := b[len(d.link):]
	if d.version == 4 {
		h = h[:len(d.header)]
		binary.BigEndian.PutUint16(h[6:], binary.BigEndian.Uint16(h[6:])&0xc000)
		finishIPv4(h, len(data))
		return b
	}
	h[d.nextAt] = d.next
	binary.BigEndian.PutUint16(h[4:], uint16(len(h)-wire.IPv6Len))
	return b
}

// A datagramKey identifies the fragments of one datagram (RFC 791 §3.2, RFC 8200 §4.5).
type datagramKey struct {
	version byte
	proto   byte // 0 for IPv6
	id      uint32
	src     [16]byte
	dst     [16]byte
}

// key returns the datagram that the packet is a fragment of.
func (d *fragmented) key() (k datagramKey) {
	k.version, k.id = byte(d.version), d.id
	if d.version == 4 {
		k.proto = d.header[9]
		copy(k.src[:], d.header[12:16])
		copy(k.dst[:], d.header[16:20])
		return k
	}
	copy(k.src[:], d.header[8:24])
	copy(k.dst[:], d.header[24:40])
	return k
}

// A datagram is the fragments of a packet that have been found.
type datagram struct {
	parts   []*fragmented // by offset
	indexes []int         // of the fragments, and of their duplicates, in the list of packets
	size    int           // octets of data that are there
	total   int           // octets of data of the whole; -1 before the last fragment is found
	refused bool          // true after a fragment contradicted another
	done    bool
}

// Defragment returns the packets with the fragments of each datagram that is there wholly put back together, in the place of the
// fragment that completes it. Fragments may be in any order and more than once. The fragments of a datagram are returned as they
// are if one is missing, if two overlap and are not the same (RFC 5722 §4), or if they contradict one another. So are other packets.
func Defragment(packets []*Packet) []*Packet {
	out := slices.Clone(packets)
	found := map[datagramKey]*datagram{}
	for i, p := range packets {
		f, err := dividedPacket(p)
		if err != nil || !f.fragment {
			continue
		}
		k := f.key()
		g := found[k]
		if g != nil && g.done {
			if g.has(&f) {
				out[i] = nil
				continue
			}
			g = nil
		}
		if g == nil {
			g = &datagram{total: -1}
			found[k] = g
		}
		g.add(&f, i)
		if g.refused || g.size != g.total {
			continue
		}
		if g.parts[0].headers()+g.total > maxDatagram { // its options are in no other fragment
			g.refuse()
			continue
		}
		g.done = true
		data := make([]byte, 0, g.total)
		for _, part := range g.parts {
			data = append(data, part.data...)
		}
		for _, x := range g.indexes {
			out[x] = nil
		}
		b := g.parts[0].whole(data)
		out[i] = Dissect(b, len(b), p.First)
	}
	return slices.DeleteFunc(out, func(p *Packet) bool { return p == nil })
}

// has reports whether a fragment is one of the datagram's.
func (g *datagram) has(f *fragmented) bool {
	at, ok := g.search(f.offset)
	return ok && g.parts[at].more == f.more && slices.Equal(g.parts[at].data, f.data)
}

// search returns the index of the first part at an offset or after it; ok is true if it begins there.
func (g *datagram) search(offset int) (at int, ok bool) {
	return slices.BinarySearchFunc(g.parts, offset, func(f *fragmented, offset int) int { return f.offset - offset })
}

// refuse leaves the datagram's fragments as they are, and those that follow.
func (g *datagram) refuse() { g.refused, g.parts, g.indexes = true, nil, nil }

// headers returns the octets of headers that the packet's length field counts.
func (d *fragmented) headers() int {
	if d.version == 6 {
		return len(d.header) - wire.IPv6Len
	}
	return len(d.header)
}

// add adds the fragment with an index in the list of packets, or refuses the datagram.
func (g *datagram) add(f *fragmented, index int) {
	if g.refused {
		return
	}
	if g.has(f) {
		g.indexes = append(g.indexes, index)
		return
	}
	at, same := g.search(f.offset)
	end := f.offset + len(f.data)
	switch {
	case same, len(f.data) == 0, f.more && len(f.data)%8 != 0, f.headers()+end > maxDatagram,
		at > 0 && g.parts[at-1].offset+len(g.parts[at-1].data) > f.offset,
		at < len(g.parts) && end > g.parts[at].offset,
		g.total >= 0 && (end > g.total || !f.more),
		!f.more && at < len(g.parts):
		g.refuse()
		return
	}
	if !f.more {
		g.total = end
	}
	g.size += len(f.data)
	g.indexes = append(g.indexes, index)
	g.parts = slices.Insert(g.parts, at, f)
}
