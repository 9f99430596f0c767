package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/neigh"
	"smolsh/stack/wire"
)

// ndHopLimit is the hop limit of every message of neighbour discovery, which no router has reduced (RFC 4861 §3.1).
const ndHopLimit = 255

// receiveND processes a message of neighbour discovery (RFC 4861), whose checksum is right.
func (h *Host) receiveND(now clock.Instant, p *packet, typ wire.ICMPv6Type) Verdict {
	if p.iface.loop || !p.iface.hasNeighbors() {
		return dropped(drop.NotForUs) // without hardware addresses there is nothing to discover
	}
	if p.fragment.cut {
		return dropped(drop.NDFragmented) // RFC 6980 §5
	}
	var v Verdict
	switch typ {
	case wire.ICMPv6NeighborSolicitation:
		h.count(mib.ICMP6InNeighborSolicits)
		v = h.receiveSolicitation(now, p)
	case wire.ICMPv6NeighborAdvertisement:
		h.count(mib.ICMP6InNeighborAdvertisements)
		v = h.receiveAdvertisement(now, p)
	case wire.ICMPv6RouterSolicitation:
		h.count(mib.ICMP6InRouterSolicits)
		v = h.receiveRouterSolicitation(now, p)
	case wire.ICMPv6RouterAdvertisement:
		h.count(mib.ICMP6InRouterAdvertisements)
		v = h.receiveRouterAdvertisement(now, p)
	default:
		h.count(mib.ICMP6InRedirects)
		v = h.receiveRedirect(now, p)
	}
	if v.Kind == Dropped {
		h.count(mib.ICMP6InErrors)
	}
	return v
}

// linkAddr returns the hardware address in the option of the given type, the first if there are several. ok is false if there is
// none. The reason is drop.NDMartian if it can't be the address of another station.
func (i *Iface) linkAddr(options wire.NDOptions, typ wire.NDOptionType) (hw wire.HardwareAddr, ok bool, r drop.Reason) {
	for o, rest, more := options.Next(); more; o, rest, more = rest.Next() {
		if o.Type != typ {
			continue
		}
		if hw, ok = o.LinkAddr(); ok && !i.isStation(hw) {
			return hw, false, drop.NDMartian
		}
		return hw, ok, drop.None
	}
	return hw, false, drop.None
}

// heard records the hardware address hw of the neighbour src, from the option of a solicitation, router advertisement or redirect
// (RFC 4861 §7.2.3, §6.2.6, §6.3.4, §8.3), or of an advertisement to a router (RFC 9131 §6.1.1). It returns the entry, nil if the cache has no room.
func (h *Host) heard(now clock.Instant, i *Iface, src netip.Addr, hw wire.HardwareAddr) *neighbor {
	e, what := i.neigh[ipv6].Heard(now, src, hw)
	switch what {
	case neigh.Resolved:
		i.sendPending(now, e)
	case neigh.Full:
		_ = h.noNeighbor(i, src)
	}
	return e
}

// receiveSolicitation processes a neighbour solicitation (RFC 4861 §7.2.3, RFC 4862 §5.4.3).
func (h *Host) receiveSolicitation(now clock.Instant, p *packet) Verdict {
	i := p.iface
	m, options, err := wire.ParseNeighborSolicitation(p.header6(), p.payload, false)
	if err != nil {
		return dropped(drop.Of(err))
	}
	target := i.ownScope(m.Target)
	if c := i.addrProbe(target); c != nil && !c.done {
		return h.solicitedTentative(now, p, c, options)
	}
	if h.net.localAddrs[target] != i {
		return h.overhearND()
	}
	hw, ok, r := i.linkAddr(options, wire.NDSourceLinkAddr)
	if r != drop.None {
		return dropped(r)
	}
	if p.src.IsUnspecified() { // a station probes for our address, which we defend
		return h.answerSolicitation(i, target, p.src, wire.GroupMAC(wire.AllNodes6))
	}
	if ok {
		h.heard(now, i, p.src, hw)
		return h.answerSolicitation(i, target, p.src, hw)
	}
	f := h.frames.get(0)
	h.putAdvertisement(i, f, wire.NeighborAdvertisement{Solicited: true, Override: true, Target: target}, target, p.src)
	way := hop{iface: i, next: p.src} // the sender is on the link, whatever the routes say
	if r := h.sendForOthers(now, way, pendingPacket{frame: f}, limitReplyQueue); r != drop.None {
		return dropped(r)
	}
	return h.answeredSolicitation()
}

// solicitedTentative processes a solicitation for an address for which the interface probes itself (RFC 4862 §5.4.3). One without a
// source is another station's probe, unless it is our own that the link has returned (RFC 7527 §4.2).
func (h *Host) solicitedTentative(now clock.Instant, p *packet, c *AddrProbe, options wire.NDOptions) Verdict {
	if !p.src.IsUnspecified() {
		return h.overhearND() // a station resolves the address, which we do not have yet
	}
	for o, rest, more := options.Next(); more; o, rest, more = rest.Next() {
		if nonce, ok := o.Nonce(); ok && c.sent(nonce) {
			c.looped = true
			return dropped(drop.NDLoopback)
		}
	}
	c.abandon(now, p.source())
	return dropped(drop.NDConflict)
}

