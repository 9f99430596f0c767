package mld

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Next writes the next message that is due at time now, and counts it as sent. dst is the room for it: the interface's MTU less the
// IPv6 header and the hop-by-hop options, at least MinRoom octets. src is the interface's link-local address, or :: if it has none
// that is valid (RFC 3590 §4). The message has n octets, the ICMPv6 type typ, and its checksum. The caller sends it from src to the
// address to, with a hop limit of 1 and a router alert (RFC 3810 §5). ok is false if no message is due; Deadline is then after now.
func (l *Listener) Next(now clock.Instant, dst []byte, src netip.Addr) (n int, to netip.Addr, typ wire.ICMPv6Type, ok bool) {
	if !l.Owes(now) {
		return 0, to, 0, false
	}
	l.checkVersion(now)
	if l.v1Until != 0 {
		return l.nextV1(now, dst, src)
	}
	r := report{b: dst, n: wire.MLDv2ReportLen}
	if l.putChanges(now, &r); r.records == 0 {
		l.putGeneral(now, &r)
		l.putResponses(now, &r)
	}
	if r.records == 0 {
		return 0, to, 0, false
	}
	wire.PutMLDv2Report(dst[:r.n], r.records, src, wire.MLDv2Routers6)
	return r.n, wire.MLDv2Routers6, wire.ICMPv6ListenerReportVersion2, true
}

// report is a report of version 2 that is being written.
type report struct {
	b          []byte
	n, records int // octets written, and the number of records in them
}

// fits reports whether there is room for a record of the given number of sources.
func (r *report) fits(sources int) bool { return r.n+wire.MLDRecordLen+16*sources <= len(r.b) }

func (r *report) put(typ wire.MLDRecordType, group netip.Addr, sources wire.AddrList) {
	rec := wire.MLDRecord{Type: typ, Group: group, Sources: sources}
	r.n += rec.Put(r.b[r.n:])
	r.records++
}

// putChanges writes the changes that are due: Filter Mode Change Records (RFC 3810 §5.2.12, §6.1). The records of one report are
// sent again together, after one random time (RFC 3810 §6.1).
func (l *Listener) putChanges(now clock.Instant, r *report) {
	again := clock.Instant(0)
	for t := l.changes.First(); t != nil && t.At().Due(now) && r.fits(0); t = l.changes.First() {
		e := t.Value
		typ := wire.MLDToInclude
		if e.listening {
			typ = wire.MLDToExclude
		}
		r.put(typ, e.group, nil)
		e.last, e.unsent = e.listening, false
		if e.repeats--; e.repeats > 0 {
			if again == 0 {
				again = l.random(now, unsolicitedInterval)
			}
			l.changes.Set(t, again)
			continue
		}
		l.stopChange(e)
		if !e.listening {
			l.forget(e)
		}
	}
}

// putGeneral writes the response to a general query, as far as there is room: a Current State Record for each group (RFC 3810 §6.3).
// It includes the groups' own responses that are due.
func (l *Listener) putGeneral(now clock.Instant, r *report) {
	g := &l.general
	if g.next == nil && g.timer.Due(now) {
		g.next, g.started = l.joined.first, g.timer
		g.timer, g.quietUntil = clock.Never, now.Add(generalGap)
	}
	for ; g.next != nil && r.fits(0); g.next = g.next.next {
		e := g.next
		r.put(wire.MLDIsExclude, e.group, nil)
		if e.last = true; e.response.At().Due(now) {
			l.stopResponse(e)
		}
	}
}

// putResponses writes the responses that are due to queries for groups, and for sources of groups (RFC 3810 §6.3). A group in
// EXCLUDE {} listens to every source that a query names.
func (l *Listener) putResponses(now clock.Instant, r *report) {
	for t := l.responses.First(); t != nil && t.At().Due(now) && r.fits(t.Value.sources.Len()); t = l.responses.First() {
		e := t.Value
		typ := wire.MLDIsExclude
		if len(e.sources) > 0 {
			typ = wire.MLDIsInclude
		}
		r.put(typ, e.group, e.sources)
		e.last, e.quietUntil = true, now.Add(groupGap)
		l.stopResponse(e)
	}
}

// nextV1 is Next in version 1 (RFC 2710 §4).
func (l *Listener) nextV1(now clock.Instant, dst []byte, src netip.Addr) (n int, to netip.Addr, typ wire.ICMPv6Type, ok bool) {
	for t := l.changes.First(); t != nil && t.At().Due(now); t = l.changes.First() {
		e := t.Value
		if e.listening {
			l.changes.Stop(t)
			return l.reportV1(now, e, dst, src)
		}
		l.forget(e)
		if e.last {
			n = wire.PutMLDReport(dst, wire.ICMPv6ListenerDone, e.group, src, wire.AllRouters6)
			return n, wire.AllRouters6, wire.ICMPv6ListenerDone, true
		}
	}
	if l.general.timer.Due(now) {
		l.spread(now)
	}
	if t := l.responses.Pop(now); t != nil {
		t.Value.quietUntil = now.Add(groupGap)
		return l.reportV1(now, t.Value, dst, src)
	}
	return 0, to, 0, false
}

// reportV1 writes a report of e. The report of a change is repeated as if a query for the group had been received, so that another
// listener's report suppresses the repetition (RFC 2710 §4).
func (l *Listener) reportV1(now clock.Instant, e *entry, dst []byte, src netip.Addr) (n int, to netip.Addr, typ wire.ICMPv6Type, ok bool) {
	e.last, e.unsent = true, false
	if e.repeats = max(e.repeats-1, 0); e.repeats > 0 {
		l.delayV1(now, e, unsolicitedIntervalV1)
	}
	n = wire.PutMLDReport(dst, wire.ICMPv6ListenerReport, e.group, src, e.group)
	return n, e.group, wire.ICMPv6ListenerReport, true
}
