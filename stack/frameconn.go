package stack

import (
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// FrameConn is a socket for whole Ethernet frames. It gets a copy of each frame of its EtherType that
// arrives on its interfaces, whoever it is addressed to and before the host judges it; the host goes on
// as if the socket were not there. Only a frame of a protocol that the host does not speak is delivered
// by it instead of dropped.
type FrameConn struct {
	socket
	iface *Iface         // nil: every interface
	typ   wire.EtherType // 0: every type
}

// BindFrames returns a socket for frames of type t, 0 for all, on interface i, nil for every one that has
// frames. ErrNoFrames, ErrLimit.
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

// frameKind is what frame sockets are found by: an interface, nil for every one, and an EtherType, 0 for every one.
type frameKind struct {
	iface *Iface
	typ   wire.EtherType
}

func (i *Iface) hasFrames() bool { return i.caps.Medium == phy.MediumEthernet }

// copyToFrames hands copies of a frame to the sockets that want it.
func (t *socketTable) copyToFrames(now clock.Instant, i *Iface, f *phy.Frame) (c copies) {
	eth, _, err := wire.ParseEthernet(f.Bytes())
	if err != nil {
		return c
	}
	kinds := [...]frameKind{{nil, 0}, {i, 0}, {nil, eth.Type}, {i, eth.Type}}
	for k, kind := range kinds {
		if k >= 2 && eth.Type == 0 {
			break // a frame of type 0 has had both rolls
		}
		for s := range t.frames[kind].all {
			c.enqueue(&s.socket, now, f.Bytes(), netip.AddrPortFrom(netip.IPv4Unspecified(), i.index), 0)
		}
	}
	return c
}

// EtherType is the type of the frames that the socket gets, 0 for all.
func (c *FrameConn) EtherType() wire.EtherType { return c.typ }

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
	case len(frame) > i.MTU()+wire.EthernetLen+wire.VLANTagsLen(frame):
		return ErrTooBig
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

// Iface is the interface by which frames are sent when none is named: the one the socket is bound to, or
// the only one that has frames; nil where there are several.
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

// Recv copies the next frame, cut to its length, into p and says on which interface it came. n is -1 when
// none waits.
func (c *FrameConn) Recv(p []byte) (n int, on *Iface, err error) {
	n, at, _, err := c.recv(p)
	if n < 0 {
		return n, nil, err
	}
	return n, c.host.net.ifaces[at.Port()], nil
}

// Close ends the socket. What waits is lost.
func (c *FrameConn) Close() {
	if c.closeSocket() {
		leaveIn(c.host.sockets.frames, frameKind{c.iface, c.typ}, c)
	}
}
