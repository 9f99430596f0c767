package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// replyTTL is the time to live of the answers that the stack itself sends.
const replyTTL = 64

// receiveICMP processes an ICMP message: it answers echo requests, and passes replies and errors to sockets.
func (h *Host) receiveICMP(now clock.Instant, p *packet) Verdict {
	h.count(mib.ICMPInMsgs)
	m, data, err := wire.ParseICMP(p.payload, true)
	if err != nil {
		h.count(mib.ICMPInErrors)
		if drop.Of(err) == drop.BadChecksum {
			h.count(mib.ICMPInCsumErrors)
		}
		return dropped(drop.Of(err))
	}
	switch m.Type {
	case wire.ICMPEchoRequest:
		h.count(mib.ICMPInEchos)
		return h.answerEcho(now, p, &m, data)
	case wire.ICMPEchoReply:
		h.count(mib.ICMPInEchoReps)
		return h.receiveEchoReply(now, p, m.ID)
	case wire.ICMPDestUnreachable:
		h.count(mib.ICMPInDestUnreachs)
		return h.receiveError(now, p, reportOf(&m), data)
	case wire.ICMPTimeExceeded:
		h.count(mib.ICMPInTimeExcds)
		return h.receiveError(now, p, reportOf(&m), data)
	case wire.ICMPParameterProblem:
		h.count(mib.ICMPInParmProbs)
		return h.receiveError(now, p, reportOf(&m), data)
	case wire.ICMPRedirect:
		h.count(mib.ICMPInRedirects)
		return dropped(drop.ICMPRedirect) // see doc.go
	}
	return dropped(drop.ICMPUnknownType)
}

// answerEcho answers an echo request with its data. The reply's source is the request's destination (RFC 1122
// §3.2.2.6). The reply may be fragmented if the request allowed it, because the host does not retransmit it.
func (h *Host) answerEcho(now clock.Instant, p *packet, m *wire.ICMP, data []byte) Verdict {
	if p.broadcast {
		return dropped(drop.ICMPBroadcast) // RFC 1122 §3.2.2.6 allows the drop: otherwise all hosts of the subnet would answer at once
	}
	f := h.frames.get(len(p.payload))
	copy(f.Extend(len(p.payload))[wire.ICMPLen:], data)
	echo := wire.ICMP{Type: wire.ICMPEchoReply, ID: m.ID, Seq: m.Seq}
	echo.Put(f.Bytes())
	var options [wire.MaxIPv4Options]byte
	n := 0
	if p.headerLen > wire.IPv4Len {
		var at int
		if n, at = h.echoOptions(now, p, &options); at != 0 {
			h.frames.put(f)
			return h.badOption(now, p, at)
		}
	}
	h.putIPv4(f, options[:n], &ipHeader{src: p.dst, dst: p.src, proto: wire.ProtocolICMP, ttl: replyTTL, dontFragment: p.fragment.dontFragment})
	return h.sendEchoReply(now, p, f, p.dst, m.ID)
}

// sendEchoReply sends the reply f to an echo request with the identifier id. The reply's source is src.
func (h *Host) sendEchoReply(now clock.Instant, p *packet, f *phy.Frame, src netip.Addr, id uint16) Verdict {
	if r := h.reply(now, f, src, p.src); r != drop.None {
		return dropped(r)
	}
	h.countIP(p.family, mib.ICMPOutMsgs)
	h.countIP(p.family, mib.ICMPOutEchoReps)
	v := answered(EchoReply)
	v.Proto, v.Port = p.proto, id
	return v
}

// receiveEchoReply passes an echo reply to the socket of its identifier.
func (h *Host) receiveEchoReply(now clock.Instant, p *packet, id uint16) Verdict {
	if c := h.sockets.icmpByID[id]; c != nil {
		return c.receive(now, p)
	}
	return dropped(drop.ICMPNoSocket)
}

// errorReport is what an ICMP error of either family reports.
type errorReport struct {
	cause error
	hard  bool // the error ends a connection that is being opened
	mtu   int  // path MTU in octets, valid if cause is ErrTooBig; 0 if the router reports none
}

// quoted is the packet that an ICMP error of either family quotes.
type quoted struct {
	src, dst         netip.Addr
	proto            wire.Protocol
	srcPort, dstPort uint16
	seq              wire.Seq
	echo             bool // an echo request with the identifier id
	id               uint16
	length           int // octets of the packet that was sent
	zone             uint32
}

// flow returns the key of the socket that may have sent the packet.
func (q *quoted) flow() flow {
	return flow{local: q.src.As16(), remote: q.dst.As16(), localPort: q.srcPort, remotePort: q.dstPort, zone: q.zone}
}

