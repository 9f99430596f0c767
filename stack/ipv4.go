package stack

import (
	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// packet is an IPv4 packet on its way up. Everything aliases the frame.
type packet struct {
	frame     *phy.Frame
	iface     *Iface
	ip        wire.IPv4
	octets    []byte // header and payload, without link-layer padding
	payload   []byte
	conn      *TCPConn // whose it is, when that is known already
	broadcast bool     // to the limited or a subnet's broadcast address, or to a group
	members   *membership
	trusted   bool // somebody vouches for the transport checksum, or it never was on a wire
}

// checkAddresses refuses martians: sources that cannot be one station's or cannot come from there,
// destinations that cannot arrive there (RFC 1122 §3.2.1.3, §3.3.6), and what is not for us.
func (h *Host) checkAddresses(p *packet, linkGroup bool) drop.Reason {
	i, src, dst := p.iface, p.ip.Src, p.ip.Dst
	if !unicast(src) && !p.mayLackSource() || i.isBroadcast(src) {
		return drop.MartianSource
	}
	if i.loop {
		if !src.IsLoopback() && h.net.localAddrs[src] == nil {
			return drop.MartianSource
		}
		if !dst.IsLoopback() && h.net.localAddrs[dst] == nil && !dst.IsMulticast() {
			return drop.MartianDest
		}
		if dst.IsMulticast() && !h.findMembers(p) {
			return drop.MulticastUnknown
		}
		return drop.None
	}
	if src.IsLoopback() || h.net.localAddrs[src] != nil {
		return drop.MartianSource
	}
	switch {
	case dst.IsMulticast():
		if !h.findMembers(p) {
			return drop.MulticastUnknown
		}
		h.count(mib.IPInMcastPkts)
	case i.isBroadcast(dst):
		p.broadcast = true
	case dst.IsLoopback() || !unicast(dst):
		return drop.MartianDest
	case h.net.localAddrs[dst] == nil:
		return drop.NotForUs
	case linkGroup:
		return drop.MartianDest // RFC 1122 §3.3.6: else one frame would have every host answer
	}
	return drop.None
}

// mayLackSource reports whether the packet is one that a station without an address may send from 0.0.0.0 (RFC 1122
// §3.2.1.3 (a)): a datagram to everyone on the link, by which it asks for an address (RFC 2131 §4.1), or the query of a
// switch for members of groups (RFC 4541 §2.1.1).
func (p *packet) mayLackSource() bool {
	if !p.ip.Src.IsUnspecified() {
		return false
	}
	return p.ip.Protocol == wire.ProtocolUDP && p.ip.Dst == limitedBroadcast ||
		p.ip.Protocol == wire.ProtocolIGMP && p.ip.Dst.IsMulticast()
}

// deliver hands a packet for this host to its transport.
func (h *Host) deliver(now clock.Instant, p *packet) Verdict {
	var c copies
	if len(h.sockets.raw) > 0 {
		c = h.sockets.copyToRaw(now, p)
	}
	switch p.ip.Protocol {
	case wire.ProtocolTCP:
		h.count(mib.IPInDelivers)
		return h.receiveTCP(now, p)
	case wire.ProtocolUDP:
		h.count(mib.IPInDelivers)
		return h.receiveUDP(now, p)
	case wire.ProtocolICMP:
		h.count(mib.IPInDelivers)
		v := h.receiveICMP(now, p)
		if v == dropped(drop.ICMPNoSocket) || v == dropped(drop.ICMPUnknownType) || v == dropped(drop.ICMPRedirect) {
			v = c.verdictOr(v, wire.ProtocolICMP)
		}
		return v
	case wire.ProtocolIGMP:
		h.count(mib.IPInDelivers)
		v := h.receiveIGMP(now, p)
		if v == dropped(drop.BadType) {
			v = c.verdictOr(v, wire.ProtocolIGMP)
		}
		return v
	}
	switch {
	case c.took:
		h.count(mib.IPInDelivers)
		return c.verdictOr(Verdict{}, p.ip.Protocol)
	case c.full:
		h.count(mib.IPInDiscards)
		return dropped(drop.SocketQueueFull)
	}
	h.count(mib.IPInUnknownProtos)
	return h.sendUnreachable(now, p, wire.UnreachableProtocol, ProtocolUnreachable, drop.UnknownProtocol)
}
