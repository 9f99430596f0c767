package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/siphash"
	"smolsh/stack/wire"
)

// iss returns an initial sequence number (RFC 6528 §3): a clock of 4 µs plus a keyed hash of the connection's addresses.
func (h *Host) iss(now clock.Instant, local, remote netip.AddrPort) wire.Seq {
	return wire.Seq(uint32(now/4000) + uint32(h.hash(local.Addr(), remote, uint64(local.Port())<<8)))
}

// stampOffset returns the start of a connection's timestamp clock. It depends on the addresses, so that it does not reveal
// the host's clock, and continues over successive connections of two ends (RFC 7323 §5.4, RFC 6191).
func (h *Host) stampOffset(local, remote netip.AddrPort) uint32 {
	return uint32(h.hash(local.Addr(), remote, uint64(local.Port())<<8) >> 32)
}

// hash returns SipHash-2-4 of the arguments under the host's secret.
func (h *Host) hash(local netip.Addr, remote netip.AddrPort, extra uint64) uint64 {
	l, r := local.As16(), remote.Addr().As16()
	be := binary.BigEndian
	return siphash.Sum(h.secret, [6]uint64{
		be.Uint64(l[:]), be.Uint64(l[8:]), be.Uint64(r[:]), be.Uint64(r[8:]), uint64(remote.Port()), extra,
	})
}
