package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/siphash"
	"smolsh/stack/wire"
)

// starts returns the first sequence number and the start of the timestamp clock of a new connection. The sequence number
// is a clock of 4 µs plus a keyed hash of the connection's addresses (RFC 6528 §3).
func (h *Host) starts(now clock.Instant, local, remote netip.AddrPort) (iss wire.Seq, stampOffset uint32) {
	sum := h.connHash(local, remote)
	return wire.Seq(uint32(now/4000) + uint32(sum)), uint32(sum >> 32)
}

// stampOffset returns the start of a connection's timestamp clock. It depends on the addresses, so that it does not reveal
// the host's clock, and continues over successive connections of two ends (RFC 7323 §5.4, RFC 6191).
func (h *Host) stampOffset(local, remote netip.AddrPort) uint32 {
	return uint32(h.connHash(local, remote) >> 32)
}

// connHash returns a keyed hash of a connection's addresses and ports.
func (h *Host) connHash(local, remote netip.AddrPort) uint64 {
	return h.hash(local.Addr(), remote, uint64(local.Port())<<8)
}

// hash returns SipHash-2-4 of the arguments under the host's secret.
func (h *Host) hash(local netip.Addr, remote netip.AddrPort, extra uint64) uint64 {
	l, r := local.As16(), remote.Addr().As16()
	be := binary.BigEndian
	return siphash.Sum(h.secret, [6]uint64{
		be.Uint64(l[:]), be.Uint64(l[8:]), be.Uint64(r[:]), be.Uint64(r[8:]), uint64(remote.Port()), extra,
	})
}
