package stack

import (
	"encoding/binary"
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// cookiePeriod is how long one secret makes cookies. They are good for one to two periods.
const cookiePeriod = 64 * time.Second

// cookieMSS are the segment sizes that a cookie can remember: the usual ones, and one for those that have
// strange ideas.
var cookieMSS = [...]int{48, 536, 1024, 1220, 1360, 1440, 1460, 8960}

// cookies are what a listener answers SYNs by when its queue is full (RFC 4987 §3.6): an initial sequence
// number that only this host can have made, from which the connection is built when it comes back. One bit
// says which period it is from, three hold the segment size, 28 are a keyed hash of the ends, of the peer's
// sequence number and of these four bits.
type cookies struct {
	period  uint64       // that of secrets[0], from 1 on; 0: none was needed yet
	secrets [2][2]uint64 // this period's and the last one's
	until   clock.Instant
}

// rotateCookieSecrets draws new secrets when their time has come.
func (h *Host) rotateCookieSecrets(now clock.Instant) *cookies {
	k := &h.tcp.cookies
	switch p := uint64(now/clock.Instant(cookiePeriod)) + 1; p {
	case k.period:
		return k
	case k.period + 1:
		k.secrets[1] = k.secrets[0]
		k.period = p
	default:
		k.secrets[1] = [2]uint64{h.rng.Uint64(), h.rng.Uint64()}
		k.period = p
	}
	k.secrets[0] = [2]uint64{h.rng.Uint64(), h.rng.Uint64()}
	return k
}

// cookie is the initial sequence number under a secret; bits are its upper four.
func cookie(secret [2]uint64, local, remote netip.AddrPort, peer wire.Seq, bits uint32) wire.Seq {
	be := binary.BigEndian
	l, r := local.Addr().As16(), remote.Addr().As16()
	sum := sipHash(secret, [6]uint64{
		be.Uint64(l[:]), be.Uint64(l[8:]), be.Uint64(r[:]), be.Uint64(r[8:]),
		uint64(remote.Port())<<16 | uint64(local.Port()), uint64(peer)<<8 | uint64(bits),
	})
	return wire.Seq(bits<<28 | uint32(sum)&(1<<28-1))
}

// sendCookie answers a SYN for which there is no room.
func (h *Host) sendCookie(now clock.Instant, p *packet, l *TCPListener, s *tcp.Segment) Verdict {
	if s.Flags.Has(wire.FIN) {
		return dropped(drop.BadFlags)
	}
	k := h.rotateCookieSecrets(now)
	local, remote := netip.AddrPortFrom(p.ip.Dst, s.DstPort), netip.AddrPortFrom(p.ip.Src, s.SrcPort)
	size := int(s.Options.MSS)
	if size == 0 {
		size = 536
	}
	bits := uint32(k.period&1) << 3
	for n, mss := range cookieMSS {
		if mss <= size {
			bits = bits&8 | uint32(n)
		}
	}
	iss := cookie(k.secrets[0], local, remote, s.Seq, bits)
	stamp := h.stampOffset(local, remote) + uint32(now/clock.Instant(time.Millisecond))
	answer := tcp.StatelessAnswer(l.cfg, p.iface.mss(), iss, stamp, s)
	f := h.frames.get(0)
	answer.Put(f.Extend(answer.HeaderLen()))
	wire.PutTCPChecksum(f.Bytes(), p.ip.Dst, p.ip.Src)
	h.putIPv4(f, wire.ProtocolTCP, p.ip.Dst, p.ip.Src, l.cfg.TTL, wire.NotECT, true)
	if r := h.reply(now, f, p.ip.Src); r != drop.None {
		return dropped(r)
	}
	k.until = now.Add(2 * cookiePeriod)
	h.count(mib.TCPOutSegs)
	h.count(mib.TCPExtSyncookiesSent)
	v := answered(SYNCookie)
	v.Proto, v.Port = wire.ProtocolTCP, s.DstPort
	return v
}

// acceptCookie is for an acknowledgement to a listener: where it brings a cookie back, the connection is there.
func (h *Host) acceptCookie(now clock.Instant, p *packet, l *TCPListener, s *tcp.Segment) Verdict {
	if now >= h.tcp.cookies.until || s.Flags.Has(wire.SYN) {
		return h.sendReset(now, p, s, drop.TCPBadState)
	}
	k := h.rotateCookieSecrets(now)
	local, remote := netip.AddrPortFrom(p.ip.Dst, s.DstPort), netip.AddrPortFrom(p.ip.Src, s.SrcPort)
	iss := s.Ack.Add(-1)
	bits := uint32(iss) >> 28
	secret := k.secrets[(uint64(bits>>3)^k.period)&1]
	if iss != cookie(secret, local, remote, s.Seq.Add(-1), bits) {
		h.count(mib.TCPExtSyncookiesFailed)
		return h.sendReset(now, p, s, drop.TCPBadState)
	}
	if l.full() {
		h.count(mib.TCPExtListenDrops)
		h.count(mib.TCPExtListenOverflows)
		return dropped(drop.TCPListenFull) // the peer's data comes again
	}
	h.count(mib.TCPExtSyncookiesRecv)
	conn := tcp.ResumeStateless(now, l.cfg, p.iface.mss(), cookieMSS[bits&7], h.stampOffset(local, remote), s, &h.tcp.hooks)
	return h.newPassiveConn(now, p, l, s, conn)
}
