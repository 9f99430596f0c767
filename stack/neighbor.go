package stack

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// pendingSends holds the datagrams, in a bounded queue, and the connections that wait for a neighbour's answer.
// Connections keep their data themselves.
type pendingSends struct {
	datagrams fifo[pendingPacket]
	conns     []*TCPConn
}

// park adds c to the waiting connections. Before a full list grows, it removes connections that have ended, so that its capacity
// is at most twice the number of connections that were open at once.
func (w *pendingSends) park(c *TCPConn) {
	if len(w.conns) == cap(w.conns) {
		w.conns = slices.DeleteFunc(w.conns, func(c *TCPConn) bool { return c.gone })
		if len(w.conns) > cap(w.conns)/2 {
			w.conns = slices.Grow(w.conns, len(w.conns))
		}
	}
	w.conns = append(w.conns, c)
}

// pendingPacket is a packet without a link header, and the socket to notify if the packet can't be sent.
type pendingPacket struct {
	frame *phy.Frame
	owner sendErrorSink
	from  *Iface // interface on which a packet to be forwarded arrived; nil for the host's own packets
	exact bool   // the packet is sent without a change, see SendPacket; its frame is nil if only the neighbour's address is wanted
}

// sendErrorSink is a socket that is notified when its datagram can't be sent.
type sendErrorSink interface {
	sendFailed(now clock.Instant, err error)
}

type neighbor = neigh.Entry[pendingSends]

// neighborsOf returns the interface's neighbour cache for the family of a.
func (i *Iface) neighborsOf(a netip.Addr) *neigh.Cache[pendingSends] { return i.neigh[familyOf(a)] }

// neighbors returns the neighbours of both families.
func (i *Iface) neighbors() []*neighbor {
	return append(i.neigh[ipv4].Entries(), i.neigh[ipv6].Entries()...)
}

// putRequest writes into f a request for the hardware address of a. hw is the request's destination: the neighbour's own address, or
// the broadcast address if it is not known. putRequest returns false if the interface can't ask.
func (i *Iface) putRequest(f *phy.Frame, a netip.Addr, hw wire.HardwareAddr) bool {
	if familyOf(a) == ipv6 {
		return i.putSolicitation(f, a, hw)
	}
	i.putARPRequest(f, a, hw)
	return true
}

// sendPending sends the packets that waited for neighbour e, and continues the connections that did.
func (i *Iface) sendPending(now clock.Instant, e *neighbor) {
	if e.Pending.datagrams.n > 0 {
		i.neighborsOf(e.Addr).Sent(now, e)
	}
	for p, ok := e.Pending.datagrams.pop(); ok; p, ok = e.Pending.datagrams.pop() {
		if p.exact {
			i.sendExact(now, p, e.HW)
			continue
		}
		if !i.enqueue(now, limitSendQueue, p.frame, e.HW) {
			i.discard(now, p.frame, drop.QueueFull)
		}
	}
	conns := e.Pending.conns
	e.Pending = pendingSends{}
	for _, c := range conns {
		c.parked = nil
		i.host.connChanged(now, c)
	}
}

// failPending drops the packets that waited for neighbour e, reports the failure to their sockets or senders, and fails
// the waiting connections, except those for which there is another router (RFC 4861 §6.3.6).
func (i *Iface) failPending(now clock.Instant, e *neighbor, r drop.Reason) {
	w := e.Pending
	e.Pending = pendingSends{}
	for p, ok := w.datagrams.pop(); ok; p, ok = w.datagrams.pop() {
		if p.from != nil && r == drop.NeighborFailed {
			i.host.sendHostUnreachable(now, p.from, p.frame)
		}
		i.dropPending(now, p, r)
		if p.owner != nil {
			p.owner.sendFailed(now, ErrHostUnreach)
		}
	}
	for _, c := range w.conns {
		c.parked = nil
		if i.host.net.hasDetour(c.remote.Addr(), e) {
			i.host.connChanged(now, c)
			continue
		}
		i.host.failNoPath(now, c, ErrHostUnreach, r)
	}
}

// addPending queues a packet for neighbour e, which is not resolved yet. A full queue drops its oldest packet, since
// RFC 1122 §2.3.2.2 requires to save the latest.
func (i *Iface) addPending(now clock.Instant, e *neighbor, what pendingPacket) {
	i.host.workPending() // a request must be sent, or a timer was set
	q := &e.Pending.datagrams
	limit := i.neigh[ipv4].Config().Queue
	if q.n >= limit {
		i.host.countRefused(limitNeighborQueue)
		p, _ := q.pop()
		i.dropPending(now, p, drop.NeighborQueueFull)
		if p.exact {
			p.owner.sendFailed(now, ErrQueueFull)
		}
	}
	q.push(what, limit)
}

// dropPending drops a packet that waited for a neighbour, for the reason r.
func (i *Iface) dropPending(now clock.Instant, p pendingPacket, r drop.Reason) {
	if p.frame == nil {
		return
	}
	i.stats.txDropped++
	i.host.dropTX(now, i, phy.MediumIP, p.frame.Bytes(), r)
	i.host.frames.put(p.frame)
}

// doubt is the hardware address to which a connection sends although its neighbour is not known to be reachable.
type doubt struct {
	hw   wire.HardwareAddr
	mark tcp.Mark // the connection's point before the first segment to hw
}

// sendingTo records that the next segment of c is sent to e. If e is not confirmed, the connection marks the point from which its
// progress proves that e can be reached.
func (c *TCPConn) sendingTo(e *neighbor) {
	doubts := c.host.tcp.doubts
	switch {
	case !e.Unconfirmed():
		c.endDoubt()
	case !c.doubtful || doubts[c].hw != e.HW:
		c.doubtful = true
		doubts[c] = doubt{hw: e.HW, mark: c.conn.Mark()}
	}
}

