// Package mld is the listener's side of Multicast Listener Discovery on one interface, versions 2 and 1: which groups the host
// reports, when it reports them, and the ICMPv6 messages. It is a pure value: its owner counts the members of each group, parses the
// queries, passes the time as an argument, and calls Next when it can transmit.
//
// Sources: RFC 3810 §4.2, §5.2, §6 and §8.2 for version 2, RFC 2710 §4 and §5 for version 1, RFC 3590 §4 for reports without an
// address, RFC 9777 §8.2.1 for the queries that select version 1. Left out: source filters of sockets (a group's state is either
// EXCLUDE {} or INCLUDE {}), suppression by reports of version 1 while no router speaks version 1 (RFC 3810 §8.2.2 permits it), and
// the router's side.
//
// Limits: a listener records at most MaxSources sources for a group, and keeps at most Config.Left groups that were left. A query
// costs a look-up and at most MaxSources² comparisons, however many groups the host has joined. A flood of queries causes at most
// one response for all groups in generalGap, and one for each group in groupGap. A Listener is single-owner: one goroutine at a time
// may call it.
package mld

import (
	"net/netip"
	"time"

	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Listener is the state of one interface. See New.
type Listener struct {
	cfg    Config
	down   bool
	groups map[netip.Addr]*entry // the entries of both lists
	peak   int                   // see buf.ShrinkMap
	joined list                  // groups in EXCLUDE {}, in the order of joining
	left   list                  // groups in INCLUDE {} whose change is still to be reported, in the order of leaving

	changes   clock.Heap[*entry] // Retransmission Timers of state changes (RFC 3810 §6.3)
	responses clock.Heap[*entry] // Multicast Address Timers (RFC 3810 §6.2)
	general   generalResponse

	v1Until          clock.Instant // end of the Older Version Querier Present timer (RFC 3810 §8.2.1), 0 in version 2
	robustness       int           // Robustness Variable, 2 to 7
	interval         time.Duration // Query Interval
	responseInterval time.Duration // Query Response Interval: the Maximum Response Delay of the last general query
}

// generalResponse is the pending response to a general query.
type generalResponse struct {
	timer      clock.Instant // Interface Timer (RFC 3810 §6.2), Never if no response is pending
	latest     clock.Instant // in version 1: the time until which every group must be reported
	quietUntil clock.Instant // no response starts before
	next       *entry        // next group of the response that is being sent, nil if none is
	started    clock.Instant // time at which that response was due
}

// New returns a listener without groups, on an interface that is up.
func New(cfg Config) *Listener {
	l := &Listener{cfg: cfg.withDefaults(), groups: make(map[netip.Addr]*entry)}
	l.forgetQuerier()
	return l
}

// forgetQuerier sets the variables that a querier changes to their defaults, and the protocol to version 2.
func (l *Listener) forgetQuerier() {
	l.general = generalResponse{timer: clock.Never, latest: clock.Never}
	l.v1Until = 0
	l.robustness, l.interval, l.responseInterval = l.cfg.Robustness, l.cfg.QueryInterval, queryResponseInterval
}

// Reportable reports whether MLD reports a group: every multicast address except ff02::1 and the groups of scopes 0 and 1
// (RFC 3810 §6).
func Reportable(group netip.Addr) bool {
	return group.Is6() && group.IsMulticast() && group != wire.AllNodes6 && group.As16()[1]&0xf > 1
}

// Len returns the number of groups that are joined and reported.
func (l *Listener) Len() int { return l.joined.len }

// Leaving returns the number of groups that were left and whose change is still to be reported, 0 to Config.Left.
func (l *Listener) Leaving() int { return l.left.len }

// Joined reports whether the group is joined. It is false for groups that are not Reportable.
func (l *Listener) Joined(group netip.Addr) bool {
	e := l.groups[group]
	return e != nil && e.listening
}

// Version returns the protocol's version on the interface at time now: 1 while a router of version 1 counts as present, else 2
// (RFC 3810 §8.2.1).
func (l *Listener) Version(now clock.Instant) uint8 {
	if l.v1Until != 0 && !l.v1Until.Due(now) {
		return 1
	}
	return 2
}

// Join changes the state of the group from INCLUDE {} to EXCLUDE {}. The change is reported at once, and again after random times
// (RFC 3810 §6.1, RFC 2710 §4). The group has no zone. Join does nothing if the group is joined, or not Reportable.
func (l *Listener) Join(now clock.Instant, group netip.Addr) {
	e := l.groups[group]
	if e != nil && e.listening || !Reportable(group) {
		return
	}
	if e == nil {
		e = newEntry(group)
		l.groups[group] = e
	} else {
		l.left.remove(e)
	}
	e.listening = true
	l.joined.push(e)
	l.announce(now, e)
}

// Leave changes the state of the group from EXCLUDE {} to INCLUDE {}. In version 2 the change is reported at once and again, in
// version 1 once, and only if the host was the last to report the group (RFC 2710 §4). Leave does nothing if the group is not joined.
func (l *Listener) Leave(now clock.Instant, group netip.Addr) {
	e := l.groups[group]
	if e == nil || !e.listening {
		return
	}
	l.stopResponse(e)
	if l.general.next == e {
		l.general.next = e.next
	}
	e.listening = false
	l.joined.remove(e)
	l.left.push(e)
	if l.joined.len == 0 { // no response is pending for an interface without listening state (RFC 3810 §6.2)
		l.general.timer, l.general.latest = clock.Never, clock.Never
	}
	if l.down {
		l.forget(e)
		return
	}
	l.announce(now, e)
	if l.left.len > l.cfg.Left {
		l.forget(l.left.first)
	}
}

// Restart reports all groups as if they had just been joined, in the order of joining. The owner calls it when the link comes up,
// and when the interface's link-local address becomes valid, because routers ignore reports from :: (RFC 3590 §4).
func (l *Listener) Restart(now clock.Instant) {
	l.down = false
	for e := l.joined.first; e != nil; e = e.next {
		l.announce(now, e)
	}
}

// Down drops every timer, every group that was left, and everything learnt from the querier. The owner calls it when the link goes
// down. Until Restart, the listener only keeps track of the groups, and ignores queries.
func (l *Listener) Down() {
	l.down = true
	l.forgetQuerier()
	for e := l.left.first; e != nil; e = l.left.first {
		l.forget(e)
	}
	for e := l.joined.first; e != nil; e = e.next {
		l.stopResponse(e)
		l.stopChange(e)
	}
}

// Deadline returns the time at which Next must be called, Never if nothing is pending.
func (l *Listener) Deadline() clock.Instant {
	at := min(l.changes.Next(), l.responses.Next(), l.general.timer)
	if l.general.next != nil {
		at = min(at, l.general.started)
	}
	return at
}

// Owes reports whether Next may return a message at time now.
func (l *Listener) Owes(now clock.Instant) bool { return l.Deadline().Due(now) }

// announce makes a change of the state of e due at once. It replaces a change that is still to be sent, or to be sent again
// (RFC 3810 §6.1): the report says the state at the time of sending.
func (l *Listener) announce(now clock.Instant, e *entry) {
	if l.down {
		return
	}
	e.repeats, e.unsent = l.robustness, true
	l.changes.Set(&e.change, now)
}

// stopChange cancels the report of a change of e.
func (l *Listener) stopChange(e *entry) {
	l.changes.Stop(&e.change)
	e.repeats, e.unsent = 0, false
}

// stopResponse cancels the response for the group e.
func (l *Listener) stopResponse(e *entry) {
	l.responses.Stop(&e.response)
	e.sources = nil
}

// forget removes a group that was left.
func (l *Listener) forget(e *entry) {
	l.stopChange(e)
	l.left.remove(e)
	delete(l.groups, e.group)
	l.groups = buf.ShrinkMap(l.groups, &l.peak)
}

// random returns a time after now, at most limit later. limit > 0.
func (l *Listener) random(now clock.Instant, limit time.Duration) clock.Instant {
	return now.Add(1 + time.Duration(l.cfg.Rand.Int64N(int64(limit))))
}
