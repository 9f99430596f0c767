package mld

import (
	"bytes"
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// entry is the state of one group.
type entry struct {
	group     netip.Addr
	listening bool // true for EXCLUDE {}, false for INCLUDE {}
	last      bool // the Flag of RFC 2710 §5: the host's last report was not suppressed by another listener's

	repeats int  // reports of the last change still to be sent: the Filter Mode Retransmission Counter (RFC 3810 §6.3)
	unsent  bool // true until the last change is sent for the first time
	change  clock.Timer[*entry]

	response   clock.Timer[*entry]
	sources    wire.AddrList // sources to report in the response; empty if it reports the group
	quietUntil clock.Instant // no response for the group is sent before

	next, prev *entry
}

func newEntry(group netip.Addr) *entry {
	e := &entry{group: group}
	e.change.Value, e.response.Value = e, e
	return e
}

// record adds sources to those of the response, without duplicates. It skips addresses that no sender can have. It returns false
// if the response would have more than MaxSources.
func (e *entry) record(sources wire.AddrList) bool {
	for i := range sources.Len() {
		if a := sources.At(i); a.IsUnspecified() || a.IsMulticast() || e.recorded(sources[16*i:16*i+16]) {
			continue
		}
		if e.sources.Len() == MaxSources {
			return false
		}
		e.sources = append(e.sources, sources[16*i:16*i+16]...)
	}
	return true
}

func (e *entry) recorded(source []byte) bool {
	for i := range e.sources.Len() {
		if bytes.Equal(e.sources[16*i:16*i+16], source) {
			return true
		}
	}
	return false
}

// list is a queue of entries linked through next and prev. An entry is in at most one list.
type list struct {
	first, last *entry
	len         int
}

func (l *list) push(e *entry) {
	e.prev, e.next = l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.len++
}

func (l *list) remove(e *entry) {
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
	e.prev, e.next = nil, nil
	l.len--
}
