package stack

import (
	"net/netip"

	"smolsh/stack/addrsel"
)

// SortDestinations returns the addresses of a name in the order in which the host should try them (RFC 6724 §6). It compares them by
// the sources that the host would choose. Addresses that the host cannot reach are last. A link-local address needs its zone,
// unless one interface only speaks IPv6.
func (h *Host) SortDestinations(dsts []netip.Addr) []netip.Addr {
	list := make([]addrsel.Destination, len(dsts))
	for k, dst := range dsts {
		list[k] = h.net.destination(dst)
	}
	h.net.policy.SortDestinations(list)
	sorted := make([]netip.Addr, len(list))
	for k := range list {
		sorted[k] = list[k].Addr
	}
	return sorted
}

// Reaches reports whether the host has a route to dst, and a source address for packets to it.
func (h *Host) Reaches(dst netip.Addr) bool { return !h.net.destination(dst).Unreachable }

// destination returns dst with the source that the host would choose for packets to it. It is unreachable if there is no route, or no
// source.
func (n *netLayer) destination(dst netip.Addr) addrsel.Destination {
	d := addrsel.Destination{Addr: dst, Unreachable: true}
	scoped, err := n.scope(dst, netip.Addr{})
	if err != nil {
		return d
	}
	way, ok := n.routeFor(netip.Addr{}, scoped)
	if !ok || !way.iface.up {
		return d
	}
	src, ok := n.source(way, way.strip(scoped))
	if !ok {
		return d
	}
	d.Unreachable = false
	d.Source = n.candidate(src, way.iface)
	return d
}

// candidate describes one of the host's addresses as the source of packets that leave by the interface out.
func (n *netLayer) candidate(src netip.Addr, out *Iface) addrsel.Candidate {
	c := addrsel.Candidate{Addr: src, PrefixLen: src.BitLen()}
	i := n.localAddrs[src]
	if i == nil {
		return c
	}
	c.Outgoing = i == out || out == n.loop
	for k := range i.addresses.list {
		if a := &i.addresses.list[k]; a.addr == src {
			c.PrefixLen, c.Deprecated, c.Temporary = a.Bits(), a.deprecated, a.origin == OriginTemporary
		}
	}
	return c
}
