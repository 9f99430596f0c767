package stack

import "smolsh/stack/wire"

// watchers holds the functions that the host calls, and the events that it has not reported yet.
type watchers struct {
	onWork     func()                                                   // set by WatchWork; may be nil
	work       bool                                                     // true if the host may have work; reset by TakeWork
	onMAC      func(a wire.HardwareAddr)                                // set by WatchMAC; may be nil
	onConflict func(ev Event)                                           // set by WatchConflicts; may be nil
	onPort     func(proto wire.Protocol, port uint16, bound bool) error // set by WatchPorts; may be nil

	observers        roll[*observer]
	payloadObservers int          // number of observers that also need payload
	event            *PacketEvent // argument of observers, for reuse

	listeners      []*eventListener
	tcpEvents      []tcpEvent // unreported events of connections; connChanged reports them; empty without listeners
	neighborEvents []Event    // unreported events of the neighbour caches; empty without listeners
}

// WatchWork sets a function that the host calls when an interface may have a frame to transmit, or the host's deadline
// has become earlier. The host calls fn once, and again only after TakeWork. fn must not call the host. With WatchWork
// the owner of many hosts need not poll each of them after every call.
func (h *Host) WatchWork(fn func()) { h.watch.onWork = fn }

// TakeWork reports whether the host has had work, in the sense of WatchWork, since the previous TakeWork.
func (h *Host) TakeWork() bool {
	had := h.watch.work
	h.watch.work = false
	return had
}

// WatchMAC sets a function that the host calls with each new hardware address of an interface.
func (h *Host) WatchMAC(fn func(a wire.HardwareAddr)) { h.watch.onMAC = fn }

// workPending records that the host has work. It calls WatchWork's function unless it has done so since the last
// TakeWork.
func (h *Host) workPending() {
	if !h.watch.work {
		h.watch.work = true
		h.callOnWork()
	}
}

func (h *Host) callOnWork() {
	if h.watch.onWork != nil {
		h.watch.onWork()
	}
}

// WatchConflicts sets a function that the host calls with every EventConflict. Unlike Events, it costs nothing while
// there is no conflict.
func (h *Host) WatchConflicts(fn func(ev Event)) { h.watch.onConflict = fn }
