package stack

import (
	"net/netip"
	"slices"
)

// fewAddrs is the largest number of addresses for which a linear search is faster than the index.
const fewAddrs = 4

// subnets is an index of an interface's addresses. With it, the cost of a packet does not depend on the number of
// addresses.
type subnets struct {
	lengths    [numFamilies][129]int            // number of subnets of each prefix length
	addrs      map[netip.Prefix][]orderedSource // addresses of each subnet, in the order in which they were added
	broadcasts map[netip.Addr]int               // number of subnets that have the broadcast address
	made       uint64
}

// orderedSource is an address with its number in the order in which addresses were added.
type orderedSource struct {
	addr  netip.Addr
	order uint64
}

func (s *subnets) add(p netip.Prefix) {
	if s.addrs == nil {
		s.addrs, s.broadcasts = make(map[netip.Prefix][]orderedSource), make(map[netip.Addr]int)
	}
	net := p.Masked()
	if len(s.addrs[net]) == 0 {
		s.count(net, 1)
	}
	s.made++
	s.addrs[net] = append(s.addrs[net], orderedSource{p.Addr(), s.made})
}

func (s *subnets) remove(p netip.Prefix) {
	net := p.Masked()
	s.addrs[net] = slices.DeleteFunc(s.addrs[net], func(o orderedSource) bool { return o.addr == p.Addr() })
	if len(s.addrs[net]) == 0 {
		delete(s.addrs, net)
		s.count(net, -1)
	}
}

// count adds d to the counts for a subnet. Subnets of one or two addresses have no broadcast (RFC 3021),
// nor has any of IPv6.
func (s *subnets) count(net netip.Prefix, d int) {
	s.lengths[familyOf(net.Addr())][net.Bits()] += d
	if net.Addr().Is6() || net.Bits() > 30 {
		return
	}
	for _, a := range [...]netip.Addr{net.Addr(), lastAddr(net)} {
		if s.broadcasts[a] += d; s.broadcasts[a] == 0 {
			delete(s.broadcasts, a)
		}
	}
}

// source returns the address that was added first among those whose subnet contains a. ok is false if there is none.
func (s *subnets) source(a netip.Addr) (first netip.Addr, ok bool) {
	least := s.made + 1
	for bits, n := range s.lengths[familyOf(a)] {
		if n == 0 {
			continue
		}
		p, err := a.Prefix(bits)
		if err != nil {
			return first, false
		}
		if list := s.addrs[p]; len(list) > 0 && list[0].order < least {
			first, least, ok = list[0].addr, list[0].order, true
		}
	}
	return first, ok
}
