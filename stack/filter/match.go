package filter

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// direction joins what is true of the source and of the destination. A direction that was left out
// means either.
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

// onEthernet is n on a medium with Ethernet addresses.
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

// ip4Net matches a network at the two offsets into the header of protocol t.
func ip4Net(t wire.EtherType, prefix netip.Prefix, src, dst uint32, dir string) node {
	a := prefix.Addr().As4()
	want := binary.BigEndian.Uint32(a[:])
	mask := ^uint32(0) << (32 - prefix.Bits())
	at := func(off uint32) node {
		return func(p packet) result { return p.is(p.net()+off, 4, mask, want) }
	}
	return and(linkNode(t), direction(dir, at(src), at(dst)))
}

// ip6Net matches a network in an IPv6 header.
func ip6Net(prefix netip.Prefix, dir string) node {
	addr := prefix.Addr().As16()
	words := uint32(prefix.Bits()+31) / 32
	at := func(off uint32) node {
		return func(p packet) result {
			for i := range words {
				n := min(32, prefix.Bits()-int(i)*32)
				mask := ^uint32(0) << (32 - n)
				if r := p.is(p.net()+off+i*4, 4, mask, binary.BigEndian.Uint32(addr[i*4:])); r != yes {
					return r
				}
			}
			return yes
		}
	}
	return and(bare["ip6"], direction(dir, at(8), at(24)))
}

// portNode matches ports from lo to hi of any of the protocols, over IPv4 (in whole packets and first
// fragments) and over IPv6 (without extension headers).
func portNode(protos []uint32, dir string, lo, hi uint32) node {
	transport := func(p packet) (uint32, result) {
		switch r := p.link(wire.EtherTypeIPv4); r {
		case yes:
			if r := oneOf(p, p.net()+9, protos); r != yes {
				return 0, r
			}
			return p.firstFragment()
		case abort:
			return 0, abort
		}
		if r := p.link(wire.EtherTypeIPv6); r != yes {
			return 0, r
		}
		return p.net() + wire.IPv6Len, oneOf(p, p.net()+6, protos)
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
