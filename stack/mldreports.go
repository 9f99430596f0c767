package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// groupChange is a group of IPv6 that the interface has joined or left.
type groupChange struct {
	group netip.Addr
	join  bool
}

// mldHopLimit is the hop limit of MLD messages (RFC 3810 §5).
const mldHopLimit = 1

// reportMLD notes that the interface has joined or left a group of IPv6. The next transmission reports it.
func (i *Iface) reportMLD(group netip.Addr, join bool) {
	if group.Is6() && i.v6 != nil && i.v6.mld != nil {
		i.v6.changes = append(i.v6.changes, groupChange{group, join})
		i.host.workPending()
	}
}

// owesReports reports whether transmitReports may have a message to send at time now.
func (i *Iface) owesReports(now clock.Instant) bool {
	return i.v6 != nil && i.v6.mld != nil && i.speaksIPv6() && (len(i.v6.changes) > 0 || i.v6.mld.Owes(now))
}

// transmitReports writes the next MLD message into f, and reports whether there was one.
func (i *Iface) transmitReports(now clock.Instant, f *phy.Frame) bool {
	if !i.owesReports(now) {
		return false
	}
	v := i.v6
	for _, c := range v.changes {
		if c.join {
			v.mld.Join(now, c.group)
		} else {
			v.mld.Leave(now, c.group)
		}
	}
	v.changes = v.changes[:0]
	room := min(i.mtuOf(ipv6)-wire.IPv6Len-wire.RouterAlert6Len, len(f.Tail()))
	src := netip.IPv6Unspecified()
	if v.linkLocal.IsValid() {
		src = v.linkLocal
	}
	n, to, typ, ok := v.mld.Next(now, f.Tail()[:room], src)
	if !ok {
		return false
	}
	h := i.host
	f.Extend(n)
	wire.PutRouterAlert6(f.Prepend(wire.RouterAlert6Len), wire.ProtocolICMPv6)
	ip := wire.IPv6{HopLimit: mldHopLimit, NextHeader: 0, Src: src, Dst: to, PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv6Len))
	i.putLinkHeader(f, wire.GroupMAC(to), wire.EtherTypeIPv6)
	h.countIP(ipv6, mib.IPOutRequests)
	h.countIP(ipv6, mib.IPOutMcastPkts)
	h.count(mib.ICMP6OutMsgs)
	switch typ {
	case wire.ICMPv6ListenerReportVersion2:
		h.count(mib.ICMP6OutMLDv2Reports)
	case wire.ICMPv6ListenerReport:
		h.count(mib.ICMP6OutGroupMembReports)
	case wire.ICMPv6ListenerDone:
		h.count(mib.ICMP6OutGroupMembReductions)
	}
	return true
}

// receiveMLD processes an MLD message (RFC 3810, RFC 2710). Only queries concern a listener, and the reports of others in version 1.
func (h *Host) receiveMLD(now clock.Instant, p *packet, typ wire.ICMPv6Type) Verdict {
	i, chain := p.iface, &wire.IPv6Chain{HasRouterAlert: p.v6.routerAlert}
	if i.loop || i.v6.mld == nil {
		return dropped(drop.NotForUs)
	}
	switch typ {
	case wire.ICMPv6ListenerQuery:
		h.count(mib.ICMP6InGroupMembQueries)
		q, sources, err := wire.ParseMLDQuery(p.header6(), chain, p.payload, false)
		if err != nil {
			h.count(mib.ICMP6InErrors)
			return dropped(drop.Of(err))
		}
		h.workPending()
		if r := i.v6.mld.Query(now, &q, sources); r != drop.None {
			return dropped(r)
		}
	case wire.ICMPv6ListenerReport:
		h.count(mib.ICMP6InGroupMembReports)
		group, err := wire.ParseMLDReport(p.header6(), chain, p.payload, false)
		if err != nil {
			h.count(mib.ICMP6InErrors)
			return dropped(drop.Of(err))
		}
		if p.dst == group {
			i.v6.mld.HearReport(now, group)
		}
	default:
		return h.overhearMLD() // a router of multicast would have use for it; a member of the group of all routers receives it too
	}
	return deliveredTo(wire.ProtocolICMPv6, 0)
}

// unreported returns the number of changes of groups that the interface has still to report.
func (i *Iface) unreported() int {
	if i.v6 == nil || i.v6.mld == nil {
		return 0
	}
	return len(i.v6.changes) + i.v6.mld.Leaving()
}
