package stack

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/mib"
	"smolsh/stack/neigh"
)

// Rest returns an error that names the first resource the host still holds; nil means that the host is at rest. Every
// host must be at rest when all sockets are closed, all address probes are finished, and Tick and Transmit have been
// called until Deadline is clock.Never.
//
// Configuration may remain: interfaces, addresses, routes, PERMANENT neighbours, and the subscriptions of Events and
// Observe. Caches (neighbours, paths, spare storage) may keep entries, so Rest checks only their bounds.
func (h *Host) Rest() error {
	for _, check := range [...]func() error{h.restSockets, h.restTCP, h.restTimers, h.restEvents, h.restStorage, h.restPaths} {
		if err := check(); err != nil {
			return fmt.Errorf("host %s: %w", h.name, err)
		}
	}
	for _, i := range h.net.ifaces {
		if err := i.rest(); err != nil {
			return fmt.Errorf("host %s: %s: %w", h.name, i.name, err)
		}
	}
	return nil
}

// held is a quantity that must be zero at rest, and its name.
type held struct {
	n    int
	what string
}

// firstHeld returns an error that names the first nonzero quantity, or nil if every quantity is zero.
func firstHeld(all ...held) error {
	for _, x := range all {
		if x.n != 0 {
			return fmt.Errorf("%d %s left", x.n, x.what)
		}
	}
	return nil
}

// restSockets checks that the tables of sockets and ports are empty.
func (h *Host) restSockets() error {
	if all := h.sockets.connections(); len(all) > 0 {
		c := all[0]
		return fmt.Errorf("%d connections left, the first %v to %v, %v", len(all), c.local, c.remote, c.conn.State())
	}
	return firstHeld(
		held{len(h.sockets.connsFrom), "local addresses of connections"}, held{number(h.sockets.allListeners), "listeners"}, held{number(h.sockets.allUDP), "UDP sockets"},
		held{len(h.sockets.icmpByID), "ICMP sockets"}, held{len(h.sockets.icmpByUDP), "ICMP sockets for a UDP port"},
		held{len(h.sockets.raw), "protocols with raw sockets"}, held{len(h.sockets.rawSenders), "peers of raw sockets"},
		held{len(h.sockets.frames), "kinds of frame sockets"}, held{len(h.sockets.claims), "claims"}, held{h.ports.icmpIDs.n, "ICMP identifiers"},
		held{len(h.ports.users[portsTCP]), "TCP ports with listeners"}, held{h.ports.ephemeral[portsTCP].n, "TCP ports in the set"},
		held{len(h.ports.users[portsUDP]), "UDP ports"}, held{h.ports.ephemeral[portsUDP].n, "UDP ports in the set"},
		held{len(h.ports.held), "ports in the count"}, held{len(h.ports.byDest), "destinations with ports of connections"}, held{h.sockets.open, "sockets in the sum"},
	)
}

// number returns the number of values of a walk.
func number[T any](all func(yield func(T) bool)) (n int) {
	for range all {
		n++
	}
	return n
}

// restTCP checks the sums, lists and timers that the host keeps for connections outside the table of connections.
func (h *Host) restTCP() error {
	if h.sockets.recent != nil {
		return fmt.Errorf("the connection found last is kept")
	}
	return firstHeld(
		held{h.memory.buffers.used, "octets of buffers in the sum"}, held{h.memory.outOfOrder.used, "octets beyond gaps in the sum"},
		held{h.memory.buffers.order.Len(), "addresses that hold buffers"}, held{h.memory.outOfOrder.order.Len(), "addresses that hold octets beyond gaps"},
		held{int(h.stats.counters[mib.TCPCurrEstab]), "established connections in the counter"},
	)
}

// restTimers checks that no timer runs.
func (h *Host) restTimers() error {
	return firstHeld(
		held{h.tcp.timers.Len(), "connection timers"}, held{len(h.tcp.doubts), "connections in doubt about a neighbour"},
		held{h.igmp.reports.Len(), "IGMP report timers"},
		held{h.igmp.memberships, "group memberships in the sum"}, held{h.net.addrProbes.Len(), "address probe timers"},
		held{h.reassembly.Timers(), "reassembly timers"},
	)
}

