package stack

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// SetForwarding makes the host a router between its interfaces (RFC 1812 §5), or stops forwarding. A router forwards
// packets for other hosts with the TTL reduced by one, and fragments packets that are too long if DF allows it. It
// sends an ICMP error about a packet that it can't forward. It adds its address to record route and timestamp options,
// drops packets that have a source route, and sends no redirects. Forwarding is off by default (RFC 1122 §3.3.1.1).
func (h *Host) SetForwarding(on bool) { h.net.forwarding = on }

// Forwarding reports whether the host forwards packets.
func (h *Host) Forwarding() bool { return h.net.forwarding }

// forward forwards a packet for another host.
func (h *Host) forward(now clock.Instant, p *packet) Verdict {
	if p.ip.Src.IsLinkLocalUnicast() || p.ip.Dst.IsLinkLocalUnicast() {
		h.count(mib.IPInAddrErrors)
		return dropped(drop.LinkLocal) // RFC 3927 §7
	}
	if p.ip.HeaderLen > wire.IPv4Len {
		if v, ok := h.receiveOptions(now, p, true); !ok {
			return v
		}
	}
	if p.ip.TTL <= 1 { // RFC 1812 §5.3.1
		h.count(mib.IPInHdrErrors) // RFC 4293, ipIfStatsInHdrErrors: "time-to-live exceeded"
		return h.sendForwardError(now, p, wire.ICMP{Type: wire.ICMPTimeExceeded}, TimeExceeded, drop.TTLExceeded)
	}
	way, ok := h.net.lookup(p.ip.Dst)
	if !ok {
		h.count(mib.IPOutNoRoutes)
		m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableNet}
		return h.sendForwardError(now, p, m, NetUnreachable, drop.NoRoute)
	}
	if way.broadcast {
		h.count(mib.IPInAddrErrors)
		return dropped(drop.MartianDest) // a directed broadcast, RFC 2644
	}
	if mtu := way.iface.MTU(); len(p.octets) > mtu && !fitsSegmented(p, mtu) && (p.ip.DontFragment || p.frame.Offload.GSOSize != 0) {
		h.count(mib.IPFragFails) // fragmentation needed and DF set, RFC 1191 §4
		m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableFragNeeded, MTU: uint16(mtu)}
		return h.sendForwardError(now, p, m, FragNeeded, drop.TooBig)
	}
	f := h.frames.get(len(p.octets))
	copy(f.Extend(len(p.octets)), p.octets)
	f.Offload = p.frame.Offload
	ip := f.Bytes()[:p.ip.HeaderLen]
	if len(ip) > wire.IPv4Len {
		out, _ := h.net.source(way, p.ip.Dst) // RFC 1812 §5.2.4.2: the address of the outgoing interface
		if _, at := h.recordHop(now, ip[wire.IPv4Len:], out); at != 0 {
			h.frames.put(f)
			return h.badOption(now, p, at)
		}
	}
	ip[8]--
	ip[10], ip[11] = 0, 0
	sum := wire.Checksum(ip)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	if r := h.sendForOthers(now, way, pendingPacket{frame: f, from: p.iface}, limitSendQueue); r != drop.None {
		return dropped(r)
	}
	h.count(mib.IPForwDatagrams)
	return Verdict{Kind: Forwarded}
}

// fitsSegmented reports whether the pieces of a super-segment fit an MTU after a device has cut it. Each piece has the
// headers of the super-segment.
func fitsSegmented(p *packet, mtu int) bool {
	n, head := int(p.frame.Offload.GSOSize), wire.UDPLen
	if p.ip.Protocol == wire.ProtocolTCP && len(p.payload) >= wire.TCPLen {
		head = int(p.payload[12]>>4) * 4
	}
	return n != 0 && n+p.ip.HeaderLen+head <= mtu
}
