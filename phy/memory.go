package phy

// MemoryConfig describes a device in memory. The zero value is Ethernet with an MTU of 1500 and
// no offloads.
type MemoryConfig struct {
	Medium     Medium
	MTU        int  // octets of network-layer packet; 0: 1500
	MaxGSO     int  // octets of network-layer packet; 0: wire-size frames only
	TxChecksum bool // true if transport checksums may be unfinished
	Queue      int  // number of frames that may wait in each direction; 0: 256
}

// Memory is a device whose medium is a bounded queue in memory: one end of a Pair, or a loopback.
//
// Like a wire it checks nothing. It delivers frames unchanged even if they are longer than the MTU or carry an offload
// that it does not support. A frame sent with NeedsCsum arrives with CsumValid as well, since nothing can damage it on
// the way.
type Memory struct {
	name    string
	caps    Capabilities
	in, out *queue
	peer    *Memory
	closed  bool
}

// NewPair returns two connected devices: each receives the frames that are sent on the other. Frames with room for
// exactly Capabilities().FrameSize() octets are swapped, not copied.
func NewPair(a, b string, cfg MemoryConfig) (*Memory, *Memory) {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if cfg.Queue == 0 {
		cfg.Queue = 256
	}
	caps := Capabilities{Medium: cfg.Medium, MTU: cfg.MTU, MaxGSO: cfg.MaxGSO, TxChecksum: cfg.TxChecksum}
	ab, ba := newQueue(cfg.Queue, caps.FrameSize()), newQueue(cfg.Queue, caps.FrameSize())
	da := &Memory{name: a, caps: caps, in: ba, out: ab}
	db := &Memory{name: b, caps: caps, in: ab, out: ba, peer: da}
	da.peer = db
	return da, db
}

// NewLoopback returns a device that receives the frames sent on it: bare IP packets of up to 65535 octets, whose
// transport checksums may stay unfinished. Its queue has room for 256 frames.
func NewLoopback(name string) *Memory {
	caps := Capabilities{Medium: MediumIP, MTU: 65535, TxChecksum: true}
	q := newQueue(256, caps.FrameSize())
	d := &Memory{name: name, caps: caps, in: q, out: q}
	d.peer = d
	return d
}

// Name returns the device's name.
func (d *Memory) Name() string { return d.name }

// Capabilities returns those of the configuration, which never change.
func (d *Memory) Capabilities() Capabilities { return d.caps }

// Pending returns the number of frames queued for Recv.
func (d *Memory) Pending() int { return d.in.n }

// Recv removes frames from the queue. Frames that the other end sent before it was closed still arrive. The error is
// ErrClosed or nil.
func (d *Memory) Recv(frames []*Frame) (int, error) {
	if d.closed {
		return 0, ErrClosed
	}
	for i, f := range frames {
		if !d.in.pop(f) {
			return i, nil
		}
	}
	return len(frames), nil
}

// Send queues frames until the queue is full. The error is ErrClosed if this end is closed and ErrDown if the other end is.
func (d *Memory) Send(frames []*Frame) (int, error) {
	if d.closed {
		return 0, ErrClosed
	}
	if d.peer.closed {
		return 0, ErrDown
	}
	for i, f := range frames {
		if !d.out.push(f) {
			return i, nil
		}
	}
	return len(frames), nil
}

// Close closes this end and drops the frames queued for it. It always returns nil.
func (d *Memory) Close() error {
	d.closed = true
	for i := range d.in.slots {
		d.in.slots[i] = nil
	}
	d.in.n = 0
	return nil
}

// A queue is a bounded FIFO of frames of one size. It swaps frames of that size in and out, so that neither side gets a
// smaller buffer in exchange.
type queue struct {
	slots   []*Frame
	head, n int
	size    int
	free    *Pool
}

func newQueue(limit, size int) *queue {
	return &queue{slots: make([]*Frame, limit), size: size, free: NewPool(size, limit)}
}

func (q *queue) push(f *Frame) bool {
	if q.n == len(q.slots) {
		return false
	}
	g := q.free.Get()
	q.move(g, f)
	if g.Offload.NeedsCsum {
		g.Offload.CsumValid = true
	}
	q.slots[(q.head+q.n)%len(q.slots)] = g
	q.n++
	return true
}

func (q *queue) pop(f *Frame) bool {
	if q.n == 0 {
		return false
	}
	g := q.slots[q.head]
	q.slots[q.head] = nil
	q.head = (q.head + 1) % len(q.slots)
	q.n--
	q.move(f, g)
	q.free.Put(g)
	return true
}

// move moves the content of src to dst.
func (q *queue) move(dst, src *Frame) {
	if dst.Size() == src.Size() {
		dst.Swap(src)
		return
	}
	dst.CopyFrom(src)
}
