package stack

import (
	"net/netip"

	"smolsh/stack/route"
)

// AddRoute adds a route to dst by the gateway gw, or an on-link route if gw is zero. If i is nil, the interface is that
// of a link-local gateway's zone, or of the longest on-link route to the gateway. Errors: ErrExists, ErrInvalid, ErrZone, and
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
	badGateway := gw.IsValid() && (!unicast(gw) || gw.IsLoopback() || h.net.localAddrs[gw] != nil || gw.Is4() != dst.Addr().Is4())
	if !dst.IsValid() || dst.Addr().Is4In6() || badGateway || !gw.IsValid() && i == nil {
		return ErrInvalid
	}
	dst = dst.Masked()
	if i == nil {
		r := h.net.routes.OnLink(gw)
		if r == nil {
			return ErrNoRoute
		}
		i = h.net.ifaces[r.Out]
	}
	if h.net.routes.Has(dst) {
		return ErrExists
	}
	h.net.routes.Add(route.Route{Dst: dst, Gateway: gw, Out: int(i.index)})
	h.net.epoch++
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
	Dst     netip.Prefix
	Gateway netip.Addr // zero: on link
	Dev     string
}

// RouteInfos returns the routing table in the order in which it is searched.
func (h *Host) RouteInfos() []RouteInfo {
	var infos []RouteInfo
	for _, r := range h.net.routes.All() {
		infos = append(infos, RouteInfo{r.Dst, r.Gateway, h.net.ifaces[r.Out].name})
	}
	return infos
}
