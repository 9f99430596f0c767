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
	return h.net.paths.Within(now, dst, p.iface.MTU())
}

// reportedMTU returns the MTU that a "fragmentation needed" error reports. Old routers report no MTU. The host then
// tries the next plateau below the length of the dropped packet (RFC 1191 §5).
func reportedMTU(m *wire.ICMP, q *wire.Quoted) int {
	if m.MTU != 0 {
		return int(m.MTU)
	}
	return pmtu.Plateau(q.IP.HeaderLen + q.IP.PayloadLen)
}

// tooBigTCP processes a report that a segment of c was too long for the path. It must quote a sequence number in flight
// (RFC 5927 §7). If it is accepted, other connections to the destination use the MTU from their next segment on.
func (h *Host) tooBigTCP(now clock.Instant, c *TCPConn, m *wire.ICMP, q *wire.Quoted) Verdict {
	mtu := reportedMTU(m, q)
	claim := tcp.PMTURefused
	if mtu >= minMTU && mtu < q.IP.HeaderLen+q.IP.PayloadLen {
		claim = c.conn.TooBig(now, q.Seq, mtu-wire.IPv4Len-wire.TCPLen)
	}
	switch claim {
	case tcp.PMTURefused:
		return dropped(drop.ICMPBadMTU)
	case tcp.PMTUBelieved:
		h.net.paths.Put(now, pmtu.Key{Dst: q.IP.Dst, Checked: true}, mtu, h.limits.Paths)
		h.net.epoch++
	}
	h.connChanged(now, c)
	v := deliveredTo(wire.ProtocolTCP, q.SrcPort)
	v.State = c.conn.State()
	return v
}

// tooBigDatagram processes a report that a datagram or echo request was too long for the path. It checks that the
// quoted packet fits our interface, and that a socket has the packet's port or identifier. No other check against
// forgery is possible.
func (h *Host) tooBigDatagram(now clock.Instant, m *wire.ICMP, q *wire.Quoted) Verdict {
	mtu, sent := reportedMTU(m, q), q.IP.HeaderLen+q.IP.PayloadLen
	way, ok := h.net.lookup(q.IP.Dst)
	if !ok || mtu < minMTU || mtu >= sent || sent > way.iface.MTU() {
		return dropped(drop.ICMPBadMTU)
	}
	var u *UDPConn
	if q.IP.Protocol == wire.ProtocolUDP {
		if u = h.sockets.udp[quotedFlow(q)]; u == nil && h.ports.users[portsUDP][q.SrcPort] == 0 {
			return dropped(drop.ICMPNoSocket)
		}
	}
	if mtu < h.net.paths.Within(now, q.IP.Dst, way.iface.MTU()) {
		h.net.paths.Put(now, pmtu.Key{Dst: q.IP.Dst}, mtu, h.limits.Paths)
	}
	if u != nil {
		u.sendFailed(now, ErrTooBig)
	}
	return deliveredTo(q.IP.Protocol, q.SrcPort)
}
