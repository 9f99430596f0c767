package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/pmtu"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// PathMTU returns the length of the longest packet that reaches dst without fragmentation, in octets. That is the MTU
// that routers have reported in the last ten minutes, otherwise the MTU of the outgoing interface. It returns 0 if
// there is no route.
func (h *Host) PathMTU(now clock.Instant, dst netip.Addr) int {
	p, ok := h.net.lookup(dst)
	if !ok {
		return 0
	}
	return h.net.paths.Within(now, dst, p.iface.mtuOf(familyOf(dst)))
}

// credibleMTU returns the path MTU that an ICMP error about q reports. Old routers of IPv4 report none. The host then tries the
// next plateau below the length of the dropped packet (RFC 1191 §5). ok is false if the MTU is below the least of the family
// (RFC 8201 §4), or not below the packet's length.
func credibleMTU(mtu int, q *quoted) (int, bool) {
	version := familyOf(q.dst)
	if mtu == 0 && version == ipv4 {
		mtu = pmtu.Plateau(q.length)
	}
	return mtu, mtu >= version.minMTU() && mtu < q.length
}

// tooBigTCP processes a report that a segment of c was too long for the path. It must quote a sequence number in flight
// (RFC 5927 §7). If it is accepted, other connections to the destination use the MTU from their next segment on.
func (h *Host) tooBigTCP(now clock.Instant, c *TCPConn, mtu int, q *quoted) Verdict {
	claim := tcp.PMTURefused
	mtu, ok := credibleMTU(mtu, q)
	if ok {
		claim = c.conn.TooBig(now, q.seq, mtu-c.headers())
	}
	switch claim {
	case tcp.PMTURefused:
		return dropped(drop.ICMPBadMTU)
	case tcp.PMTUBelieved:
		h.net.paths.Put(now, pmtu.Key{Dst: q.dst, Checked: true}, mtu, h.limits.Paths)
		h.net.epoch++
	}
	h.connChanged(now, c)
	v := deliveredTo(wire.ProtocolTCP, q.srcPort)
	v.State = c.conn.State()
	return v
}

// tooBigDatagram processes a report that a datagram or echo request was too long for the path. It checks that the
// quoted packet fits our interface, and that a socket has the packet's port or identifier. No other check against
// forgery is possible.
func (h *Host) tooBigDatagram(now clock.Instant, mtu int, q *quoted) Verdict {
	mtu, credible := credibleMTU(mtu, q)
	way, ok := h.net.lookup(q.dst)
	if !ok || !credible || q.length > way.iface.mtuOf(familyOf(q.dst)) {
		return dropped(drop.ICMPBadMTU)
	}
	var u *UDPConn
	if q.proto == wire.ProtocolUDP {
		if u = h.sockets.udp[q.flow()]; u == nil && !h.ports.inUse(portsUDP, familyOf(q.src), q.srcPort) {
			return dropped(drop.ICMPNoSocket)
		}
	}
	if mtu < h.net.paths.Within(now, q.dst, way.iface.mtuOf(familyOf(q.dst))) {
		h.net.paths.Put(now, pmtu.Key{Dst: q.dst}, mtu, h.limits.Paths)
	}
	if u != nil {
		u.sendFailed(now, ErrTooBig)
	}
	return deliveredTo(q.proto, q.srcPort)
}
