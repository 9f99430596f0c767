package stack

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/siphash"
	"smolsh/stack/wire"
)

// The ephemeral ports (RFC 6335 §6).
const (
	firstEphemeral = 49152
	numEphemeral   = 1 << 14
)

// The protocols whose ephemeral ports are counted.
const (
	portsTCP = iota
	portsUDP
	numPorts
)

// portTable is the ports and ICMP identifiers in use.
type portTable struct {
	users     [numPorts]map[uint16]int // the number of listeners or UDP sockets with a port, whatever their address
	ephemeral [numPorts]portSet        // the ephemeral ports among those, counted from the first
	byDest    map[flow]*destPorts      // of connections, by local and remote address and remote port
	icmpIDs   portSet                  // the identifiers of ICMP sockets
	last      [numPorts]uint16         // RFC 6056's counters
}

func (t *portTable) init(rng *rand.Rand) {
	t.users = [numPorts]map[uint16]int{{}, {}}
	t.byDest = make(map[flow]*destPorts)
	t.last = [numPorts]uint16{uint16(rng.Uint32()), uint16(rng.Uint32())}
}

// ephemeral chooses a local port by RFC 6056's algorithm 3: a counter whose start depends on the destination, so that
// ports neither repeat soon nor tell one destination about another. The port is one that no socket of the protocol is
// bound to, and not in taken, which may be nil. ErrNoPorts.
func (h *Host) ephemeral(which int, local, remote netip.AddrPort, taken *portSet) (uint16, error) {
	last := &h.ports.last[which]
	start := int((h.hash(local.Addr(), remote, uint64(which)+1) + uint64(*last) + 1) % numEphemeral)
	k, ok := h.ports.ephemeral[which].free(start, numEphemeral, taken)
	if !ok {
		return 0, ErrNoPorts
	}
	*last += uint16((k-start+numEphemeral)%numEphemeral) + 1
	return firstEphemeral + uint16(k), nil
}

// ephemeralTo is ephemeral for a connection: ports of connections to other destinations are free.
func (h *Host) ephemeralTo(local, remote netip.AddrPort) (uint16, error) {
	var taken *portSet
	if d := h.ports.byDest[flowOf(netip.AddrPortFrom(local.Addr(), 0), remote)]; d != nil {
		taken = &d.many
	}
	for range numEphemeral { // mostly once: beside the few to the destination, only a connection that the peer opened is in the way
		port, err := h.ephemeral(portsTCP, local, remote, taken)
		if err != nil || h.sockets.conns[flowOf(netip.AddrPortFrom(local.Addr(), port), remote)] == nil {
			return port, err
		}
	}
	return 0, ErrNoPorts
}

// bind notes that one more socket of a protocol is bound to a port.
func (t *portTable) bind(which int, port uint16) {
	if t.users[which][port]++; port >= firstEphemeral {
		t.ephemeral[which].add(int(port)-firstEphemeral, numEphemeral)
	}
}

// unbind notes that a socket of a protocol that was bound to a port is closed.
func (t *portTable) unbind(which int, port uint16) {
	ports := t.users[which]
	if ports[port]--; ports[port] > 0 {
		return
	}
	if delete(ports, port); port >= firstEphemeral {
		t.ephemeral[which].remove(int(port) - firstEphemeral)
	}
}

// iss chooses an initial sequence number (RFC 6528 §3): a clock of 4 µs plus a keyed hash of the
// connection's addresses.
func (h *Host) iss(now clock.Instant, local, remote netip.AddrPort) wire.Seq {
	return wire.Seq(uint32(now/4000) + uint32(h.hash(local.Addr(), remote, uint64(local.Port())<<8)))
}

// stampOffset is where a connection's timestamp clock starts: by its addresses, so that it says nothing of
// the host's, and goes on over the connections of one pair of ends (RFC 7323 §5.4, RFC 6191).
func (h *Host) stampOffset(local, remote netip.AddrPort) uint32 {
	return uint32(h.hash(local.Addr(), remote, uint64(local.Port())<<8) >> 32)
}

// hash is SipHash-2-4 of the arguments under the host's secret.
func (h *Host) hash(local netip.Addr, remote netip.AddrPort, extra uint64) uint64 {
	l, r := local.As16(), remote.Addr().As16()
	be := binary.BigEndian
	return siphash.Sum(h.secret, [6]uint64{
		be.Uint64(l[:]), be.Uint64(l[8:]), be.Uint64(r[:]), be.Uint64(r[8:]), uint64(remote.Port()), extra,
	})
}
