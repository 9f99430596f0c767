package proxy

import "sync"

// maxUnaccepted is the number of connections of a route that local opens, or has opened, and peer has not accepted. It is below the 1024 that
// may wait for peer's Accept, so that no burst overflows that queue, whose losses would look like the link's.
const maxUnaccepted = 512

// admission bounds the connections of a route between local's dial and peer's Accept. Connections are known by local's address. Any
// goroutine may call its methods.
type admission struct {
	slots chan struct{} // one value for each connection between begin and accepted

	mu       sync.Mutex
	dialled  map[string]struct{} // connections that hold a slot, after their dial
	accepted map[string]struct{} // connections that peer has accepted before their dial returned
	gone     map[string]struct{} // connections that have ended, and that peer may still accept; at most one for each port of local
}

func newAdmission() *admission {
	return &admission{slots: make(chan struct{}, maxUnaccepted), dialled: map[string]struct{}{}, accepted: map[string]struct{}{},
		gone: map[string]struct{}{}}
}

// begin waits for a slot. It returns false if done is closed first.
func (a *admission) begin(done <-chan struct{}) bool {
	select {
	case a.slots <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

// failed frees the slot of a dial that has failed.
func (a *admission) failed() { <-a.slots }

// opened records that the dial from the address at has succeeded.
func (a *admission) opened(at string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.gone, at) // an earlier connection of the same port, which never reached peer
	a.meet(at, a.accepted, a.dialled)
}

// accept records that peer has accepted the connection from the address at.
func (a *admission) accept(at string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.gone[at]; ok {
		delete(a.gone, at)
		return
	}
	a.meet(at, a.dialled, a.accepted)
}

// meet frees the slot of a connection for which the other side has come already, and otherwise records that this one has. The caller holds
// the lock.
func (a *admission) meet(at string, other, own map[string]struct{}) {
	if _, ok := other[at]; ok {
		delete(other, at)
		<-a.slots
		return
	}
	own[at] = struct{}{}
}

// ended frees the slot of a connection that has ended before peer accepted it, such as one that its program has reset.
func (a *admission) ended(at string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.dialled[at]; ok {
		delete(a.dialled, at)
		a.gone[at] = struct{}{}
		<-a.slots
	}
}
