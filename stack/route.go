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
	connected bool // comes and goes with an interface's address
}

// hop is where a packet goes next: out of iface to the neighbour next, or to everyone there.
type hop struct {
	iface     *Iface
	next      netip.Addr
	broadcast bool
}

// AddRoute adds a route by gateway gw, or on link when gw is zero. i nil: the interface on whose subnet
// the gateway is. ErrExists, ErrInvalid, and ErrNoRoute for a gateway that no interface reaches.
func (h *Host) AddRoute(dst netip.Prefix, gw netip.Addr, i *Iface) error {
	badGateway := gw.IsValid() && (!unicast(gw) || gw.IsLoopback() || h.own[gw] != nil)
	if !dst.IsValid() || !dst.Addr().Is4() || badGateway || !gw.IsValid() && i == nil {
		return ErrInvalid
	}
	dst = dst.Masked()
	if i == nil {
		for _, j := range h.ifaces {
			if j.onLink(gw) {
				i = j
				break
			}
		}
		if i == nil {
			return ErrNoRoute
		}
	}
	for _, r := range h.routes {
		if r.Dst == dst && !r.connected {
			return ErrExists
		}
	}
	h.insert(route{Route: Route{dst, gw, i}})
	return nil
}

// DelRoute takes out the route that AddRoute made for dst. ErrNotFound: there is none.
func (h *Host) DelRoute(dst netip.Prefix) error {
	dst = dst.Masked()
	k := slices.IndexFunc(h.routes, func(r route) bool { return r.Dst == dst && !r.connected })
	if k < 0 {
		return ErrNotFound
	}
	h.routes = slices.Delete(h.routes, k, k+1)
	h.epoch++
	return nil
}

// connect adds the route to a subnet of i, disconnect takes it out.
func (h *Host) connect(i *Iface, subnet netip.Prefix) {
	if i.loop {
		return // the host's own addresses need no routes
	}
	for _, r := range h.routes {
		if r.connected && r.Iface == i && r.Dst == subnet {
			return
		}
	}
	h.insert(route{Route{Dst: subnet, Iface: i}, true})
}

func (h *Host) disconnect(i *Iface, subnet netip.Prefix) {
	h.routes = slices.DeleteFunc(h.routes, func(r route) bool { return r.connected && r.Iface == i && r.Dst == subnet })
	h.epoch++
}

// insert keeps the longest prefixes first, and a connected subnet before a route of the same length.
func (h *Host) insert(r route) {
	h.routes = append(h.routes, r)
	slices.SortStableFunc(h.routes, func(a, b route) int {
		if c := cmp.Compare(b.Dst.Bits(), a.Dst.Bits()); c != 0 || a.connected == b.connected {
			return c
		}
		if a.connected {
			return -1
		}
		return 1
	})
	h.epoch++
}

// lookup finds the next hop to dst by the longest prefix.
func (h *Host) lookup(dst netip.Addr) (hop, bool) {
	if dst.IsLoopback() || h.own[dst] != nil {
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
	for k := range h.routes {
		r := &h.routes[k]
		if !r.Iface.up || !r.Dst.Contains(dst) {
			continue
		}
		if r.Gateway.IsValid() {
			return hop{iface: r.Iface, next: r.Gateway}, true
		}
		return hop{iface: r.Iface, next: dst, broadcast: r.Iface.isBroadcast(dst)}, true
	}
	return hop{}, false
}

// source chooses the local address for packets to dst by way of p (RFC 1122 §3.3.4.3): on the subnet of
// the next hop where there is one.
func (h *Host) source(p hop, dst netip.Addr) (netip.Addr, bool) {
	if p.iface == h.loop {
		return dst, true
	}
	for k := range p.iface.addrs {
		if a := &p.iface.addrs[k]; a.Contains(p.next) {
			return a.Addr(), true
		}
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
	infos := make([]RouteInfo, 0, len(h.routes))
	for _, r := range h.routes {
		infos = append(infos, RouteInfo{r.Dst, r.Gateway, r.Iface.name})
	}
	return infos
}
