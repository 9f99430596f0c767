package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// SetForwarding makes the host a router between its interfaces (RFC 1812 §5), or stops it: it sends packets
// for others on, less one hop, in fragments where they are too long and that is allowed, and says by ICMP when
// it can't. It enters itself into record route and timestamp options, and drops what has a source route. Off at first
// (RFC 1122 §3.3.1.1). It does not redirect.
func (h *Host) SetForwarding(on bool) { h.net.forwarding = on }

// Forwarding reports whether the host forwards.
func (h *Host) Forwarding() bool { return h.net.forwarding }

// forward sends a packet for another host on.
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
	if p.ip.TTL <= 1 {
		return h.sendForwardError(now, p, wire.ICMP{Type: wire.ICMPTimeExceeded}, TimeExceeded, drop.TTLExceeded)
	}
	way, ok := h.net.lookup(p.ip.Dst)
	if !ok {
		h.count(mib.IPOutNoRoutes)
		m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableNet}
		return h.sendForwardError(now, p, m, NetUnreachable, drop.NoRoute)
	}
	if way.broadcast {
		return dropped(drop.MartianDest) // RFC 2644: directed broadcasts end here
	}
	if mtu := way.iface.MTU(); len(p.octets) > mtu && !fitsSegmented(p, mtu) && (p.ip.DontFragment || p.frame.Offload.GSOSize != 0) {
		h.count(mib.IPFragFails)
		m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableFragNeeded, MTU: uint16(mtu)}
		return h.sendForwardError(now, p, m, FragNeeded, drop.TooBig)
	}
	f := h.frames.get(len(p.octets))
	copy(f.Extend(len(p.octets)), p.octets)
	f.Offload = p.frame.Offload
	ip := f.Bytes()[:p.ip.HeaderLen]
	if len(ip) > wire.IPv4Len {
		out, _ := h.net.source(way, p.ip.Dst) // RFC 1812 §5.2.4.2: the address of the interface that the packet leaves by
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

// fitsSegmented reports whether the segments of a super-segment fit where it is cut on the way out: each has the
// headers of the whole.
func fitsSegmented(p *packet, mtu int) bool {
	n, head := int(p.frame.Offload.GSOSize), wire.UDPLen
	if p.ip.Protocol == wire.ProtocolTCP && len(p.payload) >= wire.TCPLen {
		head = int(p.payload[12]>>4) * 4
	}
	return n != 0 && n+p.ip.HeaderLen+head <= mtu
}

// sendHostUnreachable tells the source of a packet that was to be sent on that its next hop does not answer.
func (h *Host) sendHostUnreachable(now clock.Instant, from *Iface, f *phy.Frame) {
	p := &packet{frame: f, iface: from, octets: f.Bytes()}
	var err error
	if p.ip, p.payload, err = wire.ParseIPv4(f.Bytes()); err == nil {
		m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableHost}
		h.sendForwardError(now, p, m, HostUnreachable, drop.NeighborFailed)
	}
}

// sendForwardError answers a packet by an ICMP error, unless the packet is an error itself. The error comes from the address that
// the packet was for, or where that is not the host's from the interface it came by (RFC 1812 §4.3.2).
func (h *Host) sendForwardError(now clock.Instant, p *packet, m wire.ICMP, a Answer, why drop.Reason) Verdict {
	if p.isError() {
		return dropped(why)
	}
	src, ok := p.ip.Dst, h.net.localAddrs[p.ip.Dst] != nil
	if !ok {
		src, ok = h.net.source(hop{iface: p.iface, next: p.ip.Src}, p.ip.Src)
	}
	if !ok {
		return dropped(why)
	}
	return h.sendICMPError(now, p, m, src, a, why)
}

// isError reports whether the packet is an ICMP error, or ICMP that may be one.
func (p *packet) isError() bool {
	if p.ip.Protocol != wire.ProtocolICMP {
		return false
	}
	m, _, err := wire.ParseICMP(p.payload, false)
	return err != nil || m.IsError()
}

// sendICMPError answers a packet by an ICMP error from src where RFC 1122 §3.2.2 allows it: never about broadcasts,
// fragments but the first, or packets whose source is no single host, and never more than the rate limit. Otherwise the
// packet is dropped for why.
func (h *Host) sendICMPError(now clock.Instant, p *packet, m wire.ICMP, src netip.Addr, a Answer, why drop.Reason) Verdict {
	if p.broadcast || p.ip.FragmentOffset != 0 || !unicast(p.ip.Src) {
		return dropped(why)
	}
	if !h.icmpErrors.Take(now) {
		h.count(mib.ICMPOutRateLimited)
		return dropped(drop.ICMPRateLimit)
	}
	quote := p.octets[:min(len(p.octets), maxQuote)]
	f := h.frames.get(wire.ICMPLen + len(quote))
	copy(f.Extend(wire.ICMPLen + len(quote))[wire.ICMPLen:], quote)
	m.Put(f.Bytes())
	h.putIPv4(f, wire.ProtocolICMP, src, p.ip.Src, replyTTL, wire.NotECT, true)
	if r := h.reply(now, f, p.ip.Src); r != drop.None {
		h.count(mib.ICMPOutErrors)
		return dropped(r)
	}
	h.count(mib.ICMPOutMsgs)
	switch m.Type {
	case wire.ICMPTimeExceeded:
		h.count(mib.ICMPOutTimeExcds)
	case wire.ICMPParameterProblem:
		h.count(mib.ICMPOutParmProbs)
	default:
		h.count(mib.ICMPOutDestUnreachs)
	}
	v := answered(a)
	v.Proto = p.ip.Protocol
	return v
}
