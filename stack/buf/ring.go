// Package buf holds the buffers of a stream: a byte ring that grows on demand, and sets of byte
// ranges. A value has a single owner. The package knows nothing of protocols.
package buf

// minRing is the first allocation of a ring with at least this limit, in octets.
const minRing = 512

// A Ring is a queue of octets with room after its end. PutAt stores octets beyond the end; Extend makes them part of
// the queue when the octets before them have arrived. Storage is allocated with the first octet, doubles up to the
// limit, and is freed by Release, Trim and Drop.
type Ring struct {
	buf   []byte // storage; its length is a power of two, or 0
	head  int32  // index of the first octet
	n     int32  // octets in the queue
	high  int32  // octets from head on that may hold data, at least n
	limit int32
}

// NewRing returns an empty ring that holds at most limit octets, up to 1 GiB.
func NewRing(limit int) Ring { return Ring{limit: int32(limit)} }

// Len returns the number of octets in the queue.
func (r *Ring) Len() int { return int(r.n) }

// Limit returns the largest number of octets that the ring may hold.
func (r *Ring) Limit() int { return int(r.limit) }

// SetLimit changes the limit. Octets already stored stay.
func (r *Ring) SetLimit(limit int) { r.limit = int32(limit) }

// Free returns the number of octets that Write would accept.
func (r *Ring) Free() int { return int(max(0, r.limit-r.n)) }

// Allocated returns the size of the storage, in octets.
func (r *Ring) Allocated() int { return len(r.buf) }

// Beyond returns the number of octets from the queue's end to the end of the last octet that PutAt has stored.
func (r *Ring) Beyond() int { return int(max(0, r.high-r.n)) }

// Growth returns the number of octets by which the storage would grow to hold offsets up to end.
func (r *Ring) Growth(end int) int {
	if end <= len(r.buf) {
		return 0
	}
	return r.size(end) - len(r.buf)
}

// Fits returns the largest number of octets from the front that the ring can hold if its storage may grow to storage
// octets.
func (r *Ring) Fits(storage int) int {
	fits := len(r.buf)
	for n := max(fits, r.size(0)); n <= storage; n *= 2 {
		fits = n
	}
	return fits
}

// Trim discards the octets beyond the queue's end, and frees storage that the queue does not need.
func (r *Ring) Trim() {
	r.high = r.n
	if r.n == 0 {
		r.Release()
	} else if n := sizeFrom(r.least(), int(r.n)); n < len(r.buf) {
		r.move(n)
	}
}

// Write appends as many octets of p as fit and returns their number.
func (r *Ring) Write(p []byte) int {
	p = p[:min(len(p), r.Free())]
	r.PutAt(int(r.n), p)
	r.n += int32(len(p))
	return len(p)
}

// PutAt stores p at offset off from the queue's front. It does not make p part of the queue. off+len(p) must not exceed
// the limit.
func (r *Ring) PutAt(off int, p []byte) {
	if len(p) == 0 {
		return
	}
	end := off + len(p)
	if end > len(r.buf) {
		r.grow(end)
	}
	i := (int(r.head) + off) & (len(r.buf) - 1)
	k := copy(r.buf[i:], p)
	copy(r.buf, p[k:])
	r.high = max(r.high, int32(end))
}

// Extend makes the n octets after the end part of the queue. PutAt must have stored them.
func (r *Ring) Extend(n int) {
	r.n += int32(n)
	r.high = max(r.high, r.n)
}

// Peek copies the octets of the queue that start at offset off into dst, as many as fit, and returns their number.
func (r *Ring) Peek(off int, dst []byte) int {
	if off >= int(r.n) {
		return 0
	}
	dst = dst[:min(len(dst), int(r.n)-off)]
	i := (int(r.head) + off) & (len(r.buf) - 1)
	k := copy(dst, r.buf[i:])
	copy(dst[k:], r.buf)
	return len(dst)
}

// View returns the storage of the n octets that start at offset off. They must be in the queue. If they wrap around the
// end of the storage, there are two parts. The slices are valid until the octets are discarded.
func (r *Ring) View(off, n int) (a, b []byte) {
	i := (int(r.head) + off) & (len(r.buf) - 1)
	if k := len(r.buf) - i; k < n {
		return r.buf[i:], r.buf[:n-k]
	}
	return r.buf[i : i+n], nil
}

// Discard removes n octets, at most Len, from the front.
func (r *Ring) Discard(n int) {
	if n == 0 {
		return
	}
	r.head = int32((int(r.head) + n) & (len(r.buf) - 1))
	r.n -= int32(n)
	r.high -= int32(n)
	if r.Empty() {
		r.head = 0 // so that the next octets use memory that is still in the processor's cache
	}
}

// Read moves octets from the front into p and returns their number.
func (r *Ring) Read(p []byte) int {
	n := r.Peek(0, p)
	r.Discard(n)
	return n
}

// Empty reports whether the ring holds no octet, in the queue or beyond its end.
func (r *Ring) Empty() bool { return r.n == 0 && r.high <= 0 }

// Release frees the storage if the ring is empty.
func (r *Ring) Release() {
	if r.Empty() {
		r.buf, r.head, r.high = nil, 0, 0
	}
}

// Drop empties the ring and frees the storage.
func (r *Ring) Drop() { *r = Ring{limit: r.limit} }

// size returns the storage needed to hold octets up to offset need, at least the present storage.
func (r *Ring) size(need int) int { return sizeFrom(max(len(r.buf), r.least()), need) }

// least returns the size of the first allocation.
func (r *Ring) least() int {
	if r.limit >= minRing {
		return minRing
	}
	return 64
}

func sizeFrom(size, need int) int {
	for size < need {
		size *= 2
	}
	return size
}

func (r *Ring) grow(need int) { r.move(r.size(need)) }

// move copies the octets into new storage of size octets.
func (r *Ring) move(size int) {
	b := make([]byte, size)
	if r.high > 0 {
		k := copy(b, r.buf[r.head:])
		if high := int(r.high); high > k {
			copy(b[k:], r.buf[:high-k])
		}
	}
	r.buf, r.head = b, 0
}