// source returns the source of the packet's frame.
func (p *packet) source() wire.HardwareAddr {
	eth, _, err := wire.ParseEthernet(p.frame.Bytes())
	if err != nil {
		return wire.HardwareAddr{}
	}
	return eth.Src
}

// receiveAdvertisement processes a neighbour advertisement (RFC 4861 §7.2.5, RFC 4862 §5.4.4).
func (h *Host) receiveAdvertisement(now clock.Instant, p *packet) Verdict {
	i := p.iface
	m, options, err := wire.ParseNeighborAdvertisement(p.header6(), p.payload, false)
	if err != nil {
		return dropped(drop.Of(err))
	}
	target := i.ownScope(m.Target)
	if h.net.localAddrs[target] == i || i.addrProbe(target) != nil {
		return h.conflictingAdvertisement(now, p, target)
	}
	hw, ok, r := i.linkAddr(options, wire.NDTargetLinkAddr)
	if r != drop.None {
		return dropped(r)
	}
	e, what := i.neigh[ipv6].Advertised(now, target, hw, ok, neigh.Advertisement{Router: m.Router, Solicited: m.Solicited, Override: m.Override})
	if e != nil && (e.Demoted || what != neigh.Ignored && !e.Router && h.net.gateways[target] > 0) { // the entry may be newer than the route
		i.routerGone(now, target)
	}
	switch {
	case what == neigh.Resolved:
		i.sendPending(now, e)
	case e == nil && ok && h.net.forwarding && h.net.isNeighbor(i, target):
		h.heard(now, i, target, hw) // RFC 9131 §6.1.1
	case e == nil && (p.dst.IsMulticast() || i.shared):
		return h.overhearND()
	case e == nil:
		return dropped(drop.NDUnsolicited)
	case what == neigh.Ignored && e.State == neigh.Permanent:
		return dropped(drop.ARPPermanent)
	}
	return deliveredTo(wire.ProtocolICMPv6, 0)
}

// conflictingAdvertisement processes an advertisement for an address that the interface has, or probes for: another station has it.
func (h *Host) conflictingAdvertisement(now clock.Instant, p *packet, target netip.Addr) Verdict {
	i := p.iface
	if p.source() == i.mac {
		return dropped(drop.NDLoopback)
	}
	if c := i.addrProbe(target); c != nil && !c.done {
		c.abandon(now, p.source())
	} else if h.net.localAddrs[target] == i {
		h.defendAddr(now, target, p.source())
	}
	return dropped(drop.NDConflict)
}

// putAdvertisement writes a neighbour advertisement with our hardware address from src to dst into f (RFC 4861 §7.2.4).
func (h *Host) putAdvertisement(i *Iface, f *phy.Frame, m wire.NeighborAdvertisement, src, dst netip.Addr) {
	m.Router = h.net.forwarding
	b := f.Extend(wire.NeighborMessageLen + wire.NDLinkAddrLen)
	wire.PutNDLinkAddr(b[wire.NeighborMessageLen:], wire.NDTargetLinkAddr, i.mac)
	m.Put(b, src, dst)
	i.putNDHeader(f, src, dst)
	h.count(mib.ICMP6OutNeighborAdvertisements)
}

// putNDHeader prepends the header of a message of neighbour discovery.
func (i *Iface) putNDHeader(f *phy.Frame, src, dst netip.Addr) {
	ip := wire.IPv6{HopLimit: ndHopLimit, NextHeader: wire.ProtocolICMPv6, Src: src, Dst: dst, PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv6Len))
	i.host.countIP(ipv6, mib.IPOutRequests)
	i.host.count(mib.ICMP6OutMsgs)
	if dst.IsMulticast() {
		i.host.countIP(ipv6, mib.IPOutMcastPkts)
	}
}

// answerSolicitation queues the answer to a solicitation for our address target, which came from src. hw is the hardware address to
// which it is sent. A station without a source address gets the answer by the group of all nodes.
func (h *Host) answerSolicitation(i *Iface, target, src netip.Addr, hw wire.HardwareAddr) Verdict {
	m := wire.NeighborAdvertisement{Solicited: true, Override: true, Target: target}
	if src.IsUnspecified() {
		m.Solicited, src = false, wire.AllNodes6
	}
	f := h.frames.get(0)
	h.putAdvertisement(i, f, m, target, src)
	if !i.queueReply(f, hw) {
		return dropped(drop.ReplyQueueFull)
	}
	return h.answeredSolicitation()
}

func (h *Host) answeredSolicitation() Verdict {
	v := answered(NeighborAdvertisement)
	v.Proto = wire.ProtocolICMPv6
	return v
}

