package stack

import (
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// FrameConn is a socket for Ethernet frames. It receives a copy of each frame of its EtherType that arrives on its
// interfaces, whatever the destination address. The host also processes the frame itself. A frame of a protocol that
// the host does not implement counts as delivered if a FrameConn received a copy.
type FrameConn struct {
	socket
	iface *Iface         // nil for every interface
	typ   wire.EtherType // 0 for every type
}

// BindFrames returns a socket for frames of type t on interface i. A type of 0 means all types; nil means every
// interface with frames. Errors: ErrNoFrames, ErrLimit.
func (h *Host) BindFrames(i *Iface, t wire.EtherType) (*FrameConn, error) {
	if i != nil && !i.hasFrames() || i == nil && !slices.ContainsFunc(h.net.ifaces, (*Iface).hasFrames) {
		return nil, ErrNoFrames
	}
	s, err := h.newSocket()
	if err != nil {
		return nil, err
	}
	c := &FrameConn{socket: s, iface: i, typ: t}
	rollIn(h.sockets.frames, frameKind{i, t}).join(c)
	return c, nil
}

// frameKind is the key of a frame socket: its interface, nil for all, and its EtherType, 0 for all.
type frameKind struct {
	iface *Iface
	typ   wire.EtherType
}

func (i *Iface) hasFrames() bool { return i.caps.Medium == phy.MediumEthernet }

// copyToFrames queues a copy of an arriving frame in each frame socket of its interface and type.
func (t *socketTable) copyToFrames(now clock.Instant, i *Iface, f *phy.Frame) (c copies) {
	eth, _, err := wire.ParseEthernet(f.Bytes())
	if err != nil {
		return c
	}
	kinds := [...]frameKind{{nil, 0}, {i, 0}, {nil, eth.Type}, {i, eth.Type}}
	for k, kind := range kinds {
		if k >= 2 && eth.Type == 0 {
			break // for EtherType 0 the first two keys are equal
		}
		for s := range t.frames[kind].all {
			c.enqueue(&s.socket, now, f.Bytes(), netip.AddrPortFrom(netip.IPv4Unspecified(), i.index), 0)
		}
	}
	return c
}

// EtherType returns the type of the frames that the socket receives, 0 for all types.
func (c *FrameConn) EtherType() wire.EtherType { return c.typ }

// Send sends a frame by interface i. frame starts with the destination address and has no frame check sequence. If i is
// nil, Send uses the interface that Iface returns; ErrNotBound means that there are several. ErrInvalid means that
// frame is shorter than an Ethernet header. Other errors: ErrTooBig, ErrDown, ErrNoFrames, ErrQueueFull, ErrClosed.
func (c *FrameConn) Send(now clock.Instant, i *Iface, frame []byte) error {
	if i == nil {
		if i = c.Iface(); i == nil {
			return ErrNotBound
		}
	}
	if c.closed {
		return ErrClosed
	}
	return c.host.SendFrame(now, i, frame)
}

// SendFrame sends a frame by interface i, without a change. It starts with the destination address and has no frame check
// sequence. ErrInvalid means that it is shorter than an Ethernet header. Other errors: ErrTooBig, ErrDown, ErrNoFrames, ErrQueueFull.
func (h *Host) SendFrame(now clock.Instant, i *Iface, frame []byte) error {
	switch {
	case !i.hasFrames():
		return ErrNoFrames
	case len(frame) < wire.EthernetLen:
		return ErrInvalid
	case len(frame) > i.MTU()+wire.EthernetLen+wire.VLANTagsLen(frame):
		return &TooBigError{len(frame), i.MTU() + wire.EthernetLen + wire.VLANTagsLen(frame)}
	case !i.up:
		return ErrDown
	case i.out.datagrams.n >= h.limits.SendQueue:
		h.countRefused(limitSendQueue)
		return ErrQueueFull
	}
	f := h.frames.get(len(frame))
	copy(f.Extend(len(frame)), frame)
	i.out.datagrams.push(f, h.limits.SendQueue)
	h.workPending()
	return nil
}

// Iface returns the interface that Send uses by default: the socket's own, else the only interface with frames. It
// returns nil if there are several.
func (c *FrameConn) Iface() (found *Iface) {
	if c.iface != nil {
		return c.iface
	}
	for _, i := range c.host.net.ifaces {
		if i.hasFrames() {
			if found != nil {
				return nil
			}
			found = i
		}
	}
	return found
}

// Recv copies the next frame into p, cut to the length of p, and returns the interface on which it arrived. n is -1 if no
// frame is queued.
func (c *FrameConn) Recv(p []byte) (n int, on *Iface, err error) {
	n, at, _, err := c.recv(p)
	if n < 0 {
		return n, nil, err
	}
	return n, c.host.net.ifaces[at.Port()], nil
}

// Close ends the socket and discards the queued frames.
func (c *FrameConn) Close() {
	if c.closeSocket() {
		leaveIn(c.host.sockets.frames, frameKind{c.iface, c.typ}, c)
	}
}
