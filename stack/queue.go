package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/stack/buf"
)

// recordLen is the length of the record in front of each queued datagram: its length, source with its zone,
// and TTL. datagramOverhead
// is added to the cost of each datagram, so that empty datagrams can't fill the memory.
const (
	recordLen        = 4 + 16 + 2 + 2 + 1
	datagramOverhead = 64
)

// queue holds the received datagrams of a socket in one ring, so that a datagram needs no allocation. Its bound is in
// octets, overhead included.
type queue struct {
	ring    buf.Ring
	n       int // number of datagrams
	charged int
	limit   int
}

func newQueue(limit int) queue { return queue{ring: buf.NewRing(limit), limit: limit} }

// resize changes the bound. It does not remove queued datagrams.
func (q *queue) resize(limit int) {
	q.limit = limit
	q.ring.SetLimit(max(limit, q.ring.Len()))
}

// push appends a datagram and reports whether there was room. zone is the value of flow.zone for the source.
func (q *queue) push(p []byte, from netip.AddrPort, zone uint16, ttl uint8) bool {
	cost := len(p) + datagramOverhead
	if q.charged+cost > q.limit {
		return false
	}
	var r [recordLen]byte
	binary.BigEndian.PutUint32(r[:], uint32(len(p)))
	a := from.Addr().As16()
	copy(r[4:], a[:])
	binary.BigEndian.PutUint16(r[20:], from.Port())
	binary.BigEndian.PutUint16(r[22:], zone)
	r[24] = ttl
	q.ring.Write(r[:])
	q.ring.Write(p)
	q.n++
	q.charged += cost
	return true
}

// next returns the length of the first datagram, -1 if the queue is empty.
func (q *queue) next() int {
	if q.n == 0 {
		return -1
	}
	var r [4]byte
	q.ring.Peek(0, r[:])
	return int(binary.BigEndian.Uint32(r[:]))
}

// pop removes the first datagram and copies it into p, cut to the length of p. from has no zone yet. n is -1 if the queue is empty.
func (q *queue) pop(p []byte) (n int, from netip.AddrPort, zone uint16, ttl uint8) {
	size := q.next()
	if size < 0 {
		return -1, from, 0, 0
	}
	var r [recordLen]byte
	q.ring.Read(r[:])
	from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(r[4:20])).Unmap(), binary.BigEndian.Uint16(r[20:]))
	n = q.ring.Read(p[:min(len(p), size)])
	q.ring.Discard(size - n)
	q.n--
	q.charged -= size + datagramOverhead
	if q.n == 0 && q.ring.Allocated() > 64<<10 {
		q.ring.Drop() // frees the storage that a burst has allocated
	}
	return n, from, binary.BigEndian.Uint16(r[22:]), r[24]
}

func (q *queue) drop() { *q = newQueue(q.limit) }
