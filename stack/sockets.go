package stack

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"smolsh/stack/wire"
)

// socketTable holds the host's sockets, indexed by the packets that each receives.
type socketTable struct {
	conns      map[flow]*TCPConn
	connsFrom  map[netip.Addr]int // number of connections by local address
	peakConns  int                // largest size that conns has had, see buf.ShrinkMap
	recent     *TCPConn           // connection found last, with the key recentFlow; nil if there is none
	recentFlow flow
	listeners  map[flow]*TCPListener       // listeners bound to an address
	udp        map[flow]*UDPConn           // connected UDP sockets, and those bound to an address
	anyTCP     map[familyPort]*TCPListener // listeners bound to all addresses of a family
	anyUDP     map[familyPort]*UDPConn     // UDP sockets bound to all addresses of a family
	icmpByID   map[uint16]*ICMPConn        // ICMP sockets by identifier
	icmpByUDP  map[uint16]*ICMPConn        // ICMP sockets by UDP port
	raw        map[wire.Protocol]*roll[*RawConn]
	rawSenders map[rawPeer]*roll[*RawConn]
	frames     map[frameKind]*roll[*FrameConn]
	claims     map[claimKey]*Claim
	open       int    // sockets of every kind
	lastID     uint64 // identifier of the newest socket
}

func (t *socketTable) init() {
	t.conns = make(map[flow]*TCPConn)
	t.connsFrom = make(map[netip.Addr]int)
	t.listeners = make(map[flow]*TCPListener)
	t.udp = make(map[flow]*UDPConn)
	t.anyTCP = make(map[familyPort]*TCPListener)
	t.anyUDP = make(map[familyPort]*UDPConn)
	t.icmpByID = make(map[uint16]*ICMPConn)
	t.icmpByUDP = make(map[uint16]*ICMPConn)
	t.raw = make(map[wire.Protocol]*roll[*RawConn])
	t.rawSenders = make(map[rawPeer]*roll[*RawConn])
	t.frames = make(map[frameKind]*roll[*FrameConn])
	t.claims = make(map[claimKey]*Claim)
}

// register counts a new socket and returns its identifier. Errors: ErrLimit.
func (h *Host) register() (id uint64, err error) {
	if h.sockets.open >= h.limits.Sockets {
		return 0, h.limitError(limitSockets)
	}
	h.sockets.open++
	h.sockets.lastID++
	return h.sockets.lastID, nil
}

// registerConn counts a new connection, for the limits on connections and on sockets, and returns its identifier.
// Errors: ErrLimit.
func (h *Host) registerConn() (id uint64, err error) {
	if len(h.sockets.conns) >= h.limits.Connections {
		return 0, h.limitError(limitConnections)
	}
	h.sockets.peakConns = max(h.sockets.peakConns, len(h.sockets.conns)+1)
	return h.register()
}

// fastPathConn returns the connection of a segment, if the segment arrives on the interface by which that connection
// sends. It returns nil otherwise. The addresses of such a segment need no check, since they were checked when the
// connection was made. receiveIPv4 and receiveIPv6
// process packets with options or extension headers, fragments and group frames instead.
func (t *socketTable) fastPathConn(p *packet, group bool) *TCPConn {
	if p.proto != wire.ProtocolTCP || len(p.payload) < wire.TCPLen || group || p.fragment.isFragment() || p.headerLen != p.family.headerLen() {
		return nil
	}
	key := flow{
		local: p.dst.As16(), remote: p.src.As16(), zone: p.zone,
		localPort: binary.BigEndian.Uint16(p.payload[2:]), remotePort: binary.BigEndian.Uint16(p.payload),
	}
	if c := t.conn(&key); c != nil && c.hop.iface == p.iface {
		return c
	}
	return nil
}

// conn returns the connection with the given key. It tries the last one found first, since most segments belong to the
// same connection as the segment before.
func (t *socketTable) conn(key *flow) *TCPConn {
	if t.recent != nil && t.recentFlow == *key {
		return t.recent
	}
	c := t.conns[*key]
	if c != nil {
		t.recent, t.recentFlow = c, *key
	}
	return c
}

// addConn adds a connection to the tables, and removeConn removes it.
func (t *socketTable) addConn(key flow, c *TCPConn) {
	t.conns[key] = c
	t.connsFrom[c.local.Addr()]++
}

func (t *socketTable) removeConn(key flow, c *TCPConn) {
	delete(t.conns, key)
	a := c.local.Addr()
	if t.connsFrom[a]--; t.connsFrom[a] == 0 {
		delete(t.connsFrom, a)
	}
}

// connectionsFrom returns the connections from a local address, in the order of their creation. If there are none, the call costs
// nothing, because router advertisements with short lifetimes can make the host lose such addresses every second.
func (t *socketTable) connectionsFrom(a netip.Addr) []*TCPConn {
	n := t.connsFrom[a]
	if n == 0 {
		return nil
	}
	list := make([]*TCPConn, 0, n)
	for _, c := range t.conns {
		if c.local.Addr() == a {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *TCPConn) int { return int(int64(a.id - b.id)) })
	return list
}

// connections returns every connection, in the order of their creation.
func (t *socketTable) connections() []*TCPConn {
	all := make([]*TCPConn, 0, len(t.conns))
	for _, c := range t.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *TCPConn) int { return int(int64(a.id - b.id)) })
	return all
}

// listener returns the listener for segments to a local address and port: the one bound to the address, else the one bound to all
// addresses of the family.
func (t *socketTable) listener(key flow, f family) *TCPListener {
	if l := t.listeners[flow{local: key.local, localPort: key.localPort, zone: key.zone}]; l != nil {
		return l
	}
	return t.anyTCP[familyPort{f, key.localPort}]
}

// udpSocket returns the socket for datagrams with the key: the one connected to the sender, else the one bound to the local
// address, else the one bound to all addresses of the family.
func (t *socketTable) udpSocket(key flow, f family) *UDPConn {
	if u := t.udp[key]; u != nil {
		return u
	}
	key.remote, key.remotePort = [16]byte{}, 0
	if u := t.udp[key]; u != nil {
		return u
	}
	return t.anyUDP[familyPort{f, key.localPort}]
}

// allListeners calls yield with each listener, in no order.
func (t *socketTable) allListeners(yield func(*TCPListener) bool) {
	for _, l := range t.listeners {
		if !yield(l) {
			return
		}
	}
	for key, l := range t.anyTCP {
		if (key.family == ipv4 || t.anyTCP[familyPort{ipv4, key.port}] != l) && !yield(l) {
			return
		}
	}
}

// allUDP calls yield with each UDP socket, in no order.
func (t *socketTable) allUDP(yield func(*UDPConn) bool) {
	for _, u := range t.udp {
		if !yield(u) {
			return
		}
	}
	for key, u := range t.anyUDP {
		if (key.family == ipv4 || t.anyUDP[familyPort{ipv4, key.port}] != u) && !yield(u) {
			return
		}
	}
}

// each calls fn with every socket that has a queue.
func (t *socketTable) each(fn func(s *socket)) {
	for u := range t.allUDP {
		fn(&u.socket)
	}
	for _, table := range [...]map[uint16]*ICMPConn{t.icmpByID, t.icmpByUDP} {
		for _, c := range table { // map order does not matter
			fn(&c.socket)
		}
	}
	for _, list := range t.raw { // map order does not matter
		for c := range list.all {
			fn(&c.socket)
		}
	}
	for _, list := range t.frames { // map order does not matter
		for c := range list.all {
			fn(&c.socket)
		}
	}
	for _, c := range t.claims { // map order does not matter
		fn(&c.socket)
	}
}
