package autoconf

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/stack/wire"
)

// Kind is the kind of a Change.
type Kind uint8

// The kinds of changes, with the fields of Change that they set. A field of zero in SetMTU to SetRetransTimer means that the
// host's own default applies again.
const (
	AddAddress       Kind = iota + 1 // Addr, Prefix, Temporary, Deprecated: the host detects duplicates, and calls Conflict for one
	UpdateAddress                    // the same fields: Deprecated has changed
	RemoveAddress                    // the same fields: no longer valid, or a duplicate
	AddOnLink                        // Prefix: its addresses are neighbours
	RemoveOnLink                     // Prefix
	AddRoute                         // Prefix, Via, Preference; ::/0 for a default router
	UpdateRoute                      // the same fields: Preference has changed
	RemoveRoute                      // the same fields
	SetMTU                           // MTU
	SetHopLimit                      // HopLimit
	SetReachableTime                 // Time
	SetRetransTimer                  // Time
	SetDNS                           // none: DNS returns the servers and search domains
)

// removed and updated have the kinds of changes to an item that a change of the kind AddAddress, AddOnLink or AddRoute has added.
var (
	removed = [...]Kind{AddAddress: RemoveAddress, AddOnLink: RemoveOnLink, AddRoute: RemoveRoute}
	updated = [...]Kind{AddAddress: UpdateAddress, AddRoute: UpdateRoute}
)

// Change is one thing for the host to do. Only the fields of its kind are set.
type Change struct {
	Kind       Kind
	Addr       netip.Addr      // an address to configure; it makes no prefix on-link (RFC 5942 §4)
	Prefix     netip.Prefix    // of the address, or the on-link prefix, or the destination of the route; masked
	Via        netip.Addr      // the router, a link-local address without a zone
	Preference wire.Preference // of the route (RFC 4191 §2.1)
	Temporary  bool            // a temporary address (RFC 8981), which source address selection prefers
	Deprecated bool            // not for new connections if there is another address (RFC 4862 §5.5.4)
	MTU        int             // octets
	HopLimit   uint8
	Time       time.Duration
}

// same reports whether two items have the same address, on-link prefix or route.
func (c *Change) same(d *Change) bool {
	return c.Kind == d.Kind && c.Addr == d.Addr && c.Prefix == d.Prefix && c.Via == d.Via
}

// to returns the change with another kind.
func (c Change) to(k Kind) Change {
	c.Kind = k
	return c
}

// told is what the host knows from Changes.
type told struct {
	items   []Change // changes of the kinds AddAddress, AddOnLink and AddRoute
	link    Link
	servers []netip.Addr
	domains []string
	spare   []Change // storage for the next items
}

// find returns the position of an item, -1 if it is not there. It looks first at the position at which the item is most likely.
func find(items []Change, c *Change, likely int) int {
	if likely < len(items) && items[likely].same(c) {
		return likely
	}
	return slices.IndexFunc(items, func(d Change) bool { return d.same(c) })
}

// Changes yields each change that the host has not been told of, in the order in which the host makes them: removals first, then
// parameters of the link, addresses, on-link prefixes, routes, and DNS. A change that the State has reverted in the meantime is
// not yielded. If yield returns false, the next call yields the rest. yield must not call the State.
func (s *State) Changes(yield func(Change) bool) {
	if !s.outdated {
		return
	}
	want := s.items(s.told.spare[:0])
	s.told.spare = want
	if s.removals(want, yield) && s.parameters(yield) && s.additions(want, yield) && s.changeOfDNS(yield) {
		s.told.items, s.told.spare = want, s.told.items // the same items, in the State's order
		s.outdated = false
	}
}

// items appends what the host should have to want, as changes of the kinds AddAddress, AddOnLink and AddRoute in this order.
func (s *State) items(want []Change) []Change {
	for a := range s.addresses {
		want = append(want, Change{Kind: AddAddress, Addr: a.addr, Prefix: a.src.prefix, Temporary: a.temporary,
			Deprecated: a.preferred.Due(s.now)})
	}
	for _, e := range s.onLink.entries {
		want = append(want, Change{Kind: AddOnLink, Prefix: e.key})
	}
	for _, e := range s.routers.entries {
		want = append(want, Change{Kind: AddRoute, Prefix: defaultRoute, Via: e.key, Preference: e.value})
	}
	for _, e := range s.routes.entries {
		want = append(want, Change{Kind: AddRoute, Prefix: e.key.dst, Via: e.key.via, Preference: e.value})
	}
	return want
}

// removals yields the removal of each item that the host has and should not have, the last one first. It returns false if yield
// does.
func (s *State) removals(want []Change, yield func(Change) bool) bool {
	for i := len(s.told.items) - 1; i >= 0; i-- {
		c := s.told.items[i]
		if find(want, &c, i) >= 0 {
			continue
		}
		s.told.items = slices.Delete(s.told.items, i, i+1)
		if !yield(c.to(removed[c.Kind])) {
			return false
		}
	}
	return true
}

// parameters yields each parameter of the link that the host does not know.
func (s *State) parameters(yield func(Change) bool) bool {
	l, t := &s.link, &s.told.link
	if l.MTU != t.MTU {
		if t.MTU = l.MTU; !yield(Change{Kind: SetMTU, MTU: l.MTU}) {
			return false
		}
	}
	if l.HopLimit != t.HopLimit {
		if t.HopLimit = l.HopLimit; !yield(Change{Kind: SetHopLimit, HopLimit: l.HopLimit}) {
			return false
		}
	}
	if l.ReachableTime != t.ReachableTime {
		if t.ReachableTime = l.ReachableTime; !yield(Change{Kind: SetReachableTime, Time: l.ReachableTime}) {
			return false
		}
	}
	if l.RetransTimer != t.RetransTimer {
		t.RetransTimer = l.RetransTimer
		return yield(Change{Kind: SetRetransTimer, Time: l.RetransTimer})
	}
	return true
}

// additions yields each item that the host does not have, or has in another form.
func (s *State) additions(want []Change, yield func(Change) bool) bool {
	for likely, c := range want {
		kind := c.Kind
		if i := find(s.told.items, &c, likely); i < 0 {
			s.told.items = append(s.told.items, c)
		} else if s.told.items[i] != c {
			s.told.items[i] = c
			kind = updated[kind]
		} else {
			continue
		}
		if !yield(c.to(kind)) {
			return false
		}
	}
	return true
}

// changeOfDNS yields SetDNS if the host knows other servers or search domains.
func (s *State) changeOfDNS(yield func(Change) bool) bool {
	servers, domains := s.serverAddrs(), s.domainNames()
	if slices.Equal(servers, s.told.servers) && slices.Equal(domains, s.told.domains) {
		return true
	}
	s.told.servers, s.told.domains = servers, domains
	return yield(Change{Kind: SetDNS})
}
