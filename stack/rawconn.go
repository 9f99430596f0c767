package stack

import (
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// RawConn is a socket for the IPv4 packets of one protocol number. It gets a copy of each that is for
// this host, before TCP, UDP or ICMP judge it, which go on as if the socket were not there; only a packet
// that nobody else takes is then delivered instead of refused. Several sockets may have one protocol. An
// ICMP error that quotes a packet to one of the addresses to which the socket has sent, the last sixteen,
// is reported once, in the spirit of RFC 1122 §4.1.3.3; but a socket for ICMP gets the message itself.
type RawConn struct {
	socket
	proto wire.Protocol
	sent  [rawDestinations]netip.Addr // where the last packets went, each address once
	next  int                         // the oldest of them
}

// rawDestinations is to how many addresses' packets ICMP errors are taken for a raw socket's.
const rawDestinations = 16

// rawPeer is a destination of packets of one protocol. Host.rawSenders has the raw sockets that sent there, so that an
// ICMP error costs no more for the sockets that it does not concern.
type rawPeer struct {
	proto wire.Protocol
	dst   netip.Addr
}

// BindRaw returns a socket for protocol proto, 0 to 255. ErrLimit.
func (h *Host) BindRaw(proto wire.Protocol) (*RawConn, error) {
	s, err := h.newSocket()
	if err != nil {
		return nil, err
	}
	c := &RawConn{socket: s, proto: proto}
	rollIn(h.sockets.raw, proto).join(c)
	return c, nil
}

// copyToRaw hands copies of p to the raw sockets of its protocol.
func (t *socketTable) copyToRaw(now clock.Instant, p *packet) (c copies) {
	for s := range t.raw[p.ip.Protocol].all {
		c.enqueue(&s.socket, now, p.payload, netip.AddrPortFrom(p.ip.Src, 0), p.ip.TTL)
	}
	return c
}

// failRaw tells the raw sockets that may have sent a packet which an ICMP error quotes, and reports whether
// there was one.
func (t *socketTable) failRaw(now clock.Instant, q *wire.Quoted, cause error) (told bool) {
	if q.IP.Protocol == wire.ProtocolICMP {
		return false
	}
	for c := range t.rawSenders[rawPeer{q.IP.Protocol, q.IP.Dst}].all {
		c.sendFailed(now, cause)
		told = true
	}
	return told
}

// Protocol is the socket's protocol number.
func (c *RawConn) Protocol() wire.Protocol { return c.proto }

// Send sends a packet of the socket's protocol with the given octets behind its IP header, which the host
// makes; nothing is filled in behind it. ttl 0 means 64. ErrTooBig, ErrQueueFull, ErrNoRoute, ErrInvalid,
// ErrClosed.
func (c *RawConn) Send(now clock.Instant, payload []byte, to netip.Addr, ttl uint8) error {
	f, path, err := c.start(now, netip.Addr{}, to, len(payload))
	if err != nil {
		return err
	}
	copy(f.Bytes(), payload)
	c.remember(path.dst)
	return c.finish(now, f, path, c.proto, ttl)
}

// remember notes that the socket has sent to dst, and forgets the oldest of its destinations for that.
func (c *RawConn) remember(dst netip.Addr) {
	if slices.Contains(c.sent[:], dst) {
		return
	}
	senders := c.host.sockets.rawSenders
	leaveIn(senders, rawPeer{c.proto, c.sent[c.next]}, c)
	rollIn(senders, rawPeer{c.proto, dst}).join(c)
	c.sent[c.next] = dst
	c.next = (c.next + 1) % rawDestinations
}

// Recv copies what the next packet holds behind its IP header into p, cut to its length. n is -1 when
// none waits; err is then what became of a packet we sent (ErrHostUnreach, tcp.ErrProtoUnreach, …), once. The checksum of a TCP or
// UDP packet may be unfinished where the device leaves that to the receiver.
func (c *RawConn) Recv(p []byte) (n int, from netip.Addr, ttl uint8, err error) {
	n, src, ttl, err := c.recv(p)
	return n, src.Addr(), ttl, err
}

// Close ends the socket. What waits is lost.
func (c *RawConn) Close() {
	if !c.closeSocket() {
		return
	}
	h := c.host
	leaveIn(h.sockets.raw, c.proto, c)
	for _, dst := range c.sent {
		leaveIn(h.sockets.rawSenders, rawPeer{c.proto, dst}, c)
	}
}
