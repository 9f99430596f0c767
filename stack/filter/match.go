package filter

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// direction joins the conditions on the source and on the destination as dir requires. Without a direction, either
// condition suffices.
func direction(dir string, src, dst node) node {
	switch dir {
	case "src":
		return src
	case "dst":
		return dst
	case "both":
		return and(src, dst)
	}
	return or(src, dst)
}

// onEthernet returns a node that matches like n on a medium with Ethernet addresses, and never on another medium.
func onEthernet(n node) node {
	return func(p packet) result {
		if p.m != phy.MediumEthernet {
			return no
		}
		return n(p)
	}
}

// etherAddr matches an Ethernet address.
func etherAddr(a wire.HardwareAddr, dir string) node {
	at := func(off uint32) node {
		return func(p packet) result {
			if len(p.b) < int(off)+len(a) {
				return abort
			}
			return truth(wire.HardwareAddr(p.b[off:]) == a)
		}
	}
	return onEthernet(direction(dir, at(6), at(0)))
}

// ip4Net matches a packet of protocol et in which an address equals addr under mask. src and dst are the offsets of the
// addresses in the header.
func ip4Net(t tags, et wire.EtherType, addr, mask, src, dst uint32, dir string) node {
	at := func(off uint32) node {
		return func(p packet) result { return p.is(t.net(p)+off, 4, mask, addr) }
	}
	return and(linkNode(t, et), direction(dir, at(src), at(dst)))
}

// ip6Net matches a network in an IPv6 header.
func ip6Net(t tags, prefix netip.Prefix, dir string) node {
	addr := prefix.Addr().As16()
	at := func(off uint32) node {
		return func(p packet) result {
			for i := range uint32(4) { // octets beyond the prefix must be present too
				n := max(0, min(32, prefix.Bits()-int(i)*32))
				mask := ^uint32(0) << (32 - n)
				if r := p.is(t.net(p)+off+i*4, 4, mask, binary.BigEndian.Uint32(addr[i*4:])); r != yes {
					return r
				}
			}
			return yes
		}
	}
	return and(linkNode(t, wire.EtherTypeIPv6), direction(dir, at(8), at(24)))
}

// portNode matches the ports lo to hi of any of the protocols. Over IPv4 it matches whole packets and first fragments, over IPv6
// only packets without extension headers.
func portNode(t tags, protos []uint32, dir string, lo, hi uint32) node {
	transport := func(p packet) (uint32, result) {
		switch r := t.link(p, wire.EtherTypeIPv4); r {
		case yes:
			if r := oneOf(p, t.net(p)+9, protos); r != yes {
				return 0, r
			}
			r := t.first(p)
			header, ok := t.headerLen(p)
			if !ok {
				return 0, abort
			}
			return t.net(p) + header, r
		case abort:
			return 0, abort
		}
		if r := t.link(p, wire.EtherTypeIPv6); r != yes {
			return 0, r
		}
		return t.net(p) + wire.IPv6Len, oneOf(p, t.net(p)+6, protos)
	}
	at := func(off uint32) node {
		return func(p packet) result {
			l4, r := transport(p)
			if r != yes {
				return r
			}
			v, ok := p.load(l4+off, 2)
			if !ok {
				return abort
			}
			return truth(lo <= v && v <= hi)
		}
	}
	return direction(dir, at(0), at(2))
}

func oneOf(p packet, off uint32, values []uint32) result {
	v, ok := p.load(off, 1)
	if !ok {
		return abort
	}
	for _, want := range values {
		if v == want {
			return yes
		}
	}
	return no
}

// vlan matches a tag with the given identifier, or any tag if id is negative. It skips the tags that the expression has
// named before.
func vlan(t tags, id int) node {
	tag := or(or(linkNode(t, etherTypeVLAN), linkNode(t, etherTypeService)), linkNode(t, etherTypeQinQ))
	if id < 0 {
		return onEthernet(tag)
	}
	return onEthernet(and(tag, func(p packet) result { return p.is(t.net(p), 2, 0xfff, uint32(id)) }))
}

// llc matches IEEE 802.3 frames, which have a length instead of an EtherType, and then the service access points.
func llc(t tags, sap uint32) node {
	return onEthernet(func(p packet) result {
		v, ok := p.load(t.typ(), 2)
		switch {
		case !ok:
			return abort
		case v > maxLength8023:
			return no
		}
		switch sap {
		case 0x06, 0xf0, 0xfe: // IP, NetBIOS and OSI: the source service access point must be equal, too
			return p.is(t.net(p), 2, 0xffff, sap<<8|sap)
		}
		return p.is(t.net(p), 1, 0xff, sap)
	})
}
