package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/pmtu"
	"smolsh/stack/syncookie"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// tcpShared is the state that all connections of a host share.
type tcpShared struct {
	timers       clock.Heap[*TCPConn]
	hooks        tcp.Hooks
	config       *tcp.Config        // latest configuration, shared by connections with equal options
	rxSeg, txSeg tcp.Segment        // segment being received and segment being sent, for reuse
	doubts       map[*TCPConn]doubt // the doubtful connections
	peakDoubts   int                // largest size that doubts has had, see buf.ShrinkMap
	cookies      syncookie.Secrets
	challenge    struct {
		second clock.Instant // second to which the budget left applies
		left   int           // challenge ACKs that may still be sent in that second; negative before the first budget was drawn
	}
}

// receiveTCP parses a segment, verifies its checksum and passes it to demuxTCP.
func (h *Host) receiveTCP(now clock.Instant, p *packet) Verdict {
	s := &h.tcp.rxSeg
	var err error
	s.TCP, s.Payload, err = wire.ParseTCP(p.payload)
	if err == nil && !p.trusted && !wire.VerifyTCP(p.payload, p.src, p.dst) {
		h.count(mib.TCPInCsumErrors)
		err = drop.BadChecksum
	}
	if err != nil {
		h.count(mib.TCPInErrs)
		return dropped(drop.Of(err))
	}
	if p.broadcast {
		return dropped(drop.MartianDest) // RFC 9293 §3.9.2.3
	}
	s.GSOSize, s.ECN = int(p.frame.Offload.GSOSize), p.ecn()
	h.stats.counters[mib.TCPInSegs] += uint64(s.Segments())
	v := h.demuxTCP(now, p, s)
	s.Payload = nil
	return v
}

func (h *Host) demuxTCP(now clock.Instant, p *packet, s *tcp.Segment) Verdict {
	key := flow{
		local: p.dst.As16(), remote: p.src.As16(), zone: p.zone,
		localPort: s.DstPort, remotePort: s.SrcPort,
	}
	c := p.conn
	if c == nil {
		c = h.sockets.conn(&key)
	}
	if c != nil && c.conn.State() != tcp.TimeWait {
		return h.segmentArrives(now, c, s)
	}
	l := h.sockets.listener(key, p.family)
	if c != nil {
		after, ok := c.conn.ReuseTimeWait(s)
		if !ok || l == nil {
			return h.segmentArrives(now, c, s)
		}
		h.count(mib.TCPExtTWRecycled)
		h.tcpState(c.conn, tcp.TimeWait, tcp.Closed)
		h.raiseTCP(now, c)
		h.removeConn(c)
		return h.listen(now, p, l, s, &after)
	}
	if l != nil {
		return h.listen(now, p, l, s, nil)
	}
	return h.sendReset(now, p, s, drop.NoSocket)
}

// segmentArrives passes a segment to its connection.
func (h *Host) segmentArrives(now clock.Instant, c *TCPConn, s *tcp.Segment) Verdict {
	full := h.trimToMemoryLimit(now, c, s)
	r := c.conn.Receive(now, s)
	if c.doubtful && c.conn.Passed(h.tcp.doubts[c].mark) {
		c.confirmNeighbor(now)
	}
	if full != drop.None {
		r = full
	}
	v := deliveredTo(wire.ProtocolTCP, c.local.Port())
	v.State, v.Probe = c.conn.State(), s.Probe
	h.connChanged(now, c)
	if r != drop.None {
		return dropped(r)
	}
	return v
}

// listen processes a segment in LISTEN (RFC 9293 §3.10.7.2). A SYN creates a connection, or is answered with a SYN
// cookie if the SYN queue is full. An ACK is answered with RST unless it returns a cookie. If the SYN replaces a
// TIME-WAIT connection, the new initial sequence number must lie beyond that connection's last one, to which after
// points. Otherwise after is nil.
func (h *Host) listen(now clock.Instant, p *packet, l *TCPListener, s *tcp.Segment, after *wire.Seq) Verdict {
	switch {
	case s.Flags.Has(wire.RST):
		return dropped(drop.NoSocket)
	case s.Flags.Has(wire.ACK):
		return h.acceptCookie(now, p, l, s)
	case !s.Flags.Has(wire.SYN):
		return dropped(drop.TCPBadState)
	case !l.full() && l.half >= h.limits.SYNQueue:
		h.countRefusedTo(limitSYNQueue, p.src)
		return h.sendCookie(now, p, l, s)
	case l.full():
		h.count(mib.TCPExtListenDrops)
		h.count(mib.TCPExtListenOverflows)
		return dropped(drop.TCPListenFull) // the peer retransmits its SYN
	}
	local := netip.AddrPortFrom(p.dst, s.DstPort)
	remote := netip.AddrPortFrom(p.src, s.SrcPort)
	iss, stampOffset := h.starts(now, local, remote)
	if after != nil && iss.LessEq(*after) {
		iss = after.Add(1 + int(h.rng.Uint32N(1<<16)))
	}
	conn := tcp.NewListen(l.cfg, p.iface.mss(p.family), iss, &h.tcp.hooks)
	if p.family == ipv6 {
		conn.OverIPv6()
	}
	conn.SetStampOffset(stampOffset)
	return h.newPassiveConn(now, p, l, s, conn)
}

