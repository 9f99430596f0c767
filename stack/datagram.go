package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// path is the way of a datagram, the source address it leaves with and where it goes.
type path struct {
	hop
	src, dst netip.Addr
	whole    bool // it fits, and must not be fragmented
}

// newDatagram returns a frame with n octets, uninitialised, for a datagram from src (any when not
// specified) to dst. One that is longer than the way is known to carry will be fragmented; whole says that it must not
// be.
func (h *Host) newDatagram(now clock.Instant, src, dst netip.Addr, n int, whole bool) (*phy.Frame, path, error) {
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
	fits := wire.IPv4Len+n <= h.narrowest(now, dst, p.iface.MTU())
	if !fits && (whole || wire.IPv4Len+n > maxMTU) {
		h.count(ipFragFails)
		return nil, path{}, ErrTooBig
	}
	if p.iface.datagrams.n >= h.limits.SendQueue {
		h.refused(limitSendQueue)
		h.count(ipOutDiscards)
		return nil, path{}, ErrQueueFull
	}
	f := h.newFrame(n)
	f.Extend(n)
	return f, path{p, src, dst, fits}, nil
}
