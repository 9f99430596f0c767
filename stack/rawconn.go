package stack

import (
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// RawConn is a socket for the IPv4 packets of one protocol number. It gets a copy of each that is for
// this host, before TCP, UDP or ICMP judge it, which go on as if the socket were not there; only a packet
// that nobody else takes is then delivered instead of refused. Several sockets may have one protocol.
type RawConn struct {
	Signal  Signal                  // a packet has come, or one that was sent has failed
	OnEvent func(now clock.Instant) // the same for a consumer that runs on the owner; may be nil

	host   *Host
	id     uint64
	proto  wire.Protocol
	queue  queue
	lost   uint64
	err    error
	closed bool
}

// BindRaw returns a socket for protocol proto, 0 to 255. ErrLimit.
func (h *Host) BindRaw(proto wire.Protocol) (*RawConn, error) {
	id, err := h.register()
	if err != nil {
		return nil, err
	}
	c := &RawConn{host: h, id: id, proto: proto, queue: newQueue(h.limits.RecvQueue)}
	h.raw[proto] = append(slices.Clone(h.raw[proto]), c) // a consumer may bind while a packet is handed out
	return c, nil
}

// tapRaw hands copies of p to the raw sockets of its protocol. took says that there was one with room for
// it, full that there was one without.
func (h *Host) tapRaw(now clock.Instant, p *packet) (took, full bool) {
	for _, c := range h.raw[p.ip.Protocol] {
		switch {
		case c.closed:
		case c.queue.push(p.payload, netip.AddrPortFrom(p.ip.Src, 0), p.ip.TTL):
			took = true
			c.fire(now)
		default:
			full = true
			c.lost++
		}
	}
	return took, full
}

// orRaw is the verdict on a packet that the host itself has no consumer for, when raw sockets were asked
// as well.
func (p *packet) orRaw(took, full bool, v Verdict) Verdict {
	if v.Kind != Dropped || v.Reason != drop.ICMPNoSocket && v.Reason != drop.ICMPUnknownType {
		return v
	}
	switch {
	case took:
		return Verdict{Kind: Delivered, Proto: p.ip.Protocol, Raw: true}
	case full:
		return dropped(drop.SocketQueueFull)
	}
	return v
}

func (c *RawConn) fire(now clock.Instant) {
	c.Signal.Fire()
	if c.OnEvent != nil {
		c.OnEvent(now)
	}
}

func (c *RawConn) sendFailed(now clock.Instant, err error) {
	if !c.closed {
		c.err = err
		c.fire(now)
	}
}

// Protocol is the socket's protocol number.
func (c *RawConn) Protocol() wire.Protocol { return c.proto }

// Lost is how many packets found the queue full.
func (c *RawConn) Lost() uint64 { return c.lost }

// Send sends a packet of the socket's protocol with the given octets behind its IP header, which the host
// makes; nothing is filled in behind it. ttl 0 means 64. ErrTooBig, ErrQueueFull, ErrNoRoute, ErrInvalid,
// ErrClosed.
func (c *RawConn) Send(now clock.Instant, payload []byte, to netip.Addr, ttl uint8) error {
	h := c.host
	to = to.Unmap()
	switch {
	case c.closed:
		return ErrClosed
	case !to.Is4():
		return ErrInvalid
	}
	if ttl == 0 {
		ttl = replyTTL
	}
	f, path, err := h.newDatagram(netip.Addr{}, to, len(payload))
	if err != nil {
		return err
	}
	copy(f.Bytes(), payload)
	h.putIPv4(f, c.proto, path.src, to, ttl)
	return h.send(now, path.hop, f, c)
}

// Recv copies what the next packet holds behind its IP header into p, cut to its length. n is -1 when
// none waits; err is then what became of a packet we sent (ErrHostUnreach), once. The checksum of a TCP or
// UDP packet may be unfinished where the device leaves that to the receiver.
func (c *RawConn) Recv(p []byte) (n int, from netip.Addr, ttl uint8, err error) {
	n, src, ttl := c.queue.pop(p)
	if n < 0 {
		if c.closed {
			return -1, from, 0, ErrClosed
		}
		err, c.err = c.err, nil
	}
	return n, src.Addr(), ttl, err
}

// NextLen is the length of what Recv would give, -1 when nothing waits.
func (c *RawConn) NextLen() int { return c.queue.next() }

// Close ends the socket. What waits is lost.
func (c *RawConn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	c.queue.drop()
	h := c.host
	h.raw[c.proto] = slices.DeleteFunc(slices.Clone(h.raw[c.proto]), func(o *RawConn) bool { return o == c })
	if len(h.raw[c.proto]) == 0 {
		delete(h.raw, c.proto)
	}
	h.sockets--
	c.Signal.Fire()
}
