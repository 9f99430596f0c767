// Package route is a host's routing table with longest prefix match (RFC 1122 §3.3.1, RFC 1812 §5.2.4.3). A lookup
// takes as many steps as there are prefix lengths in use, however many routes there are. The package identifies
// interfaces only by number.
package route

import (
	"cmp"
	"net/netip"
	"slices"
)

// Route is a route to the addresses of a prefix.
type Route struct {
	Dst       netip.Prefix
	Gateway   netip.Addr // the next hop; the zero Addr if Dst is on link
	Out       int        // number of the interface by which packets leave
	Connected bool       // true for the route of an interface's subnet, added and removed with its address
	order     uint64     // number of the route in the order in which routes were added
}

// Table holds the routes of a host. The zero Table is empty, and all interfaces are down.
type Table struct {
	byDst   map[netip.Prefix][]Route // connected routes first, then in the order in which they were added
	lengths [33]int                  // number of destinations of each prefix length
	added   uint64
	up      []bool // true if the interface is up, by the interface's number
}

// SetUp sets whether an interface is up. Match skips routes by an interface that is down.
func (t *Table) SetUp(out int, up bool) {
	for len(t.up) <= out {
		t.up = append(t.up, false)
	}
	t.up[out] = up
}

// isUp reports whether a route's interface is up.
func (t *Table) isUp(r *Route) bool { return r.Out < len(t.up) && t.up[r.Out] }

// Has reports whether a destination has a route that is not connected.
func (t *Table) Has(dst netip.Prefix) bool {
	return slices.ContainsFunc(t.byDst[dst], func(r Route) bool { return !r.Connected })
}

// Connected reports whether a destination has a connected route by an interface.
func (t *Table) Connected(dst netip.Prefix, out int) bool {
	return slices.ContainsFunc(t.byDst[dst], func(r Route) bool { return r.Connected && r.Out == out })
}

// Add adds a route. Its destination may have other routes already.
func (t *Table) Add(r Route) {
	if t.byDst == nil {
		t.byDst = make(map[netip.Prefix][]Route)
	}
	same := t.byDst[r.Dst]
	if len(same) == 0 {
		t.lengths[r.Dst.Bits()]++
	}
	t.added++
	r.order = t.added
	same = append(same, r)
	slices.SortStableFunc(same, func(a, b Route) int { return rank(a) - rank(b) })
	t.byDst[r.Dst] = same
}

// Remove removes the routes of a destination for which match returns true.
func (t *Table) Remove(dst netip.Prefix, match func(r Route) bool) {
	before := t.byDst[dst]
	if len(before) == 0 {
		return
	}
	same := slices.DeleteFunc(before, match)
	if t.byDst[dst] = same; len(same) == 0 {
		delete(t.byDst, dst)
		t.lengths[dst.Bits()]--
	}
}

// Match returns the route to dst with the longest prefix among routes whose interface is up, nil if there is none. The
// table owns the Route, which is valid until the table changes.
func (t *Table) Match(dst netip.Addr) *Route {
	for bits := len(t.lengths) - 1; bits >= 0; bits-- {
		if t.lengths[bits] == 0 {
			continue
		}
		p, err := dst.Prefix(bits)
		if err != nil {
			return nil
		}
		same := t.byDst[p]
		for k := range same {
			if t.isUp(&same[k]) {
				return &same[k]
			}
		}
	}
	return nil
}

// OnLink returns the route to dst without a gateway that has the longest prefix, whether its interface is up or down;
// nil if there is none. Among routes of one destination it prefers one whose interface is up.
func (t *Table) OnLink(dst netip.Addr) (found *Route) {
	for bits := len(t.lengths) - 1; bits >= 0 && found == nil; bits-- {
		if t.lengths[bits] == 0 {
			continue
		}
		p, err := dst.Prefix(bits)
		if err != nil {
			return nil
		}
		same := t.byDst[p]
		for k := range same {
			if r := &same[k]; !r.Gateway.IsValid() && (found == nil || t.isUp(r) && !t.isUp(found)) {
				found = r
			}
		}
	}
	return found
}

// All returns every route in the order in which Match tries them: longest prefix first.
func (t *Table) All() []Route {
	var list []Route
	for _, same := range t.byDst {
		list = append(list, same...)
	}
	slices.SortFunc(list, func(a, b Route) int {
		return cmp.Or(b.Dst.Bits()-a.Dst.Bits(), rank(a)-rank(b), cmp.Compare(a.order, b.order))
	})
	return list
}

// rank orders connected routes before others.
func rank(r Route) int {
	if r.Connected {
		return 0
	}
	return 1
}
