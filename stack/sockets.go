package stack

import (
	"encoding/binary"
	"slices"

	"smolsh/stack/wire"
)

// socketTable holds the host's sockets, indexed by the packets that each receives.
type socketTable struct {
	conns      map[flow]*TCPConn
	peakConns  int      // largest size that conns has had, see buf.ShrinkMap
	recent     *TCPConn // connection found last, with the key recentFlow; nil if there is none
	recentFlow flow
	listeners  map[flow]*TCPListener
	udp        map[flow]*UDPConn
	icmpByID   map[uint16]*ICMPConn // ICMP sockets by identifier
	icmpByUDP  map[uint16]*ICMPConn // ICMP sockets by UDP port
	raw        map[wire.Protocol]*roll[*RawConn]
	rawSenders map[rawPeer]*roll[*RawConn]
	frames     map[frameKind]*roll[*FrameConn]
	open       int    // sockets of every kind
	lastID     uint64 // identifier of the newest socket
}

func (t *socketTable) init() {
	t.conns = make(map[flow]*TCPConn)
	t.listeners = make(map[flow]*TCPListener)
	t.udp = make(map[flow]*UDPConn)
	t.icmpByID = make(map[uint16]*ICMPConn)
	t.icmpByUDP = make(map[uint16]*ICMPConn)
	t.raw = make(map[wire.Protocol]*roll[*RawConn])
	t.rawSenders = make(map[rawPeer]*roll[*RawConn])
	t.frames = make(map[frameKind]*roll[*FrameConn])
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
// connection was made. receiveIP processes packets with IP options, fragments and group frames instead.
func (t *socketTable) fastPathConn(p *packet, group bool) *TCPConn {
	if p.ip.Protocol != wire.ProtocolTCP || len(p.payload) < wire.TCPLen || group || p.ip.IsFragment() || p.ip.HeaderLen != wire.IPv4Len {
		return nil
	}
	key := flow{
		local: p.ip.Dst.As16(), remote: p.ip.Src.As16(),
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

// connections returns every connection, in the order of their creation.
func (t *socketTable) connections() []*TCPConn {
	all := make([]*TCPConn, 0, len(t.conns))
	for _, c := range t.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *TCPConn) int { return int(int64(a.id - b.id)) })
	return all
}

// each calls fn with every socket that has a queue.
func (t *socketTable) each(fn func(s *socket)) {
	for _, u := range t.udp { // map order does not matter: fn processes each socket separately
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
}
