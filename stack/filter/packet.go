package filter

import (
	"encoding/binary"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// result of a predicate on one packet.
type result uint8

const (
	no result = iota
	yes
	abort // something lies beyond the packet's end: the whole expression does not match
)

// node is a compiled predicate. Packets are passed by value so that they stay off the heap.
type node func(p packet) result

// packet is the frame being matched.
type packet struct {
	b []byte
	m phy.Medium
}

// load reads size octets, 1, 2 or 4, at off; false when they are not all there.
func (p packet) load(off, size uint32) (uint32, bool) {
	if uint64(off)+uint64(size) > uint64(len(p.b)) {
		return 0, false
	}
	b := p.b[off:]
	switch size {
	case 1:
		return uint32(b[0]), true
	case 2:
		return uint32(binary.BigEndian.Uint16(b)), true
	}
	return binary.BigEndian.Uint32(b), true
}

// is compares what load finds, under mask, with want.
func (p packet) is(off, size, mask, want uint32) result {
	v, ok := p.load(off, size)
	if !ok {
		return abort
	}
	return truth(v&mask == want)
}

// net is the offset of the network header.
func (p packet) net() uint32 {
	if p.m == phy.MediumIP {
		return 0
	}
	return wire.EthernetLen
}

// link reports whether the frame carries protocol t.
func (p packet) link(t wire.EtherType) result {
	if p.m != phy.MediumIP {
		return p.is(12, 2, 0xffff, uint32(t))
	}
	switch t {
	case wire.EtherTypeIPv4:
		return p.is(0, 1, 0xf0, 0x40)
	case wire.EtherTypeIPv6:
		return p.is(0, 1, 0xf0, 0x60)
	}
	return no
}

// ip4 reports whether the frame is an IPv4 packet of the given protocol.
func (p packet) ip4(proto uint32) result {
	if r := p.link(wire.EtherTypeIPv4); r != yes {
		return r
	}
	return p.is(p.net()+9, 1, 0xff, proto)
}

// ip6 reports whether the frame is an IPv6 packet of the given protocol, behind a fragment header at
// most.
func (p packet) ip6(proto uint32) result {
	if r := p.link(wire.EtherTypeIPv6); r != yes {
		return r
	}
	next, ok := p.load(p.net()+6, 1)
	if !ok {
		return abort
	}
	if next == proto {
		return yes
	}
	const fragmentHeader = 44
	if next != fragmentHeader {
		return no
	}
	return p.is(p.net()+wire.IPv6Len, 1, 0xff, proto)
}

// firstFragment reports whether an IPv4 packet is whole or the first fragment, and where its transport
// header starts.
func (p packet) firstFragment() (uint32, result) {
	if r := p.is(p.net()+6, 2, 0x1fff, 0); r != yes {
		return 0, r
	}
	v, ok := p.load(p.net(), 1)
	if !ok {
		return 0, abort
	}
	return p.net() + v&15*4, yes
}

// Of two operands the first that decides wins, and what lies beyond the end decides at once.

func and(a, b node) node {
	return func(p packet) result {
		if r := a(p); r != yes {
			return r
		}
		return b(p)
	}
}

func or(a, b node) node {
	return func(p packet) result {
		if r := a(p); r != no {
			return r
		}
		return b(p)
	}
}

func not(a node) node {
	return func(p packet) result {
		switch r := a(p); r {
		case yes:
			return no
		case no:
			return yes
		}
		return abort
	}
}

func truth(b bool) result {
	if b {
		return yes
	}
	return no
}
