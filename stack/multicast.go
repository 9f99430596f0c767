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

// membership is a multicast group that sockets have joined on an interface. It holds the sockets and the state of IGMP
// (RFC 2236 §6).
type membership struct {
	iface  *Iface
	group  netip.Addr
	joined map[uint16]*roll[*UDPConn] // members by local port
	report clock.Timer[*membership]   // set while a report is due (a "delaying member")
	last   bool                       // true if this host was the last host on the link to report the group, by IGMP version 2
}

// Join makes the socket receive datagrams to a multicast group and the socket's port, whatever address it is bound to.
// It joins on the interface of the bound address, else of a route to the group, else on the first Ethernet; the
// membership stays on that interface. If several sockets share a port, each bound to its own address, each receives a
// copy. Errors: ErrInvalid, group is not a group; ErrExists, the socket has joined it already; ErrNoRoute, ErrLimit,
// ErrClosed.
func (u *UDPConn) Join(now clock.Instant, group netip.Addr) error {
	h := u.host
	group = group.Unmap()
	switch {
	case u.closed:
		return ErrClosed
	case !group.Is4() || !group.IsMulticast():
		return ErrInvalid
	case u.memberOf(group) != nil:
		return ErrExists
	}
	p, ok := h.net.groupHop(u.local.Addr(), group)
	if !ok {
		return ErrNoRoute
	}
	if h.igmp.memberships >= h.limits.Groups {
		return h.limitError(limitGroups)
	}
	m := p.iface.membership(group)
	if m == nil {
		m = &membership{iface: p.iface, group: group, joined: make(map[uint16]*roll[*UDPConn])}
		m.report.Value = m
		p.iface.groups.list.join(m)
		p.iface.groups.byAddr[group] = m
		defer h.announceGroup(now, m)
	}
	rollIn(m.joined, u.local.Port()).join(u)
	u.groups.join(m)
	h.igmp.memberships++
	return nil
}

// Leave ends a membership; Close ends all memberships. Errors: ErrNotFound, the socket has not joined; ErrClosed.
func (u *UDPConn) Leave(group netip.Addr) error {
	if u.closed {
		return ErrClosed
	}
	m := u.memberOf(group.Unmap())
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
	if len(m.joined) == 0 {
		delete(m.iface.groups.byAddr, m.group)
		m.iface.groups.list.leave(m)
		u.host.leaveGroup(m)
	}
}

// Groups returns the groups that the socket has joined, in the order of joining.
func (u *UDPConn) Groups() []netip.Addr {
	groups := make([]netip.Addr, 0, u.groups.len())
	for m := range u.groups.all {
		groups = append(groups, m.group)
	}
	return groups
}

func (u *UDPConn) memberOf(group netip.Addr) *membership {
	for _, i := range u.host.net.ifaces {
		if m := i.membership(group); m != nil && u.groups.has(m) {
			return m
		}
	}
	return nil
}

// membership returns the interface's membership in a group, nil if no socket has joined it there.
func (i *Iface) membership(group netip.Addr) *membership { return i.groups.byAddr[group] }

// findMembers sets p.members to the members of p's destination group on the interface on which p arrived, or from which
// the host itself sent p. It returns false if there are none. Every host is a member of 224.0.0.1 (RFC 1112 §7.2).
func (h *Host) findMembers(p *packet) bool {
	p.broadcast = true
	i := p.iface
	if own := h.net.localAddrs[p.ip.Src]; i.loop && own != nil {
		i = own
	}
	p.members = i.membership(p.ip.Dst)
	return p.members != nil || p.ip.Dst == wire.AllHosts
}

// receiveGroup delivers a datagram to every socket that has joined the group and has the port. No port unreachable is
// sent about a group (RFC 1122 §3.2.2).
func (h *Host) receiveGroup(now clock.Instant, p *packet, port uint16, from netip.AddrPort, data []byte) Verdict {
	var c copies
	if p.members != nil {
		for u := range p.members.joined[port].all {
			if !u.remote.IsValid() || u.remote == from {
				c.enqueue(&u.socket, now, data, from, p.ip.TTL)
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
	if !h.net.loop.out.datagrams.push(c, h.limits.SendQueue) {
		h.countRefused(limitSendQueue)
		h.count(mib.IPOutDiscards)
		h.net.loop.discard(now, c, drop.QueueFull)
	}
}