// parseQuoted parses the packet that an ICMP error, the packet p, quotes.
func (h *Host) parseQuoted(p *packet, b []byte) (q quoted, err error) {
	if p.family == ipv4 {
		v, err := wire.ParseQuoted(b)
		return quoted{
			src: v.IP.Src, dst: v.IP.Dst, proto: v.IP.Protocol, srcPort: v.SrcPort, dstPort: v.DstPort, seq: v.Seq,
			echo: v.ICMP == wire.ICMPEchoRequest, id: v.ID, length: v.IP.HeaderLen + v.IP.PayloadLen,
		}, err
	}
	v, err := wire.ParseQuoted6(b)
	q = quoted{
		src: p.scoped(v.IP.Src), dst: p.scoped(v.IP.Dst), proto: v.Protocol, srcPort: v.SrcPort, dstPort: v.DstPort, seq: v.Seq,
		echo: v.ICMP == wire.ICMPv6EchoRequest, id: v.ID, length: wire.IPv6Len + v.IP.PayloadLen,
	}
	q.zone = max(h.net.zoneOf(q.src), h.net.zoneOf(q.dst))
	return q, err
}

// receiveError passes an ICMP error to the socket whose packet it quotes. The quoted packet must be one that the host may
// have sent (RFC 5927 §4).
func (h *Host) receiveError(now clock.Instant, p *packet, e errorReport, quote []byte) Verdict {
	q, err := h.parseQuoted(p, quote)
	if err != nil {
		h.countIP(p.family, mib.ICMPInErrors)
		return dropped(drop.Of(err))
	}
	if q.src != p.dst && !(p.iface.loop && h.net.localAddrs[q.src] != nil) {
		return dropped(drop.ICMPNoSocket)
	}
	if c := h.claimOfQuoted(&q); c != nil {
		return c.receive(now, p)
	}
	v := dropped(drop.ICMPNoSocket)
	switch q.proto {
	case wire.ProtocolTCP:
		if c := h.sockets.conns[q.flow()]; c != nil && c.conn.InFlight(q.seq) {
			if e.cause == ErrTooBig {
				v = h.tooBigTCP(now, c, e.mtu, &q)
				break
			}
			c.conn.SoftError(now, e.cause, e.hard)
			h.connChanged(now, c)
			v = deliveredTo(wire.ProtocolTCP, q.srcPort)
			v.State = c.conn.State()
		}
	case wire.ProtocolUDP:
		if c := h.sockets.icmpByUDP[q.srcPort]; c != nil {
			v = c.receive(now, p)
		}
		if e.cause == ErrTooBig {
			if w := h.tooBigDatagram(now, e.mtu, &q); v == dropped(drop.ICMPNoSocket) {
				v = w
			}
			break
		}
		if u := h.sockets.udp[q.flow()]; u != nil {
			u.sendFailed(now, e.cause)
			v = deliveredTo(wire.ProtocolUDP, q.srcPort)
		}
	case p.family.icmp():
		if c := h.sockets.icmpByID[q.id]; c != nil && q.echo {
			if v = c.receive(now, p); e.cause == ErrTooBig {
				h.tooBigDatagram(now, e.mtu, &q)
			}
		}
	}
	if h.sockets.failRaw(now, &q, e.cause) && v == dropped(drop.ICMPNoSocket) {
		v = Verdict{Kind: Delivered, Proto: q.proto, Raw: true}
		if e.cause == ErrTooBig {
			h.tooBigDatagram(now, e.mtu, &q)
		}
	}
	return v
}

// reportOf returns what an ICMP error reports to a socket. RFC 1122 §4.2.3.9 calls codes 2 to 4 hard; the codes for
// prohibited communication are treated as hard too.
func reportOf(m *wire.ICMP) errorReport {
	if m.Type != wire.ICMPDestUnreachable {
		return errorReport{cause: tcp.ErrHostUnreach}
	}
	switch m.Code {
	case wire.UnreachablePort:
		return errorReport{cause: tcp.ErrPortUnreach, hard: true}
	case wire.UnreachableProtocol:
		return errorReport{cause: tcp.ErrProtoUnreach, hard: true}
	case wire.UnreachableFragNeeded:
		return errorReport{cause: ErrTooBig, mtu: int(m.MTU)} // see pathmtu.go
	case wire.UnreachableNetProhibited, wire.UnreachableHostProhibited, wire.UnreachableProhibited:
		return errorReport{cause: tcp.ErrProhibited, hard: true}
	case wire.UnreachableNet, wire.UnreachableNetUnknown, wire.UnreachableNetTOS, wire.UnreachableIsolated:
		return errorReport{cause: tcp.ErrNetUnreach}
	}
	return errorReport{cause: tcp.ErrHostUnreach}
}
