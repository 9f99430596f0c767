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

// isNeighbor reports whether a host with the address a can be on the link of i: it is in a subnet of the interface, or
// the on-link route to it leads there.
func (h *Host) isNeighbor(i *Iface, a netip.Addr) bool {
	if i.onLink(a) {
		return true
	}
	r := h.routes.onLink(a)
	return r != nil && r.Iface == i
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

// hop is where a packet goes next: out of iface to the neighbour next, or to everyone there.
type hop struct {
	iface     *Iface
	next      netip.Addr
	broadcast bool
}

// AddRoute adds a route by gateway gw, or on link when gw is zero. i nil: the interface to which the longest on-link
// route to the gateway leads, be it that of a subnet or one that was added before. ErrExists, ErrInvalid, and ErrNoRoute for a gateway that no interface reaches.
func (h *Host) AddRoute(dst netip.Prefix, gw netip.Addr, i *Iface) error {
	badGateway := gw.IsValid() && (!unicast(gw) || gw.IsLoopback() || h.localAddrs[gw] != nil)
	if !dst.IsValid() || !dst.Addr().Is4() || badGateway || !gw.IsValid() && i == nil {
		return ErrInvalid
	}
	dst = dst.Masked()
	if i == nil {
		r := h.routes.onLink(gw)
		if r == nil {
			return ErrNoRoute
		}
		i = r.Iface
	}
	if h.routes.find(dst, false) != nil {
		return ErrExists
	}
	h.routes.add(Route{dst, gw, i}, false)
	h.epoch++
	return nil
}

// DelRoute takes out the route that AddRoute made for dst. ErrNotFound: there is none.
func (h *Host) DelRoute(dst netip.Prefix) error {
	dst = dst.Masked()
	if h.routes.find(dst, false) == nil {
		return ErrNotFound
	}
	h.routes.remove(dst, func(r *route) bool { return !r.connected })
	h.epoch++
	return nil
}

// connect adds the route to a subnet of i, disconnect takes it out.
func (h *Host) connect(i *Iface, subnet netip.Prefix) {
	if i.loop {
		return // the host's own addresses need no routes
	}
	for _, r := range h.routes.byDst[subnet] {
		if r.connected && r.Iface == i {
			return
		}
	}
	h.routes.add(Route{Dst: subnet, Iface: i}, true)
	h.epoch++
}

func (h *Host) disconnect(i *Iface, subnet netip.Prefix) {
	if len(h.routes.byDst[subnet]) > 0 {
		h.routes.remove(subnet, func(r *route) bool { return r.connected && r.Iface == i })
		h.epoch++
	}
}

// lookup finds the next hop to dst by the longest prefix.
func (h *Host) lookup(dst netip.Addr) (hop, bool) {
	if dst.IsLoopback() || h.localAddrs[dst] != nil {
		if h.loop == nil || !h.loop.up {
			return hop{}, false
		}
		return hop{iface: h.loop, next: dst}, true
	}
	if dst == limitedBroadcast {
		for _, i := range h.ifaces {
			if i.up && !i.loop {
				return hop{iface: i, next: dst, broadcast: true}, true
			}
		}
		return hop{}, false
	}
	if !unicast(dst) {
		return hop{}, false
	}
	r := h.routes.match(dst)
	if r == nil {
		return hop{}, false
	}
	if r.Gateway.IsValid() {
		return hop{iface: r.Iface, next: r.Gateway}, true
	}
	return hop{iface: r.Iface, next: dst, broadcast: r.Iface.isBroadcast(dst)}, true
}

// source chooses the local address for packets to dst by way of p (RFC 1122 §3.3.4.3): on the subnet of
// the next hop where there is one.
func (h *Host) source(p hop, dst netip.Addr) (netip.Addr, bool) {
	if p.iface == h.loop {
		return dst, true
	}
	if a, ok := p.iface.sourceTo(p.next); ok {
		return a, true
	}
	if len(p.iface.addrs) > 0 {
		return p.iface.addrs[0].Addr(), true
	}
	for _, i := range h.ifaces { // an interface without an address borrows one
		if !i.loop && len(i.addrs) > 0 {
			return i.addrs[0].Addr(), true
		}
	}
	return netip.Addr{}, false
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
	for _, r := range h.routes.all() {
		infos = append(infos, RouteInfo{r.Dst, r.Gateway, r.Iface.name})
	}
	return infos
}
