package stack

import "smolsh/stack/wire"

// watchers has the functions that the host calls, and the events that it has not reported yet.
type watchers struct {
	onWork     func()                    // see WatchWork; may be nil
	work       bool                      // see TakeWork
	onMAC      func(a wire.HardwareAddr) // see WatchMAC; may be nil
	onConflict func(ev Event)            // see WatchConflicts; may be nil

	observers        roll[*observer]
	payloadObservers int          // the number of observers that also need payload
	event            *PacketEvent // the argument of observers, for reuse

	listeners      []*eventListener
	tcpEvents      []tcpEvent // events of connections for which connChanged is still to be called; empty without listeners
	neighborEvents []Event    // events of the neighbour caches, not reported yet; empty without listeners
}

// WatchWork sets the function that the host calls when an interface may have a frame to transmit, or the host an earlier
// deadline: once until the next call of TakeWork. fn must not call the host. The owner of many hosts thus need not ask
// each of them after every call.
func (h *Host) WatchWork(fn func()) { h.watch.onWork = fn }

// TakeWork reports whether the host has had work, in the sense of WatchWork, since the last call of TakeWork.
func (h *Host) TakeWork() bool {
	had := h.watch.work
	h.watch.work = false
	return had
}

// WatchMAC sets the function that the host calls with each hardware address that SetMAC gives to an interface.
func (h *Host) WatchMAC(fn func(a wire.HardwareAddr)) { h.watch.onMAC = fn }

// workPending notes that the host has work, and calls the function of WatchWork unless it has done so already.
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

// WatchConflicts sets the function that the host calls with every EventConflict. Unlike Events, it costs nothing while
// there is no conflict.
func (h *Host) WatchConflicts(fn func(ev Event)) { h.watch.onConflict = fn }
