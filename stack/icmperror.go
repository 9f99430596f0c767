package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// maxQuote is the most of a packet that an error quotes: with its own headers it stays within the 576
// octets that every host takes (RFC 1812 §4.3.2.3).
const maxQuote = 576 - wire.IPv4Len - wire.ICMPLen

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

// isError reports whether the packet is an ICMP error, or ICMP that may be one.
func (p *packet) isError() bool {
	if p.ip.Protocol != wire.ProtocolICMP {
		return false
	}
	m, _, err := wire.ParseICMP(p.payload, false)
	return err != nil || m.IsError()
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

// sendHostUnreachable tells the source of a packet that was to be sent on that its next hop does not answer.
func (h *Host) sendHostUnreachable(now clock.Instant, from *Iface, f *phy.Frame) {
	p := &packet{frame: f, iface: from, octets: f.Bytes()}
	var err error
	if p.ip, p.payload, err = wire.ParseIPv4(f.Bytes()); err == nil {
		m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableHost}
		h.sendForwardError(now, p, m, HostUnreachable, drop.NeighborFailed)
	}
}

// sendUnreachable answers a packet for this host by destination unreachable.
func (h *Host) sendUnreachable(now clock.Instant, p *packet, code uint8, a Answer, why drop.Reason) Verdict {
	return h.sendICMPError(now, p, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: code}, p.ip.Dst, a, why)
}
