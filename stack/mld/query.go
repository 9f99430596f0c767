package mld

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Query processes a query of either version that the interface received and wire.ParseMLDQuery has accepted. It does not keep sources.
// It returns MLDBadGroup for a general query with sources, None otherwise.
func (l *Listener) Query(now clock.Instant, q *wire.MLDQuery, sources wire.AddrList) drop.Reason {
	general := q.Group.IsUnspecified()
	switch {
	case general && sources.Len() > 0:
		return drop.MLDBadGroup
	case l.down:
		return drop.None
	}
	l.checkVersion(now)
	limit := max(q.MaxResponse(), minDelay)
	l.learn(now, q, general, limit)
	e := l.groups[q.Group]
	switch {
	case general:
		l.queryAll(now, limit)
	case e == nil || !e.listening:
	case l.v1Until != 0:
		l.delayV1(now, e, limit)
	default:
		l.queryGroup(now, e, limit, sources)
	}
	return drop.None
}

// learn takes over the querier's variables (RFC 3810 §5.1.8, §5.1.9, §9). A general query of version 1 changes the listener to
// version 1 (RFC 9777 §8.2.1). A Robustness Variable of 1 counts as 2, because one lost report would otherwise hide a listener
// (RFC 3810 §9.1).
func (l *Listener) learn(now clock.Instant, q *wire.MLDQuery, general bool, limit time.Duration) {
	if general {
		l.responseInterval = limit
	}
	if q.Version >= 2 {
		l.robustness, l.interval = max(int(q.Robustness), 2), q.Interval()
		if q.Robustness == 0 {
			l.robustness = l.cfg.Robustness
		}
		if l.interval == 0 {
			l.interval = l.cfg.QueryInterval
		}
		return
	}
	if !general || l.cfg.OnlyV2 {
		return
	}
	if l.v1Until == 0 {
		l.cancel()
	}
	// The Older Version Querier Present Timeout (RFC 3810 §9.12).
	l.v1Until = now.Add(time.Duration(l.robustness)*l.interval + l.responseInterval)
}

// checkVersion returns to version 2 when the Older Version Querier Present timer has expired (RFC 3810 §8.2.1).
func (l *Listener) checkVersion(now clock.Instant) {
	if l.v1Until != 0 && l.v1Until.Due(now) {
		l.v1Until = 0
		l.cancel()
	}
}

// cancel cancels all responses and retransmissions, since the version changes (RFC 3810 §8.2.1). It keeps the changes that were not
// sent at all: they are sent at once, in the new version.
func (l *Listener) cancel() {
	l.general.timer, l.general.latest, l.general.next = clock.Never, clock.Never, nil
	for e := l.joined.first; e != nil; e = e.next {
		l.stopResponse(e)
		if !e.unsent {
			l.stopChange(e)
		}
	}
	for e := l.left.first; e != nil; {
		next := e.next
		if !e.unsent {
			l.forget(e)
		}
		e = next
	}
}

// queryAll schedules the response to a general query: rules 1 and 2 of RFC 3810 §6.2. In version 1 every group has a delay of its
// own (RFC 2710 §4), which spread draws.
func (l *Listener) queryAll(now clock.Instant, limit time.Duration) {
	if l.joined.len == 0 {
		return
	}
	g := &l.general
	at := now
	if l.v1Until == 0 {
		at = l.random(now, limit)
	} else {
		g.latest = min(g.latest, now.Add(limit))
	}
	g.timer = min(g.timer, max(at, g.quietUntil))
}

// spread sets the timer of every group for a general query of version 1. Next calls it, so that a flood of queries costs one pass
// over the groups in generalGap.
func (l *Listener) spread(now clock.Instant) {
	g := &l.general
	limit := max(g.latest.Sub(now), minDelay)
	g.timer, g.latest, g.quietUntil = clock.Never, clock.Never, now.Add(generalGap)
	for e := l.joined.first; e != nil; e = e.next {
		l.delayV1(now, e, limit)
	}
}

// delayV1 schedules a report of version 1 after a random time up to limit, unless one is due sooner than limit (RFC 2710 §4).
func (l *Listener) delayV1(now clock.Instant, e *entry, limit time.Duration) {
	if e.response.At() > now.Add(limit) {
		l.responses.Set(&e.response, max(l.random(now, limit), e.quietUntil))
	}
}

// queryGroup schedules the response to a query for the group e, or for sources of it: rules 1 and 3 to 5 of RFC 3810 §6.2.
func (l *Listener) queryGroup(now clock.Instant, e *entry, limit time.Duration, sources wire.AddrList) {
	at := max(l.random(now, limit), e.quietUntil)
	if l.general.timer <= at { // rule 1: the response to a general query is sent before
		return
	}
	pending := e.response.At() != clock.Never
	switch n := sources.Len(); {
	case n == 0 || n > MaxSources || pending && len(e.sources) == 0: // rules 3 and 4: the response reports the group
		e.sources = nil
	case !e.record(sources): // rules 3 and 5: it reports the sources, unless there are too many
		e.sources = nil
	case len(e.sources) == 0: // none of the sources can send
		return
	}
	l.responses.Set(&e.response, min(at, e.response.At()))
}

// HearReport processes a report of version 1 that another listener sent to the group itself, and wire.ParseMLDReport has accepted. In
// version 1 it suppresses the host's own pending report (RFC 2710 §4), except the first one after joining.
func (l *Listener) HearReport(now clock.Instant, group netip.Addr) {
	e := l.groups[group]
	if l.Version(now) != 1 || e == nil || e.response.At() == clock.Never {
		return
	}
	l.stopResponse(e)
	e.last = false
	if !e.unsent {
		e.repeats = 0
	}
}
