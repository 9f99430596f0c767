package stack

import "smolsh/stack/wire"

// watchers has the functions that the host calls, and the events that it has not reported yet.
type watchers struct {
	onWork     func()                    // see WatchWork; may be nil
	onMAC      func(a wire.HardwareAddr) // see WatchMAC; may be nil
	onConflict func(ev Event)            // see WatchConflicts; may be nil

	observers        roll[*observer]
	payloadObservers int          // the number of observers that also need payload
	event            *PacketEvent // the argument of observers, for reuse

	listeners      []*eventListener
	tcpEvents      []tcpEvent // events of connections for which connChanged is still to be called; empty without listeners
	neighborEvents []Event    // events of the neighbour caches, not reported yet; empty without listeners
}

// WatchWork sets the function that the host calls whenever an interface may have a frame to transmit, or the host an earlier
// deadline. fn must not call the host. So the owner of many hosts need not query each of them after every call.
func (h *Host) WatchWork(fn func()) { h.watch.onWork = fn }

// WatchMAC sets the function that the host calls with each hardware address that SetMAC gives to an interface.
func (h *Host) WatchMAC(fn func(a wire.HardwareAddr)) { h.watch.onMAC = fn }

// workPending calls the function of WatchWork.
func (h *Host) workPending() {
	if h.watch.onWork != nil {
		h.watch.onWork()
	}
}

// WatchConflicts sets the function that the host calls with every EventConflict. Unlike Events, it costs nothing while
// there is no conflict.
func (h *Host) WatchConflicts(fn func(ev Event)) { h.watch.onConflict = fn }
