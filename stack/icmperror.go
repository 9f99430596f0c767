package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// maxQuote is the largest number of octets of a packet that an ICMP error quotes. The error with its headers then has
// at most 576 octets, which every host accepts (RFC 1812 §4.3.2.3).
const maxQuote = 576 - wire.IPv4Len - wire.ICMPLen

// mayCauseError reports whether the host may send an ICMP error about the packet. RFC 1122 §3.2.2 forbids an error about
//
//   - an ICMP error: two hosts would answer each other for ever;
//   - a packet to a broadcast address or a group: all its receivers would answer at once;
//   - a packet in a link-layer broadcast: checkAddresses has dropped one that is not also to an IP broadcast address;
//   - a fragment other than the first, which names no socket;
//   - a packet whose source is not a single host: nobody could receive the error.
func (p *packet) mayCauseError() bool {
	return !p.isError() && !p.broadcast && p.ip.FragmentOffset == 0 && unicast(p.ip.Src)
}

// isError reports whether the packet is an ICMP error, or ICMP that cannot be parsed and may be one.
func (p *packet) isError() bool {
	if p.ip.Protocol != wire.ProtocolICMP {
		return false
	}
	m, _, err := wire.ParseICMP(p.payload, false)
	return err != nil || m.IsError()
}

// sendICMPError answers a packet with the ICMP error m from the address src, if mayCauseError and the rate limit
// (RFC 1812 §4.3.2.8) allow it. The packet counts as dropped for the reason why, or for drop.ICMPRateLimit if the limit withheld the error.
func (h *Host) sendICMPError(now clock.Instant, p *packet, m wire.ICMP, src netip.Addr, a Answer, why drop.Reason) Verdict {
	if !p.mayCauseError() {
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
	v := refused(a, why)
	v.Proto = p.ip.Protocol
	return v
}

// sendUnreachable answers a packet for this host with an ICMP destination unreachable of the given code.
func (h *Host) sendUnreachable(now clock.Instant, p *packet, code uint8, a Answer, why drop.Reason) Verdict {
	return h.sendICMPError(now, p, wire.ICMP{Type: wire.ICMPDestUnreachable, Code: code}, p.ip.Dst, a, why)
}

// sendForwardError answers a packet, for this host or to be forwarded, with the ICMP error m. The error's source is the
// packet's destination if that is one of our addresses. Otherwise it is an address of the interface on which the packet
// arrived (RFC 1812 §4.3.2.4).
func (h *Host) sendForwardError(now clock.Instant, p *packet, m wire.ICMP, a Answer, why drop.Reason) Verdict {
	src, ok := p.ip.Dst, h.net.localAddrs[p.ip.Dst] != nil
	if !ok {
		src, ok = h.net.source(hop{iface: p.iface, next: p.ip.Src}, p.ip.Src)
	}
	if !ok {
		return dropped(why)
	}
	return h.sendICMPError(now, p, m, src, a, why)
}

// sendHostUnreachable sends host unreachable about a packet that could not be forwarded because its next hop did not
// answer ARP (RFC 1812 §4.3.3.1). The packet f arrived on the interface from.
func (h *Host) sendHostUnreachable(now clock.Instant, from *Iface, f *phy.Frame) {
	p := &packet{frame: f, iface: from, octets: f.Bytes()}
	var err error
	if p.ip, p.payload, err = wire.ParseIPv4(f.Bytes()); err == nil {
		m := wire.ICMP{Type: wire.ICMPDestUnreachable, Code: wire.UnreachableHost}
		h.sendForwardError(now, p, m, HostUnreachable, drop.NeighborFailed)
	}
}
