package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/siphash"
	"smolsh/stack/wire"
)

// starts returns the initial sequence number of a new connection and the offset of its timestamp clock. The sequence
// number is a 4 µs clock plus a keyed hash of the connection's addresses and ports (RFC 6528 §3).
func (h *Host) starts(now clock.Instant, local, remote netip.AddrPort) (iss wire.Seq, stampOffset uint32) {
	sum := h.connHash(local, remote)
	return wire.Seq(uint32(now/4000) + uint32(sum)), uint32(sum >> 32)
}

// stampOffset returns the offset of a connection's timestamp clock. It is a hash of the addresses and ports, so that it
// does not reveal the host's clock. It is equal for successive connections of the same two ends, so that their
// timestamps increase (RFC 7323 §5.4, RFC 6191).
func (h *Host) stampOffset(local, remote netip.AddrPort) uint32 {
	return uint32(h.connHash(local, remote) >> 32)
}

// connLabel returns the flow label of a connection's segments over IPv6, 0 over IPv4.
func (h *Host) connLabel(local, remote netip.AddrPort) uint32 {
	if familyOf(remote.Addr()) == ipv4 {
		return 0
	}
	return h.flowLabel(local.Addr(), remote, uint64(local.Port())<<8)
}

// connHash returns a keyed hash of a connection's addresses and ports.
func (h *Host) connHash(local, remote netip.AddrPort) uint64 {
	return h.hash(local.Addr(), remote, uint64(local.Port())<<8)
}

// hash returns SipHash-2-4 of the arguments, keyed with the host's secret.
func (h *Host) hash(local netip.Addr, remote netip.AddrPort, extra uint64) uint64 {
	l, r := local.As16(), remote.Addr().As16()
	be := binary.BigEndian
	return siphash.Sum(h.secret, [6]uint64{
		be.Uint64(l[:]), be.Uint64(l[8:]), be.Uint64(r[:]), be.Uint64(r[8:]), uint64(remote.Port()), extra,
	})
}