// endDoubt forgets that the neighbour of c may be unreachable.
func (c *TCPConn) endDoubt() {
	if t := &c.host.tcp; c.doubtful {
		c.doubtful = false
		delete(t.doubts, c)
		t.doubts = buf.ShrinkMap(t.doubts, &t.peakDoubts)
	}
}

// confirmNeighbor confirms the next hop of the doubtful connection c, after forward progress (RFC 4861 §7.3.1). If the neighbour
// has another address by now, the progress proves nothing about that address.
func (c *TCPConn) confirmNeighbor(now clock.Instant) {
	hw, i := c.host.tcp.doubts[c].hw, c.hop.iface
	c.endDoubt()
	if i == nil {
		return
	}
	cache := i.neighborsOf(c.hop.next)
	if e := cache.Get(c.hop.next); e != nil && e.HW == hw {
		cache.Confirm(now, c.hop.next)
	}
}

// noNeighbor counts a refusal because i has no room for the neighbour a, and returns the error for it.
func (h *Host) noNeighbor(i *Iface, a netip.Addr) error {
	if i.neighborsOf(a).Len() < h.cfg.Neighbor.Entries {
		return h.limitError(limitUnresolved)
	}
	return h.limitError(limitNeighbors)
}

// AddNeighbor sets the hardware address of a neighbour by hand (PERMANENT). ErrLimit: the table is full of neighbours in use.
func (i *Iface) AddNeighbor(now clock.Instant, a netip.Addr, hw wire.HardwareAddr) error {
	a = i.scoped(a)
	if !unicast(a) || i.host.net.localAddrs[a] != nil || hw.IsGroup() || hw.IsZero() || i.caps.Medium != phy.MediumEthernet {
		return ErrInvalid
	}
	e := i.neighborsOf(a).SetPermanent(now, a, hw)
	i.host.raiseNeighbors(now)
	if e == nil {
		return i.host.noNeighbor(i, a)
	}
	i.sendPending(now, e)
	return nil
}

// DelNeighbor removes a neighbour, and fails the packets and connections that wait for it. ErrNotFound: the table has
// no such neighbour.
func (i *Iface) DelNeighbor(now clock.Instant, a netip.Addr) error {
	a = i.scoped(a)
	e := i.neighborsOf(a).Delete(a)
	if e == nil {
		return ErrNotFound
	}
	i.host.raiseNeighbors(now)
	i.failPending(now, e, drop.NeighborFailed)
	return nil
}

// FlushNeighbors calls DelNeighbor for every neighbour except PERMANENT ones.
func (i *Iface) FlushNeighbors(now clock.Instant) { i.flushNeighbors(now, drop.NeighborFailed) }

func (i *Iface) flushNeighbors(now clock.Instant, r drop.Reason) {
	for _, c := range i.neigh {
		for _, e := range c.Entries() {
			if e.State != neigh.Permanent {
				c.Delete(e.Addr)
				i.failPending(now, e, r)
			}
		}
	}
	i.host.raiseNeighbors(now)
}

// NeighborInfo is one row of the neighbour table.
type NeighborInfo struct {
	Addr    netip.Addr
	Dev     string
	HW      wire.HardwareAddr // zero while unknown
	State   string            // INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, PERMANENT
	Age     time.Duration     // time since the last confirmation, or since the entry was added
	Expires time.Duration     // time until the entry's next timer; negative: never
	Probes  int               // requests sent since the last confirmation
	Queued  int               // datagrams and connections that wait for the neighbour
	Router  bool              // true for a neighbour that has said that it is a router of IPv6
}

// NeighborInfos returns the neighbour tables of all interfaces, sorted by interface, family and address.
func (h *Host) NeighborInfos(now clock.Instant) []NeighborInfo {
	var infos []NeighborInfo
	for _, i := range h.net.ifaces {
		if i.hidden {
			continue
		}
		for _, e := range i.neighbors() {
			infos = append(infos, i.neighborInfo(now, e))
		}
	}
	return infos
}

// NextHop returns the row of the neighbour table for the next hop to dst: the station itself, or the gateway of its route. ok is false
// if there is no route, or no entry. The call changes nothing.
func (h *Host) NextHop(now clock.Instant, dst netip.Addr) (info NeighborInfo, ok bool) {
	dst, err := h.net.scope(dst, netip.Addr{})
	if err != nil {
		return info, false
	}
	if dst.IsLoopback() || h.net.localAddrs[dst] != nil || !unicast(dst) {
		return info, false
	}
	i, next := h.net.inZone(dst), dst
	if !needsZone(dst) {
		r := h.net.routes.Peek(dst, h.net.reachable)
		if r == nil {
			return info, false
		}
		if i = h.net.ifaces[r.Out]; r.Gateway.IsValid() {
			next = r.Gateway
		}
	}
	e := i.neighborsOf(next).Get(next)
	if e == nil {
		return info, false
	}
	return i.neighborInfo(now, e), true
}

func (i *Iface) neighborInfo(now clock.Instant, e *neighbor) NeighborInfo {
	info := NeighborInfo{
		Addr: e.Addr, Dev: i.name, State: e.State.String(), Age: now.Sub(e.Since), Expires: -1,
		Probes: e.Probes, Queued: e.Pending.datagrams.n + len(e.Pending.conns), Router: e.Router,
	}
	if e.Usable() {
		info.HW = e.HW
	}
	if at := e.Expires(); at != clock.Never {
		info.Expires = max(0, at.Sub(now))
	}
	return info
}