// newPassiveConn passes the segment s, which a listener received, to the new connection conn, and stores conn in the
// listener's SYN queue.
func (h *Host) newPassiveConn(now clock.Instant, p *packet, l *TCPListener, s *tcp.Segment, conn *tcp.Conn) Verdict {
	if r := conn.Receive(now, s); r != drop.None {
		h.dropTCPEvents(conn)
		return dropped(r)
	}
	id, err := h.registerConn()
	if err != nil {
		conn.Abort(now)
		h.dropTCPEvents(conn)
		h.count(mib.TCPExtListenDrops)
		h.count(mib.TCPExtAbortOnMemory)
		return dropped(drop.TCPListenFull)
	}
	_ = h.holdPort(portsTCP, netip.AddrPortFrom(p.dst, s.DstPort)) // succeeds, since the listener has the port
	c := h.addConn(id, conn, p.iface, netip.AddrPortFrom(p.dst, s.DstPort), netip.AddrPortFrom(p.src, s.SrcPort))
	c.listener, c.half = l, true
	l.half++
	v := deliveredTo(wire.ProtocolTCP, s.DstPort)
	v.Listener, v.State = true, conn.State()
	h.connChanged(now, c)
	return v
}

// sendReset answers a segment that has no connection with RST (RFC 9293 §3.10.7.1), unless the segment is a RST itself. The segment
// counts as dropped, and the argument why is the reason.
func (h *Host) sendReset(now clock.Instant, p *packet, s *tcp.Segment, why drop.Reason) Verdict {
	rst, ok := tcp.Reset(s)
	if !ok {
		return dropped(why)
	}
	f := h.frames.get(0)
	rst.Put(f.Extend(rst.HeaderLen()))
	wire.PutTCPChecksum(f.Bytes(), p.dst, p.src)
	h.putIP(f, &ipHeader{src: p.dst, dst: p.src, proto: wire.ProtocolTCP, ttl: replyTTL, dontFragment: true})
	if r := h.reply(now, f, p.dst, p.src); r != drop.None {
		return dropped(r)
	}
	h.count(mib.TCPOutSegs)
	h.count(mib.TCPOutRsts)
	v := refused(ResetReply, why)
	v.Proto, v.Port = wire.ProtocolTCP, s.DstPort
	return v
}

// refreshRoute updates the next hop and path MTU of c if routes have changed. It reports whether there is a next hop.
func (c *TCPConn) refreshRoute(now clock.Instant) bool {
	if h := c.host; c.epoch != h.net.epoch {
		c.epoch = h.net.epoch
		c.endDoubt() // later progress may still be that of the old next hop
		c.hop, _ = h.net.routeFor(c.local.Addr(), c.remote.Addr())
		if mtu, since, ok := h.net.paths.Get(now, pmtu.Key{Dst: c.remote.Addr(), Checked: true}); ok {
			c.conn.LimitPath(mtu-c.headers(), since)
		}
	}
	return c.hop.iface != nil
}

