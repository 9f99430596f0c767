// Package buf holds what a stream is stored in: a byte ring that grows on demand, and sets of byte
// ranges. It is single-owner and knows nothing of protocols.
package buf

// minRing is the first allocation of a ring whose limit is not below it, in octets.
const minRing = 512

// A Ring is a queue of octets with room behind its end: octets may be stored ahead of the end (PutAt)
// and become part of the queue when what is before them has come (Extend). Storage is allocated with
// the first octet, doubles up to the limit, and goes back when the ring is released.
type Ring struct {
	buf   []byte // a power of two long, or nil
	head  int32  // index of the first octet
	n     int32  // octets in the queue
	high  int32  // octets from head that may hold data, at least n
	limit int32
}

// NewRing returns an empty ring that holds at most limit octets, up to a GiB.
func NewRing(limit int) Ring { return Ring{limit: int32(limit)} }

// Len is the number of octets in the queue.
func (r *Ring) Len() int { return int(r.n) }

// Limit is the most the ring may hold.
func (r *Ring) Limit() int { return int(r.limit) }

// SetLimit changes the limit; what is already stored stays.
func (r *Ring) SetLimit(limit int) { r.limit = int32(limit) }

// Free is how many octets Write would take.
func (r *Ring) Free() int { return int(max(0, r.limit-r.n)) }

// Allocated is the storage held, in octets.
func (r *Ring) Allocated() int { return len(r.buf) }

// Beyond is how many octets lie between the queue's end and the end of what PutAt has stored behind it.
func (r *Ring) Beyond() int { return int(max(0, r.high-r.n)) }

// Growth is by how many octets the storage grows when octets up to offset end from the front are stored.
func (r *Ring) Growth(end int) int {
	if end <= len(r.buf) {
		return 0
	}
	return r.size(end) - len(r.buf)
}

// Fits is how many octets from the front on the ring can store if its storage does not grow beyond storage octets.
func (r *Ring) Fits(storage int) int {
	fits := len(r.buf)
	for n := max(fits, r.size(0)); n <= storage; n *= 2 {
		fits = n
	}
	return fits
}

// Trim gives up the octets beyond the queue's end, and as much storage as the queue does not need.
func (r *Ring) Trim() {
	r.high = r.n
	if r.n == 0 {
		r.Release()
	} else if n := sizeFrom(r.least(), int(r.n)); n < len(r.buf) {
		r.move(n)
	}
}

// Write appends as much of p as fits and returns how much that was.
func (r *Ring) Write(p []byte) int {
	p = p[:min(len(p), r.Free())]
	r.PutAt(int(r.n), p)
	r.n += int32(len(p))
	return len(p)
}

// PutAt stores p at offset off from the queue's front without making it part of the queue. The
// caller keeps off+len(p) within the limit.
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

// Extend makes the next n octets, which PutAt has stored, part of the queue.
func (r *Ring) Extend(n int) {
	r.n += int32(n)
	r.high = max(r.high, r.n)
}

// Peek copies octets from offset off into dst and returns how many there were.
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

// View is the n octets from offset off, all in the queue, where they are stored: in two parts where the
// storage's end lies between them. They stay as they are until they are discarded.
func (r *Ring) View(off, n int) (a, b []byte) {
	i := (int(r.head) + off) & (len(r.buf) - 1)
	if k := len(r.buf) - i; k < n {
		return r.buf[i:], r.buf[:n-k]
	}
	return r.buf[i : i+n], nil
}

// Discard takes n octets, at most Len, off the front.
func (r *Ring) Discard(n int) {
	if n == 0 {
		return
	}
	r.head = int32((int(r.head) + n) & (len(r.buf) - 1))
	r.n -= int32(n)
	r.high -= int32(n)
	if r.Empty() {
		r.head = 0 // where the cache has been lately
	}
}

// Read moves octets from the front into p and returns how many.
func (r *Ring) Read(p []byte) int {
	n := r.Peek(0, p)
	r.Discard(n)
	return n
}

// Empty reports whether the ring holds no octet, neither in the queue nor beyond its end.
func (r *Ring) Empty() bool { return r.n == 0 && r.high <= 0 }

// Release gives the storage back if the ring is empty.
func (r *Ring) Release() {
	if r.Empty() {
		r.buf, r.head, r.high = nil, 0, 0
	}
}

// Drop empties the ring and gives the storage back.
func (r *Ring) Drop() { *r = Ring{limit: r.limit} }

// size is how much storage the ring takes to store octets up to need from the front.
func (r *Ring) size(need int) int { return sizeFrom(max(len(r.buf), r.least()), need) }

// least is the first allocation.
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

// move takes what is stored into storage of so many octets.
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
