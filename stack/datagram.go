package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// path is the way of a datagram, the source address it leaves with and where it goes.
type path struct {
	hop
	src, dst netip.Addr
}

// newDatagram returns a frame with n octets, uninitialised, for a datagram from src (any when not
// specified) to dst.
func (h *Host) newDatagram(src, dst netip.Addr, n int) (*phy.Frame, path, error) {
	p, ok := h.way(src, dst)
	if !ok {
		h.count(ipOutNoRoutes)
		return nil, path{}, ErrNoRoute
	}
	if !src.IsValid() || src.IsUnspecified() {
		if src, ok = h.source(p, dst); !ok {
			return nil, path{}, ErrNotOurs
		}
	} else if i := h.own[src]; i == nil && !src.IsLoopback() {
		return nil, path{}, ErrNotOurs // the address has been taken away since
	} else if i != nil && i.up && dst == limitedBroadcast {
		p.iface = i // to everyone on the link the socket belongs to
	}
	if src.IsLoopback() != dst.IsLoopback() && p.iface != h.loop {
		return nil, path{}, ErrNoRoute // 127/8 never leaves the host (RFC 1122 §3.2.1.3)
	}
	if wire.IPv4Len+n > p.iface.MTU() {
		return nil, path{}, ErrTooBig
	}
	if p.iface.datagrams.n >= h.limits.SendQueue {
		h.refused(limitSendQueue)
		h.count(ipOutDiscards)
		return nil, path{}, ErrQueueFull
	}
	f := h.newFrame(n)
	f.Extend(n)
	return f, path{p, src, dst}, nil
}
