package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// socket is the common part of UDP, ICMP, raw and frame sockets: a bounded queue of received datagrams, and an error that
// is reported once.
type socket struct {
	Signal  Signal                  // fired when a datagram or an error has arrived
	OnEvent func(now clock.Instant) // called with Signal, for a consumer on the owner's goroutine; may be nil
	OnClose func()                  // called when the socket is closed, on the owner's goroutine; may be nil

	host         *Host
	id           uint64
	queue        queue
	lost         uint64
	err          error // error of a sent datagram; nil after it was reported
	closed       bool
	dontFragment bool // true if datagrams are not sent in fragments; see SetDontFragment
}

func (h *Host) newSocket() (socket, error) {
	id, err := h.register()
	return socket{host: h, id: id, queue: newQueue(h.limits.RecvQueue)}, err
}

// enqueue queues a received datagram and reports whether there was room.
func (s *socket) enqueue(now clock.Instant, p []byte, from netip.AddrPort, ttl uint8) bool {
	if !s.queue.push(p, from, uint16(s.host.net.zoneOf(from.Addr())), ttl) {
		s.lost++
		s.host.countRefused(limitRecvQueue)
		return false
	}
	s.fire(now)
	return true
}

func (s *socket) fire(now clock.Instant) {
	s.Signal.Fire()
	if s.OnEvent != nil {
		s.OnEvent(now)
	}
}

// sendFailed stores the error of a sent datagram, to be reported once.
func (s *socket) sendFailed(now clock.Instant, err error) {
	if !s.closed {
		s.err = err
		s.fire(now)
	}
}

// recv removes the first queued datagram and copies it into p. If none is queued, n is -1 and err is the pending error.
func (s *socket) recv(p []byte) (n int, from netip.AddrPort, ttl uint8, err error) {
	var zone uint16
	if n, from, zone, ttl = s.queue.pop(p); n >= 0 {
		if zone != 0 {
			from = netip.AddrPortFrom(from.Addr().WithZone(s.host.net.ifaces[zone-1].name), from.Port())
		}
		return n, from, ttl, nil
	}
	if s.closed {
		return -1, from, 0, ErrClosed
	}
	err, s.err = s.err, nil
	return -1, from, 0, err
}

// NextLen returns the length of the first queued datagram in octets, -1 if none is queued.
func (s *socket) NextLen() int { return s.queue.next() }

// Lost returns the number of datagrams that were dropped because the queue was full.
func (s *socket) Lost() uint64 { return s.lost }

// SetDontFragment sets whether the socket fragments a datagram longer than the path MTU. If on is true, the socket
// refuses the datagram with ErrTooBig. If on is false, it sends the datagram in fragments. Shorter datagrams are always
// sent with DF set, so that routers report the path MTU.
func (s *socket) SetDontFragment(on bool) { s.dontFragment = on }

// DontFragment reports the value set by SetDontFragment.
func (s *socket) DontFragment() bool { return s.dontFragment }

// closeSocket closes the socket, discards its queue and reports whether the socket was open.
func (s *socket) closeSocket() bool {
	if s.closed {
		return false
	}
	s.closed, s.err = true, nil
	s.queue.drop()
	s.host.sockets.open--
	s.Signal.Fire()
	if s.OnClose != nil {
		s.OnClose()
	}
	return true
}

// start returns a frame with n octets, uninitialised, for a packet from src to dst; see newDatagram.
func (s *socket) start(now clock.Instant, src, dst netip.Addr, n int) (*phy.Frame, datagramRoute, error) {
	switch {
	case s.closed:
		return nil, datagramRoute{}, ErrClosed
	case !dst.IsValid():
		return nil, datagramRoute{}, ErrInvalid
	}
	return s.host.newDatagram(now, src, dst, n, s.dontFragment)
}

// finish sends a packet in a frame that start returned. ttl 0 means the default: that of the interface, or 1 for a group. label is
// the flow label of an IPv6 packet, 0 if none was computed.
func (s *socket) finish(now clock.Instant, f *phy.Frame, p datagramRoute, proto wire.Protocol, ttl uint8, label uint32) error {
	h, group := s.host, p.dst.IsMulticast()
	switch {
	case ttl == 0 && group:
		ttl = groupTTL
	case ttl == 0:
		ttl = p.iface.hopLimit(familyOf(p.dst))
	}
	h.putIP(f, &ipHeader{src: p.src, dst: p.dst, proto: proto, ttl: ttl, dontFragment: p.dontFragment, label: label})
	if group {
		h.countIP(familyOf(p.dst), mib.IPOutMcastPkts)
		h.loopGroup(now, p.iface, p.dst, f)
	}
	return h.send(now, p.hop, f, s)
}

// copies records whether raw, frame or group sockets had room for their copies of a frame or packet.
type copies struct {
	took bool // true if at least one socket had room for a copy
	full bool // true if at least one socket had no room
}

func (c *copies) enqueue(s *socket, now clock.Instant, p []byte, from netip.AddrPort, ttl uint8) {
	switch {
	case s.closed:
	case s.enqueue(now, p, from, ttl):
		c.took = true
	default:
		c.full = true
	}
}

// verdictOr returns the verdict of a packet of protocol proto. v is the host's own verdict, a drop, which is replaced
// if a socket received a copy.
func (c copies) verdictOr(v Verdict, proto wire.Protocol) Verdict {
	switch {
	case c.took:
		return Verdict{Kind: Delivered, Proto: proto, Raw: true}
	case c.full:
		return dropped(drop.SocketQueueFull)
	}
	return v
}
