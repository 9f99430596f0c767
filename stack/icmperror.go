package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// maxQuote returns the largest number of octets of a packet that an error quotes. The error with its headers then has at
// most 576 octets (RFC 1812 §4.3.2.3), or the least MTU of IPv6 (RFC 4443 §2.4(c)), which every host accepts.
func (f family) maxQuote() int {
	if f == ipv6 {
		return wire.MaxICMPv6Quote
	}
	return 576 - wire.IPv4Len - wire.ICMPLen
}

// errorKind is the meaning of an ICMP error, in either family.
type errorKind uint8

const (
	portUnreachable errorKind = iota
	protocolUnreachable
	netUnreachable
	hostUnreachable
	packetTooBig
	hopsExceeded
	reassemblyExceeded
	parameterProblem
	sourceRouteFailed
	beyondScope
)

// icmpError is an error to send. code is added to the code of its kind. value is an MTU, or the index of the wrong octet.
type icmpError struct {
	kind  errorKind
	code  uint8
	value uint32
}

// errorForm is an error in one family: its type and code, the answer in the verdict, and the counter of such errors.
type errorForm struct {
	typ, code uint8
	answer    Answer
	counter   mib.Counter
}

// unreachable returns the form of a destination unreachable error of IPv4, and unreachable6 of one of IPv6.
func unreachable(code uint8, a Answer) errorForm {
	return errorForm{uint8(wire.ICMPDestUnreachable), code, a, mib.ICMPOutDestUnreachs}
}

func unreachable6(code uint8, a Answer) errorForm {
	return errorForm{uint8(wire.ICMPv6DestUnreachable), code, a, mib.ICMP6OutDestUnreachs}
}

// errorForms has the forms of every errorKind (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.3; RFC 4443 §3). A zero form is never sent.
var errorForms = [...][numFamilies]errorForm{
	portUnreachable: {unreachable(wire.UnreachablePort, PortUnreachable), unreachable6(wire.Unreachable6Port, PortUnreachable)},
	protocolUnreachable: {
		unreachable(wire.UnreachableProtocol, ProtocolUnreachable),
		{uint8(wire.ICMPv6ParameterProblem), wire.ParamUnknownNextHeader, ProtocolUnreachable, mib.ICMP6OutParmProblems},
	},
	netUnreachable:  {unreachable(wire.UnreachableNet, NetUnreachable), unreachable6(wire.Unreachable6NoRoute, NetUnreachable)},
	hostUnreachable: {unreachable(wire.UnreachableHost, HostUnreachable), unreachable6(wire.Unreachable6Address, HostUnreachable)},
	packetTooBig: {
		unreachable(wire.UnreachableFragNeeded, FragNeeded),
		{uint8(wire.ICMPv6PacketTooBig), 0, PacketTooBig, mib.ICMP6OutPktTooBigs},
	},
	hopsExceeded: {
		{uint8(wire.ICMPTimeExceeded), 0, TimeExceeded, mib.ICMPOutTimeExcds},
		{uint8(wire.ICMPv6TimeExceeded), 0, HopLimitExceeded, mib.ICMP6OutTimeExcds},
	},
	reassemblyExceeded: {
		{uint8(wire.ICMPTimeExceeded), wire.ExceededReassembly, TimeExceeded, mib.ICMPOutTimeExcds},
		{uint8(wire.ICMPv6TimeExceeded), wire.ExceededReassembly, HopLimitExceeded, mib.ICMP6OutTimeExcds},
	},
	parameterProblem: {
		{uint8(wire.ICMPParameterProblem), 0, ParameterProblem, mib.ICMPOutParmProbs},
		{uint8(wire.ICMPv6ParameterProblem), 0, ParameterProblem, mib.ICMP6OutParmProblems},
	},
	sourceRouteFailed: {unreachable(wire.UnreachableSourceRoute, SourceRouteFailed), {}},
	beyondScope:       {{}, unreachable6(wire.Unreachable6BeyondScope, BeyondScope)},
}

// mayCauseError reports whether the host may send the error e about the packet. RFC 1122 §3.2.2 and RFC 4443 §2.4(e) forbid
// an error about
//
//   - an ICMP error: two hosts would answer each other for ever; ICMPv6 adds redirects;
//   - a packet to a broadcast address or a group: all its receivers would answer at once. ICMPv6 excepts "packet too big", which
//     finds the path MTU of a group, and unknown options that ask for an answer;
//   - a packet in a link-layer broadcast: checkAddresses has dropped one that is not also to an IP broadcast address;
//   - an IPv4 fragment other than the first, which names no socket;
//   - a packet whose source is not a single host: nobody could receive the error.
//
// On a shared interface errors are the kernel's.
func (p *packet) mayCauseError(e icmpError) bool {
	toGroup := p.family == ipv6 && (e.kind == packetTooBig || e.kind == parameterProblem && e.code == wire.ParamUnknownOption)
	return !p.iface.shared && !p.isError() && (toGroup || !p.broadcast) && (p.family == ipv6 || p.fragment.offset == 0) && unicast(p.src)
}

