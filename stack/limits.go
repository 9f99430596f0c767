package stack

import (
	"fmt"
	"net/netip"
)

// Limits bounds a host's tables, queues and rates. A zero field means the default, which the field's comment states.
// Host.SetLimit can change the fields above Challenges while the host runs.
type Limits struct {
	Sockets     int // sockets of every kind, connections in TIME-WAIT and claims included: 1,048,576
	Connections int // TCP connections, in any state: as many as Sockets
	SYNQueue    int // half-open connections of one listener: 1024
	Buffers     int // octets in the send and receive buffers of connections: 1 GiB
	Reassembly  int // part of Buffers for octets received beyond a gap, counted from the gap on: 256 MiB
	Fragments   int // octets of fragments of incomplete datagrams: 4 MiB
	RecvQueue   int // octets queued in a UDP, ICMP, raw or frame socket, overhead included: 262,144
	SendQueue   int // packets of sockets queued for one interface, forwarded ones included: 512
	ReplyQueue  int // answers of the stack itself, queued for one interface: 256
	Groups      int // multicast groups that sockets have joined, counted once for each socket: 1024
	Paths       int // destinations whose path MTU is known to be smaller than the link's: 1024
	Advertised  int // prefixes that routers have advertised on one interface, and addresses from them; see autoconf.Config.Bounded: 32

	Challenges int // mean number of challenge ACKs per second; each second has half to one and a half times as many: 1000
	ICMPRate   int // ICMP errors sent per second: 1000
	ICMPBurst  int // ICMP errors sent at once: 50
}

// DefaultBacklog is the backlog of a listener whose caller names none.
const DefaultBacklog = 128

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Sockets, 1<<20)
	def(&l.Connections, l.Sockets)
	def(&l.SYNQueue, 1024)
	def(&l.Buffers, 1<<30)
	def(&l.Reassembly, 256<<20)
	def(&l.Fragments, 4<<20)
	def(&l.RecvQueue, 256<<10)
	def(&l.SendQueue, 512)
	def(&l.ReplyQueue, 256)
	def(&l.Groups, 1024)
	def(&l.Paths, 1024)
	def(&l.Advertised, 32)
	def(&l.Challenges, 1000)
	def(&l.ICMPRate, 1000)
	def(&l.ICMPBurst, 50)
	return l
}

// limit is the index of a limit whose refusals are counted.
type limit uint8

const (
	limitSockets limit = iota
	limitConnections
	limitSYNQueue
	limitBuffers
	limitReassembly
	limitFragments
	limitNeighbors
	limitUnresolved
	limitNeighborQueue
	limitRecvQueue
	limitSendQueue
	limitReplyQueue
	limitGroups
	limitPaths
	limitAdvertised

	numLimits
)

var limitNames = [numLimits]string{"sockets", "connections", "syn_queue", "buffers", "reassembly", "fragments", "neighbors", "unresolved",
	"neighbor_queue", "recv_queue", "send_queue", "reply_queue", "groups", "paths", "advertised"}

// LimitError is returned by a call that would exceed a limit. It matches ErrLimit.
type LimitError struct {
	Name string // the name in LimitInfo
	Most int
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("too many: the limit %s is %d", e.Name, e.Most)
}

// Unwrap returns ErrLimit.
func (e *LimitError) Unwrap() error { return ErrLimit }

// countRefused counts a refusal because limit l is reached.
func (h *Host) countRefused(l limit) { h.stats.refusals[l].count++ }

// countRefusedTo counts a refusal that made the host drop peer's packet, or take memory from peer's connections.
func (h *Host) countRefusedTo(l limit, peer netip.Addr) {
	h.countRefused(l)
	h.stats.refusals[l].peer = peer
}

// refusals counts the refusals of one limit, and names the peer of the last one.
type refusals struct {
	count uint64
	peer  netip.Addr
}

// limitError counts a refusal because limit l is reached, and returns the error for it.
func (h *Host) limitError(l limit) error {
	h.countRefused(l)
	return &LimitError{limitNames[l], *h.limitOf(l)}
}

// limitOf returns a pointer to the value of limit l.
func (h *Host) limitOf(l limit) *int {
	k, n := &h.limits, &h.cfg.Neighbor
	return [numLimits]*int{&k.Sockets, &k.Connections, &k.SYNQueue, &k.Buffers, &k.Reassembly, &k.Fragments, &n.Entries,
		&n.Incomplete, &n.Queue, &k.RecvQueue, &k.SendQueue, &k.ReplyQueue, &k.Groups, &k.Paths, &k.Advertised}[l]
}

// LimitInfo is one row of the table of limits.
type LimitInfo struct {
	Name    string
	Used    int    // present use; for a limit per listener, socket, neighbour or interface, the highest present use
	Limit   int    // the limit
	Refused uint64 // number of refusals because of the limit

	// Peer is the peer whose packet was dropped last because of the limit, or whose connection lost memory to others.
	// It is zero if there is none, or if the limit does not concern peers.
	Peer netip.Addr
}

// LimitInfos returns a row for every limit that SetLimit can change.
func (h *Host) LimitInfos() []LimitInfo {
	used := [numLimits]int{
		limitSockets: h.sockets.open, limitConnections: len(h.sockets.conns), limitBuffers: h.memory.buffers.used, limitReassembly: h.memory.outOfOrder.used,
		limitFragments: h.reassembly.Storage(),
		limitGroups:    h.igmp.memberships, limitPaths: h.net.paths.Len(),
	}
	most := func(l limit, n int) { used[l] = max(used[l], n) }
	for l := range h.sockets.allListeners { // their order does not matter: the loop computes a maximum
		most(limitSYNQueue, l.half)
	}
	h.sockets.each(func(s *socket) { most(limitRecvQueue, s.queue.charged) })
	for _, i := range h.net.ifaces {
		most(limitSendQueue, i.out.datagrams.n)
		most(limitReplyQueue, i.out.replies.n)
		if i.v6 != nil {
			most(limitAdvertised, i.v6.conf.Used())
		}
		for _, c := range i.neigh {
			most(limitNeighbors, c.Len())
			most(limitUnresolved, c.Unresolved())
			for _, e := range c.Entries() {
				most(limitNeighborQueue, e.Pending.datagrams.n)
			}
		}
	}
	infos := make([]LimitInfo, numLimits)
	for l := range infos {
		r := h.stats.refusals[l]
		infos[l] = LimitInfo{Name: limitNames[l], Used: used[l], Limit: *h.limitOf(limit(l)), Refused: r.count, Peer: r.peer}
	}
	return infos
}

// SetLimit changes the limit called name to the value most. Entries beyond a lower limit stay. It returns ErrNotFound
// if no limit has that name, and ErrInvalid if most is less than 1.
func (h *Host) SetLimit(name string, most int) error {
	for l := range numLimits {
		if limitNames[l] != name {
			continue
		}
		if most < 1 {
			return ErrInvalid
		}
		*h.limitOf(l) = most
		for _, i := range h.net.ifaces {
			for _, c := range i.neigh {
				c.SetBounds(h.cfg.Neighbor.Entries, h.cfg.Neighbor.Incomplete, h.cfg.Neighbor.Queue)
			}
			if i.v6 != nil {
				i.v6.conf.SetBounds(h.limits.Advertised)
			}
		}
		if l == limitRecvQueue {
			h.sockets.each(func(s *socket) { s.queue.resize(most) })
		}
		return nil
	}
	return ErrNotFound
}
