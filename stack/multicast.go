package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// groupTTL is the default time to live of packets to a group, which keeps them on the link (RFC 1112 §6.1).
const groupTTL = 1

// membership is a multicast group of which an interface is a member, because sockets have joined it or because the host itself needs
// it. It holds the sockets and the state of IGMP (RFC 2236 §6). Package mld has the state of MLD.
type membership struct {
	iface  *Iface
	group  netip.Addr
	joined map[uint16]*roll[*UDPConn] // members by local port
	needed int                        // number of reasons of the host itself, such as an address whose solicited-node group it is
	report clock.Timer[*membership]   // set while a report is due (a "delaying member")
	silent bool                       // true for a group of IPv6 that the interface receives, but has not reported yet
	last   bool                       // true if this host was the last host on the link to report the group, by IGMP version 2
}

// Join makes the socket receive datagrams to a multicast group and the socket's port, whatever address it is bound to.
// It joins on the interface on. If on is nil, that is the group's zone, else the interface of the bound address, else of a route to
// the group, else the first Ethernet. The membership stays on that interface. If several sockets share a port, each bound to its own address, each receives a
// copy. Errors: ErrInvalid, group is not a group, or of a family for which the socket does not receive, or its zone is not on; ErrExists, the
// socket has joined it there already; ErrZone, ErrNoRoute, ErrLimit, ErrClosed.
func (u *UDPConn) Join(now clock.Instant, group netip.Addr, on *Iface) error {
	h := u.host
	group = group.Unmap()
	switch {
	case u.closed:
		return ErrClosed
	case !group.IsMulticast() || !u.receives(familyOf(group)):
		return ErrInvalid
	case on != nil && group.Zone() != "" && group.Zone() != on.name:
		return ErrInvalid
	}
	p, ok := hop{iface: on}, on != nil && on.up
	if on == nil {
		scoped, err := h.net.scope(group, u.local.Addr())
		if err != nil {
			return err
		}
		p, ok = h.net.groupHop(u.local.Addr(), scoped)
	}
	if !ok || group.Is6() && !p.iface.loop && !p.iface.speaksIPv6() {
		return ErrNoRoute
	}
	group = group.WithZone("")
	if m := p.iface.membership(group); m != nil && u.groups.has(m) {
		return ErrExists
	}
	if h.igmp.memberships >= h.limits.Groups {
		return h.limitError(limitGroups)
	}
	m, isNew := p.iface.member(group)
	rollIn(m.joined, u.local.Port()).join(u)
	u.groups.join(m)
	h.igmp.memberships++
	if isNew {
		h.announceGroup(now, m)
	}
	return nil
}

// receives reports whether the socket receives datagrams of a family.
func (u *UDPConn) receives(f family) bool { return u.families.first <= f && f <= u.families.last }

// member returns the interface's membership in a group, and makes it if there is none. The caller reports a new one of IPv4.
func (i *Iface) member(group netip.Addr) (m *membership, isNew bool) {
	if m = i.membership(group); m != nil {
		i.reportGroup(group)
		return m, false
	}
	m = i.newMembership(group)
	i.reportMLD(group, true)
	return m, true
}

func (i *Iface) newMembership(group netip.Addr) *membership {
	m := &membership{iface: i, group: group, joined: make(map[uint16]*roll[*UDPConn])}
	m.report.Value = m
	i.groups.list.join(m)
	i.groups.byAddr[group] = m
	return m
}

// overhearGroup makes the host itself a member of a group of IPv6 as need does, but does not report the group. reportGroup makes up
// for that, and unneed ends the membership.
func (i *Iface) overhearGroup(group netip.Addr) {
	m := i.membership(group)
	if m == nil {
		m = i.newMembership(group)
		m.silent = true
	}
	m.needed++
}

func (i *Iface) reportGroup(group netip.Addr) {
	if m := i.membership(group); m != nil && m.silent {
		m.silent = false
		i.reportMLD(group, true)
	}
}

// release ends a membership that nothing needs.
func (m *membership) release() {
	if m.needed > 0 || len(m.joined) > 0 {
		return
	}
	delete(m.iface.groups.byAddr, m.group)
	m.iface.groups.list.leave(m)
	m.iface.host.leaveGroup(m)
	if !m.silent {
		m.iface.reportMLD(m.group, false)
	}
}

// need makes the host itself a member of a group of IPv6 on the interface, and unneed ends that.
func (i *Iface) need(group netip.Addr) {
	m, _ := i.member(group)
	m.needed++
}

