package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// parseIPv6 is parse for IPv6.
func (p *packet) parseIPv6(b []byte) (err error) {
	var ip wire.IPv6
	payload, err := ip.Parse(b)
	if err != nil {
		return err
	}
	p.src, p.dst, p.proto, p.ttl, p.class = ip.Src, ip.Dst, ip.NextHeader, ip.HopLimit, ip.TrafficClass
	p.fragment.dontFragment = true
	p.headerLen, p.payload, p.octets = wire.IPv6Len, payload, b[:wire.IPv6Len+ip.PayloadLen]
	p.v6.nextHeaderAt = 6
	if needsZone(p.src) {
		p.src = p.scoped(p.src)
		p.zone = p.iface.host.net.zoneOf(p.src)
	}
	if needsZone(p.dst) {
		p.dst = p.scoped(p.dst)
		p.zone = p.iface.host.net.zoneOf(p.dst)
	}
	return nil
}

// scoped returns an address from the packet, with its zone if it needs one: the interface on which the packet arrived, or on the
// loop the one that the sending function has noted.
func (p *packet) scoped(a netip.Addr) netip.Addr {
	if zone, n := int(p.frame.Zone), &p.iface.host.net; p.iface.loop && 0 < zone && zone <= len(n.ifaces) && needsZone(a) {
		return a.WithZone(n.ifaces[zone-1].name)
	}
	return p.iface.scoped(a)
}

// receiveIPv6 processes an IPv6 packet. group is true if the frame was sent to a link-layer group address.
func (h *Host) receiveIPv6(now clock.Instant, i *Iface, f *phy.Frame, b []byte, group bool) Verdict {
	p := &packet{frame: f, iface: i, family: ipv6}
	if !i.speaksIPv6() {
		if i.shared {
			return Verdict{Kind: Overheard, Kernel: true}
		}
		if p.parse(b) == nil && p.dst.IsMulticast() {
			if v := h.receiveUnknownGroup(p); v.Kind == Overheard {
				return v
			}
		}
		return dropped(drop.IPv6Off)
	}
	if r := h.receiveHeader(p, b); r != drop.None {
		return dropped(r)
	}
	if p.conn = h.sockets.fastPathConn(p, group); p.conn != nil {
		return h.deliver(now, p)
	}
	switch r := h.checkIPv6Addresses(p, group); {
	case r == drop.NDConflict:
		return h.receiveOwnSource(now, p)
	case i.shared && (r == drop.NotForUs || r == drop.MulticastUnknown):
		return h.leaveToKernel(p)
	case r == drop.NotForUs && h.net.forwarding && !group:
		return h.forward(now, p)
	case r == drop.MulticastUnknown:
		return h.receiveUnknownGroup(p)
	case r != drop.None:
		h.countIP(ipv6, mib.IPInAddrErrors)
		return dropped(r)
	}
	return h.receiveChain(now, p)
}

// receiveChain processes the extension headers of a packet for this host, and delivers it.
func (h *Host) receiveChain(now clock.Instant, p *packet) Verdict {
	c, upper, err := wire.WalkIPv6(&wire.IPv6{NextHeader: p.proto, Dst: p.dst}, p.payload)
	if err != nil {
		h.countIP(ipv6, mib.IPInHdrErrors)
		if !c.Problem.Answer {
			return dropped(drop.Of(err))
		}
		e := icmpError{kind: parameterProblem, code: c.Problem.Code, value: c.Problem.Pointer}
		return h.sendError(now, p, e, drop.Of(err))
	}
	p.proto, p.payload, p.headerLen = c.Protocol, upper, c.Offset
	p.v6 = ipv6Fields{nextHeaderAt: c.NextHeaderAt, routerAlert: c.HasRouterAlert && c.RouterAlert == 0}
	if c.HasFragment {
		p.fragment.cut = true
		if c.Fragment.IsFragment() {
			p.fragment.header, p.fragment.offset, p.fragment.more, p.fragment.id = c.FragmentAt, c.Fragment.Offset, c.Fragment.More, c.Fragment.ID
			p.headerLen = c.FragmentAt + wire.IPv6FragmentLen
			p.payload = p.octets[p.headerLen:]
			return h.receiveFragment(now, p)
		}
	}
	return h.deliver(now, p)
}

// checkIPv6Addresses is checkIPv4Addresses for IPv6 (RFC 4291 §2.5, §2.7, RFC 4007 §9). A packet on a link from the host's
// own address returns drop.NDConflict, since it may show that another station uses the address.
func (h *Host) checkIPv6Addresses(p *packet, linkGroup bool) drop.Reason {
	src, dst := p.src, p.dst
	switch {
	case !unicast(src) && !(src.IsUnspecified() && dst.IsMulticast()):
		return drop.MartianSource // only discovery and MLD have no source, and they send to groups
	case p.iface.loop:
		return h.checkLoopAddresses(p)
	case src.IsLoopback():
		return drop.MartianSource // RFC 4291 §2.5.3
	case h.net.localAddrs[src] != nil:
		return drop.NDConflict
	case dst.IsMulticast():
		if groupScope(dst) <= scopeInterface { // RFC 4291 §2.7: scope 0 is reserved, scope 1 never leaves a node
			return drop.MartianDest
		}
		h.countIP(ipv6, mib.IPInMcastPkts)
		if !h.findMembers(p) {
			return drop.MulticastUnknown
		}
	case dst.IsLoopback() || !unicast(dst):
		return drop.MartianDest
	case h.net.localAddrs[dst] == nil:
		return drop.NotForUs
	case linkGroup:
		return drop.MartianDest // as for IPv4; every node of the group would answer it
	}
	return drop.None
}

// receiveOwnSource processes a packet that arrived on a link although it has the host's own address as its source.
func (h *Host) receiveOwnSource(now clock.Instant, p *packet) Verdict {
	if p.proto == wire.ProtocolICMPv6 && len(p.payload) >= wire.NeighborMessageLen && p.dst.IsMulticast() {
		if m, _, err := wire.ParseNeighborAdvertisement(p.header6(), p.payload, !p.trusted); err == nil {
			return h.conflictingAdvertisement(now, p, p.iface.scoped(m.Target))
		}
	}
	h.countIP(ipv6, mib.IPInAddrErrors)
	return dropped(drop.MartianSource)
}

// header6 returns the fields of the packet's header that the parsers of ICMPv6 messages check.
func (p *packet) header6() *wire.IPv6 {
	return &wire.IPv6{HopLimit: p.ttl, Src: p.src.WithZone(""), Dst: p.dst.WithZone("")}
}
