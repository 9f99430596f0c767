package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// The host's side of IGMPv2 (RFC 2236 §3, §6): reports when a group is joined and when a router asks,
// unless another member of the group has reported, and a leave message where we were the last who did.
const (
	unsolicitedInterval = 10 * time.Second  // §8.10: within which the report of a join is repeated
	v1Response          = 10 * time.Second  // §4: how long the answers to a query of version 1 may take
	v1RouterTimeout     = 400 * time.Second // §8.11: so long after it, a version 1 router is taken to be there
)

// igmpReports is the memberships that a host has to report.
type igmpReports struct {
	reports     clock.Heap[*membership] // timers of reports
	memberships int                     // groups joined, each counted for each socket
}

// reportable says whether IGMP speaks of a group at all: it is silent about 224.0.0.1 (RFC 2236 §6), and
// where there is no link with routers on it.
func (m *membership) reportable() bool {
	return m.group != wire.AllHosts && !m.iface.loop && m.iface.up
}

// announceGroup reports a membership that has begun, and once more after a while, should it be lost.
func (h *Host) announceGroup(now clock.Instant, m *membership) {
	if m.reportable() {
		h.report(now, m)
		h.delayReport(now, m, unsolicitedInterval)
	}
}

// delayReport has m reported after a random time within limit.
func (h *Host) delayReport(now clock.Instant, m *membership, limit time.Duration) {
	h.workPending()
	h.igmp.reports.Set(&m.report, now.Add(1+time.Duration(h.rng.Int64N(int64(limit)))))
}

// report sends a report: of version 1 while a router of version 1 may be there (RFC 2236 §4).
func (h *Host) report(now clock.Instant, m *membership) {
	msg := wire.IGMP{Type: wire.IGMPv2Report, Group: m.group}
	if m.last = m.iface.groups.v1Until.Due(now); !m.last { // and such a one knows no leave messages
		msg.Type = wire.IGMPv1Report
	}
	if h.sendIGMP(m.iface, msg, m.group) {
		h.count(mib.IGMPOutReports)
	}
}

// tickReports sends the reports that are due at now.
func (h *Host) tickReports(now clock.Instant) {
	for t := h.igmp.reports.Pop(now); t != nil; t = h.igmp.reports.Pop(now) {
		h.report(now, t.Value)
	}
}

// leaveGroup says that the interface's last member of a group has gone, if it falls to us to say so.
func (h *Host) leaveGroup(m *membership) {
	h.igmp.reports.Stop(&m.report)
	if m.reportable() && m.last && h.sendIGMP(m.iface, wire.IGMP{Type: wire.IGMPLeave, Group: m.group}, wire.AllRouters) {
		h.count(mib.IGMPOutLeaves)
	}
}

// restartGroups follows an interface up or down: its memberships stay, and are announced again when it is up.
func (i *Iface) restartGroups(now clock.Instant) {
	i.groups.v1Until = 0
	for m := range i.groups.list.all {
		i.host.igmp.reports.Stop(&m.report)
		m.last = false
		i.host.announceGroup(now, m)
	}
}

// sendIGMP queues a message, among what the stack itself has to say, and reports whether there was room.
// An interface without an address speaks from 0.0.0.0.
func (h *Host) sendIGMP(i *Iface, msg wire.IGMP, dst netip.Addr) bool {
	h.workPending()
	f := h.frames.get(wire.IGMPLen)
	msg.Put(f.Extend(wire.IGMPLen))
	ip := wire.IPv4{
		TOS: 0xc0, ID: uint16(h.rng.Uint32()), DontFragment: true, TTL: 1, Protocol: wire.ProtocolIGMP,
		Src: netip.IPv4Unspecified(), Dst: dst, PayloadLen: wire.IGMPLen,
	}
	if len(i.addrs) > 0 {
		ip.Src = i.addrs[0].Addr()
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

// receiveIGMP takes an IGMP message.
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
		if src := p.ip.Src; !src.IsUnspecified() && !h.net.isNeighbor(p.iface, src) {
			return dropped(drop.MartianSource) // §9: else anyone could silence us
		}
		if m := p.iface.membership(msg.Group); m != nil && p.ip.Dst == msg.Group && m.report.At() != clock.Never {
			h.igmp.reports.Stop(&m.report)
			m.last = false
		}
	default:
		return dropped(drop.BadType) // for routers, or of a later version
	}
	return deliveredTo(wire.ProtocolIGMP, 0)
}

// answerQuery has the groups that a router asks about reported, each after a random time of its own. A
// report that is to be sent earlier anyway stays as it is.
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
