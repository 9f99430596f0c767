package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// Pending reports whether Transmit may have a frame for the interface i at time now.
func (h *Host) Pending(now clock.Instant, i *Iface) bool {
	return i.up && (i.neigh[ipv4].Owes() || i.neigh[ipv6].Owes() || i.owesReports(now) || i.out.replies.n > 0 || i.out.datagrams.n > 0 || i.out.ready.n > 0)
}

// Transmit writes the next frame for interface i into f, which is empty and has full headroom, and reports whether
// there was one. Requests for neighbours, reports of groups and the stack's own answers are sent first, then datagrams and segments in turn. If the
// interface's capabilities allow it, f may be a super-segment as long as f's tail. The caller then calls FrameSent, or
// FrameQueued and FrameTaken.
func (h *Host) Transmit(now clock.Instant, i *Iface, f *phy.Frame) bool {
	if !i.up {
		return false
	}
	if i.transmitRequest(now, f) {
		return true
	}
	if r, ok := i.out.replies.pop(); ok {
		f.CopyFrom(r)
		h.frames.put(r)
		return true
	}
	i.out.tcpTurn = !i.out.tcpTurn
	if i.out.tcpTurn {
		if h.transmitSegment(now, i, f) || h.transmitDatagram(i, f) {
			return true
		}
	} else if h.transmitDatagram(i, f) || h.transmitSegment(now, i, f) {
		return true
	}
	sent := i.transmitRequest(now, f) // emit may have started to resolve the neighbour, whose request is sent now
	h.raiseNeighbors(now)
	return sent
}

func (i *Iface) transmitRequest(now clock.Instant, f *phy.Frame) bool {
	for _, c := range i.neigh {
		for a, hw, ok := c.NextRequest(now); ok; a, hw, ok = c.NextRequest(now) {
			if i.putRequest(f, a, hw) {
				return true
			}
		}
	}
	return i.transmitReports(now, f)
}

func (h *Host) transmitDatagram(i *Iface, f *phy.Frame) bool {
	d, ok := i.out.datagrams.pop()
	if ok {
		f.CopyFrom(d)
		h.frames.put(d)
	}
	return ok
}

// transmitSegment writes the next segment of a connection on the ready list into f. It returns false if no connection
// has a segment. It takes the first connection that has a segment, which then moves to the end of the list.
func (h *Host) transmitSegment(now clock.Instant, i *Iface, f *phy.Frame) bool {
	for range i.out.ready.n {
		c := i.out.ready.pop()
		if c.gone {
			continue
		}
		if !c.refreshRoute(now) || c.hop.iface != i {
			h.connChanged(now, c)
			continue
		}
		hw, ok := h.neighborOf(now, c)
		if !ok {
			continue
		}
		sent := h.emit(now, c, f, i.segmentRoom(c, f))
		if sent {
			i.putLinkHeader(f, hw, familyOf(c.remote.Addr()).etherType())
		}
		h.connChanged(now, c)
		if sent {
			return true
		}
	}
	return false
}

// segmentRoom returns the octets of payload that the next segment of c on i may have in f. If the MTU has become
// smaller since the connection was made, segments are shorter and none is a super-segment.
func (i *Iface) segmentRoom(c *TCPConn, f *phy.Frame) int {
	version := familyOf(c.remote.Addr())
	mss := i.mss(version)
	room := min(mss, c.conn.MaxSegment())
	if i.caps.MaxGSO > 0 && i.caps.TxChecksum && mss >= int(c.mss) {
		room = max(room, min(i.caps.MaxGSO, maxMTU)-version.headerLen()-wire.MaxTCPLen)
	}
	return max(0, min(room, len(f.Tail())))
}

// neighborOf returns the hardware address for a connection's next segment. If ok is false, the connection waits for the
// neighbour's answer, or has failed.
func (h *Host) neighborOf(now clock.Instant, c *TCPConn) (hw wire.HardwareAddr, ok bool) {
	i := c.hop.iface
	if i.caps.Medium != phy.MediumEthernet {
		return hw, true
	}
	e := i.neighborsOf(c.hop.next).Resolve(now, c.hop.next, c.half)
	switch {
	case e == nil:
		h.failNoPath(now, c, h.noNeighbor(i, c.hop.next), drop.NeighborTableFull)
	case e.Usable():
		c.sendingTo(e)
		return e.HW, true
	default:
		c.parked = e
		e.Pending.park(c)
	}
	return hw, false
}

// emit writes the next segment of c into f with its TCP and IP headers, and reports whether there was one. room is the
// largest payload in octets.
func (h *Host) emit(now clock.Instant, c *TCPConn, f *phy.Frame, room int) bool {
	s, i := &h.tcp.txSeg, c.hop.iface
	s.Lend = i != nil && i.caps.Gather && h.watch.payloadObservers == 0
	n, ok := c.conn.Emit(now, f.Tail()[:room], s)
	if !ok {
		return false
	}
	if s.Lent[0] != nil {
		f.Borrow(s.Lent[0], s.Lent[1])
	} else {
		f.Extend(n)
	}
	s.SrcPort, s.DstPort = c.local.Port(), c.remote.Port()
	s.Put(f.Prepend(s.HeaderLen()))
	if s.GSOSize > 0 && n > s.GSOSize {
		f.Offload.GSOSize = uint16(s.GSOSize)
	}
	src, dst := c.local.Addr(), c.remote.Addr()
	if i != nil && i.caps.TxChecksum {
		wire.PutTCPPartialChecksum(f.Bytes(), src, dst, f.Len())
		f.Offload.NeedsCsum = true
	} else {
		wire.PutTCPChecksum(f.Bytes(), src, dst)
	}
	f.Tag = uint8(s.Probe)
	h.stats.counters[mib.TCPOutSegs] += uint64(s.Segments())
	if s.Flags.Has(wire.RST) {
		h.count(mib.TCPOutRsts)
	}
	h.putIP(f, &ipHeader{src: src, dst: dst, proto: wire.ProtocolTCP, ttl: c.ttl, ecn: s.ECN, dontFragment: !c.conn.MayFragment(), label: c.label})
	s.Payload, s.Lent = nil, [2][]byte{}
	return true
}

