package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// Octets that a connection may hold in each direction even if its host is short of memory. freeMemory is allowed at any
// time, so that no connection stalls for ever. leastMemory is allowed while the peer's address holds less than its
// share; other connections lose memory for it if necessary.
const (
	freeMemory  = 2 << 10
	leastMemory = 64 << 10
)

// A pool is memory of a bounded size that connections hold. While no more than half of it is in use, no connection is
// bounded. Beyond that, the connections of one peer's address may together hold the address's share: the size divided
// by the number of addresses plus one. When the pool is full, addresses that hold more than their share lose memory to
// addresses that hold less. The address that holds most loses first, and of its connections the one that holds most.
type pool struct {
	used  int // octets in use
	peers map[netip.Addr]*holder
	order clock.Heap[*holder] // addresses that hold memory, largest holder first
	idle  *holder             // the only holder in peers without memory, kept for its next use; nil if there is none
}

// holder counts the octets of a pool that the connections of one peer's address hold together.
type holder struct {
	addr  netip.Addr
	used  int
	conns clock.Heap[*TCPConn] // connections by size, largest first; of equal ones the one that has held its memory longest
	timer clock.Timer[*holder]
}

// holding counts the octets of a pool that one connection holds.
type holding struct {
	used  int
	of    *holder // holder to which the octets count; nil while used is 0
	timer clock.Timer[*TCPConn]
}

// bySize returns a heap key for n octets. A heap orders by the earliest instant, so the key is negative and the largest
// is first.
func bySize(n int) clock.Instant { return clock.Instant(-n) }

// set changes the holding s of connection c to n octets.
func (p *pool) set(c *TCPConn, s *holding, n int) {
	by := s.of
	if by == nil {
		if n == 0 {
			return
		}
		by = p.holder(c.remote.Addr())
		s.of, s.timer.Value = by, c
	}
	p.used += n - s.used
	by.used += n - s.used
	s.used = n
	if n == 0 {
		by.conns.Stop(&s.timer)
		s.of = nil
	} else {
		by.conns.Set(&s.timer, bySize(n))
	}
	if by.used > 0 {
		p.order.Set(&by.timer, bySize(by.used))
		return
	}
	p.order.Stop(&by.timer)
	if p.idle != nil {
		delete(p.peers, p.idle.addr)
	}
	p.idle = by
}

// holder returns the holder of address a, and makes it if necessary.
func (p *pool) holder(a netip.Addr) *holder {
	if by := p.peers[a]; by != nil {
		if by == p.idle {
			p.idle = nil
		}
		return by
	}
	if p.peers == nil {
		p.peers = make(map[netip.Addr]*holder)
	}
	by := &holder{addr: a}
	by.timer.Value = by
	p.peers[a] = by
	return by
}

// biggest returns the holder with the most octets, nil if no address holds any.
func (p *pool) biggest() *holder {
	if t := p.order.First(); t != nil {
		return t.Value
	}
	return nil
}

// share returns the largest number of octets that each address may hold in a pool of which more than half is in use,
// and the octets that address a holds. The argument most is the size of the pool in octets. The number of addresses
// includes a even if a holds nothing.
func (p *pool) share(a netip.Addr, most int) (share, held int) {
	n := p.order.Len() + 1
	if by := p.peers[a]; by != nil && by != p.idle {
		held = by.used
	} else {
		n++
	}
	return most / n, held
}

// roomFor returns the number of octets, at most need, that a connection with address a may take without reducing other
// connections. The argument most is the size of the pool in octets.
func (p *pool) roomFor(a netip.Addr, need, most int) int {
	if p.used+need <= most/2 {
		return need
	}
	share, held := p.share(a, most)
	return max(0, min(need, share-held, most-p.used))
}

// memoryPools counts the octets that the connections of a host hold.
type memoryPools struct {
	buffers    pool // octets of buffers, as of the last call of update for each connection
	outOfOrder pool // the part of buffers for octets received beyond a gap
	spare      []*memoryUse
}

// memoryUse counts the octets that a connection holds in its host's pools. A connection that holds none has no
// memoryUse.
type memoryUse struct {
	buffers    holding // octets sent and received
	outOfOrder holding // octets received beyond a gap; buffers includes them
}

// update sets the holdings of c to the present size of its buffers.
func (p *memoryPools) update(c *TCPConn) {
	m := c.conn.Memory()
	total := m.Send + m.Receive
	if c.memoryUse == nil {
		if total == 0 {
			return
		}
		c.memoryUse = p.get()
	}
	s := c.memoryUse
	if s.buffers.used != total {
		p.buffers.set(c, &s.buffers, total)
	}
	if s.outOfOrder.used != m.Beyond {
		p.outOfOrder.set(c, &s.outOfOrder, m.Beyond)
	}
	if total == 0 {
		p.free(c)
	}
}

// maxSpareMemoryUse is the number of unused memoryUse values that are kept for reuse.
const maxSpareMemoryUse = 64

// get returns a memoryUse with zero holdings.
func (p *memoryPools) get() *memoryUse {
	n := len(p.spare)
	if n == 0 {
		return new(memoryUse)
	}
	s := p.spare[n-1]
	p.spare = p.spare[:n-1]
	return s
}

