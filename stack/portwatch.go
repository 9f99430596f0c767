package stack

import (
	"errors"
	"net/netip"

	"smolsh/stack/wire"
)

// portTries is the largest number of ephemeral ports that the host chooses for one socket because WatchPorts refuses them.
const portTries = 64

// heldPort is a port of TCP or UDP: portsTCP or portsUDP, and the number.
type heldPort struct {
	which int
	port  uint16
}

// WatchPorts sets a function that the host calls before a socket gets a TCP or UDP port that no other socket has, with bound true,
// and with bound false when the last socket with the port has ended. A connection counts as a socket until it is removed, and so
// keeps the port in TIME-WAIT. If fn returns an error for a port, the call that needs the port returns the error. An ephemeral port for which
// the error matches ErrPortInUse is replaced by another one. Ports that sockets have already are not reported. Sockets on the loop's
// addresses have no such ports. fn must not call the host.
func (h *Host) WatchPorts(fn func(proto wire.Protocol, port uint16, bound bool) error) {
	h.countPorts()
	h.watch.onPort = fn
}

// AvoidPorts keeps the host from choosing ephemeral ports between first and last, both included. A range that contains all
// ephemeral ports has no effect.
func (h *Host) AvoidPorts(first, last uint16) {
	from, to := max(int(first)-firstEphemeral, 0), int(last)-firstEphemeral+1
	if h.ports.avoided = (portRange{from, to}); to <= from || to-from == numEphemeral {
		h.ports.avoided = portRange{}
	}
}

// portRange is a range of ephemeral ports, as offsets from firstEphemeral. It does not contain to.
type portRange struct{ from, to int }

// skip returns the n-th offset that is not in the range, modulo their number.
func (r portRange) skip(n int) int {
	if n %= numEphemeral - (r.to - r.from); n >= r.from {
		n += r.to - r.from
	}
	return n
}

func (r portRange) has(k int) bool { return r.from <= k && k < r.to }

// freePort returns the first ephemeral port, as an offset, that is in no socket's use, not in taken and not avoided. start is the
// offset at which it begins to search.
func (t *portTable) freePort(which, start int, taken *portSet) (k int, ok bool) {
	k, ok = t.ephemeral[which].free(start, numEphemeral, taken)
	if ok && t.avoided.has(k) {
		k, ok = t.ephemeral[which].free(t.avoided.to%numEphemeral, numEphemeral, taken)
		ok = ok && !t.avoided.has(k)
	}
	return k, ok
}

// countPorts makes the host count the sockets of each port from now on.
func (h *Host) countPorts() {
	t := &h.ports
	if t.held != nil {
		return
	}
	t.held = make(map[heldPort]int)
	for l := range h.sockets.allListeners {
		_ = h.holdPort(portsTCP, l.local)
	}
	for _, c := range h.sockets.conns { // map order does not matter
		_ = h.holdPort(portsTCP, c.local)
	}
	for u := range h.sockets.allUDP {
		_ = h.holdPort(portsUDP, u.local)
	}
	for k := range h.sockets.claims { // map order does not matter
		if k.proto == wire.ProtocolTCP || k.proto == wire.ProtocolUDP {
			_ = h.holdPort(portsOf(k.proto), anyAddress(k.number))
		}
	}
}

// holdPort counts a new socket with the local end. It returns the error of WatchPorts's function. It does nothing unless ports are counted.
func (h *Host) holdPort(which int, local netip.AddrPort) error {
	t := &h.ports
	if t.held == nil || local.Addr().IsLoopback() {
		return nil
	}
	k := heldPort{which, local.Port()}
	if t.held[k] == 0 && h.watch.onPort != nil {
		if err := h.watch.onPort(protocolOf(which), k.port, true); err != nil {
			return err
		}
	}
	t.held[k]++
	return nil
}

// releasePort undoes holdPort.
func (h *Host) releasePort(which int, local netip.AddrPort) {
	t := &h.ports
	if t.held == nil || local.Addr().IsLoopback() {
		return
	}
	k := heldPort{which, local.Port()}
	if t.held[k]--; t.held[k] > 0 {
		return
	}
	delete(t.held, k)
	if h.watch.onPort != nil {
		_ = h.watch.onPort(protocolOf(which), k.port, false)
	}
}

// holds reports whether a socket has the port, if ports are counted.
func (t *portTable) holds(which int, port uint16) bool { return t.held[heldPort{which, port}] > 0 }

// anotherPort reports whether a call that failed with err is to be made once more, because the function of WatchPorts has refused the
// ephemeral port that it chose for local. try is the number of calls so far.
func (h *Host) anotherPort(local netip.AddrPort, err error, try int) bool {
	return err != nil && local.Port() == 0 && h.watch.onPort != nil && try < portTries && errors.Is(err, ErrPortInUse)
}

func protocolOf(which int) wire.Protocol {
	if which == portsTCP {
		return wire.ProtocolTCP
	}
	return wire.ProtocolUDP
}
