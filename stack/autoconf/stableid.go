package autoconf

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
)

// idgenRetries is the number of further addresses that a host tries after the first was a duplicate, for a stable address
// (RFC 7217 §7, IDGEN_RETRIES) and for a temporary one (RFC 8981 §3.8, TEMP_IDGEN_RETRIES).
const idgenRetries = 3

// linkLocal is the prefix of the link-local addresses that hosts configure (RFC 4862 §5.3).
var linkLocal = netip.MustParsePrefix("fe80::/64")

// LinkLocal returns a stable link-local address of the interface (RFC 4862 §5.3, RFC 7217 §5). dadCounter is the number of
// candidates before it that were duplicates; the host stops after 3. See Conflict.
func (s *State) LinkLocal(dadCounter int) netip.Addr { return s.stable(linkLocal, dadCounter) }

// stable returns a stable address of a prefix of 64 bits. attempt is the number of candidates before it that were duplicates.
func (s *State) stable(prefix netip.Prefix, attempt int) netip.Addr {
	return withID(prefix, permitted(attempt, func(counter uint32) uint64 { return s.opaque(prefix, counter) }))
}

// opaque returns F(Prefix, Net_Iface, Network_ID, DAD_Counter, secret_key) of RFC 7217 §5: the last 64 bits of a SHA-256 digest.
// The network's identification is empty. The name's length stands before the name, so that no two inputs have the same octets.
func (s *State) opaque(prefix netip.Prefix, counter uint32) uint64 {
	a := prefix.Addr().As16()
	b := append([]byte(nil), a[:8]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.cfg.Iface)))
	b = append(append(b, s.cfg.Iface...), s.cfg.MAC[:]...)
	b = binary.BigEndian.AppendUint32(b, counter)
	b = append(b, s.cfg.Secret[:]...)
	digest := sha256.Sum256(b)
	return binary.BigEndian.Uint64(digest[len(digest)-8:])
}

// permitted returns the identifier number attempt, from 0, of those that id returns for the counters 0, 1, 2 and so on and that
// are not reserved (RFC 7217 §5). It passes over at most 16 reserved ones, a number that no hash reaches.
func permitted(attempt int, id func(counter uint32) uint64) uint64 {
	counter := uint32(0)
	for passed := 0; ; counter++ {
		switch v := id(counter); {
		case reservedID(v) && passed < 16:
			passed++
		case attempt == 0:
			return v
		default:
			attempt--
		}
	}
}

// reservedID reports whether an interface identifier is reserved (RFC 5453 §3): that of the subnet-router anycast address, those of
// IANA's block of Ethernet addresses, and those of subnet anycast addresses.
func reservedID(id uint64) bool {
	return id == 0 || id>>24 == 0x0200_5eff_fe || id >= 0xfdff_ffff_ffff_ff80 && id <= 0xfdff_ffff_ffff_ffff
}

// withID returns the address of a prefix of 64 bits with an interface identifier.
func withID(prefix netip.Prefix, id uint64) netip.Addr {
	a := prefix.Addr().As16()
	binary.BigEndian.PutUint64(a[8:], id)
	return netip.AddrFrom16(a)
}
