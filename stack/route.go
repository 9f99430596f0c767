package stack

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/stack/autoconf"
	"smolsh/stack/clock"
	"smolsh/stack/route"
)

// AddRoute adds a route to dst by the gateway gw, or an on-link route if gw is zero. If i is nil, the interface is that
// of a link-local gateway's zone, or of the longest on-link route to the gateway. Errors: ErrExists, an InvalidError, ErrZone, and
// ErrNoRoute if no on-link route reaches the gateway.
func (h *Host) AddRoute(dst netip.Prefix, gw netip.Addr, i *Iface) error {
	if needsZone(gw) {
		var err error
		if i != nil {
			gw = gw.WithZone(i.name)
		} else if gw, err = h.net.scope(gw, netip.Addr{}); err != nil {
			return err
		}
		i = h.net.inZone(gw)
	}
	if err := h.checkRoute(dst, gw, i); err != nil {
		return err
	}
	if i == nil {
		r := h.net.routes.OnLink(gw)
		if r == nil {
			return ErrNoRoute
		}
		i = h.net.ifaces[r.Out]
	}
	if gw.Is4() && i.isBroadcast(gw) {
		return invalid("the gateway %v is the network's or broadcast address of a network of %s, which is no station's", gw, i.name)
	}
	if h.net.routes.Has(dst) {
		return ErrExists
	}
	h.net.routes.Add(route.Route{Dst: dst, Gateway: gw, Out: int(i.index)})
	h.net.epoch++
	return nil
}

// checkRoute returns an error that says why a route to dst by the gateway gw, or on the link of i, can't be.
func (h *Host) checkRoute(dst netip.Prefix, gw netip.Addr, i *Iface) error {
	switch {
	case !dst.IsValid():
		return invalid("not an address with a prefix length")
	case dst.Addr().Is4In6():
		return invalid("an IPv4-mapped address")
	case dst != dst.Masked():
		return invalid("it has bits beyond its length %d: write %v for the network, %v for the address", dst.Bits(), dst.Masked(), dst.Addr())
	case !gw.IsValid() && i == nil:
		return invalid("neither a gateway nor an interface")
	case !gw.IsValid():
		return nil
	}
	if err := CheckStation(gw); err != nil {
		return invalid("the gateway %v is %v", gw, err)
	}
	switch {
	case gw.IsLoopback():
		return invalid("the gateway %v is a loopback address", gw)
	case h.net.localAddrs[gw] != nil:
		return invalid("the gateway %v is the host's own address", gw)
	case gw.Is4() != dst.Addr().Is4():
		return invalid("the gateway %v is of another family", gw)
	case dst.Bits() > 0 && dst.Addr().IsLoopback():
		return invalid("loopback addresses stay on the host, and are behind no gateway")
	case dst.Bits() > 0 && dst.Addr().IsMulticast():
		return invalid("multicast groups are on the link of an interface, and behind no gateway: say dev= without a gateway")
	}
	return nil
}

// DelRoute removes the route that AddRoute added for dst. ErrNotFound: there is no route for dst.
func (h *Host) DelRoute(dst netip.Prefix) error {
	dst = dst.Masked()
	if !h.net.routes.Has(dst) {
		return ErrNotFound
	}
	h.net.routes.Remove(dst, func(r route.Route) bool { return !r.Connected && !r.Learned })
	h.net.epoch++
	return nil
}

// RouteInfo is one row of the routing table.
type RouteInfo struct {
	Dst        netip.Prefix
	Gateway    netip.Addr // zero: on link
	Dev        string
	State      string        // state of the interface, as Iface.State returns it; a route is not used unless that is UP
	Proto      string        // what has added the route: a value of RouteStatic and its like
	Preference string        // of a route from a router: low, medium or high (RFC 4191 §2.1); "" for others
	Expires    clock.Instant // time at which a route from a router ends; clock.Never for others, and for one that does not end
}

// What has added a route: values of RouteInfo.Proto.
const (
	RouteConnected = "connected" // an address of the interface
	RouteStatic    = "static"    // AddRoute
	RouteRA        = "ra"        // a router advertisement (RFC 4861 §6.3.4)
	RouteRedirect  = "redirect"  // a redirect (RFC 4861 §8.3)
)

// RouteInfos returns the routing table in the order in which it is searched.
func (h *Host) RouteInfos() []RouteInfo {
	var infos []RouteInfo
	for _, r := range h.net.routes.All() {
		i := h.net.ifaces[r.Out]
		info := RouteInfo{Dst: r.Dst, Gateway: r.Gateway, Dev: i.name, State: i.State(), Proto: RouteStatic, Expires: clock.Never}
		switch {
		case r.Connected:
			info.Proto = RouteConnected
		case r.Learned && h.net.redirected(&r):
			info.Proto = RouteRedirect
		case r.Learned:
			info.Proto, info.Expires = RouteRA, i.routeEnd(&r)
			if r.Gateway.IsValid() {
				info.Preference = preferenceName(r.Preference)
			}
		}
		infos = append(infos, info)
	}
	return infos
}

// redirected reports whether the host has learned the route from a redirect.
func (n *netLayer) redirected(r *route.Route) bool {
	return slices.ContainsFunc(n.redirects, func(o route.Route) bool { return o.Dst == r.Dst && o.Gateway == r.Gateway && o.Out == r.Out })
}

// routeEnd returns the time at which a route ends that a router has advertised on the interface.
func (i *Iface) routeEnd(r *route.Route) clock.Instant {
	conf, via := i.v6.conf, r.Gateway.WithZone("")
	at := func(d time.Duration) clock.Instant { // the lifetimes are counted from the beginning of the clock
		if d == autoconf.Infinite {
			return clock.Never
		}
		return clock.Instant(0).Add(d)
	}
	switch {
	case !r.Gateway.IsValid():
		for _, p := range conf.Prefixes(0) {
			if p.Prefix == r.Dst {
				return at(p.Valid)
			}
		}
	case r.Dst.Bits() == 0:
		for _, o := range conf.Routers(0) {
			if o.Addr == via {
				return at(o.Lifetime)
			}
		}
	default:
		for _, o := range conf.Routes(0) {
			if o.Prefix == r.Dst && o.Via == via {
				return at(o.Lifetime)
			}
		}
	}
	return clock.Never
}

// Scoped returns an address as the host's sockets report it: without an IPv4-mapped form, and with the zone that a link-local address or
// a group of that scope needs. Errors: ErrZone.
func (h *Host) Scoped(a netip.Addr) (netip.Addr, error) { return h.net.scope(a, netip.Addr{}) }
