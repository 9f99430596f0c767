package stack

import (
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/route"
	"smolsh/stack/wire"
)

// maxRedirects is the number of destinations for which the host follows redirects. A further one replaces the oldest.
const maxRedirects = 64

// receiveRedirect processes a redirect (RFC 4861 §8.3): a better first hop to one destination. It must be from the present first
// hop (§8.1), which also proves that the sender is a router that the host uses.
func (h *Host) receiveRedirect(now clock.Instant, p *packet) Verdict {
	i := p.iface
	m, options, err := wire.ParseRedirect(p.header6(), p.payload, false)
	if err != nil {
		return dropped(drop.Of(err))
	}
	target, dst := i.ownScope(m.Target), i.ownScope(m.Dest)
	hop, ok := h.net.lookup(dst)
	switch {
	case h.net.forwarding || !ok || hop.iface != i || hop.next != p.src || needsZone(dst):
		return dropped(drop.NDRedirect)
	case h.net.localAddrs[target] != nil || !unicast(target):
		return dropped(drop.NDMartian)
	}
	hw, given, r := i.linkAddr(options, wire.NDTargetLinkAddr)
	if r != drop.None {
		return dropped(r)
	}
	if given {
		h.heard(now, i, target, hw)
	}
	better := route.Route{Dst: netip.PrefixFrom(dst, 128), Out: int(i.index)}
	if target != dst {
		better.Gateway = target
		if e := i.neigh[ipv6].Get(target); e != nil {
			i.neigh[ipv6].SetRouter(e, true)
		}
	}
	h.net.followRedirect(better) // connections follow with their next segment, so that a redirect costs the same beside many
	return deliveredTo(wire.ProtocolICMPv6, 0)
}

// followRedirect adds the route of a redirect in place of an earlier one to the same destination.
func (n *netLayer) followRedirect(r route.Route) {
	n.forgetRedirects(func(o route.Route) bool { return o.Dst == r.Dst })
	if n.routes.Knows(r) {
		return // a router has advertised the route
	}
	if len(n.redirects) >= maxRedirects {
		oldest := n.redirects[0]
		n.forgetRedirects(func(o route.Route) bool { return o.Dst == oldest.Dst })
	}
	n.redirects = append(n.redirects, r)
	n.addLearned(r)
}

// dropRedirects forgets the redirects to a gateway that has failed or is no router any more.
func (n *netLayer) dropRedirects(gateway netip.Addr) {
	n.forgetRedirects(func(r route.Route) bool { return r.Gateway == gateway })
}

func (n *netLayer) forgetRedirects(match func(route.Route) bool) {
	n.redirects = slices.DeleteFunc(n.redirects, func(r route.Route) bool {
		if !match(r) {
			return false
		}
		n.removeLearned(r)
		return true
	})
}

// sendRedirect sends a redirect to the source of the packet p, which the router forwards to the link on which p arrived (RFC 4861
// §8.2). The redirect names the next hop way as the better first hop: another router, or the destination itself. Redirects share the
// rate limit of ICMP errors.
func (h *Host) sendRedirect(now clock.Instant, p *packet, way hop) {
	i := p.iface
	onLink := h.net.routes.OnLink(p.src)
	src := i.LinkLocal()
	switch {
	case !i.hasNeighbors() || !src.IsValid() || onLink == nil || h.net.ifaces[onLink.Out] != i:
		return // the source is no neighbour, or could not check a redirect of ours
	case way.next != p.dst && !needsZone(way.next):
		return // a redirect must name a router's link-local address, which is not known
	case !h.icmpErrors.Take(now):
		h.count(mib.ICMP6OutRateLimited)
		return
	}
	n := wire.RedirectLen
	hw := i.neigh[ipv6].Get(way.next)
	if hw != nil && hw.Usable() {
		n += wire.NDLinkAddrLen
	}
	room := wire.MinMTU6 - wire.IPv6Len - n
	f := h.frames.get(wire.MinMTU6)
	b := f.Extend(n + room)
	if n > wire.RedirectLen {
		wire.PutNDLinkAddr(b[wire.RedirectLen:], wire.NDTargetLinkAddr, hw.HW)
	}
	quoted := wire.PutNDRedirected(b[n:], p.octets, room)
	f.Truncate(n + quoted)
	m := wire.Redirect{Target: way.next, Dest: p.dst}
	m.Put(f.Bytes(), src, p.src)
	i.putNDHeader(f, src, p.src)
	if h.reply(now, f, src, p.src) == drop.None {
		h.count(mib.ICMP6OutRedirects)
	}
}
