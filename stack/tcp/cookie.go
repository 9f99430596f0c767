package tcp

import (
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// A listener that keeps no state between SYN and ACK encodes the peer's options in the timestamp that the peer echoes.
// The low four bits hold the window scale, 15 for none. The next bit is set if the peer acknowledges selectively.
const (
	cookieScale  = 0xf
	cookieSACK   = 1 << 4
	cookieStamps = 0x1f
)

// StatelessAnswer returns the SYN-ACK to the SYN s from a listener that keeps no state (SYN cookies, RFC 4987 §3.6).
// iss is the cookie. stamp is our timestamp clock, whose low bits are replaced by the peer's options. Without
// timestamps, window scale and selective acknowledgements are not agreed on. cfg and mss have the meaning that they
// have in NewListen.
func StatelessAnswer(cfg *Config, mss int, iss wire.Seq, stamp uint32, s *Segment) wire.TCP {
	if cfg.MSS > 0 {
		mss = min(mss, max(cfg.MSS, minMSS))
	}
	r := wire.TCP{
		SrcPort: s.DstPort, DstPort: s.SrcPort, Seq: iss, Ack: s.Seq.Add(1), Flags: wire.SYN | wire.ACK,
		Window: uint16(min(cfg.recvStart(), 0xffff)),
	}
	r.Options.MSS = uint16(min(max(mss, minPathMSS), 0xffff))
	if !s.Options.HasTimestamps || cfg.NoTimestamps {
		return r
	}
	bits := uint32(cookieScale)
	if s.Options.HasWindowScale {
		bits = uint32(min(s.Options.WindowScale, 14))
		r.Options.WindowScale, r.Options.HasWindowScale = scaleFor(cfg.maxRecvBuffer()), true
	}
	if s.Options.SACKPermitted && !cfg.NoSACK {
		bits |= cookieSACK
		r.Options.SACKPermitted = true
	}
	value := stamp&^cookieStamps | bits
	if int32(value-stamp) > 0 {
		value -= cookieStamps + 1 // the timestamp must not lie ahead of the clock
	}
	r.Options.HasTimestamps, r.Options.TSVal, r.Options.TSEcr = true, value, s.Options.TSVal
	return r
}

// ResumeStateless returns the connection in SYN-RECEIVED for s, the ACK of a StatelessAnswer. The caller then passes s
// to Receive. peerMSS is the MSS option of the peer's SYN. offset is the argument for SetStampOffset.
func ResumeStateless(now clock.Instant, cfg *Config, mss, peerMSS int, offset uint32, s *Segment, h *Hooks) *Conn {
	c := NewListen(cfg, mss, s.Ack.Add(-1), h)
	c.SetStampOffset(offset)
	syn := Segment{TCP: wire.TCP{Seq: s.Seq.Add(-1), Flags: wire.SYN, Window: s.Window}}
	o := &syn.Options
	o.MSS = uint16(peerMSS)
	if s.Options.HasTimestamps && !cfg.NoTimestamps {
		o.HasTimestamps, o.TSVal = true, s.Options.TSVal
		if scale := uint8(s.Options.TSEcr & cookieScale); scale <= 14 {
			o.HasWindowScale, o.WindowScale = true, scale
		}
		o.SACKPermitted = s.Options.TSEcr&cookieSACK != 0
	}
	c.receiveListen(now, &syn)
	var answer Segment
	c.emitSYN(now, &answer) // discards this SYN-ACK: StatelessAnswer has sent one
	c.snd.timedAt, c.at.rexmt = clock.Never, clock.Never
	return c
}
