package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// The host's side of IGMPv2 (RFC 2236 §3, §6). A host reports a group when it joins, and when a router queries the
// group, unless another member has reported it first. When the last reporter leaves, it sends a leave message.
const (
	unsolicitedInterval = 10 * time.Second  // §8.10: time within which the report of a join is repeated
	v1Response          = 10 * time.Second  // §4: time within which a version 1 query is answered
	v1RouterTimeout     = 400 * time.Second // §8.11: time after a version 1 query during which its router counts as present
)

// igmpReports holds the timers of the host's membership reports.
type igmpReports struct {
	reports     clock.Heap[*membership] // timers of reports
	memberships int                     // memberships, counted once for each socket
}

// reportable reports whether IGMP reports the group. It never reports 224.0.0.1 (RFC 2236 §6), and no group on the loop
// on an interface that is down, or on a shared one.
func (m *membership) reportable() bool {
	return m.group.Is4() && m.group != wire.AllHosts && !m.iface.loop && !m.iface.shared && m.iface.up
}

// announceGroup reports a new membership. It repeats the report after a random time, since the first may be lost.
func (h *Host) announceGroup(now clock.Instant, m *membership) {
	if m.reportable() {
		h.report(now, m)
		h.delayReport(now, m, unsolicitedInterval)
	}
}

// delayReport schedules a report of m after a random time up to limit.
func (h *Host) delayReport(now clock.Instant, m *membership, limit time.Duration) {
	h.workPending()
	h.igmp.reports.Set(&m.report, now.Add(1+time.Duration(h.rng.Int64N(int64(limit)))))
}

// report reports the membership m, by a version 1 report while a version 1 router counts as present (RFC 2236 §4).
func (h *Host) report(now clock.Instant, m *membership) {
	msg := wire.IGMP{Type: wire.IGMPv2Report, Group: m.group}
	if m.last = m.iface.groups.v1Until.Due(now); !m.last { // a version 1 router does not understand leave messages
		msg.Type = wire.IGMPv1Report
	}
	if h.sendIGMP(m.iface, msg, m.group) {
		h.count(mib.IGMPOutReports)
	}
}

// tickReports sends the reports that are due at time now.
func (h *Host) tickReports(now clock.Instant) {
	for t := h.igmp.reports.Pop(now); t != nil; t = h.igmp.reports.Pop(now) {
		h.report(now, t.Value)
	}
}

// leaveGroup ends a membership. It sends a leave message if the host was the last to report the group.
func (h *Host) leaveGroup(m *membership) {
	h.igmp.reports.Stop(&m.report)
	if m.reportable() && m.last && h.sendIGMP(m.iface, wire.IGMP{Type: wire.IGMPLeave, Group: m.group}, wire.AllRouters) {
		h.count(mib.IGMPOutLeaves)
	}
}

// restartGroups is called when an interface goes up or down. Its memberships stay, and are reported again when it is
// up.
func (i *Iface) restartGroups(now clock.Instant) {
	i.groups.v1Until = 0
	for m := range i.groups.list.all {
		i.host.igmp.reports.Stop(&m.report)
		m.last = false
		i.host.announceGroup(now, m)
	}
}

// sendIGMP queues a message among the stack's own answers, and reports whether there was room. If the interface has no
// address, the source is 0.0.0.0.
func (h *Host) sendIGMP(i *Iface, msg wire.IGMP, dst netip.Addr) bool {
	h.workPending()
	f := h.frames.get(wire.IGMPLen)
	msg.Put(f.Extend(wire.IGMPLen))
	ip := wire.IPv4{
		TOS: 0xc0, ID: uint16(h.rng.Uint32()), DontFragment: true, TTL: 1, Protocol: wire.ProtocolIGMP,
		Src: netip.IPv4Unspecified(), Dst: dst, PayloadLen: wire.IGMPLen,
	}
	if a, ok := i.first(ipv4); ok {
		ip.Src = a
	}
	ip.PutRouterAlert(f.Prepend(wire.IPv4Len + wire.RouterAlertLen))
	h.count(mib.IPOutRequests)
	h.count(mib.IPOutMcastPkts)
	i.putLinkHeader(f, wire.GroupMAC(dst), wire.EtherTypeIPv4)
	if !i.out.replies.push(f, h.limits.ReplyQueue) {
		h.countRefused(limitReplyQueue)
		h.count(mib.IPOutDiscards)
		h.frames.put(f)
		return false
	}
	return true
}

// receiveIGMP processes an IGMP message.
func (h *Host) receiveIGMP(now clock.Instant, p *packet) Verdict {
	h.count(mib.IGMPInMsgs)
	msg, err := wire.ParseIGMP(p.payload)
	if err != nil {
		h.count(mib.IGMPInErrors)
		return dropped(drop.Of(err))
	}
	switch msg.Type {
	case wire.IGMPQuery:
		h.count(mib.IGMPInQueries)
		h.answerQuery(now, p.iface, msg)
	case wire.IGMPv1Report, wire.IGMPv2Report:
		h.count(mib.IGMPInReports)
		if src := p.src; !src.IsUnspecified() && !h.net.isNeighbor(p.iface, src) {
			return dropped(drop.MartianSource) // RFC 2236 §9: a forged report would suppress ours
		}
		if m := p.iface.membership(msg.Group); m != nil && p.dst == msg.Group && m.report.At() != clock.Never {
			h.igmp.reports.Stop(&m.report)
			m.last = false
		}
	default:
		return dropped(drop.BadType) // the message is for routers, or of a later version
	}
	return deliveredTo(wire.ProtocolIGMP, 0)
}

// answerQuery schedules a report for each group of the query, after a random time. It does not postpone a report that
// is due earlier.
func (h *Host) answerQuery(now clock.Instant, i *Iface, q wire.IGMP) {
	limit := time.Duration(q.MaxResp) * time.Second / 10
	if q.MaxResp == 0 {
		limit, i.groups.v1Until = v1Response, now.Add(v1RouterTimeout)
	}
	ask := func(m *membership) {
		if m.reportable() && m.report.At() > now.Add(limit) {
			h.delayReport(now, m, limit)
		}
	}
	if !q.Group.IsUnspecified() {
		if m := i.membership(q.Group); m != nil {
			ask(m)
		}
		return
	}
	for m := range i.groups.list.all {
		ask(m)
	}
}
