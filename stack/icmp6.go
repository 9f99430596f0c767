package stack

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// receiveICMPv6 processes an ICMPv6 message (RFC 4443): it answers echo requests, and passes replies and errors to sockets,
// and messages of neighbour discovery and MLD to their functions.
func (h *Host) receiveICMPv6(now clock.Instant, p *packet) Verdict {
	h.count(mib.ICMP6InMsgs)
	m, data, err := wire.ParseICMPv6(p.payload, p.src, p.dst, true)
	if err != nil {
		h.count(mib.ICMP6InErrors)
		if drop.Of(err) == drop.BadChecksum {
			h.count(mib.ICMP6InCsumErrors)
		}
		return dropped(drop.Of(err))
	}
	switch m.Type {
	case wire.ICMPv6EchoRequest:
		h.count(mib.ICMP6InEchos)
		return h.answerEcho6(now, p, &m, data)
	case wire.ICMPv6EchoReply:
		h.count(mib.ICMP6InEchoReplies)
		return h.receiveEchoReply(now, p, m.ID)
	case wire.ICMPv6RouterSolicitation, wire.ICMPv6RouterAdvertisement, wire.ICMPv6NeighborSolicitation,
		wire.ICMPv6NeighborAdvertisement, wire.ICMPv6Redirect:
		return h.receiveND(now, p, m.Type)
	case wire.ICMPv6ListenerQuery, wire.ICMPv6ListenerReport, wire.ICMPv6ListenerDone, wire.ICMPv6ListenerReportVersion2:
		return h.receiveMLD(now, p, m.Type)
	}
	if !m.Type.IsError() {
		return dropped(drop.ICMPUnknownType) // RFC 4443 §2.4(b)
	}
	switch m.Type {
	case wire.ICMPv6DestUnreachable:
		h.count(mib.ICMP6InDestUnreachs)
	case wire.ICMPv6PacketTooBig:
		h.count(mib.ICMP6InPktTooBigs)
	case wire.ICMPv6TimeExceeded:
		h.count(mib.ICMP6InTimeExcds)
	case wire.ICMPv6ParameterProblem:
		h.count(mib.ICMP6InParmProblems)
	}
	return h.receiveError(now, p, reportOf6(&m), data) // one of an unknown type too, RFC 4443 §2.4(a)
}

// answerEcho6 answers an echo request with its data (RFC 4443 §4.2). It answers a request to a group too, within the rate of
// errors, since one forged request makes every node of the link answer.
func (h *Host) answerEcho6(now clock.Instant, p *packet, m *wire.ICMPv6, data []byte) Verdict {
	src := p.dst
	if p.broadcast {
		if !h.icmpErrors.Take(now) { // before the search for a source, which many addresses make long
			h.count(mib.ICMP6OutRateLimited)
			return dropped(drop.ICMPRateLimit)
		}
		var ok bool
		if src, ok = h.net.source(hop{iface: p.iface, next: p.src}, p.src); !ok || !unicast(p.src) {
			return dropped(drop.ICMPBroadcast)
		}
		if own := p.iface.LinkLocal(); !p.iface.loop && h.net.localAddrs[src] != p.iface && own.IsValid() {
			src = own // RFC 4443 §4.2: the source is an address of the interface that the request reached
		}
	}
	f := h.frames.get(len(p.payload))
	copy(f.Extend(len(p.payload))[wire.ICMPv6Len:], data)
	echo := wire.ICMPv6{Type: wire.ICMPv6EchoReply, ID: m.ID, Seq: m.Seq}
	echo.Put(f.Bytes(), src, p.src)
	h.putIP(f, &ipHeader{src: src, dst: p.src, proto: wire.ProtocolICMPv6, ttl: replyTTL})
	return h.sendEchoReply(now, p, f, src, m.ID)
}

// reportOf6 is reportOf for ICMPv6. RFC 9293 §3.9.2.2 calls the codes for a port and for prohibited communication hard. A parameter
// problem is soft, even if the peer does not know the protocol.
func reportOf6(m *wire.ICMPv6) errorReport {
	switch m.Type {
	case wire.ICMPv6PacketTooBig:
		return errorReport{cause: ErrTooBig, mtu: int(m.MTU)}
	case wire.ICMPv6ParameterProblem:
		if m.Code == wire.ParamUnknownNextHeader {
			return errorReport{cause: tcp.ErrProtoUnreach}
		}
	case wire.ICMPv6DestUnreachable:
		switch m.Code {
		case wire.Unreachable6Port:
			return errorReport{cause: tcp.ErrPortUnreach, hard: true}
		case wire.Unreachable6Prohibited, wire.Unreachable6SourcePolicy, wire.Unreachable6RejectRoute:
			return errorReport{cause: tcp.ErrProhibited, hard: true}
		case wire.Unreachable6NoRoute, wire.Unreachable6BeyondScope:
			return errorReport{cause: tcp.ErrNetUnreach}
		}
	}
	return errorReport{cause: tcp.ErrHostUnreach}
}