// isError reports whether the packet is an ICMP error or a redirect, or ICMP that cannot be parsed and may be one.
func (p *packet) isError() bool {
	if p.family == ipv6 {
		return p.isError6()
	}
	if p.proto != wire.ProtocolICMP {
		return false
	}
	m, _, err := wire.ParseICMP(p.payload, false)
	return err != nil || m.IsError()
}

// isError6 is isError for IPv6. The type may be behind extension headers that the host has not processed, or in a fragment
// of which it has only the first part.
func (p *packet) isError6() bool {
	proto, b := p.proto, p.payload
	if p.headerLen == wire.IPv6Len {
		proto, b = wire.UpperLayer(proto, b)
	}
	if proto != wire.ProtocolICMPv6 || p.fragment.offset > 0 {
		return false
	}
	return len(b) == 0 || wire.ICMPv6Type(b[0]).IsError() || wire.ICMPv6Type(b[0]) == wire.ICMPv6Redirect
}

// sendError answers a packet with an ICMP error, if mayCauseError and the rate limit (RFC 1812 §4.3.2.8, RFC 4443 §2.4(f))
// allow it. The error's source is the packet's destination if that is an address of the host. Otherwise it is an address of
// the interface on which the packet arrived (RFC 1812 §4.3.2.4, RFC 4443 §2.2). The packet counts as dropped for the reason
// why, or for drop.ICMPRateLimit if the limit withheld the error.
func (h *Host) sendError(now clock.Instant, p *packet, e icmpError, why drop.Reason) Verdict {
	if !p.mayCauseError(e) {
		return dropped(why)
	}
	if !h.icmpErrors.Take(now) {
		h.countIP(p.family, mib.ICMPOutRateLimited)
		return dropped(drop.ICMPRateLimit)
	}
	src, ok := p.dst, h.net.localAddrs[p.dst] != nil || p.iface.loop && p.dst.IsLoopback()
	if !ok {
		src, ok = h.net.source(hop{iface: p.iface, next: p.src}, p.src) // after the rate limit: many addresses make it long
	}
	if !ok {
		return dropped(why)
	}
	form := errorForms[e.kind][p.family]
	f := h.putError(p, e, form, src)
	if r := h.reply(now, f, src, p.src); r != drop.None {
		h.countIP(p.family, mib.ICMPOutErrors)
		return dropped(r)
	}
	h.countIP(p.family, mib.ICMPOutMsgs)
	h.count(form.counter)
	v := refused(form.answer, why)
	v.Proto = p.proto
	return v
}

// putError returns a frame with an error about the packet p from the address src.
func (h *Host) putError(p *packet, e icmpError, form errorForm, src netip.Addr) *phy.Frame {
	quote := p.octets[:min(len(p.octets), p.family.maxQuote())]
	f := h.frames.get(wire.ICMPLen + len(quote))
	b := f.Extend(wire.ICMPLen + len(quote))
	copy(b[wire.ICMPLen:], quote)
	if p.family == ipv6 {
		m := wire.ICMPv6{Type: wire.ICMPv6Type(form.typ), Code: form.code + e.code, MTU: e.value, Pointer: e.value}
		m.Put(b, src, p.src)
	} else {
		m := wire.ICMP{Type: wire.ICMPType(form.typ), Code: form.code + e.code, MTU: uint16(min(e.value, maxMTU)), Pointer: uint8(e.value)}
		m.Put(b)
	}
	h.putIP(f, &ipHeader{src: src, dst: p.src, proto: p.family.icmp(), ttl: replyTTL, dontFragment: true})
	return f
}

// sendHostUnreachable sends host unreachable about a packet that could not be forwarded because its next hop did not
// answer (RFC 1812 §4.3.3.1, RFC 4861 §7.2.2). The packet f arrived on the interface from.
func (h *Host) sendHostUnreachable(now clock.Instant, from *Iface, f *phy.Frame) {
	p := &packet{frame: f, iface: from, family: versionOf(f.Bytes())}
	if p.parse(f.Bytes()) == nil {
		h.sendError(now, p, icmpError{kind: hostUnreachable}, drop.NeighborFailed)
	}
}
