package stack

import (
	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// packet is an IPv4 packet that has arrived. Its slices alias the frame.
type packet struct {
	frame     *phy.Frame
	iface     *Iface
	ip        wire.IPv4
	octets    []byte // header and payload, without link-layer padding
	payload   []byte
	conn      *TCPConn    // connection that fastPathConn found; nil if none
	broadcast bool        // true if the destination is the limited broadcast address, a subnet's broadcast address, or a group
	members   *membership // members of the destination group; nil if there are none
	trusted   bool        // true if the device has verified the transport checksum, or the packet was never on a wire
}

// checkAddresses returns the reason for which a packet's addresses forbid its delivery, else drop.None. A source is
// martian if it is not the address of one station, or that station can't be reached through the interface. A
// destination is martian if it can't arrive on the interface (RFC 1122 §3.2.1.3, §3.3.6). linkGroup is true for a frame
// that was sent to a link-layer broadcast or group address.
func (h *Host) checkAddresses(p *packet, linkGroup bool) drop.Reason {
	i, src, dst := p.iface, p.ip.Src, p.ip.Dst
	if !unicast(src) && !p.mayLackSource() || i.isBroadcast(src) {
		return drop.MartianSource // RFC 1122 §3.2.1.3: the source is not a single host
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
		return drop.MartianSource // a packet from the host's own addresses can only arrive on the loop
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
		return drop.MartianDest // 127/8 must not appear on a link, RFC 1122 §3.2.1.3 (g)
	case h.net.localAddrs[dst] == nil:
		return drop.NotForUs
	case linkGroup:
		return drop.MartianDest // a unicast packet in a broadcast frame, RFC 1122 §3.3.6: every host would answer it
	}
	return drop.None
}

// mayLackSource reports whether a packet's source may be 0.0.0.0 (RFC 1122 §3.2.1.3 (a)). That is allowed for a DHCP
// broadcast (RFC 2131 §4.1) and for a switch's query for group members (RFC 4541 §2.1.1).
func (p *packet) mayLackSource() bool {
	if !p.ip.Src.IsUnspecified() {
		return false
	}
	return p.ip.Protocol == wire.ProtocolUDP && p.ip.Dst == limitedBroadcast ||
		p.ip.Protocol == wire.ProtocolIGMP && p.ip.Dst.IsMulticast()
}

// deliver passes a packet for this host to its transport protocol, and copies of it to raw sockets. If neither the host
// nor a raw socket handles the protocol, the answer is protocol unreachable.
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
	return h.sendUnreachable(now, p, wire.UnreachableProtocol, ProtocolUnreachable, drop.UnknownProtocol) // RFC 1122 §3.2.2.1
}