func (i *Iface) unneed(group netip.Addr) {
	if m := i.membership(group); m != nil && m.needed > 0 {
		m.needed--
		m.release()
	}
}

// joined returns the number of groups that sockets have joined.
func (g *ifaceGroups) joined() (n int) {
	for m := range g.list.all {
		if len(m.joined) > 0 {
			n++
		}
	}
	return n
}

// Leave ends a membership, on the interface of the group's zone, or on the first interface with the membership. Close ends all
// memberships. Errors: ErrNotFound, the socket has not joined; ErrClosed.
func (u *UDPConn) Leave(group netip.Addr) error { return u.LeaveOn(group, nil) }

// LeaveOn is Leave for the membership on the interface on, unless on is nil.
func (u *UDPConn) LeaveOn(group netip.Addr, on *Iface) error {
	if u.closed {
		return ErrClosed
	}
	m := u.memberOf(group.Unmap(), on)
	if m == nil {
		return ErrNotFound
	}
	u.leave(m)
	return nil
}

func (u *UDPConn) leave(m *membership) {
	u.groups.leave(m)
	leaveIn(m.joined, u.local.Port(), u)
	u.host.igmp.memberships--
	m.release()
}

// Groups returns the groups that the socket has joined, in the order of joining, those of link scope with their zone.
func (u *UDPConn) Groups() []netip.Addr {
	groups := make([]netip.Addr, 0, u.groups.len())
	for m := range u.groups.all {
		group := m.group
		if linkScope(group) {
			group = group.WithZone(m.iface.name)
		}
		groups = append(groups, group)
	}
	return groups
}

// memberOf returns the socket's membership in a group, on the interface on unless it is nil, and on that of the group's zone if it has
// one; nil if there is none.
func (u *UDPConn) memberOf(group netip.Addr, on *Iface) *membership {
	zone := group.Zone()
	group = group.WithZone("")
	for _, i := range u.host.net.ifaces {
		if zone != "" && zone != i.name || on != nil && on != i {
			continue
		}
		if m := i.membership(group); m != nil && u.groups.has(m) {
			return m
		}
	}
	return nil
}

// membership returns the interface's membership in a group, nil if no socket has joined it there.
func (i *Iface) membership(group netip.Addr) *membership { return i.groups.byAddr[group] }

// findMembers sets p.members to the members of p's destination group on the interface on which p arrived, or from which
// the host itself sent p. It returns false if there are none. Every host is a member of 224.0.0.1 (RFC 1112 §7.2) and of
// ff02::1 (RFC 4291 §2.8).
func (h *Host) findMembers(p *packet) bool {
	p.broadcast = true
	i := p.iface
	if own := h.net.localAddrs[p.src]; i.loop && own != nil && !(p.family == ipv6 && groupScope(p.dst) <= scopeInterface) {
		i = own
	}
	p.members = i.membership(p.dst)
	return p.members != nil || p.dst == wire.AllHosts || p.dst == wire.AllNodes6
}

// receiveGroup delivers a datagram to every socket that has joined the group and has the port. No port unreachable is
// sent about a group (RFC 1122 §3.2.2, RFC 4443 §2.4(e.3)).
func (h *Host) receiveGroup(now clock.Instant, p *packet, port uint16, from netip.AddrPort, data []byte) Verdict {
	var c copies
	if p.members != nil {
		for u := range p.members.joined[port].all {
			if !u.remote.IsValid() || u.remote == from {
				c.enqueue(&u.socket, now, data, from, p.ttl)
			}
		}
	}
	switch {
	case c.took:
		h.count(mib.UDPInDatagrams)
		return deliveredTo(wire.ProtocolUDP, port)
	case c.full:
		h.count(mib.UDPInErrors)
		h.count(mib.UDPRcvbufErrors)
		return dropped(drop.SocketQueueFull)
	}
	h.count(mib.UDPNoPorts)
	return dropped(drop.NoSocket)
}

// loopGroup queues a copy of the packet f on the loop if the host itself has members of the group on interface i. The
// host is sending f to that group, and a link does not return a frame to its sender.
func (h *Host) loopGroup(now clock.Instant, i *Iface, group netip.Addr, f *phy.Frame) {
	if i.loop || h.net.loop == nil || !h.net.loop.up || i.membership(group) == nil {
		return
	}
	c := h.frames.get(f.Len())
	c.CopyFrom(f)
	h.workPending()
	if !h.net.loop.enqueue(now, limitSendQueue, c, wire.HardwareAddr{}) { // in fragments, if it is one of IPv6 that the loop has no room for
		h.net.loop.discard(now, c, drop.QueueFull)
	}
}
