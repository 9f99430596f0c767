package stack

import (
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// EventKind is the kind of an Event.
type EventKind uint8

// The kinds of events.
const (
	EventTCP        EventKind = iota // a connection changed its state
	EventConnection                  // a connection became ESTABLISHED, opened by us or by a peer
	EventNeighbor                    // an entry of a neighbour cache was added or removed, or its state or hardware address changed
	EventDrop                        // a packet was dropped, or answered with an error
	EventConflict                    // another station uses our address (RFC 5227)
	EventRecovery                    // an Episode of a connection: loss recovery started or ended, a timeout, an undo, a probe
	EventLink                        // an interface went up or down, or its MTU changed
	EventAddress                     // an address of an interface was added or removed, or its state changed
)

// Event is one event in the host. A field that does not belong to the kind is zero.
type Event struct {
	Kind EventKind
	Now  clock.Instant
	Host *Host

	// Fields of EventTCP and EventConnection.
	Local, Remote netip.AddrPort
	From, To      tcp.State
	Passive       bool  // true if the peer opened the connection
	Err           error // error that ended the connection, nil after an orderly close

	// Fields of EventRecovery, which also has Local and Remote.
	Episode tcp.Episode
	Why     string

	// Field of EventLink, which also has Iface, Old and New: the longest packet in octets after the change.
	MTU int

	// Fields of EventNeighbor, EventConflict and, but for HW, of EventAddress, whose states are those of AddrInfo. EventDrop has
	// only Iface, which is nil if the packet had no interface yet.
	Iface    *Iface
	Addr     netip.Addr
	HW       wire.HardwareAddr // zero while unknown
	Old, New string            // states of the entry, "" for none; in a conflict New is ConflictDefended or ConflictAbandoned

	// Fields of EventDrop.
	Reason drop.Reason
	Dir    Dir
	Medium phy.Medium // medium, which determines the header that Octets starts with
	Octets []byte     // the packet, valid only during the call
}

type eventListener struct{ fn func(ev Event) }

// tcpEvent is an event of a connection that has not been reported yet. It is an episode if why is set, else a change of
// state.
type tcpEvent struct {
	conn     *tcp.Conn
	from, to tcp.State
	episode  tcp.Episode
	why      string
}

// Events calls fn with every event until cancel is called. fn runs during a call to the host, and must not call the
// host.
func (h *Host) Events(fn func(ev Event)) (cancel func()) {
	l := &eventListener{fn}
	h.watch.listeners = append(slices.Clone(h.watch.listeners), l)
	h.watchNeighbors()
	return func() {
		h.watch.listeners = slices.DeleteFunc(slices.Clone(h.watch.listeners), func(o *eventListener) bool { return o == l })
		h.watchNeighbors()
	}
}

func (h *Host) raise(ev Event) {
	ev.Host = h
	for _, l := range h.watch.listeners {
		l.fn(ev)
	}
}

// raiseTCP reports the stored events of a connection.
func (h *Host) raiseTCP(now clock.Instant, c *TCPConn) {
	rest := h.watch.tcpEvents[:0]
	for _, t := range h.watch.tcpEvents {
		if t.conn != c.conn {
			rest = append(rest, t)
			continue
		}
		if t.why != "" {
			h.raise(Event{
				Kind: EventRecovery, Now: now, Local: c.local, Remote: c.remote, Episode: t.episode, Why: t.why,
			})
			continue
		}
		if t.to == tcp.Listen {
			continue // a passive connection's first state lasts only within the call, and is not reported
		}
		ev := Event{Now: now, Local: c.local, Remote: c.remote, From: t.from, To: t.to, Passive: c.half || c.passive}
		c.passive = ev.Passive
		if t.to == tcp.Closed {
			ev.Err = c.Err()
		}
		h.raise(ev)
		if t.to == tcp.Established {
			ev.Kind = EventConnection
			h.raise(ev)
		}
	}
	h.watch.tcpEvents = rest
}

// dropTCPEvents discards the stored events of a connection that the host does not keep.
func (h *Host) dropTCPEvents(conn *tcp.Conn) {
	h.watch.tcpEvents = slices.DeleteFunc(h.watch.tcpEvents, func(t tcpEvent) bool { return t.conn == conn })
}

// watchNeighbors makes the neighbour caches report changes while there are listeners.
func (h *Host) watchNeighbors() {
	for _, i := range h.net.ifaces {
		for _, c := range i.neigh {
			c.Watch = nil
			if len(h.watch.listeners) > 0 {
				c.Watch = i.neighborChanged
			}
		}
	}
	if len(h.watch.listeners) == 0 {
		h.watch.tcpEvents, h.watch.neighborEvents = nil, nil
	}
}

// neighborChanged stores an event for a changed cache entry. raiseNeighbors later adds the time, which the cache does
// not pass, and reports the event.
func (i *Iface) neighborChanged(e *neighbor, from neigh.State, what neigh.Change) {
	ev := Event{Kind: EventNeighbor, Iface: i, Addr: e.Addr, Old: from.String(), New: e.State.String()}
	if e.Usable() || what == neigh.Removed {
		ev.HW = e.HW
	}
	switch what {
	case neigh.Added:
		ev.Old = ""
	case neigh.Removed:
		ev.New = ""
	}
	i.host.watch.neighborEvents = append(i.host.watch.neighborEvents, ev)
}

// raiseNeighbors reports the stored changes of the neighbour caches.
func (h *Host) raiseNeighbors(now clock.Instant) {
	for k := range h.watch.neighborEvents {
		h.watch.neighborEvents[k].Now = now
		h.raise(h.watch.neighborEvents[k])
	}
	h.watch.neighborEvents = h.watch.neighborEvents[:0]
}

// raiseDrop reports the drop of a packet to listeners.
func (h *Host) raiseDrop(now clock.Instant, i *Iface, d Dir, m phy.Medium, octets []byte, r drop.Reason) {
	if len(h.watch.listeners) > 0 {
		h.raise(Event{Kind: EventDrop, Now: now, Iface: i, Reason: r, Dir: d, Medium: m, Octets: octets})
	}
}
