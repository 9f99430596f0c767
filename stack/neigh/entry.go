package neigh

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// State is an entry's state, named as in RFC 4861 §7.3.2. ARP has no DELAY; the name is kept for
// neighbour discovery.
type State uint8

// The states.
const (
	Incomplete State = iota // asked, not answered yet
	Reachable               // confirmed less than a lifetime ago
	Stale                   // not confirmed since; used as it is, and verified on use
	Delay                   // reserved for RFC 4861
	Probe                   // used while unicast requests verify it (RFC 1122 §2.3.2.1)
	Failed                  // did not answer
	Permanent               // set by hand
)

var stateNames = [...]string{"INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "PERMANENT"}

// String is the state's name in capitals.
func (s State) String() string { return stateNames[s] }

// Change is what happened to an entry.
type Change uint8

// The changes.
const (
	Added   Change = iota // it is new
	Changed               // its state, or the hardware address of a REACHABLE one
	Removed               // it is gone
)

// Entry is what is known of one neighbour. W is what its owner keeps waiting for the answer. Only the
// cache changes the other fields.
type Entry[W any] struct {
	Addr        netip.Addr
	HW          wire.HardwareAddr // meaningful but in INCOMPLETE and FAILED
	State       State
	Probes      int           // requests sent since the entry was last confirmed
	Since       clock.Instant // when it was last confirmed, or made
	Pending     W             // the owner's
	used        bool          // we have sent to it of our own accord since it was last confirmed
	forReply    bool          // INCOMPLETE for the sake of an answer to somebody's packet
	fresh       bool          // made, and nobody told of it yet
	requested   bool          // a request has been sent at lastAsk
	lastRequest clock.Instant
	timer       clock.Timer[*Entry[W]]

	in         *list[W] // the eviction class it stands in
	next, prev *Entry[W]

	owed               bool // stands in the queue of requests
	nextOwed, prevOwed *Entry[W]
}

// Expires is when the entry changes by itself; clock.Never for a PERMANENT one.
func (e *Entry[W]) Expires() clock.Instant { return e.timer.At() }

// Usable reports whether frames may be sent to HW.
func (e *Entry[W]) Usable() bool { return e.State != Incomplete && e.State != Failed }

// list is a queue of entries linked through next and prev.
type list[W any] struct{ first, last *Entry[W] }

func (l *list[W]) push(e *Entry[W]) {
	e.in, e.prev, e.next = l, l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
}

func (l *list[W]) remove(e *Entry[W]) {
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = nil, nil, nil
}
