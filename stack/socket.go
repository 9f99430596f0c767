package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// socket is what the sockets for datagrams, ICMP messages, packets and frames have in common: a bounded
// queue of what has arrived, and an error that is reported once.
type socket struct {
	Signal  Signal                  // something has come: to be received, or an error
	OnEvent func(now clock.Instant) // the same for a consumer that runs on the owner; may be nil

	host         *Host
	id           uint64
	queue        queue
	lost         uint64
	err          error // what became of something that was sent, not yet reported
	closed       bool
	dontFragment bool // what is sent must not be fragmented
}

func (h *Host) newSocket() (socket, error) {
	id, err := h.register()
	return socket{host: h, id: id, queue: newQueue(h.limits.RecvQueue)}, err
}

// enqueue queues what has arrived and reports whether there was room.
func (s *socket) enqueue(now clock.Instant, p []byte, from netip.AddrPort, ttl uint8) bool {
	if !s.queue.push(p, from, ttl) {
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

// sendFailed keeps an error to be reported once.
func (s *socket) sendFailed(now clock.Instant, err error) {
	if !s.closed {
		s.err = err
		s.fire(now)
	}
}

// recv takes the first of what waits. n is -1 when nothing does; then a pending error is reported.
func (s *socket) recv(p []byte) (n int, from netip.AddrPort, ttl uint8, err error) {
	if n, from, ttl = s.queue.pop(p); n >= 0 {
		return n, from, ttl, nil
	}
	if s.closed {
		return -1, from, 0, ErrClosed
	}
	err, s.err = s.err, nil
	return -1, from, 0, err
}

// NextLen is how many octets Recv would give, -1 when nothing waits.
func (s *socket) NextLen() int { return s.queue.next() }

// Lost is how many times something found the queue full.
func (s *socket) Lost() uint64 { return s.lost }

// SetDontFragment says whether what is sent from now on must go whole: what is too long for the way, as far as that is
// known, is refused then (ErrTooBig). Otherwise it is sent in fragments, and only what fits says that it must not be
// fragmented, so that routers tell how much the way carries.
func (s *socket) SetDontFragment(on bool) { s.dontFragment = on }

// DontFragment reports what SetDontFragment has set.
func (s *socket) DontFragment() bool { return s.dontFragment }

// closeSocket closes the socket, loses what waits and reports whether it was open.
func (s *socket) closeSocket() bool {
	if s.closed {
		return false
	}
	s.closed, s.err = true, nil
	s.queue.drop()
	s.host.sockets.open--
	s.Signal.Fire()
	return true
}

// start returns a frame with n octets, uninitialised, for a packet of the socket's from src (any when not
// specified) to dst.
func (s *socket) start(now clock.Instant, src, dst netip.Addr, n int) (*phy.Frame, datagramRoute, error) {
	dst = dst.Unmap()
	switch {
	case s.closed:
		return nil, datagramRoute{}, ErrClosed
	case !dst.Is4():
		return nil, datagramRoute{}, ErrInvalid
	}
	return s.host.newDatagram(now, src, dst, n, s.dontFragment)
}

// finish sends what start began; ttl 0 means the default: 64, or 1 to a group.
func (s *socket) finish(now clock.Instant, f *phy.Frame, p datagramRoute, proto wire.Protocol, ttl uint8) error {
	h, group := s.host, p.dst.IsMulticast()
	switch {
	case ttl == 0 && group:
		ttl = groupTTL
	case ttl == 0:
		ttl = replyTTL
	}
	h.putIPv4(f, proto, p.src, p.dst, ttl, wire.NotECT, p.dontFragment)
	if group {
		h.count(mib.IPOutMcastPkts)
		h.loopGroup(now, p.iface, p.dst, f)
	}
	return h.send(now, p.hop, f, s)
}

// copies is what became of the copies of a frame or packet that were handed to sockets beside the host's
// own consumers.
type copies struct {
	took bool // a socket had room for one
	full bool // a socket had none
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

// verdictOr is the verdict where the host itself has no consumer, of protocol proto, and would say v.
func (c copies) verdictOr(v Verdict, proto wire.Protocol) Verdict {
	switch {
	case c.took:
		return Verdict{Kind: Delivered, Proto: proto, Raw: true}
	case c.full:
		return dropped(drop.SocketQueueFull)
	}
	return v
}