// free recycles the memoryUse of c, whose holdings are zero.
func (p *memoryPools) free(c *TCPConn) {
	if len(p.spare) < maxSpareMemoryUse {
		*c.memoryUse = memoryUse{}
		p.spare = append(p.spare, c.memoryUse)
	}
	c.memoryUse = nil
}

// release sets the holdings of c to 0.
func (p *memoryPools) release(c *TCPConn) {
	if s := c.memoryUse; s != nil {
		p.buffers.set(c, &s.buffers, 0)
		p.outOfOrder.set(c, &s.outOfOrder, 0)
		p.free(c)
	}
}

// trimToMemoryLimit cuts off the part of s's payload for which the host has no memory. If the address of c holds less
// than its share, it first takes memory from connections of other addresses. It returns drop.None, or the reason for
// which it cut payload off.
func (h *Host) trimToMemoryLimit(now clock.Instant, c *TCPConn, s *tcp.Segment) (r drop.Reason) {
	if len(s.Payload) == 0 || s.Flags&wire.SYN != 0 {
		return drop.None
	}
	grow, beyond := c.conn.Growth(s)
	if beyond > 0 && h.roomFor(now, limitReassembly, c, beyond, 0) < beyond {
		h.countRefusedTo(limitReassembly, c.remote.Addr())
		c.conn.CutToStorage(s, 0, false)
		return drop.ReassemblyFull
	}
	if grow > 0 {
		m := c.conn.Memory()
		if room := h.roomFor(now, limitBuffers, c, grow, leastMemory-m.Receive); room < grow {
			if c.conn.CutToStorage(s, max(freeMemory, m.Receive+room), true) {
				h.countRefusedTo(limitBuffers, c.remote.Addr())
				return drop.BuffersFull
			}
		}
	}
	return drop.None
}

// roomFor returns the number of octets, at most need, that c may take from the pool of limit l. If too few are left and
// the peer's address holds less than its share, it takes memory from other connections. It aborts connections for at
// most least octets.
func (h *Host) roomFor(now clock.Instant, l limit, c *TCPConn, need, least int) int {
	p, most, a := &h.memory.buffers, *h.limitOf(l), c.remote.Addr()
	if l == limitReassembly {
		p = &h.memory.outOfOrder
	}
	room := p.roomFor(a, need, most)
	share, held := p.share(a, most)
	if want := min(need, share-held); room < want {
		h.makeRoom(now, l, p, want-(most-p.used), a, share)
		if l == limitBuffers && want > most-p.used {
			h.evict(now, min(want, least)-(most-p.used), a, share)
		}
		room = p.roomFor(a, need, most)
	}
	return room
}

// makeRoom discards need octets that were received beyond gaps (RFC 2018 §8). It takes them from addresses other than a
// that hold more than share of the pool p. Their peers retransmit the octets.
func (h *Host) makeRoom(now clock.Instant, l limit, p *pool, need int, a netip.Addr, share int) {
	const most = 32 // bound of the connections reduced for one segment, in case they free nothing
	goal := p.used - need
	for k := 0; k < most && p.used > goal; k++ {
		by := h.memory.outOfOrder.biggest()
		if by == nil || by.addr == a || p.peers[by.addr].used <= share {
			return
		}
		c := by.conns.First().Value
		c.conn.Trim()
		h.countRefusedTo(l, by.addr)
		h.memory.update(c)
		h.connChanged(now, c)
	}
}

// evict aborts connections of the address that holds most of the buffers, until need octets are free. It stops at the address a, and at
// an address that holds no more octets than the argument share.
func (h *Host) evict(now clock.Instant, need int, a netip.Addr, share int) {
	p := &h.memory.buffers
	for goal := p.used - need; p.used > goal; {
		by := p.biggest()
		if by == nil || by.addr == a || by.used <= share {
			return
		}
		c := by.conns.First().Value
		c.evicted = c.conn.State() != tcp.Closed
		c.conn.Abort(now)
		h.count(mib.TCPExtAbortOnMemory)
		h.countRefusedTo(limitBuffers, by.addr)
		h.memory.update(c)
		h.connChanged(now, c)
	}
}

// Writable returns the number of octets that Write would accept without taking memory from other connections.
func (c *TCPConn) Writable() int {
	if c.host.ampleMemory() {
		return c.conn.Writable()
	}
	return c.writable(0, false)
}

// ampleMemory reports whether half of the memory stays free even if one connection fills its buffers.
func (h *Host) ampleMemory() bool { return h.memory.buffers.used+2*tcp.MaxBuffer <= h.limits.Buffers/2 }

// writable returns the number of octets that Write accepts. If ask is true, it takes memory from other connections if
// necessary.
func (c *TCPConn) writable(now clock.Instant, ask bool) int {
	n, h := c.conn.Writable(), c.host
	if c.gone || h.ampleMemory() {
		return n
	}
	grow := c.conn.SendGrowth(n)
	if grow == 0 {
		return n
	}
	room := h.memory.buffers.roomFor(c.remote.Addr(), grow, h.limits.Buffers)
	if room == grow {
		return n
	}
	m := c.conn.Memory()
	if ask {
		room = h.roomFor(now, limitBuffers, c, grow, leastMemory-m.Send)
	}
	return c.conn.SendRoom(max(freeMemory, m.Send+room))
}
