package stack

import (
	"cmp"
	"net/netip"
	"time"

	"smolsh/stack/autoconf"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/neigh"
	"smolsh/stack/route"
	"smolsh/stack/wire"
)

// Constants of a host that looks for routers (RFC 4861 §10).
const (
	maxSolicits      = 3                // MAX_RTR_SOLICITATIONS
	solicitInterval  = 4 * time.Second  // RTR_SOLICITATION_INTERVAL
	maxSolicitDelay  = time.Second      // MAX_RTR_SOLICITATION_DELAY
	defaultReachable = 30 * time.Second // REACHABLE_TIME
	defaultRetrans   = time.Second      // RETRANS_TIMER
	redrawInterval   = 2 * time.Hour    // time after which the host draws its ReachableTime again (RFC 4861 §6.3.4)
)

// solicits is the router solicitations that an interface still sends (RFC 4861 §6.3.7).
type solicits struct {
	left int
	next clock.Instant
}

// at returns the time of the next solicitation, clock.Never if there is none.
func (s *solicits) at() clock.Instant {
	if s.left == 0 {
		return clock.Never
	}
	return s.next
}

// startSolicits begins to ask for routers. A router asks for none.
func (i *Iface) startSolicits(now clock.Instant) {
	v, h := i.v6, i.host
	i.setNeighborTimes(now, v.link.ReachableTime)
	v.solicits = solicits{}
	if i.hasNeighbors() && !h.net.forwarding {
		v.solicits = solicits{left: maxSolicits, next: now.Add(h.randomBetween(0, maxSolicitDelay))}
		h.workPending()
	}
}

// tickSolicits sends the router solicitation that is due.
func (i *Iface) tickSolicits(now clock.Instant) {
	s := &i.v6.solicits
	if s.left == 0 || !s.next.Due(now) {
		return
	}
	s.left--
	s.next = now.Add(solicitInterval)
	src, n := netip.IPv6Unspecified(), wire.RouterSolicitationLen
	if i.v6.linkLocal.IsValid() {
		src, n = i.v6.linkLocal, n+wire.NDLinkAddrLen
	}
	f := i.host.frames.get(0)
	b := f.Extend(n)
	if src.IsLinkLocalUnicast() {
		wire.PutNDLinkAddr(b[wire.RouterSolicitationLen:], wire.NDSourceLinkAddr, i.mac)
	}
	wire.PutRouterSolicitation(b, src, wire.AllRouters6)
	i.putNDHeader(f, src, wire.AllRouters6)
	i.host.count(mib.ICMP6OutRouterSolicits)
	i.queueReply(f, wire.GroupMAC(wire.AllRouters6))
}

// receiveRouterAdvertisement processes a router advertisement (RFC 4861 §6.3.4). A router configures nothing from others.
func (h *Host) receiveRouterAdvertisement(now clock.Instant, p *packet) Verdict {
	i := p.iface
	m, options, err := wire.ParseRouterAdvertisement(p.header6(), p.payload, false)
	if err != nil {
		return dropped(drop.Of(err))
	}
	hw, ok, r := i.linkAddr(options, wire.NDSourceLinkAddr)
	if r != drop.None {
		return dropped(r)
	}
	if h.net.forwarding {
		return h.overhearND()
	}
	if m.RouterLifetime > 0 {
		i.v6.solicits.left = 0 // RFC 4861 §6.3.7
	}
	if ok {
		h.heard(now, i, p.src, hw)
	}
	if e := i.neigh[ipv6].Get(p.src); e != nil {
		i.neigh[ipv6].SetRouter(e, true)
	}
	refused := i.v6.conf.Refusals()
	i.v6.conf.SetMaxMTU(i.MTU())
	i.v6.conf.Advertisement(now, p.src, &m, options)
	if after := i.v6.conf.Refusals(); after.NoRoom() > refused.NoRoom() {
		h.countRefusedTo(limitAdvertised, p.src)
	}
	i.applyAutoconf(now)
	if i.v6.redraw.Due(now) {
		i.setNeighborTimes(now, i.v6.link.ReachableTime)
	}
	return deliveredTo(wire.ProtocolICMPv6, 0)
}

// forgetRouters removes everything that the interface has learnt from router advertisements and redirects.
func (i *Iface) forgetRouters(now clock.Instant) {
	i.host.net.forgetRedirects(func(r route.Route) bool { return r.Out == int(i.index) })
	i.v6.conf.Flush(now)
	i.applyAutoconf(now)
}

// routerGone is called when an advertisement of a router lacks the router flag (RFC 4861 §7.2.5).
func (i *Iface) routerGone(now clock.Instant, router netip.Addr) {
	i.v6.conf.RouterGone(now, router)
	i.host.net.dropRedirects(router)
	i.applyAutoconf(now)
}

