package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// sendCookie answers a SYN with a SYN cookie, because the SYN queue is full.
func (h *Host) sendCookie(now clock.Instant, p *packet, l *TCPListener, s *tcp.Segment) Verdict {
	if s.Flags.Has(wire.FIN) {
		return dropped(drop.BadFlags)
	}
	local, remote := netip.AddrPortFrom(p.dst, s.DstPort), netip.AddrPortFrom(p.src, s.SrcPort)
	mss := int(s.Options.MSS)
	if mss == 0 {
		mss = 536 // RFC 9293 §3.7.1
		if p.family == ipv6 {
			mss = 1220
		}
	}
	iss := h.tcp.cookies.Make(now, h.rng, local, remote, s.Seq, mss)
	stamp := h.stampOffset(local, remote) + uint32(now/clock.Instant(time.Millisecond))
	answer := tcp.StatelessAnswer(l.cfg, p.iface.mss(p.family), iss, stamp, s)
	f := h.frames.get(0)
	answer.Put(f.Extend(answer.HeaderLen()))
	wire.PutTCPChecksum(f.Bytes(), p.dst, p.src)
	h.putIP(f, &ipHeader{src: p.dst, dst: p.src, proto: wire.ProtocolTCP, ttl: l.cfg.TTL, dontFragment: true, label: h.connLabel(local, remote)})
	if r := h.reply(now, f, p.dst, p.src); r != drop.None {
		return dropped(r)
	}
	h.tcp.cookies.Sent(now)
	h.count(mib.TCPOutSegs)
	h.count(mib.TCPExtSyncookiesSent)
	v := answered(SYNCookie)
	v.Proto, v.Port = wire.ProtocolTCP, s.DstPort
	return v
}

// acceptCookie processes an ACK to a listener. A valid cookie creates an ESTABLISHED connection; any other ACK is
// answered with RST.
func (h *Host) acceptCookie(now clock.Instant, p *packet, l *TCPListener, s *tcp.Segment) Verdict {
	if !h.tcp.cookies.Active(now) || s.Flags.Has(wire.SYN) {
		return h.sendReset(now, p, s, drop.TCPBadState)
	}
	local, remote := netip.AddrPortFrom(p.dst, s.DstPort), netip.AddrPortFrom(p.src, s.SrcPort)
	mss, ok := h.tcp.cookies.Check(now, h.rng, local, remote, s.Seq.Add(-1), s.Ack.Add(-1))
	if !ok {
		h.count(mib.TCPExtSyncookiesFailed)
		return h.sendReset(now, p, s, drop.TCPBadState)
	}
	if l.full() {
		h.count(mib.TCPExtListenDrops)
		h.count(mib.TCPExtListenOverflows)
		return dropped(drop.TCPListenFull) // the peer retransmits its data
	}
	h.count(mib.TCPExtSyncookiesRecv)
	conn := tcp.ResumeStateless(now, l.cfg, p.iface.mss(p.family), mss, h.stampOffset(local, remote), s, &h.tcp.hooks)
	if p.family == ipv6 {
		conn.OverIPv6()
	}
	return h.newPassiveConn(now, p, l, s, conn)
}