// putLinkHeader prepends the link header, if the medium has one.
func (i *Iface) putLinkHeader(f *phy.Frame, dst wire.HardwareAddr, t wire.EtherType) {
	if i.caps.Medium == phy.MediumEthernet {
		eth := wire.Ethernet{Dst: dst, Src: i.mac, Type: t}
		eth.Put(f.Prepend(wire.EthernetLen))
	}
}

// send queues the packet f for the next hop p, and then owns f. If the neighbour is not resolved, the packet waits for
// the answer. If there is no answer, owner's method sendFailed is called; owner may be nil.
func (h *Host) send(now clock.Instant, p hop, f *phy.Frame, owner sendErrorSink) error {
	i := p.iface
	hw := wire.Broadcast
	if p.next.IsMulticast() {
		hw = wire.GroupMAC(p.next)
	}
	if i.caps.Medium == phy.MediumEthernet && !p.broadcast {
		e := i.neighborsOf(p.next).Resolve(now, p.next, false)
		h.raiseNeighbors(now)
		if e == nil {
			i.discard(now, f, drop.NeighborTableFull)
			return h.noNeighbor(i, p.next)
		}
		if !e.Usable() {
			i.addPending(now, e, pendingPacket{frame: f, owner: owner})
			return nil
		}
		hw = e.HW
	}
	if !i.enqueue(now, limitSendQueue, f, hw) {
		i.discard(now, f, drop.QueueFull)
		return ErrQueueFull
	}
	return nil
}

// reply queues the packet f, an answer of the stack itself to dst, and then owns f. It returns drop.None, or the reason
// for which it dropped f.
func (h *Host) reply(now clock.Instant, f *phy.Frame, dst netip.Addr) drop.Reason {
	p, ok := h.net.lookup(dst)
	if !ok {
		h.countIP(familyOf(dst), mib.IPOutNoRoutes)
		h.frames.put(f)
		return drop.NoRoute
	}
	if b := f.Bytes(); familyOf(dst) == ipv6 {
		if b[7] == replyTTL {
			b[7] = p.iface.hopLimit(ipv6)
		}
	} else if len(b) > p.iface.MTU() {
		wire.JoinIPv4(b, int(b[0]&15)*4) // DF is cleared, since the stack keeps no copy that it could send again in shorter packets
	}
	return h.sendForOthers(now, p, pendingPacket{frame: f}, limitReplyQueue)
}

// sendForOthers queues a packet that another host has caused: an answer, or a packet to be forwarded. It then owns the
// packet. It queues the packet for the next hop p within the limit l, or with the neighbour until that answers. It
// returns drop.None, or the reason for which it dropped the packet.
func (h *Host) sendForOthers(now clock.Instant, p hop, what pendingPacket, l limit) drop.Reason {
	i, f := p.iface, what.frame
	var hw wire.HardwareAddr
	if i.caps.Medium == phy.MediumEthernet {
		e := i.neighborsOf(p.next).Resolve(now, p.next, true)
		if e == nil {
			_ = h.noNeighbor(i, p.next)
			h.frames.put(f)
			return drop.NeighborTableFull
		}
		if !e.Usable() {
			i.addPending(now, e, what)
			return drop.None
		}
		hw = e.HW
	}
	if i.enqueue(now, l, f, hw) {
		return drop.None
	}
	h.frames.put(f)
	if l == limitReplyQueue {
		return drop.ReplyQueueFull
	}
	return drop.QueueFull
}

// FrameQueued reports to observers that a frame of Transmit is queued for its device. The caller then calls FrameTaken
// when the device has accepted the frame, or FrameSent with a reason when it has not.
func (h *Host) FrameQueued(now clock.Instant, i *Iface, f *phy.Frame) {
	h.observe(now, i, TX, f, transmitted(f))
}

// FrameTaken counts a frame that the device has accepted. octets is the frame's length with the link header.
func (h *Host) FrameTaken(i *Iface, octets int) {
	i.stats.txPackets++
	i.stats.txBytes += uint64(octets)
}

// FrameSent counts a frame of Transmit as sent, and reports it to observers. If r is a reason, a device or a fault rule
// dropped the frame, and it is counted as dropped.
func (h *Host) FrameSent(now clock.Instant, i *Iface, f *phy.Frame, r drop.Reason) {
	v := transmitted(f)
	if r == drop.None {
		h.FrameTaken(i, f.Len())
	} else {
		i.stats.txDropped++
		h.dropTX(now, i, i.caps.Medium, f.Bytes(), r)
		v = dropped(r)
	}
	h.observe(now, i, TX, f, v)
}
