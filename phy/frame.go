// Package phy is the boundary between a stack and the devices that carry its frames: frames and their ownership, the
// interface of a device, devices in memory, and the segmenter that cuts super-segments to wire size.
//
// Everything here is single-owner: one goroutine at a time may use a frame, a pool or a device.
package phy

// Headroom is the free space in front of the content of a new frame, in octets. It has room for a virtio-net header,
// Ethernet with a VLAN tag, an IP header with options and a TCP header with options.
const Headroom = 160

// Offload describes work on a frame that its next owner must do. The zero value is a frame of wire size with every
// checksum in place and unverified.
type Offload struct {
	// GSOSize is the payload of each segment of a super-segment except the last, in octets; 0 for any other frame. The
	// frame's headers are those of the first segment, but their length fields are for the whole.
	GSOSize uint16
	// UDP is true for a super-segment of UDP datagrams, false for one of a TCP stream. A stack receives datagrams one by
	// one, so the port cuts such a frame before delivery.
	UDP bool
	// NeedsCsum is true if the transport checksum field has only the folded sum of the pseudo-header.
	NeedsCsum bool
	// CsumValid is true if the device has verified the transport checksum.
	CsumValid bool
}

// A Frame is one link-layer frame, or one IP packet on a medium without a link layer, in a buffer with headroom. It has
// one owner. Passing it on passes ownership, unless a method's comment says otherwise.
type Frame struct {
	buf      []byte
	off, end int
	borrowed [2][]byte // further content, after the end
	Offload  Offload
	Marks    Marks
	// Trail is the number by which a lab follows the frame and its copies, for captures; 0 if none does.
	Trail uint64
	// Judged is true after the rules of a sending port that apply once to each frame have judged it.
	Judged bool
	// Tag is a number that the sending host sets for its own observers, such as the kind of a probe, which its octets do not
	// tell. No other host reads it. 0 means nothing.
	Tag uint8
	// Zone is the zone of the link-local addresses in a packet that a host sends to itself by its loop: the number of an interface
	// plus one, which the addresses do not tell. No other host reads it. 0 means none.
	Zone uint16
}

// NewFrame returns an empty frame with room for size octets after its headroom.
func NewFrame(size int) *Frame {
	return &Frame{buf: make([]byte, Headroom+size), off: Headroom, end: Headroom}
}

// Reset empties the frame and restores its headroom.
func (f *Frame) Reset() {
	f.off, f.end, f.borrowed, f.Offload, f.Marks = Headroom, Headroom, [2][]byte{}, Offload{}, Marks{}
	f.Tag, f.Zone, f.Trail, f.Judged = 0, 0, 0, false
}

// Borrow appends octets to the content without copying them. The octets' owner must not change them until the frame has
// been sent, or Own has copied them.
func (f *Frame) Borrow(a, b []byte) { f.borrowed = [2][]byte{a, b} }

// Borrowed returns the borrowed octets, which follow Bytes in the content. It returns nil for most frames.
func (f *Frame) Borrowed() (a, b []byte) { return f.borrowed[0], f.borrowed[1] }

// Own copies the borrowed octets into the frame, which must have room for them.
func (f *Frame) Own() {
	if f.borrowed[0] != nil {
		f.end += copy(f.buf[f.end:], f.borrowed[0])
		f.end += copy(f.buf[f.end:], f.borrowed[1])
		f.borrowed = [2][]byte{}
	}
}

// Bytes returns the frame's content without the borrowed octets. The slice aliases the frame.
func (f *Frame) Bytes() []byte { return f.buf[f.off:f.end] }

// Len returns the length of the content in octets, borrowed octets included.
func (f *Frame) Len() int { return f.end - f.off + len(f.borrowed[0]) + len(f.borrowed[1]) }

// Size returns the capacity of an empty frame after the headroom, in octets.
func (f *Frame) Size() int { return len(f.buf) - Headroom }

// Tail returns the free space after the content. Extend adds octets written there to the content.
func (f *Frame) Tail() []byte { return f.buf[f.end:] }

// Extend makes the next n octets of the tail part of the content and returns them.
func (f *Frame) Extend(n int) []byte {
	f.end += n
	return f.buf[f.end-n : f.end]
}

// Prepend extends the content by n octets at the front and returns them, uninitialised. The headroom must suffice.
func (f *Frame) Prepend(n int) []byte {
	f.off -= n
	return f.buf[f.off : f.off+n]
}

// Room returns the remaining headroom, in octets.
func (f *Frame) Room() int { return f.off }

// TrimFront removes n octets from the front.
func (f *Frame) TrimFront(n int) { f.off += n }

// Truncate cuts the content to n octets.
func (f *Frame) Truncate(n int) { f.end = f.off + n }

// Set makes the frame hold a copy of b, which must fit.
func (f *Frame) Set(b []byte) {
	f.Reset()
	copy(f.Extend(len(b)), b)
}

// Swap exchanges the contents of two frames without copying octets.
func (f *Frame) Swap(g *Frame) { *f, *g = *g, *f }

// CopyFrom makes f an equal copy of g, with g's offload, marks, tag, zone and trail; f grows if necessary.
func (f *Frame) CopyFrom(g *Frame) {
	if n := g.Len(); len(f.buf) < Headroom+n {
		f.buf = make([]byte, Headroom+n)
	}
	f.Set(g.Bytes())
	f.borrowed = g.borrowed
	f.Own()
	f.Offload, f.Marks, f.Tag, f.Zone, f.Trail, f.Judged = g.Offload, g.Marks, g.Tag, g.Zone, g.Trail, g.Judged
}

// FrameSize is the octets of room for any frame of an ordinary MTU, SuperFrameSize the octets for any super-segment.
const (
	FrameSize      = 2048
	SuperFrameSize = 65536 + 64
)

// A Pool recycles frames of one size. The zero Pool is not usable; see NewPool.
type Pool struct {
	size, limit int
	free        []*Frame
}

// NewPool returns a pool of frames with room for size octets, which keeps at most limit unused ones.
func NewPool(size, limit int) *Pool { return &Pool{size: size, limit: limit} }

// Get returns an empty frame, which the caller owns.
func (p *Pool) Get() *Frame {
	if n := len(p.free); n > 0 {
		f := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		return f
	}
	return NewFrame(p.size)
}

// Put returns a frame to the pool; it ignores nil. It leaves frames that a Swap has made smaller than the pool's size
// to the garbage collector.
func (p *Pool) Put(f *Frame) {
	if f == nil || len(p.free) >= p.limit || len(f.buf) < Headroom+p.size {
		return
	}
	f.Reset()
	p.free = append(p.free, f)
}