// restEvents checks that every event has been reported.
func (h *Host) restEvents() error {
	if h.watch.event != nil && h.watch.event.Frame != nil {
		return fmt.Errorf("the frame that observers saw last is kept")
	}
	return firstHeld(held{len(h.watch.tcpEvents), "TCP events not reported"}, held{len(h.watch.neighborEvents), "neighbour events not reported"})
}

// restStorage checks reassembly and the pools of frames.
func (h *Host) restStorage() error {
	if err := h.reassembly.CheckSpare(); err != nil {
		return err
	}
	return firstHeld(
		held{h.reassembly.Len(), "incomplete datagrams"}, held{h.reassembly.Storage(), "octets of fragments in the sum"},
		held{h.frames.lent, "frames of the pools not given back"},
	)
}

// restPaths checks the bound of the path MTU table.
func (h *Host) restPaths() error {
	n, most := h.net.paths.Len(), h.limits.Paths
	if n > most {
		return fmt.Errorf("%d narrow paths known, %d allowed", n, most)
	}
	if k := h.net.paths.Aged(); k != n {
		return fmt.Errorf("%d narrow paths known, %d by age", n, k)
	}
	return nil
}

// rest checks one interface.
func (i *Iface) rest() error {
	owed := 0
	for _, c := range i.neigh {
		if n, most := c.Len(), c.Config().Entries; n > most {
			return fmt.Errorf("%d neighbours known, %d allowed", n, most)
		}
		if c.Owes() {
			owed++
		}
	}
	for _, e := range i.neighbors() {
		if n := e.Pending.datagrams.n + len(e.Pending.conns); n > 0 {
			return fmt.Errorf("%d datagrams and connections wait for neighbour %v, which is %v", n, e.Addr, e.State)
		}
		if e.State != neigh.Permanent && e.Expires() == clock.Never {
			return fmt.Errorf("neighbour %v is %v and has no timer", e.Addr, e.State)
		}
	}
	return firstHeld(
		held{len(i.addresses.probes), "address probes"}, held{i.groups.joined(), "groups"}, held{len(i.groups.byAddr) - i.groups.list.len(), "groups by address"},
		held{i.unreported(), "changes of groups to report"}, held{i.out.replies.n, "answers queued"}, held{i.out.datagrams.n, "datagrams queued"}, held{i.out.ready.n, "connections ready to send"},
		held{i.neigh[ipv4].Unresolved() + i.neigh[ipv6].Unresolved(), "unresolved neighbours"}, held{owed, "or more caches owe requests"},
	)
}

// AbortAll ends every socket and every address probe at once, as an operating system does when it kills programs.
// Connections are aborted by RST, and their unread data is lost. RSTs and IGMP leave messages are then pending, so the
// caller must make the host transmit.
func (h *Host) AbortAll(now clock.Instant) {
	listeners := make([]*TCPListener, 0, len(h.sockets.listeners))
	for l := range h.sockets.allListeners {
		listeners = append(listeners, l)
	}
	slices.SortFunc(listeners, func(a, b *TCPListener) int { return cmp.Compare(a.id, b.id) })
	for _, l := range listeners {
		l.Close(now)
	}
	for _, c := range h.sockets.connections() {
		c.Abort(now)
	}
	closers := make(map[uint64]func())
	for u := range h.sockets.allUDP {
		closers[u.id] = u.Close
	}
	for _, table := range [...]map[uint16]*ICMPConn{h.sockets.icmpByID, h.sockets.icmpByUDP} {
		for _, c := range table {
			closers[c.id] = c.Close
		}
	}
	for _, sockets := range h.sockets.raw {
		for c := range sockets.all {
			closers[c.id] = c.Close
		}
	}
	for _, sockets := range h.sockets.frames {
		for c := range sockets.all {
			closers[c.id] = c.Close
		}
	}
	for _, c := range h.sockets.claims {
		closers[c.id] = c.Release
	}
	for _, id := range slices.Sorted(maps.Keys(closers)) {
		closers[id]()
	}
	for _, i := range h.net.ifaces {
		for _, c := range slices.Clone(i.addresses.probes) {
			c.Cancel()
		}
	}
}
