package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// packet is a packet of either family that has arrived. Its slices alias the frame.
type packet struct {
	frame     *phy.Frame
	iface     *Iface
	family    family
	src, dst  netip.Addr    // an IPv6 address of link-local scope has the interface as its zone
	proto     wire.Protocol // protocol of the payload, behind the extension headers of IPv6
	ttl       uint8         // hop limit
	class     uint8         // type of service, or traffic class
	zone      uint32        // flow.zone of the addresses
	headerLen int           // octets before the payload: the header, with options or extension headers
	octets    []byte        // header and payload, without link-layer padding
	payload   []byte
	fragment  fragment
	v6        ipv6Fields
	conn      *TCPConn    // connection that fastPathConn found; nil if none
	broadcast bool        // true if the destination is the limited broadcast address, a subnet's broadcast address, or a group
	members   *membership // members of the destination group; nil if there are none
	trusted   bool        // true if the device has verified the transport checksum, or the packet was never on a wire
}

// fragment is the part of a header that concerns fragments.
type fragment struct {
	offset       int // octets of the datagram before the payload
	id           uint32
	more         bool // other fragments follow
	dontFragment bool // routers must not fragment the packet; always true for IPv6
	cut          bool // the packet had a fragment header, or was put together from fragments; for IPv6
	header       int  // octets before the fragment header of a fragment, for IPv6
}

// isFragment reports whether the packet lacks a part of its datagram.
func (f *fragment) isFragment() bool { return f.more || f.offset != 0 }

// ipv6Fields is what the walk along the extension headers of an IPv6 packet has found.
type ipv6Fields struct {
	nextHeaderAt int  // index of the field that names the payload's protocol
	routerAlert  bool // there is a router alert for MLD
}

// ecn returns the packet's codepoint.
func (p *packet) ecn() wire.ECN { return wire.ECN(p.class & 3) }

// parse sets the fields that the header at the start of b determines. For IPv6 it does not read extension headers.
func (p *packet) parse(b []byte) error {
	if p.family == ipv6 {
		return p.parseIPv6(b)
	}
	return p.parseIPv4(b)
}

// deliver passes a packet for this host to its transport protocol, and copies of it to raw sockets. If neither the host
// nor a raw socket handles the protocol, the answer is an error.
func (h *Host) deliver(now clock.Instant, p *packet) Verdict {
	var c copies
	if len(h.sockets.raw) > 0 {
		c = h.sockets.copyToRaw(now, p)
	}
	if len(h.sockets.claims) > 0 {
		if owner := h.claimOf(p); owner != nil {
			h.countIP(p.family, mib.IPInDelivers)
			return owner.receive(now, p)
		}
	}
	if p.iface.shared {
		if v, yes := h.kernels(p); yes {
			return c.verdictOr(v, p.proto)
		}
	}
	switch p.proto {
	case wire.ProtocolTCP:
		h.countIP(p.family, mib.IPInDelivers)
		return h.receiveTCP(now, p)
	case wire.ProtocolUDP:
		h.countIP(p.family, mib.IPInDelivers)
		return h.receiveUDP(now, p)
	case p.family.icmp():
		h.countIP(p.family, mib.IPInDelivers)
		v := h.receiveControl(now, p)
		if v == dropped(drop.ICMPNoSocket) || v == dropped(drop.ICMPUnknownType) || v == dropped(drop.ICMPRedirect) {
			if p.iface.shared {
				v = h.leaveToKernel(p)
			}
			v = c.verdictOr(v, p.proto)
		}
		return v
	case wire.ProtocolIGMP:
		if p.family == ipv6 {
			break
		}
		h.count(mib.IPInDelivers)
		v := h.receiveIGMP(now, p)
		if v == dropped(drop.BadType) {
			v = c.verdictOr(v, wire.ProtocolIGMP)
		}
		return v
	case wire.ProtocolNoNextHeader:
		if p.family == ipv6 && !c.took { // RFC 8200 §4.7
			h.countIP(ipv6, mib.IPInDelivers)
			return dropped(drop.NoNextHeader)
		}
	}
	switch {
	case c.took:
		h.countIP(p.family, mib.IPInDelivers)
		return c.verdictOr(Verdict{}, p.proto)
	case c.full:
		h.countIP(p.family, mib.IPInDiscards)
		return dropped(drop.SocketQueueFull)
	}
	h.countIP(p.family, mib.IPInUnknownProtos)
	e := icmpError{kind: protocolUnreachable} // RFC 1122 §3.2.2.1
	if p.family == ipv6 {
		e.value = uint32(p.v6.nextHeaderAt) // RFC 8200 §4
	}
	return h.sendError(now, p, e, drop.UnknownProtocol)
}

// receiveControl processes a message of ICMP or ICMPv6.
func (h *Host) receiveControl(now clock.Instant, p *packet) Verdict {
	if p.family == ipv6 {
		return h.receiveICMPv6(now, p)
	}
	return h.receiveICMP(now, p)
}