// applyAutoconf applies to the host each change that package autoconf reports: addresses, routes and parameters.
func (i *Iface) applyAutoconf(now clock.Instant) {
	n := &i.host.net
	i.host.workPending()
	changed := false
	for c := range i.v6.conf.Changes {
		changed = true
		switch c.Kind {
		case autoconf.AddAddress:
			i.configure(now, c)
		case autoconf.UpdateAddress:
			for k := range i.addresses.list {
				if a := &i.addresses.list[k]; a.Addr() == c.Addr && a.deprecated != c.Deprecated {
					before := a.state()
					a.deprecated = c.Deprecated
					i.raiseAddr(now, a.addr, before, a.state())
				}
			}
			if p := i.addrProbe(c.Addr); p != nil {
				p.deprecated = c.Deprecated
			}
		case autoconf.RemoveAddress:
			i.unconfigure(now, c)
		case autoconf.AddOnLink:
			n.addAdvertised(route.Route{Dst: c.Prefix, Out: int(i.index)})
		case autoconf.RemoveOnLink:
			n.removeLearned(route.Route{Dst: c.Prefix, Out: int(i.index)})
		case autoconf.UpdateRoute:
			n.removeLearned(route.Route{Dst: c.Prefix, Gateway: i.ownScope(c.Via), Out: int(i.index)})
			fallthrough
		case autoconf.AddRoute:
			n.addAdvertised(route.Route{Dst: c.Prefix, Gateway: i.ownScope(c.Via), Out: int(i.index), Preference: int8(c.Preference)})
		case autoconf.RemoveRoute:
			n.removeLearned(route.Route{Dst: c.Prefix, Gateway: i.ownScope(c.Via), Out: int(i.index)})
			if c.Prefix.Bits() == 0 {
				n.dropRedirects(i.ownScope(c.Via)) // RFC 4861 §6.3.5
			}
		case autoconf.SetReachableTime:
			i.setNeighborTimes(now, c.Time)
		case autoconf.SetRetransTimer:
			i.neigh[ipv6].SetTimes(0, cmp.Or(c.Time, defaultRetrans))
		}
	}
	i.v6.link = i.v6.conf.Link()
	if changed {
		n.epoch++
	}
}

// configure probes for an address that the interface has made from a router's prefix.
func (i *Iface) configure(now clock.Instant, c autoconf.Change) {
	origin := OriginAutoconf
	if c.Temporary {
		origin = OriginTemporary
	}
	probe, err := i.probeAddr(now, netip.PrefixFrom(c.Addr, c.Prefix.Bits()), origin)
	if err == nil {
		probe.deprecated = c.Deprecated
	}
}

// unconfigure removes an address that configure has added, or stops probing for it.
func (i *Iface) unconfigure(now clock.Instant, c autoconf.Change) {
	if p := i.addrProbe(c.Addr); p != nil && !p.done {
		p.Cancel()
		i.raiseAddr(now, p.addr, AddrTentative, "")
	}
	for _, a := range i.addresses.list {
		if a.Addr() == c.Addr && a.origin != OriginManual {
			_ = i.DelAddr(now, a.Prefix)
			return
		}
	}
}

// setNeighborTimes sets the time for which neighbours stay REACHABLE to a random value around base, which is half to one and a half
// times as long (RFC 4861 §6.3.2). A base of 0 means the default.
func (i *Iface) setNeighborTimes(now clock.Instant, base time.Duration) {
	base = cmp.Or(base, defaultReachable)
	i.v6.redraw = now.Add(redrawInterval)
	i.neigh[ipv6].SetTimes(i.host.randomBetween(base/2, base+base/2), 0)
}

// addAdvertised adds a route from a router advertisement. It replaces the same route of a redirect, since each route has one origin.
func (n *netLayer) addAdvertised(r route.Route) {
	n.forgetRedirects(func(o route.Route) bool { return o.Dst == r.Dst && o.Gateway == r.Gateway && o.Out == r.Out })
	n.addLearned(r)
}

// addLearned adds a route from a router advertisement or a redirect, and removeLearned removes it.
func (n *netLayer) addLearned(r route.Route) {
	r.Learned = true
	if r.Gateway.IsValid() && !n.routes.Knows(r) {
		n.gateways[r.Gateway]++
	}
	n.routes.Learn(r)
	n.epoch++
}

func (n *netLayer) removeLearned(r route.Route) {
	removed := 0
	n.routes.Remove(r.Dst, func(o route.Route) bool {
		match := o.Learned && o.Gateway == r.Gateway && o.Out == r.Out
		if match {
			removed++
		}
		return match
	})
	if r.Gateway.IsValid() && removed > 0 {
		if n.gateways[r.Gateway]--; n.gateways[r.Gateway] <= 0 {
			delete(n.gateways, r.Gateway)
		}
	}
	n.epoch++
}

// reachable reports whether the gateway of a route may be reachable: it has not failed to answer (RFC 4861 §6.3.6).
func (n *netLayer) reachable(r *route.Route) bool {
	e := n.ifaces[r.Out].neigh[ipv6].Get(r.Gateway)
	return e == nil || e.State != neigh.Failed
}

// hasDetour reports whether packets to dst can go by another next hop than e, which has failed.
func (n *netLayer) hasDetour(dst netip.Addr, e *neighbor) bool {
	if e.State != neigh.Failed || n.gateways[e.Addr] == 0 {
		return false
	}
	p, ok := n.lookup(dst)
	if !ok || p.next == e.Addr {
		return false
	}
	other := p.iface.neighborsOf(p.next).Get(p.next)
	return other == nil || other.State != neigh.Failed
}

// neighborFailed is called when a neighbour has not answered. Connections by that gateway look for another, and redirects to the
// neighbour are forgotten.
func (n *netLayer) neighborFailed(a netip.Addr) {
	n.forgetRedirects(func(r route.Route) bool { return r.Gateway == a || !r.Gateway.IsValid() && r.Dst.Addr() == a })
	if n.gateways[a] > 0 {
		n.epoch++
	}
}
