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

// The kinds.
const (
	EventTCP        EventKind = iota // a connection changed its state
	EventConnection                  // a connection became ESTABLISHED, opened by us or by a peer
	EventNeighbor                    // an entry of a neighbour cache was added or removed, or its state or hardware address changed
	EventDrop                        // a packet was dropped, or answered with an error
	EventConflict                    // another station uses our address (RFC 5227)
	EventRecovery                    // loss recovery of a connection started or ended, or it had a timeout, an undo or a probe
	EventLink                        // an interface went up or down, or its MTU changed
)

// Event is one event in the host. Fields that do not belong to its kind are zero.
type Event struct {
	Kind EventKind
	Now  clock.Instant
	Host *Host

	// Of EventTCP and EventConnection.
	Local, Remote netip.AddrPort
	From, To      tcp.State
	Passive       bool  // the peer opened the connection
	Err           error // the error that ended the connection, nil after an orderly close

	// Of EventRecovery, with Local and Remote.
	Episode tcp.Episode
	Why     string

	// Of EventLink, with Iface, Old and New: the length of the longest packet, in octets, after the change.
	MTU int

	// Of EventNeighbor and EventConflict. EventDrop has only Iface, nil for a packet dropped before its interface was chosen.
	Iface    *Iface
	Addr     netip.Addr
	HW       wire.HardwareAddr // zero while unknown
	Old, New string            // states of the entry, "" if there is none; New of a conflict is ConflictDefended or …Abandoned

	// Of EventDrop.
	Reason drop.Reason
	Dir    Dir
	Medium phy.Medium // the medium whose header Octets start with
	Octets []byte     // the packet; valid during the call only
}

type eventListener struct{ fn func(ev Event) }

// tcpEvent is an event of a connection that connChanged has not reported yet: an episode if why is set, else a change of state.
type tcpEvent struct {
	conn     *tcp.Conn
	from, to tcp.State
	episode  tcp.Episode
	why      string
}

// Events calls fn with every event until cancel is called. fn runs in the middle of a call to the host: it must not call
// the host itself.
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

// raiseTCP reports the events of a connection.
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
			continue // the first state of a passive connection, which lasts only within the call
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

// dropTCPEvents discards the events of a connection that was not stored.
func (h *Host) dropTCPEvents(conn *tcp.Conn) {
	h.watch.tcpEvents = slices.DeleteFunc(h.watch.tcpEvents, func(t tcpEvent) bool { return t.conn == conn })
}

// watchNeighbors makes the neighbour caches report their changes while there are listeners.
func (h *Host) watchNeighbors() {
	for _, i := range h.net.ifaces {
		i.neigh.Watch = nil
		if len(h.watch.listeners) > 0 {
			i.neigh.Watch = i.neighborChanged
		}
	}
	if len(h.watch.listeners) == 0 {
		h.watch.tcpEvents, h.watch.neighborEvents = nil, nil
	}
}

// neighborChanged stores the event of a change. The cache does not pass the time, so raiseNeighbors adds it and reports.
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

// raiseNeighbors reports the changes in the neighbour caches since the last call.
func (h *Host) raiseNeighbors(now clock.Instant) {
	for k := range h.watch.neighborEvents {
		h.watch.neighborEvents[k].Now = now
		h.raise(h.watch.neighborEvents[k])
	}
	h.watch.neighborEvents = h.watch.neighborEvents[:0]
}

// raiseDrop reports that a packet was dropped.
func (h *Host) raiseDrop(now clock.Instant, i *Iface, d Dir, m phy.Medium, octets []byte, r drop.Reason) {
	if len(h.watch.listeners) > 0 {
		h.raise(Event{Kind: EventDrop, Now: now, Iface: i, Reason: r, Dir: d, Medium: m, Octets: octets})
	}
}
