package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// ICMPConn is an ICMP socket. Bound to an identifier, it receives echo replies with it and errors that
// quote our requests with it; listening for a UDP port, it receives errors that quote datagrams from that
// port.
type ICMPConn struct {
	Signal  Signal                  // a message or an error has come
	OnEvent func(now clock.Instant) // the same for a consumer that runs on the owner; may be nil

	host   *Host
	id     uint64
	ident  uint16 // identifier or UDP port
	udp    bool   // which of the two
	queue  queue
	err    error
	closed bool
}

// BindICMP returns a socket for an identifier; 0 is a free one. ErrPortInUse, ErrNoPorts, ErrLimit.
func (h *Host) BindICMP(id uint16) (*ICMPConn, error) {
	if id == 0 {
		start := uint16(h.rng.Uint32())
		for k := range 1 << 16 {
			if c := start + uint16(k); c != 0 && h.icmpByID[c] == nil {
				id = c
				break
			}
		}
		if id == 0 {
			return nil, ErrNoPorts
		}
	}
	return h.openICMP(h.icmpByID, id, false)
}

// ListenICMP returns a socket for errors about a UDP port. ErrPortInUse, ErrLimit.
func (h *Host) ListenICMP(udpPort uint16) (*ICMPConn, error) {
	return h.openICMP(h.icmpByUDP, udpPort, true)
}

func (h *Host) openICMP(table map[uint16]*ICMPConn, ident uint16, udp bool) (*ICMPConn, error) {
	if table[ident] != nil {
		return nil, ErrPortInUse
	}
	id, err := h.register()
	if err != nil {
		return nil, err
	}
	c := &ICMPConn{host: h, id: id, ident: ident, udp: udp, queue: newQueue(h.limits.RecvQueue)}
	table[ident] = c
	return c, nil
}

// receive queues the ICMP message of p.
func (c *ICMPConn) receive(now clock.Instant, p *packet) Verdict {
	if !c.queue.push(p.payload, netip.AddrPortFrom(p.ip.Src, 0), p.ip.TTL) {
		return dropped(drop.SocketQueueFull)
	}
	c.fire(now)
	return deliveredTo(wire.ProtocolICMP, c.ident)
}

func (c *ICMPConn) fire(now clock.Instant) {
	c.Signal.Fire()
	if c.OnEvent != nil {
		c.OnEvent(now)
	}
}

func (c *ICMPConn) sendFailed(now clock.Instant, err error) {
	if !c.closed {
		c.err = err
		c.fire(now)
	}
}

// ID is the identifier, or the UDP port of a listening socket.
func (c *ICMPConn) ID() uint16 { return c.ident }

// Send sends a whole ICMP message (type, code, …), at least eight octets; the checksum is filled in. ttl
// 0 means 64. ErrTooBig, ErrQueueFull, ErrNoRoute, ErrInvalid, ErrClosed.
func (c *ICMPConn) Send(now clock.Instant, msg []byte, to netip.Addr, ttl uint8) error {
	h := c.host
	to = to.Unmap()
	switch {
	case c.closed:
		return ErrClosed
	case !to.Is4() || len(msg) < wire.ICMPLen:
		return ErrInvalid
	}
	if ttl == 0 {
		ttl = replyTTL
	}
	f, path, err := h.newDatagram(netip.Addr{}, to, len(msg))
	if err != nil {
		return err
	}
	b := f.Bytes()
	copy(b, msg)
	b[2], b[3] = 0, 0
	sum := wire.Checksum(b)
	b[2], b[3] = byte(sum>>8), byte(sum)
	h.putIPv4(f, wire.ProtocolICMP, path.src, to, ttl)
	if err := h.send(now, path.hop, f, c); err != nil {
		return err
	}
	h.count(icmpOutMsgs)
	if wire.ICMPType(msg[0]) == wire.ICMPEchoRequest {
		h.count(icmpOutEchos)
	}
	return nil
}

// Recv copies the next whole ICMP message, without the IP header, into p, cut to its length. n is -1 when
// none waits; err is then what became of a message we sent (ErrHostUnreach), once.
func (c *ICMPConn) Recv(p []byte) (n int, from netip.Addr, ttl uint8, err error) {
	n, src, ttl := c.queue.pop(p)
	if n < 0 {
		if c.closed {
			return -1, from, 0, ErrClosed
		}
		err, c.err = c.err, nil
	}
	return n, src.Addr(), ttl, err
}

// Close frees the identifier. What waits is lost.
func (c *ICMPConn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	c.queue.drop()
	if c.udp {
		delete(c.host.icmpByUDP, c.ident)
	} else {
		delete(c.host.icmpByID, c.ident)
	}
	c.host.sockets--
	c.Signal.Fire()
}
