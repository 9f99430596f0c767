// Package syncookie makes and checks SYN cookies (RFC 4987 §3.6): initial sequence numbers from which a listener rebuilds
// a connection that it has not stored, when the peer's acknowledgement returns one.
//
// One bit of a cookie is the period in which it was made, three are the segment size, and 28 are a keyed hash of both
// ends, of the peer's initial sequence number and of those four bits.
package syncookie

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/siphash"
	"smolsh/stack/wire"
)

// Period is the time for which one secret makes cookies. A cookie is valid for one to two periods.
const Period = 64 * time.Second

// sizes are the segment sizes in octets that a cookie can express: common ones, and small ones for unusual peers.
var sizes = [...]int{48, 536, 1024, 1220, 1360, 1440, 1460, 8960}

// Secrets makes and checks the cookies of one host. The zero value is ready for use.
type Secrets struct {
	period uint64       // number of the period of keys[0], from 1 on; 0 before the first key was drawn
	keys   [2][2]uint64 // keys of this period and of the previous one
	until  clock.Instant
}

// rotate draws new keys at the start of a period.
func (s *Secrets) rotate(now clock.Instant, rng *rand.Rand) {
	switch p := uint64(now/clock.Instant(Period)) + 1; p {
	case s.period:
		return
	case s.period + 1:
		s.keys[1] = s.keys[0]
		s.period = p
	default:
		s.keys[1] = [2]uint64{rng.Uint64(), rng.Uint64()}
		s.period = p
	}
	s.keys[0] = [2]uint64{rng.Uint64(), rng.Uint64()}
}

// Make returns the initial sequence number for the answer to a SYN from remote to local whose sequence number is peer.
// It encodes the largest size in sizes that does not exceed mss, in octets. rng is the source of new keys.
func (s *Secrets) Make(now clock.Instant, rng *rand.Rand, local, remote netip.AddrPort, peer wire.Seq, mss int) wire.Seq {
	s.rotate(now, rng)
	top := uint32(s.period&1) << 3
	for n, size := range sizes {
		if size <= mss {
			top = top&8 | uint32(n)
		}
	}
	return cookie(s.keys[0], local, remote, peer, top)
}

// Sent records that a cookie made by Make was sent at time now. Active reports true until that cookie expires.
func (s *Secrets) Sent(now clock.Instant) { s.until = now.Add(2 * Period) }

// Active reports whether a cookie that was sent may still be valid.
func (s *Secrets) Active(now clock.Instant) bool { return now < s.until }

// Check reports whether iss is a cookie that Make returned for these ends and the peer's initial sequence number, in
// this period or the previous one. mss is the segment size that the cookie encodes, in octets; ok is false if iss is no
// cookie.
func (s *Secrets) Check(now clock.Instant, rng *rand.Rand, local, remote netip.AddrPort, peer, iss wire.Seq) (mss int, ok bool) {
	s.rotate(now, rng)
	top := uint32(iss) >> 28
	key := s.keys[(uint64(top>>3)^s.period)&1]
	return sizes[top&7], iss == cookie(key, local, remote, peer, top)
}

// cookie returns the cookie with a key; top is its upper four bits.
func cookie(key [2]uint64, local, remote netip.AddrPort, peer wire.Seq, top uint32) wire.Seq {
	be := binary.BigEndian
	l, r := local.Addr().As16(), remote.Addr().As16()
	sum := siphash.Sum(key, [6]uint64{
		be.Uint64(l[:]), be.Uint64(l[8:]), be.Uint64(r[:]), be.Uint64(r[8:]),
		uint64(remote.Port())<<16 | uint64(local.Port()), uint64(peer)<<8 | uint64(top),
	})
	return wire.Seq(top<<28 | uint32(sum)&(1<<28-1))
}