// queueReply queues an IPv6 packet of the stack itself for a hardware address, and reports whether there was room. It then owns f.
func (i *Iface) queueReply(f *phy.Frame, hw wire.HardwareAddr) bool {
	i.putLinkHeader(f, hw, wire.EtherTypeIPv6)
	return i.queueFrame(f)
}

// queueFrame is queueReply for a packet that has its link header.
func (i *Iface) queueFrame(f *phy.Frame) bool {
	h := i.host
	h.workPending()
	if !i.out.replies.push(f, h.limits.ReplyQueue) {
		h.countRefused(limitReplyQueue)
		h.countIP(ipv6, mib.IPOutDiscards)
		h.frames.put(f)
		return false
	}
	return true
}

// advertise sends an unsolicited advertisement of our address a to all nodes (RFC 4861 §7.2.6).
func (i *Iface) advertise(a netip.Addr) {
	if !i.hasNeighbors() || !i.up || i.loop || !i.speaksIPv6() {
		return
	}
	f := i.host.frames.get(0)
	i.host.putAdvertisement(i, f, wire.NeighborAdvertisement{Override: true, Target: a}, a, wire.AllNodes6)
	i.queueReply(f, wire.GroupMAC(wire.AllNodes6))
}

// introduce sends an advertisement of the new address a to all routers, so that they need not resolve it for the first packet to the
// host (RFC 9131 §6.1.2). The advertisement does not override an entry of theirs. A link-local address needs none, because routers
// forward no packets to it.
func (i *Iface) introduce(a netip.Addr) {
	if needsZone(a) || !i.hasNeighbors() || i.shared {
		return
	}
	f := i.host.frames.get(0)
	i.host.putAdvertisement(i, f, wire.NeighborAdvertisement{Target: a}, a, wire.AllRouters6)
	i.queueReply(f, wire.GroupMAC(wire.AllRouters6))
}

// putSolicitation writes a solicitation for the neighbour a into f (RFC 4861 §7.2.2). hw is the neighbour's hardware address, or the
// broadcast address if it is not known; the solicitation is then sent to the neighbour's solicited-node group. putSolicitation
// returns false while the interface has no address, because a solicitation without a source would be a probe for a.
func (i *Iface) putSolicitation(f *phy.Frame, a netip.Addr, hw wire.HardwareAddr) bool {
	src, ok := i.solicitSource(a)
	if !ok {
		return false
	}
	dst := a
	if hw == wire.Broadcast {
		dst = wire.SolicitedNode(a)
		hw = wire.GroupMAC(dst)
	}
	b := f.Extend(wire.NeighborMessageLen + wire.NDLinkAddrLen)
	wire.PutNDLinkAddr(b[wire.NeighborMessageLen:], wire.NDSourceLinkAddr, i.mac)
	i.finishSolicitation(f, a, src, dst, hw)
	return true
}

// solicitSource returns the source of a solicitation for a: the source of the packet that waits for the answer if it is an address of
// the interface, otherwise the interface's own best address (RFC 4861 §7.2.2).
func (i *Iface) solicitSource(a netip.Addr) (src netip.Addr, ok bool) {
	n := &i.host.net
	if e := i.neigh[ipv6].Get(a); e != nil {
		if q := &e.Pending.datagrams; q.n > 0 {
			if f := q.items[q.head].frame; f != nil && f.Len() >= wire.IPv6Len { // a packet that a caller has made may be shorter
				src = i.ownScope(netip.AddrFrom16([16]byte(f.Bytes()[8:])))
			}
		} else if len(e.Pending.conns) > 0 {
			src = e.Pending.conns[0].local.Addr()
		}
		if n.localAddrs[src] == i {
			return src, true
		}
	}
	n.candidates = n.candidates[:0]
	n.addCandidates(i, true)
	k, ok := n.policy.Source(a, n.candidates)
	if ok {
		src = n.candidates[k].Addr
	}
	return src, ok
}

// finishSolicitation writes the fixed part of a solicitation for a, whose options are in f, and its headers.
func (i *Iface) finishSolicitation(f *phy.Frame, a, src, dst netip.Addr, hw wire.HardwareAddr) {
	m := wire.NeighborSolicitation{Target: a}
	m.Put(f.Bytes(), src, dst)
	i.putNDHeader(f, src, dst)
	i.putLinkHeader(f, hw, wire.EtherTypeIPv6)
	i.host.count(mib.ICMP6OutNeighborSolicits)
}

// solicitTentative sends a probe for an address that is not ours yet, with a nonce (RFC 4862 §5.4.2, RFC 7527 §4.1).
func (i *Iface) solicitTentative(c *AddrProbe) {
	f := i.host.frames.get(0)
	b := f.Extend(wire.NeighborMessageLen + wire.NDNonceLen)
	wire.PutNDNonce(b[wire.NeighborMessageLen:], c.newNonce())
	dst := wire.SolicitedNode(c.addr)
	i.finishSolicitation(f, c.addr, netip.IPv6Unspecified(), dst, wire.GroupMAC(dst))
	i.queueFrame(f)
}
