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
	users     [numPorts]map[familyPort]int // number of listeners or UDP sockets with a port, whatever their address
	ephemeral [numPorts]portSet            // ephemeral ports in users, as offsets from firstEphemeral
	byDest    map[flow]*destPorts          // ports of connections, by local address, remote address and remote port
	spare     *destPorts                   // an unused destPorts, for reuse; nil if there is none
	icmpIDs   portSet                      // the identifiers of ICMP sockets, and those that are claimed
	last      [numPorts]uint16             // RFC 6056's counters
	held      map[heldPort]int             // number of sockets of each port, connections included; nil unless the host counts them
	avoided   portRange                    // ephemeral ports that the host does not choose
}

func (t *portTable) init(rng *rand.Rand) {
	t.users = [numPorts]map[familyPort]int{{}, {}}
	t.byDest = make(map[flow]*destPorts)
	t.last = [numPorts]uint16{uint16(rng.Uint32()), uint16(rng.Uint32())}
}

// ephemeral chooses a local port by algorithm 3 of RFC 6056, a counter whose start depends on the destination. Ports do
// not repeat soon, and one destination can't infer the ports to another. The chosen port is used by no bound socket of
// the protocol, and is not in taken, which may be nil. Errors: ErrNoPorts.
func (h *Host) ephemeral(which int, local, remote netip.AddrPort, taken *portSet) (uint16, error) {
	last := &h.ports.last[which]
	start := h.ports.avoided.skip(int((h.hash(local.Addr(), remote, uint64(which)+1) + uint64(*last) + 1) % numEphemeral))
	k, ok := h.ports.freePort(which, start, taken)
	if !ok {
		return 0, ErrNoPorts
	}
	*last += uint16((k-start+numEphemeral)%numEphemeral) + 1
	return firstEphemeral + uint16(k), nil
}

// ephemeralTo chooses a local port for a connection. The port may be that of a connection to another destination.
func (h *Host) ephemeralTo(local, remote netip.AddrPort) (uint16, error) {
	var taken *portSet
	if d := h.ports.byDest[h.net.flowOf(netip.AddrPortFrom(local.Addr(), 0), remote)]; d != nil {
		taken = &d.many
	}
	for range numEphemeral { // usually one turn: few connections to the destination have the port
		port, err := h.ephemeral(portsTCP, local, remote, taken)
		if err != nil || h.sockets.conns[h.net.flowOf(netip.AddrPortFrom(local.Addr(), port), remote)] == nil {
			return port, err
		}
	}
	return 0, ErrNoPorts
}

// familyPort is a port in one family.
type familyPort struct {
	family family
	port   uint16
}

// families is the range of families for which a socket receives.
type families struct{ first, last family }

// familiesOf returns the families of a socket bound to a. Bound to :: or to the zero Addr it receives for both, or for IPv6 only
// (RFC 3493 §5.3) if only6 is set.
func familiesOf(a netip.Addr, only6 bool) families {
	switch {
	case a.IsValid() && a.Is4():
		return families{ipv4, ipv4}
	case a.IsValid() && !a.IsUnspecified() || only6:
		return families{ipv6, ipv6}
	}
	return families{ipv4, ipv6}
}

// anyAddr returns the address to which a socket for all addresses is bound, in the form that Local returns: the zero Addr for both
// families, :: for IPv6 alone, 0.0.0.0 for IPv4 alone.
func (fs families) anyAddr() netip.Addr {
	switch {
	case fs.last == ipv4:
		return netip.IPv4Unspecified()
	case fs.first == ipv6:
		return netip.IPv6Unspecified()
	}
	return netip.Addr{}
}

// isAny reports whether a socket bound to a receives packets to every address of its families.
func isAny(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }

// anyInUse reports whether inUse is true for one of the families.
func (t *portTable) anyInUse(which int, fs families, port uint16) bool {
	return t.inUse(which, fs.first, port) || t.inUse(which, fs.last, port)
}

// inUse reports whether a listener or UDP socket has the port in a family.
func (t *portTable) inUse(which int, f family, port uint16) bool {
	return t.users[which][familyPort{f, port}] > 0
}

// bind counts one more socket of a protocol on a port, in each family for which it receives.
func (t *portTable) bind(which int, fs families, port uint16) {
	for f := fs.first; f <= fs.last; f++ {
		t.users[which][familyPort{f, port}]++
	}
	if port >= firstEphemeral {
		t.ephemeral[which].add(int(port)-firstEphemeral, numEphemeral)
	}
}

// unbind counts one socket of a protocol less on a port.
func (t *portTable) unbind(which int, fs families, port uint16) {
	for f := fs.first; f <= fs.last; f++ {
		key := familyPort{f, port}
		if t.users[which][key]--; t.users[which][key] <= 0 {
			delete(t.users[which], key)
		}
	}
	if port >= firstEphemeral && !t.inUse(which, ipv4, port) && !t.inUse(which, ipv6, port) {
		t.ephemeral[which].remove(int(port) - firstEphemeral)
	}
}
