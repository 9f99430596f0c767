package neigh

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// State is an entry's state, named as in RFC 4861 §7.3.2.
type State uint8

// The states of an entry.
const (
	Incomplete State = iota // a request was sent and not answered yet
	Reachable               // the entry was confirmed less than a lifetime ago
	Stale                   // the entry was not confirmed for a lifetime, or never; its next use starts DELAY
	Delay                   // a packet was sent to a STALE entry; an upper layer may confirm it before PROBE
	Probe                   // the entry is used, while unicast requests verify it (RFC 1122 §2.3.2.1)
	Failed                  // the neighbour did not answer
	Permanent               // the entry was set by hand
)

var stateNames = [...]string{"INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "PERMANENT"}

// String returns the state's name in capitals.
func (s State) String() string { return stateNames[s] }

// Change is the kind of a change of an entry.
type Change uint8

// The kinds of changes.
const (
	Added   Change = iota // the entry is new
	Changed               // the state has changed, or the hardware address of a Usable entry
	Removed               // the entry was removed
)

// Entry is one neighbour. W is the type of the packets that the cache's owner keeps until the answer arrives. Only the
// cache changes the other fields.
type Entry[W any] struct {
	Addr        netip.Addr
	HW          wire.HardwareAddr // valid in every state but INCOMPLETE and FAILED
	State       State
	Probes      int           // requests sent since the entry was last confirmed
	Since       clock.Instant // time of the last confirmation, or of the entry's creation
	Pending     W             // packets of the cache's owner
	Router      bool          // IsRouter of RFC 4861 §7.2.5: true if the neighbour says that it is a router; see SetRouter
	Demoted     bool          // true if the last call of Advertised or SetRouter changed Router from true to false
	used        bool          // true if the host has sent a packet of its own to the neighbour; see Learn
	forReply    bool          // true if INCOMPLETE and needed only by packets that others have caused
	fresh       bool          // true until the new entry is reported to Watch
	requested   bool          // true if a request was sent, at lastRequest
	lastRequest clock.Instant
	until       clock.Instant // end of the confirmation of a REACHABLE entry; its timer may be due earlier
	timer       clock.Timer[*Entry[W]]
	age         clock.Timer[*Entry[W]] // in place of timer, see Cache.Upkeep

	in         *list[W] // eviction class that contains the entry
	next, prev *Entry[W]

	owed               bool // true while the entry is in the queue of requests
	nextOwed, prevOwed *Entry[W]
}

// Expires returns the time of the entry's next change by a timer, clock.Never for a PERMANENT entry.
func (e *Entry[W]) Expires() clock.Instant {
	if e.State == Reachable {
		return e.until
	}
	return min(e.timer.At(), e.age.At())
}

// Usable reports whether frames may be sent to HW.
func (e *Entry[W]) Usable() bool { return e.State != Incomplete && e.State != Failed }

// Unconfirmed reports whether an upper layer should confirm the entry: it is STALE, DELAY or PROBE.
func (e *Entry[W]) Unconfirmed() bool {
	return e.State == Stale || e.State == Delay || e.State == Probe
}

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
