// Package addrsel selects addresses by the rules of RFC 6724: the source address of packets to a destination (§5), and the
// order in which a host tries the addresses of a name (§6). It is pure: the caller lists the addresses with their states.
//
// Addresses of IPv4 take part in the form of IPv4-mapped ones (§3.2). Zones are ignored. Mobile IP and encapsulating
// interfaces do not exist here, so §5 rule 4 and §6 rules 4 and 7 never decide.
package addrsel

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Scope is the scope of an address. Its values are those of the scope field of a group (RFC 4291 §2.7), and a smaller value
// is a smaller scope.
type Scope uint8

// Scopes of unicast addresses (RFC 6724 §3.1).
const (
	LinkLocal Scope = 2
	SiteLocal Scope = 5
	Global    Scope = 14
)

// ScopeOf returns the scope of an address. That of a group is in its scope field. Loopback addresses are link-local, as are
// autoconfigured addresses of IPv4 (RFC 6724 §3.2, §3.4). Unique local addresses and the private addresses of IPv4 are global.
func ScopeOf(a netip.Addr) Scope {
	if a = a.Unmap(); a.Is4() {
		if a.IsLoopback() || a.IsLinkLocalUnicast() {
			return LinkLocal
		}
		return Global
	}
	v := a.As16()
	switch {
	case v[0] == 0xff:
		return Scope(v[1] & 15)
	case v[0] == 0xfe && v[1]>>6 == 2, a.IsLoopback():
		return LinkLocal
	case v[0] == 0xfe && v[1]>>6 == 3: // deprecated by RFC 3879, but the rules still know it
		return SiteLocal
	}
	return Global
}

// mapped returns a without its zone, and as an IPv4-mapped address if it is one of IPv4.
func mapped(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }

// commonPrefixLen returns the number of leading bits that a source's prefix and a destination share (RFC 6724 §2.2). size
// is the length in bits of the source's prefix, which may be out of range. Both addresses count as 128 bits.
func commonPrefixLen(src netip.Addr, size int, dst netip.Addr) int {
	size = max(0, min(size, src.BitLen())) + 128 - src.BitLen()
	s, d := src.As16(), dst.As16()
	n := bits.LeadingZeros64(binary.BigEndian.Uint64(s[:8]) ^ binary.BigEndian.Uint64(d[:8]))
	if n == 64 {
		n += bits.LeadingZeros64(binary.BigEndian.Uint64(s[8:]) ^ binary.BigEndian.Uint64(d[8:]))
	}
	return min(n, size)
}

// ordinal returns 1 for true, so that true ranks above false.
func ordinal(b bool) int {
	if b {
		return 1
	}
	return 0
}
