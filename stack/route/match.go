package route

import "net/netip"

// Match returns the route to dst with the longest prefix among routes whose interface is up, nil if there is none. It
// ignores the zone of dst. The table owns the Route, which is valid until the table changes.
func (t *Table) Match(dst netip.Addr) *Route {
	for _, l := range *t.lengths(dst) {
		same := t.to(dst, l.bits)
		for k := range same {
			if t.isUp(&same[k]) {
				return &same[k]
			}
		}
	}
	return nil
}

// Choose returns the route to dst like Match, but passes over learned routes by a gateway for which usable returns false,
// because the gateway is known to be unreachable. It then tries the next best route, which may have a shorter prefix (RFC
// 4191 §3.2). usable is called only for learned routes with a gateway, and must not change the table.
//
// If only unreachable gateways are left, Choose returns their routes in turn, so that the host probes each gateway (RFC
// 4861 §6.3.6).
func (t *Table) Choose(dst netip.Addr, usable func(r *Route) bool) *Route {
	r, unreachable := t.best(dst, usable)
	if unreachable {
		t.choices++
		r.chosen = t.choices
	}
	return r
}

// Peek returns the route that Choose would return next, and takes no turn.
func (t *Table) Peek(dst netip.Addr, usable func(r *Route) bool) *Route {
	r, _ := t.best(dst, usable)
	return r
}

// best returns the route of Choose. With unreachable, only unreachable gateways are left, and the route is the one whose turn it is.
func (t *Table) best(dst netip.Addr, usable func(r *Route) bool) (oldest *Route, unreachable bool) {
	for _, l := range *t.lengths(dst) {
		same := t.to(dst, l.bits)
		for k := range same {
			r := &same[k]
			switch {
			case !t.isUp(r):
			case !r.Learned || !r.Gateway.IsValid() || usable(r):
				return r, false
			case oldest == nil || r.chosen < oldest.chosen:
				oldest = r
			}
		}
	}
	return oldest, oldest != nil
}

// OnLink returns the route to dst without a gateway that has the longest prefix, whether its interface is up or down;
// nil if there is none. Among routes of one destination it prefers one whose interface is up.
func (t *Table) OnLink(dst netip.Addr) (found *Route) {
	for _, l := range *t.lengths(dst) {
		same := t.to(dst, l.bits)
		for k := range same {
			if r := &same[k]; !r.Gateway.IsValid() && (found == nil || t.isUp(r) && !t.isUp(found)) {
				found = r
			}
		}
		if found != nil {
			break
		}
	}
	return found
}
