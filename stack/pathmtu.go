package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// pathAge is how long a path is thought narrow (RFC 1191 §6.3).
const pathAge = 10 * time.Minute

// plateaus are the usual MTUs, for routers that do not say theirs (RFC 1191 §7.1).
var plateaus = [...]int{32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, minMTU}

// pathKey is a destination. What connections have learnt is checked against sequence numbers; what
// datagrams are told cannot be, so that it holds for them alone.
type pathKey struct {
	dst     netip.Addr
	checked bool
}

// pathMTU is a path that carries less than its first link: mtu octets, as of since.
type pathMTU struct {
	key   pathKey
	mtu   int
	since clock.Instant
	age   clock.Timer[*pathMTU] // set to since
}

// pathTable is what is known of paths' MTUs, a bounded number of them.
type pathTable struct {
	byKey map[pathKey]*pathMTU
	byAge clock.Heap[*pathMTU] // the oldest first
}

// len returns the number of paths, those too old to be used included.
func (t *pathTable) len() int { return len(t.byKey) }

// get returns the entry of a path. ok is false if there is none, or if it is too old.
func (t *pathTable) get(now clock.Instant, key pathKey) (p *pathMTU, ok bool) {
	p = t.byKey[key]
	return p, p != nil && now.Sub(p.since) < pathAge
}

// put notes an MTU. A new path replaces the oldest where the table holds most already.
func (t *pathTable) put(now clock.Instant, key pathKey, mtu, most int) {
	p := t.byKey[key]
	if p == nil {
		if t.len() >= most {
			p = t.byAge.First().Value
			t.byAge.Stop(&p.age)
			delete(t.byKey, p.key)
		}
		if p == nil {
			p = new(pathMTU)
			p.age.Value = p
		}
		p.key = key
		t.byKey[key] = p
	}
	p.mtu, p.since = mtu, now
	t.byAge.Set(&p.age, now)
}

// PathMTU is the longest packet that is known to reach dst, in octets: what routers have said of the way
// there in the last ten minutes, or the MTU of the interface that leads there. 0: nothing leads there.
func (h *Host) PathMTU(now clock.Instant, dst netip.Addr) int {
	p, ok := h.net.lookup(dst)
	if !ok {
		return 0
	}
	return h.net.pathMTU(now, dst, p.iface.MTU())
}

// pathMTU is the smaller of mtu and what is known of the path, by whomever.
func (n *netLayer) pathMTU(now clock.Instant, dst netip.Addr, mtu int) int {
	for _, checked := range [...]bool{true, false} {
		if p, ok := n.paths.get(now, pathKey{dst, checked}); ok {
			mtu = min(mtu, p.mtu)
		}
	}
	return mtu
}

// reportedMTU is what "fragmentation needed" says that fits. An old router does not say, so that the next
// plateau below what it refused is tried (RFC 1191 §5).
func reportedMTU(m *wire.ICMP, q *wire.Quoted) int {
	if m.MTU != 0 {
		return int(m.MTU)
	}
	for _, n := range plateaus {
		if n < q.IP.HeaderLen+q.IP.PayloadLen {
			return n
		}
	}
	return 0
}

// tooBigTCP takes in that a segment of c was too long for the path. Other connections that go the same way
// follow from their next segment on.
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
		h.net.paths.put(now, pathKey{q.IP.Dst, true}, mtu, h.limits.Paths)
		h.net.epoch++
	}
	h.connChanged(now, c)
	v := deliveredTo(wire.ProtocolTCP, q.SrcPort)
	v.State = c.conn.State()
	return v
}

// tooBigDatagram takes in that a datagram, or an echo request, was too long for the path. Nothing in it proves that we
// sent it, but that it fits our interface, and that a socket has its port or identifier.
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
	if mtu < h.net.pathMTU(now, q.IP.Dst, way.iface.MTU()) {
		h.net.paths.put(now, pathKey{q.IP.Dst, false}, mtu, h.limits.Paths)
	}
	if u != nil {
		u.sendFailed(now, ErrTooBig)
	}
	return deliveredTo(q.IP.Protocol, q.SrcPort)
}
