package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/mib"
)

// datagramRoute is the next hop of a datagram, its source and its destination.
type datagramRoute struct {
	hop
	src, dst     netip.Addr
	dontFragment bool // true if the datagram fits the path MTU, and is sent with DF set
}

// newDatagram returns a frame with n octets, uninitialised, for a datagram to dst. The route chooses the source address
// if src is unspecified; 0.0.0.0 and :: allow a destination of their family only. A datagram longer than the path MTU is fragmented later. With dontFragment it is refused with
// ErrTooBig.
func (h *Host) newDatagram(now clock.Instant, src, dst netip.Addr, n int, dontFragment bool) (*phy.Frame, datagramRoute, error) {
	dst, err := h.net.scope(dst, src)
	if err != nil {
		return nil, datagramRoute{}, err
	}
	version := familyOf(dst)
	if src.IsValid() && src.Is4() != dst.Is4() {
		return nil, datagramRoute{}, ErrInvalid
	}
	way, ok := h.net.routeFor(src, dst)
	if !ok {
		h.countIP(version, mib.IPOutNoRoutes)
		return nil, datagramRoute{}, ErrNoRoute
	}
	dst = way.strip(dst)
	if isAny(src) {
		if src, ok = h.net.source(way, dst); !ok {
			return nil, datagramRoute{}, ErrNotOurs
		}
	} else if i := h.net.localAddrs[src]; i == nil && !src.IsLoopback() {
		return nil, datagramRoute{}, ErrNotOurs // the address was removed after the socket was bound
	} else if i != nil && i.up && dst == limitedBroadcast {
		way.iface = i // send on the link of the socket's address
	}
	if src.IsLoopback() != dst.IsLoopback() && way.iface != h.net.loop {
		return nil, datagramRoute{}, ErrNoRoute // 127/8 and ::1 never leave the host (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3)
	}
	length := version.headerLen() + n
	mtu := h.net.paths.Within(now, dst, way.iface.mtuOf(version))
	fits := length <= mtu
	if !fits && (dontFragment || length > version.maxPacket()) {
		h.countIP(version, mib.IPFragFails)
		if !dontFragment {
			mtu = version.maxPacket()
		}
		return nil, datagramRoute{}, &TooBigError{length, mtu}
	}
	if way.iface.out.datagrams.n >= h.limits.SendQueue {
		h.countRefused(limitSendQueue)
		h.countIP(version, mib.IPOutDiscards)
		return nil, datagramRoute{}, ErrQueueFull
	}
	f := h.frames.get(n)
	f.Extend(n)
	return f, datagramRoute{way, src, dst, fits}, nil
}
