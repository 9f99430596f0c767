package stack

import (
	"cmp"
	"net/netip"
	"slices"
)

// Route says which way packets for a prefix go.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr // zero: on link
	Iface   *Iface
}

type route struct {
	Route
	connected bool   // comes and goes with an interface's address
	order     uint64 // of its making
}

// routeTable finds the route with the longest prefix in as many steps as there are lengths in use,
// however many routes there are.
type routeTable struct {
	byDst   map[netip.Prefix][]route // connected ones first, then in the order of their making
	lengths [33]int                  // how many destinations there are of each length
	made    uint64
}

// find returns a destination's first route that is connected or not, nil when there is none.
func (t *routeTable) find(dst netip.Prefix, connected bool) *route {
	same := t.byDst[dst]
	for k := range same {
		if same[k].connected == connected {
			return &same[k]
		}
	}
	return nil
}

func (t *routeTable) add(r Route, connected bool) {
	if t.byDst == nil {
		t.byDst = make(map[netip.Prefix][]route)
	}
	same := t.byDst[r.Dst]
	if len(same) == 0 {
		t.lengths[r.Dst.Bits()]++
	}
	t.made++
	same = append(same, route{r, connected, t.made})
	slices.SortStableFunc(same, func(a, b route) int { return rank(a) - rank(b) })
	t.byDst[r.Dst] = same
}

// remove takes out a destination's routes that match.
func (t *routeTable) remove(dst netip.Prefix, match func(*route) bool) {
	same := slices.DeleteFunc(t.byDst[dst], func(r route) bool { return match(&r) })
	if t.byDst[dst] = same; len(same) == 0 {
		delete(t.byDst, dst)
		t.lengths[dst.Bits()]--
	}
}

// match is the route to dst: the first that is up of those with the longest prefix.
func (t *routeTable) match(dst netip.Addr) *route {
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
			if same[k].Iface.up {
				return &same[k]
			}
		}
	}
	return nil
}

// onLink returns the route without a gateway to dst, up or down, that has the longest prefix, nil if there is none. Of
// two alike the one whose interface is up comes first.
func (t *routeTable) onLink(dst netip.Addr) (found *route) {
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
			if r := &same[k]; !r.Gateway.IsValid() && (found == nil || r.Iface.up && !found.Iface.up) {
				found = r
			}
		}
	}
	return found
}

// all is every route in the order in which they are tried: longest prefixes first.
func (t *routeTable) all() []route {
	var list []route
	for _, same := range t.byDst {
		list = append(list, same...)
	}
	slices.SortFunc(list, func(a, b route) int {
		return cmp.Or(b.Dst.Bits()-a.Dst.Bits(), rank(a)-rank(b), cmp.Compare(a.order, b.order))
	})
	return list
}

// rank puts connected routes before others.
func rank(r route) int {
	if r.connected {
		return 0
	}
	return 1
}

// AddRoute adds a route by gateway gw, or on link when gw is zero. i nil: the interface to which the longest on-link
// route to the gateway leads, be it that of a subnet or one that was added before. ErrExists, ErrInvalid, and ErrNoRoute for a gateway that no interface reaches.
func (h *Host) AddRoute(dst netip.Prefix, gw netip.Addr, i *Iface) error {
	badGateway := gw.IsValid() && (!unicast(gw) || gw.IsLoopback() || h.net.localAddrs[gw] != nil)
	if !dst.IsValid() || !dst.Addr().Is4() || badGateway || !gw.IsValid() && i == nil {
		return ErrInvalid
	}
	dst = dst.Masked()
	if i == nil {
		r := h.net.routes.onLink(gw)
		if r == nil {
			return ErrNoRoute
		}
		i = r.Iface
	}
	if h.net.routes.find(dst, false) != nil {
		return ErrExists
	}
	h.net.routes.add(Route{dst, gw, i}, false)
	h.net.epoch++
	return nil
}

// DelRoute takes out the route that AddRoute made for dst. ErrNotFound: there is none.
func (h *Host) DelRoute(dst netip.Prefix) error {
	dst = dst.Masked()
	if h.net.routes.find(dst, false) == nil {
		return ErrNotFound
	}
	h.net.routes.remove(dst, func(r *route) bool { return !r.connected })
	h.net.epoch++
	return nil
}

// RouteInfo is one row of the routing table.
type RouteInfo struct {
	Dst     netip.Prefix
	Gateway netip.Addr // zero: on link
	Dev     string
}

// RouteInfos is the routing table in the order in which it is searched.
func (h *Host) RouteInfos() []RouteInfo {
	var infos []RouteInfo
	for _, r := range h.net.routes.all() {
		infos = append(infos, RouteInfo{r.Dst, r.Gateway, r.Iface.name})
	}
	return infos
}
