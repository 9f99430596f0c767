package filter

import (
	"encoding/binary"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// result is the result of a predicate for one packet.
type result uint8

const (
	no result = iota
	yes
	abort // the packet ends before octets that are read: the whole expression does not match
)

// node is a compiled predicate. It gets the packet by value, so that packets stay off the heap.
type node func(p packet) result

// packet is the frame being matched, or its first octets.
type packet struct {
	b   []byte
	len uint32 // length of the whole frame, in octets
	m   phy.Medium
}

// load reads size octets (1, 2 or 4) at offset off. It returns false if the packet ends before them.
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

// is applies mask to the value that load returns, and compares the result with want.
func (p packet) is(off, size, mask, want uint32) result {
	v, ok := p.load(off, size)
	if !ok {
		return abort
	}
	return truth(v&mask == want)
}

// tags is the number of octets of VLAN tags between the Ethernet addresses and the type. Each "vlan" in an expression
// increases it for the rest of the expression (see vlan).
type tags uint32

// typ returns the offset of the Ethernet type.
func (t tags) typ() uint32 { return wire.EthernetLen - 2 + uint32(t) }

// net returns the offset of the network header.
func (t tags) net(p packet) uint32 {
	if p.m == phy.MediumIP {
		return 0
	}
	return wire.EthernetLen + uint32(t)
}

// link reports whether the frame carries the protocol et.
func (t tags) link(p packet, et wire.EtherType) result {
	if p.m != phy.MediumIP {
		return p.is(t.typ(), 2, 0xffff, uint32(et))
	}
	switch et {
	case wire.EtherTypeIPv4:
		return p.is(0, 1, 0xf0, 0x40)
	case wire.EtherTypeIPv6:
		return p.is(0, 1, 0xf0, 0x60)
	}
	return no
}

// ip4 reports whether the frame is an IPv4 packet of the given protocol.
func (t tags) ip4(p packet, proto uint32) result {
	if r := t.link(p, wire.EtherTypeIPv4); r != yes {
		return r
	}
	return p.is(t.net(p)+9, 1, 0xff, proto)
}

// ip6 reports whether the frame is an IPv6 packet of the given protocol. It skips a fragment header, and no other
// extension header.
func (t tags) ip6(p packet, proto uint32) result {
	if r := t.link(p, wire.EtherTypeIPv6); r != yes {
		return r
	}
	next, ok := p.load(t.net(p)+6, 1)
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
	return p.is(t.net(p)+wire.IPv6Len, 1, 0xff, proto)
}

// first reports whether an IPv4 packet is unfragmented or the first fragment.
func (t tags) first(p packet) result { return p.is(t.net(p)+6, 2, 0x1fff, 0) }

// headerLen returns the length of an IPv4 header in octets, from its IHL field. It returns false if the packet ends
// before the field.
func (t tags) headerLen(p packet) (uint32, bool) {
	v, ok := p.load(t.net(p), 1)
	return v & 15 * 4, ok
}

// Operands are evaluated from left to right. Evaluation stops at the first operand that determines the result (no for
// and, yes for or), or that reads beyond the packet's end.

// and returns a node that matches if a and b do. If a is nil, it returns b.
func and(a, b node) node {
	if a == nil {
		return b
	}
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
