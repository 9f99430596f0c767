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
	local, remote := netip.AddrPortFrom(p.ip.Dst, s.DstPort), netip.AddrPortFrom(p.ip.Src, s.SrcPort)
	mss := int(s.Options.MSS)
	if mss == 0 {
		mss = 536 // RFC 9293 §3.7.1
	}
	iss := h.tcp.cookies.Make(now, h.rng, local, remote, s.Seq, mss)
	stamp := h.stampOffset(local, remote) + uint32(now/clock.Instant(time.Millisecond))
	answer := tcp.StatelessAnswer(l.cfg, p.iface.mss(), iss, stamp, s)
	f := h.frames.get(0)
	answer.Put(f.Extend(answer.HeaderLen()))
	wire.PutTCPChecksum(f.Bytes(), p.ip.Dst, p.ip.Src)
	h.putIPv4(f, wire.ProtocolTCP, p.ip.Dst, p.ip.Src, l.cfg.TTL, wire.NotECT, true)
	if r := h.reply(now, f, p.ip.Src); r != drop.None {
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
	local, remote := netip.AddrPortFrom(p.ip.Dst, s.DstPort), netip.AddrPortFrom(p.ip.Src, s.SrcPort)
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
	conn := tcp.ResumeStateless(now, l.cfg, p.iface.mss(), mss, h.stampOffset(local, remote), s, &h.tcp.hooks)
	return h.newPassiveConn(now, p, l, s, conn)
}