// connChanged is called after every call that may have changed a connection. It runs the timers that are due, reports
// events, and removes a connection that has ended. If the connection has segments to send, it joins the ready list.
// connChanged then sets the timer and notifies the user.
func (h *Host) connChanged(now clock.Instant, c *TCPConn) {
	if c.gone {
		return
	}
	h.workPending()
	ready := c.conn.Ready(now)      // Ready also frees unused buffers
	if len(h.watch.tcpEvents) > 0 { // called after Ready, because Ready runs timers, which change the state too
		h.raiseTCP(now, c)
	}
	h.memory.update(c)
	accepted := c.promote()
	switch {
	case c.conn.Done():
		h.removeConn(c)
	case ready && !c.queued && c.parked == nil:
		if !c.refreshRoute(now) {
			h.failNoPath(now, c, ErrNoRoute, drop.NoRoute)
			return
		}
		c.hop.iface.out.ready.push(c)
		h.schedule(now, c)
	default:
		h.schedule(now, c)
	}
	if accepted != nil {
		accepted.fire(now)
	}
	if status := c.status(); status != c.lastNotified {
		fire := status.state != c.lastNotified.state || status.eof != c.lastNotified.eof ||
			status.readable > c.lastNotified.readable || status.writable > c.lastNotified.writable
		c.lastNotified = status
		if fire {
			c.Signal.Fire()
			c.notify(now)
		}
	}
}

// notify calls OnEvent, unless OnEvent is running already: it makes calls until it must wait.
func (c *TCPConn) notify(now clock.Instant) {
	if c.OnEvent == nil || c.notifying {
		return
	}
	c.notifying = true
	c.OnEvent(now)
	c.notifying = false
}

// schedule sets the timer of c. It sets an earlier deadline at once. It sets a later one only when the timer expires,
// since most deadlines become later with every segment.
func (h *Host) schedule(now clock.Instant, c *TCPConn) {
	at := c.conn.Deadline()
	if at <= now {
		at = clock.Never // no timer is needed: c is on the ready list, or waits for a neighbour
		if !c.queued && c.parked == nil {
			at = now + 1
		}
	}
	if at == clock.Never || at < c.timer.At() {
		h.tcp.timers.Set(&c.timer, at)
	}
}

// promote moves a passive connection that has completed its handshake to its listener's backlog, and returns that
// listener.
func (c *TCPConn) promote() *TCPListener {
	if !c.half {
		return nil
	}
	switch c.conn.State() {
	case tcp.Listen, tcp.SynReceived, tcp.Closed:
		return nil
	}
	l := c.listener
	c.half = false
	l.half--
	// A burst may exceed the backlog by the length of the SYN queue. The backlog was checked when the SYN arrived, and
	// refusing the connection now would leave the peer with a connection that the host does not have.
	l.accept.push(c, l.accept.n+1)
	return l
}

// failNoPath reports err to a connection whose segments can't be sent, and drops its pending segments for the reason r.
// The connection's timers then run as if the network had lost the segments.
func (h *Host) failNoPath(now clock.Instant, c *TCPConn, err error, r drop.Reason) {
	if c.gone {
		return
	}
	c.conn.SoftError(now, err, true)
	const most = 1 << 16 // bound, above the number of segments in any window
	for k := 0; k < most && c.conn.Ready(now); k++ {
		h.frames.scratch.Reset()
		if !h.emit(now, c, h.frames.scratch, min(len(h.frames.scratch.Tail()), defaultMTU-c.headers())) {
			break
		}
		h.dropTX(now, c.hop.iface, phy.MediumIP, h.frames.scratch.Bytes(), r)
	}
	h.connChanged(now, c)
}

// removeConn removes a connection from the tables.
func (h *Host) removeConn(c *TCPConn) {
	c.gone = true
	h.memory.release(c)
	c.endDoubt()
	h.tcp.timers.Stop(&c.timer)
	h.sockets.removeConn(h.net.flowOf(c.local, c.remote), c)
	h.ports.release(c)
	h.releasePort(portsTCP, c.local)
	if h.sockets.recent == c {
		h.sockets.recent = nil
	}
	h.sockets.open--
	if c.half {
		c.half = false
		c.listener.half--
		c.listener = nil
	}
}

// abortConnsFrom ends every connection from a removed local address with ErrAddrRemoved. It sends no segment to the
// peer.
func (h *Host) abortConnsFrom(now clock.Instant, a netip.Addr) {
	for _, c := range h.sockets.connectionsFrom(a) {
		c.addrRemoved = c.conn.State() != tcp.Closed
		c.conn.Abort(now)
		h.raiseTCP(now, c)
		h.removeConn(c)
		c.lastNotified = c.status()
		c.Signal.Fire()
		c.notify(now)
	}
}

// allConnsChanged calls connChanged for every connection, after interfaces went up or down.
func (h *Host) allConnsChanged(now clock.Instant) {
	for _, c := range h.sockets.connections() {
		h.connChanged(now, c)
	}
}
