// Package route is a host's routing table with longest prefix match for IPv4 and IPv6 (RFC 1122 §3.3.1, RFC 1812
// §5.2.4.3, RFC 4191 §3.2). A lookup takes as many steps as the address family has prefix lengths in use, however many
// routes there are. The package identifies interfaces only by number.
//
// Three kinds of routes may have one destination. A lookup prefers the connected routes of interfaces to static routes,
// and static routes to routes learned from router advertisements. A lookup by Match takes the first of them whose
// interface is up. A lookup by Choose also passes over routers that are unreachable.
package route

import (
	"cmp"
	"net/netip"
	"slices"
)

// Route is a route to the addresses of a prefix.
type Route struct {
	Dst       netip.Prefix // masked
	Gateway   netip.Addr   // the next hop, which may be link-local and have a zone; the zero Addr if Dst is on link
	Out       int          // number of the interface by which packets leave, whatever the zone of Gateway
	Connected bool         // true for the route of an interface's subnet, added and removed with its address

	// Learned is true for a route from a router advertisement. Several may have one destination, one for each router.
	// A route that is neither connected nor learned is static.
	Learned    bool
	Preference int8 // of a learned route: -1, 0 or 1 for low, medium or high (RFC 4191 §2.1)

	order  uint64 // number of the route in the order in which routes were added
	chosen uint64 // number of the last choice of the route though its gateway was unreachable; 0 if there was none
}

// static reports whether the route was configured.
func (r *Route) static() bool { return !r.Connected && !r.Learned }

// kind returns the place of the route's kind among routes of one destination.
func (r *Route) kind() int {
	switch {
	case r.Connected:
		return 0
	case r.Learned:
		return 2
	}
	return 1
}

// compare orders the routes of one destination: connected, static, then learned with the highest preference first.
func (r *Route) compare(other *Route) int {
	order := cmp.Compare(r.kind(), other.kind())
	if order == 0 && r.Learned {
		order = cmp.Compare(other.Preference, r.Preference)
	}
	return order
}

// Table holds the routes of a host. The zero Table is empty, and all interfaces are down. Its caller bounds the number of
// learned routes.
type Table struct {
	byDst   map[netip.Prefix][]Route // each list in the order of compare, then of adding
	v4, v6  lengths
	added   uint64
	choices uint64 // number of choices among unreachable gateways
	up      []bool // true if the interface is up, by the interface's number
}

// SetUp sets whether an interface is up. Match and Choose skip routes by an interface that is down.
func (t *Table) SetUp(out int, up bool) {
	for len(t.up) <= out {
		t.up = append(t.up, false)
	}
	t.up[out] = up
}

// isUp reports whether a route's interface is up.
func (t *Table) isUp(r *Route) bool { return r.Out < len(t.up) && t.up[r.Out] }

// lengths returns the prefix lengths of the address family of a.
func (t *Table) lengths(a netip.Addr) *lengths {
	if a.Is4() {
		return &t.v4
	}
	return &t.v6
}

// to returns the routes to the prefix of dst that has a length. A prefix has no zone.
func (t *Table) to(dst netip.Addr, bits int) []Route {
	p, err := dst.Prefix(bits)
	if err != nil {
		return nil
	}
	return t.byDst[p]
}

// Has reports whether a destination has a static route.
func (t *Table) Has(dst netip.Prefix) bool {
	return slices.ContainsFunc(t.byDst[dst], func(r Route) bool { return r.static() })
}

// Connected reports whether a destination has a connected route by an interface.
func (t *Table) Connected(dst netip.Prefix, out int) bool {
	return slices.ContainsFunc(t.byDst[dst], func(r Route) bool { return r.Connected && r.Out == out })
}

// Add adds a connected or static route. Its destination may have other routes already.
func (t *Table) Add(r Route) {
	if t.byDst == nil {
		t.byDst = make(map[netip.Prefix][]Route)
	}
	same := t.byDst[r.Dst]
	if len(same) == 0 {
		t.lengths(r.Dst.Addr()).add(r.Dst.Bits())
	}
	t.added++
	r.order, r.chosen = t.added, 0
	k, _ := slices.BinarySearchFunc(same, r, func(have, r Route) int {
		return cmp.Or(have.compare(&r), -1) // the new route is the last of its equals
	})
	t.byDst[r.Dst] = slices.Insert(same, k, r)
}

// Learn adds a route from a router advertisement. It replaces the route to the same destination that the same router has
// advertised before on this interface, unless their preferences are equal. It reports whether the table has changed.
func (t *Table) Learn(r Route) (changed bool) {
	r.Dst, r.Learned, r.Connected = r.Dst.Masked(), true, false // a router may set bits beyond the prefix (RFC 4191 §2.3)
	before := func(old Route) bool { return old.Learned && old.Gateway == r.Gateway && old.Out == r.Out }
	same := t.byDst[r.Dst]
	if k := slices.IndexFunc(same, before); k >= 0 {
		if same[k].Preference == r.Preference {
			return false
		}
		t.Remove(r.Dst, before)
	}
	t.Add(r)
	return true
}

// Knows reports whether the table has the learned route r, with any preference.
func (t *Table) Knows(r Route) bool {
	return slices.ContainsFunc(t.byDst[r.Dst.Masked()], func(o Route) bool { return o.Learned && o.Gateway == r.Gateway && o.Out == r.Out })
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
		t.lengths(dst.Addr()).remove(dst.Bits())
	}
}

// All returns every route in the order in which Match tries them: those of IPv4 before those of IPv6, and the longest
// prefix first.
func (t *Table) All() []Route {
	var list []Route
	for _, same := range t.byDst {
		list = append(list, same...)
	}
	slices.SortFunc(list, func(a, b Route) int {
		return cmp.Or(a.Dst.Addr().BitLen()-b.Dst.Addr().BitLen(), b.Dst.Bits()-a.Dst.Bits(), a.compare(&b), cmp.Compare(a.order, b.order))
	})
	return list
}
