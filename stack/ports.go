package stack

import (
	"math/rand/v2"
	"net/netip"
)

// The ephemeral ports (RFC 6335 §6).
const (
	firstEphemeral = 49152
	numEphemeral   = 1 << 14
)

// Indices of the protocols whose ephemeral ports are counted.
const (
	portsTCP = iota
	portsUDP
	numPorts
)

// portTable holds the ports and ICMP identifiers in use.
type portTable struct {
	users     [numPorts]map[uint16]int // number of listeners or UDP sockets with a port, whatever their address
	ephemeral [numPorts]portSet        // ephemeral ports in users, as offsets from firstEphemeral
	byDest    map[flow]*destPorts      // ports of connections, by local address, remote address and remote port
	spare     *destPorts               // an unused destPorts, for reuse; nil if there is none
	icmpIDs   portSet                  // the identifiers of ICMP sockets
	last      [numPorts]uint16         // RFC 6056's counters
}

func (t *portTable) init(rng *rand.Rand) {
	t.users = [numPorts]map[uint16]int{{}, {}}
	t.byDest = make(map[flow]*destPorts)
	t.last = [numPorts]uint16{uint16(rng.Uint32()), uint16(rng.Uint32())}
}

// ephemeral chooses a local port by algorithm 3 of RFC 6056, a counter whose start depends on the destination. Ports do
// not repeat soon, and one destination can't infer the ports to another. The chosen port is used by no bound socket of
// the protocol, and is not in taken, which may be nil. Errors: ErrNoPorts.
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

// ephemeralTo chooses a local port for a connection. The port may be that of a connection to another destination.
func (h *Host) ephemeralTo(local, remote netip.AddrPort) (uint16, error) {
	var taken *portSet
	if d := h.ports.byDest[flowOf(netip.AddrPortFrom(local.Addr(), 0), remote)]; d != nil {
		taken = &d.many
	}
	for range numEphemeral { // usually one turn: few connections to the destination have the port
		port, err := h.ephemeral(portsTCP, local, remote, taken)
		if err != nil || h.sockets.conns[flowOf(netip.AddrPortFrom(local.Addr(), port), remote)] == nil {
			return port, err
		}
	}
	return 0, ErrNoPorts
}

// bind counts one more socket of a protocol on a port.
func (t *portTable) bind(which int, port uint16) {
	if t.users[which][port]++; port >= firstEphemeral {
		t.ephemeral[which].add(int(port)-firstEphemeral, numEphemeral)
	}
}

// unbind counts one socket of a protocol less on a port.
func (t *portTable) unbind(which int, port uint16) {
	ports := t.users[which]
	if ports[port]--; ports[port] > 0 {
		return
	}
	if delete(ports, port); port >= firstEphemeral {
		t.ephemeral[which].remove(int(port) - firstEphemeral)
	}
}
