package stack

import (
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// FrameConn is a socket for whole Ethernet frames. It gets a copy of each frame of its EtherType that
// arrives on its interfaces, whoever it is addressed to and before the host judges it; the host goes on
// as if the socket were not there. Only a frame of a protocol that the host does not speak is delivered
// by it instead of dropped.
type FrameConn struct {
	Signal  Signal                  // a frame has come
	OnEvent func(now clock.Instant) // the same for a consumer that runs on the owner; may be nil

	host   *Host
	id     uint64
	iface  *Iface         // nil: every interface
	typ    wire.EtherType // 0: every type
	queue  queue
	lost   uint64
	closed bool
}

// BindFrames returns a socket for frames of type t, 0 for all, on interface i, nil for every one that has
// frames. ErrNoFrames, ErrLimit.
func (h *Host) BindFrames(i *Iface, t wire.EtherType) (*FrameConn, error) {
	if i != nil && !i.hasFrames() || i == nil && !slices.ContainsFunc(h.ifaces, (*Iface).hasFrames) {
		return nil, ErrNoFrames
	}
	id, err := h.register()
	if err != nil {
		return nil, err
	}
	c := &FrameConn{host: h, id: id, iface: i, typ: t, queue: newQueue(h.limits.RecvQueue)}
	h.frames = append(slices.Clone(h.frames), c) // a consumer may bind while a frame is handed out
	return c, nil
}

func (i *Iface) hasFrames() bool { return i.caps.Medium == phy.MediumEthernet }

// tapFrames hands copies of a frame to the sockets that want it. took says that there was one with room
// for it, full that there was one without.
func (h *Host) tapFrames(now clock.Instant, i *Iface, f *phy.Frame) (took, full bool) {
	eth, _, err := wire.ParseEthernet(f.Bytes())
	if err != nil {
		return false, false
	}
	for _, c := range h.frames {
		switch {
		case c.closed || c.iface != nil && c.iface != i || c.typ != 0 && c.typ != eth.Type:
		case c.queue.push(f.Bytes(), netip.AddrPortFrom(netip.IPv4Unspecified(), i.index), 0):
			took = true
			c.fire(now)
		default:
			full = true
			c.lost++
		}
	}
	return took, full
}

// orFrames is the verdict on a frame when frame sockets were asked as well.
func orFrames(took, full bool, v Verdict) Verdict {
	if v.Kind != Dropped || v.Reason != drop.UnknownEtherType && v.Reason != drop.IPv6Unsupported {
		return v
	}
	switch {
	case took:
		return Verdict{Kind: Delivered, Raw: true}
	case full:
		return dropped(drop.SocketQueueFull)
	}
	return v
}

func (c *FrameConn) fire(now clock.Instant) {
	c.Signal.Fire()
	if c.OnEvent != nil {
		c.OnEvent(now)
	}
}

// EtherType is the type of the frames that the socket gets, 0 for all.
func (c *FrameConn) EtherType() wire.EtherType { return c.typ }

// Lost is how many frames found the queue full.
func (c *FrameConn) Lost() uint64 { return c.lost }

// Send sends a frame as it is given, from its destination address on and without frame check sequence, by
// interface i; nil is the socket's own, or the only one that has frames. ErrNotBound: there are several.
// ErrInvalid: shorter than an Ethernet header. ErrTooBig, ErrDown, ErrNoFrames, ErrQueueFull, ErrClosed.
func (c *FrameConn) Send(now clock.Instant, i *Iface, frame []byte) error {
	h := c.host
	if i == nil {
		if i = c.Iface(); i == nil {
			return ErrNotBound
		}
	}
	switch {
	case c.closed:
		return ErrClosed
	case !i.hasFrames():
		return ErrNoFrames
	case len(frame) < wire.EthernetLen:
		return ErrInvalid
	case len(frame) > i.MTU()+wire.EthernetLen+vlanTagLen(frame):
		return ErrTooBig
	case !i.up:
		return ErrDown
	case i.datagrams.n >= h.limits.SendQueue:
		return ErrQueueFull
	}
	f := h.newFrame(len(frame))
	copy(f.Extend(len(frame)), frame)
	i.datagrams.push(f, h.limits.SendQueue)
	return nil
}

// vlanTagLen is the length of a frame's VLAN tag, which does not count against the MTU.
func vlanTagLen(frame []byte) int {
	if frame[12] == 0x81 && frame[13] == 0 {
		return 4
	}
	return 0
}

// Iface is the interface by which frames are sent when none is named: the one the socket is bound to, or
// the only one that has frames; nil where there are several.
func (c *FrameConn) Iface() (found *Iface) {
	if c.iface != nil {
		return c.iface
	}
	for _, i := range c.host.ifaces {
		if i.hasFrames() {
			if found != nil {
				return nil
			}
			found = i
		}
	}
	return found
}

// Recv copies the next frame, cut to its length, into p and says on which interface it came. n is -1 when
// none waits.
func (c *FrameConn) Recv(p []byte) (n int, on *Iface, err error) {
	n, at, _ := c.queue.pop(p)
	if n < 0 {
		if c.closed {
			err = ErrClosed
		}
		return n, nil, err
	}
	return n, c.host.ifaces[at.Port()], nil
}

// NextLen is the length of the frame that Recv would give, -1 when none waits.
func (c *FrameConn) NextLen() int { return c.queue.next() }

// Close ends the socket. What waits is lost.
func (c *FrameConn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	c.queue.drop()
	h := c.host
	h.frames = slices.DeleteFunc(slices.Clone(h.frames), func(o *FrameConn) bool { return o == c })
	h.sockets--
	c.Signal.Fire()
}
