package stack

import (
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
		if c := h.sockets.icmpByID[m.ID]; c != nil {
			return c.receive(now, p)
		}
		return dropped(drop.ICMPNoSocket)
	case wire.ICMPDestUnreachable:
		h.count(mib.ICMPInDestUnreachs)
		return h.receiveError(now, p, &m, data)
	case wire.ICMPTimeExceeded:
		h.count(mib.ICMPInTimeExcds)
		return h.receiveError(now, p, &m, data)
	case wire.ICMPParameterProblem:
		h.count(mib.ICMPInParmProbs)
		return h.receiveError(now, p, &m, data)
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
	if p.ip.HeaderLen == wire.IPv4Len {
		h.putIPv4(f, wire.ProtocolICMP, p.ip.Dst, p.ip.Src, replyTTL, wire.NotECT, p.ip.DontFragment)
	} else {
		var options [wire.MaxIPv4Options]byte
		n, at := h.echoOptions(now, p, &options)
		if at != 0 {
			h.frames.put(f)
			return h.badOption(now, p, at)
		}
		h.putIPv4WithOptions(f, options[:n], wire.ProtocolICMP, p.ip.Dst, p.ip.Src, replyTTL, wire.NotECT, p.ip.DontFragment)
	}
	if r := h.reply(now, f, p.ip.Src); r != drop.None {
		return dropped(r)
	}
	h.count(mib.ICMPOutMsgs)
	h.count(mib.ICMPOutEchoReps)
	v := answered(EchoReply)
	v.Proto, v.Port = wire.ProtocolICMP, m.ID
	return v
}

// receiveError passes an ICMP error to the socket whose packet it quotes. The quoted packet must be one that the host may
// have sent (RFC 5927 §4).
func (h *Host) receiveError(now clock.Instant, p *packet, m *wire.ICMP, quote []byte) Verdict {
	q, err := wire.ParseQuoted(quote)
	if err != nil {
		h.count(mib.ICMPInErrors)
		return dropped(drop.Of(err))
	}
	if q.IP.Src != p.ip.Dst && !(p.iface.loop && h.net.localAddrs[q.IP.Src] != nil) {
		return dropped(drop.ICMPNoSocket)
	}
	cause, hard := errorOf(m)
	v := dropped(drop.ICMPNoSocket)
	switch q.IP.Protocol {
	case wire.ProtocolTCP:
		if c := h.sockets.conns[quotedFlow(&q)]; c != nil && c.conn.InFlight(q.Seq) {
			if cause == ErrTooBig {
				v = h.tooBigTCP(now, c, m, &q)
				break
			}
			c.conn.SoftError(now, cause, hard)
			h.connChanged(now, c)
			v = deliveredTo(wire.ProtocolTCP, q.SrcPort)
			v.State = c.conn.State()
		}
	case wire.ProtocolUDP:
		if c := h.sockets.icmpByUDP[q.SrcPort]; c != nil {
			v = c.receive(now, p)
		}
		if cause == ErrTooBig {
			if w := h.tooBigDatagram(now, m, &q); v == dropped(drop.ICMPNoSocket) {
				v = w
			}
			break
		}
		if u := h.sockets.udp[quotedFlow(&q)]; u != nil {
			u.sendFailed(now, cause)
			v = deliveredTo(wire.ProtocolUDP, q.SrcPort)
		}
	case wire.ProtocolICMP:
		if c := h.sockets.icmpByID[q.ID]; c != nil && q.ICMP == wire.ICMPEchoRequest {
			if v = c.receive(now, p); cause == ErrTooBig {
				h.tooBigDatagram(now, m, &q)
			}
		}
	}
	if h.sockets.failRaw(now, &q, cause) && v == dropped(drop.ICMPNoSocket) {
		v = Verdict{Kind: Delivered, Proto: q.IP.Protocol, Raw: true}
	}
	return v
}

// errorOf returns the error that a socket reports for an ICMP error. hard is true if the error ends a connection that
// is being opened. RFC 1122 §4.2.3.9 calls codes 2 to 4 hard; the codes for prohibited communication are treated as
// hard too.
func errorOf(m *wire.ICMP) (err error, hard bool) {
	if m.Type != wire.ICMPDestUnreachable {
		return tcp.ErrHostUnreach, false
	}
	switch m.Code {
	case wire.UnreachablePort:
		return tcp.ErrPortUnreach, true
	case wire.UnreachableProtocol:
		return tcp.ErrProtoUnreach, true
	case wire.UnreachableFragNeeded:
		return ErrTooBig, false // see pathmtu.go
	case wire.UnreachableNetProhibited, wire.UnreachableHostProhibited, wire.UnreachableProhibited:
		return tcp.ErrProhibited, true
	case wire.UnreachableNet, wire.UnreachableNetUnknown, wire.UnreachableNetTOS, wire.UnreachableIsolated:
		return tcp.ErrNetUnreach, false
	}
	return tcp.ErrHostUnreach, false
}

func quotedFlow(q *wire.Quoted) flow {
	return flow{
		local: q.IP.Src.As16(), remote: q.IP.Dst.As16(),
		localPort: q.SrcPort, remotePort: q.DstPort,
	}
}
