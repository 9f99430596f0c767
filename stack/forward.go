package stack

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// SetForwarding makes the host a router between its interfaces (RFC 1812 §5, RFC 8504 §5.13), or stops forwarding. A router
// forwards packets for other hosts with the TTL or hop limit reduced by one, and fragments IPv4 packets that are too long if
// DF allows it. It sends an ICMP error about a packet that it can't forward. It adds its address to record route and timestamp
// options, drops IPv4 packets that have a source route, and does not process the extension headers of IPv6 packets for others.
// It sends redirects for IPv6 only. Forwarding is off by default (RFC 1122 §3.3.1.1).
func (h *Host) SetForwarding(now clock.Instant, on bool) {
	if h.net.forwarding == on {
		return
	}
	h.net.forwarding = on
	for _, i := range h.net.ifaces {
		i.roleChanged(now)
	}
}

// Forwarding reports whether the host forwards packets.
func (h *Host) Forwarding() bool { return h.net.forwarding }

// forward forwards a packet for another host.
func (h *Host) forward(now clock.Instant, p *packet) Verdict {
	if v, ok := h.mayForward(now, p); !ok {
		return v
	}
	way, ok := h.net.lookup(p.dst)
	if !ok {
		h.countIP(p.family, mib.IPOutNoRoutes)
		return h.sendError(now, p, icmpError{kind: netUnreachable}, drop.NoRoute)
	}
	if needsZone(p.src) && way.iface != p.iface { // RFC 4291 §2.5.6, RFC 4443 §3.1, code 2
		h.countIP(ipv6, mib.IPInAddrErrors)
		return h.sendError(now, p, icmpError{kind: beyondScope}, drop.LinkLocal)
	}
	if way.broadcast {
		h.countIP(p.family, mib.IPInAddrErrors)
		return dropped(drop.MartianDest) // a directed broadcast, RFC 2644
	}
	if p.family == ipv6 && !way.iface.speaksIPv6() {
		h.countIP(ipv6, mib.IPOutNoRoutes)
		return h.sendError(now, p, icmpError{kind: netUnreachable}, drop.IPv6Off)
	}
	if mtu := way.iface.mtuOf(p.family); len(p.octets) > mtu && !fitsSegmented(p, mtu) && (p.fragment.dontFragment || p.frame.Offload.GSOSize != 0) {
		h.countIP(p.family, mib.IPFragFails) // RFC 1191 §4, RFC 4443 §3.2
		return h.sendError(now, p, icmpError{kind: packetTooBig, value: uint32(mtu)}, drop.TooBig)
	}
	if p.family == ipv6 && way.iface == p.iface {
		h.sendRedirect(now, p, way)
	}
	f := h.frames.get(len(p.octets))
	copy(f.Extend(len(p.octets)), p.octets)
	f.Offload = p.frame.Offload
	if p.family == ipv6 {
		f.Bytes()[7]--
	} else if at := h.forwardHeader(now, p, way, f.Bytes()[:p.headerLen]); at != 0 {
		h.frames.put(f)
		return h.badOption(now, p, at)
	}
	if r := h.sendForOthers(now, way, pendingPacket{frame: f, from: p.iface}, limitSendQueue); r != drop.None {
		return dropped(r)
	}
	h.countIP(p.family, mib.IPForwDatagrams)
	return Verdict{Kind: Forwarded}
}

// mayForward checks everything that does not depend on the route. If ok is false, v is the packet's verdict.
func (h *Host) mayForward(now clock.Instant, p *packet) (v Verdict, ok bool) {
	if p.dst.IsLinkLocalUnicast() || p.family == ipv4 && p.src.IsLinkLocalUnicast() {
		h.countIP(p.family, mib.IPInAddrErrors)
		return dropped(drop.LinkLocal), false // RFC 3927 §7, RFC 4291 §2.5.6
	}
	if p.src.IsUnspecified() { // IPv6 alone: of IPv4 checkAddresses has dropped it
		h.countIP(p.family, mib.IPInAddrErrors)
		return dropped(drop.MartianSource), false // RFC 4291 §2.5.2
	}
	if h.net.tentative(p.dst) { // RFC 4862 §5.4
		h.countIP(p.family, mib.IPInAddrErrors)
		return dropped(drop.NotForUs), false
	}
	if p.family == ipv4 && p.headerLen > wire.IPv4Len {
		if v, ok := h.receiveOptions(now, p, true); !ok {
			return v, false
		}
	}
	if p.ttl <= 1 { // RFC 1812 §5.3.1, RFC 8200 §3
		h.countIP(p.family, mib.IPInHdrErrors) // RFC 4293, ipIfStatsInHdrErrors: "time-to-live exceeded"
		return h.sendError(now, p, icmpError{kind: hopsExceeded}, drop.TTLExceeded), false
	}
	return v, true
}

// forwardHeader changes the IPv4 header of a packet that is forwarded by the hop way. The result at is the index of a wrong
// octet in its options, 0 if there is none.
func (h *Host) forwardHeader(now clock.Instant, p *packet, way hop, ip []byte) (at int) {
	if len(ip) > wire.IPv4Len {
		out, _ := h.net.source(way, p.dst) // RFC 1812 §5.2.4.2: the address of the outgoing interface
		if _, at := h.recordHop(now, ip[wire.IPv4Len:], out); at != 0 {
			return at
		}
	}
	ip[8]--
	ip[10], ip[11] = 0, 0
	sum := wire.Checksum(ip)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	return 0
}

// fitsSegmented reports whether the pieces of a super-segment fit an MTU after a device has cut it. Each piece has the
// headers of the super-segment.
func fitsSegmented(p *packet, mtu int) bool {
	n, head, proto, b := int(p.frame.Offload.GSOSize), wire.UDPLen, p.proto, p.payload
	if n == 0 {
		return false
	}
	if p.family == ipv6 { // the headers of extensions are before that of the transport
		proto, b = wire.UpperLayer(proto, b)
	}
	if proto == wire.ProtocolTCP && len(b) >= wire.TCPLen {
		head = int(b[12]>>4) * 4
	}
	return len(p.octets)-len(b)+head+n <= mtu
}
