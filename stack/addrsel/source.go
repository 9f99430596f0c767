package addrsel

import (
	"net/netip"
	"slices"
)

// Candidate is an address of the host that may become the source of a packet. The caller lists no address that may not be
// used yet, such as a tentative one.
type Candidate struct {
	Addr       netip.Addr
	PrefixLen  int  // length of the subnet prefix in bits, at most 32 for IPv4
	Deprecated bool // its preferred lifetime has expired (RFC 4862 §5.5.4)
	Temporary  bool // a temporary address (RFC 8981)
	Outgoing   bool // assigned to the interface by which the packet leaves
	NextHop    bool // the next hop has advertised the prefix of the address
}

// eligible reports whether c is a candidate for packets to dst (RFC 6724 §4). It is a unicast address of the same family.
// A loopback address does not leave the host (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). For IPv6, a group or a link-local address
// as destination needs an address of the outgoing interface as source, and a link-local source does not leave its link (RFC
// 4007 §9).
func (c *Candidate) eligible(dst netip.Addr) bool {
	a := c.Addr.Unmap()
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4() != dst.Unmap().Is4() {
		return false
	}
	switch {
	case c.Outgoing:
		return true
	case a.IsLoopback():
		return false
	}
	return a.Is4() || !dst.IsMulticast() && !dst.IsLinkLocalUnicast() && !a.IsLinkLocalUnicast()
}

// A merit holds a value for each rule in the order of the rules. The greater value of the first rule that distinguishes two
// merits wins.
type merit [8]int

// merit returns the merit of c as the source of packets to dst, by RFC 6724 §5.
func (p *Policy) merit(c *Candidate, dst netip.Addr, label int) merit {
	_, own := p.Lookup(c.Addr)
	return merit{
		ordinal(mapped(c.Addr) == mapped(dst)),    // rule 1, same address
		scopeMerit(ScopeOf(c.Addr), ScopeOf(dst)), // rule 2, appropriate scope
		ordinal(!c.Deprecated),                    // rule 3, no deprecated address
		ordinal(c.Outgoing),                       // rule 5, outgoing interface
		ordinal(c.NextHop),                        // rule 5.5, prefix advertised by the next hop
		ordinal(own == label),                     // rule 6, matching label
		ordinal(c.Temporary != p.PreferPublic),    // rule 7, temporary address
		commonPrefixLen(c.Addr, c.PrefixLen, dst), // rule 8, longest matching prefix
	}
}

// scopeMerit ranks the scope of a source (RFC 6724 §5 rule 2). A scope that is no smaller than the destination's is better than
// any smaller one. Of the former the smallest is best, of the latter the greatest.
func scopeMerit(src, dst Scope) int {
	if src < dst {
		return int(src) - 16
	}
	return 16 - int(src)
}

// Source returns the index of the best source address for packets to dst among the candidates (RFC 6724 §5). If the rules
// do not distinguish the best ones, it is the first of them. ok is false if no candidate may be the source: such are
// groups, unspecified addresses, addresses of the other family, and addresses that are not on the link of a link-local or
// multicast destination. Source allocates nothing.
func (p *Policy) Source(dst netip.Addr, candidates []Candidate) (index int, ok bool) {
	if !dst.IsValid() {
		return 0, false
	}
	_, label := p.Lookup(dst)
	var best merit
	for k := range candidates {
		c := &candidates[k]
		if !c.eligible(dst) {
			continue
		}
		if m := p.merit(c, dst, label); !ok || slices.Compare(m[:], best[:]) > 0 {
			index, ok, best = k, true, m
		}
	}
	return index, ok
}
