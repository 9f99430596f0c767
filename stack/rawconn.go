package stack

import (
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// RawConn is a socket for the packets of one protocol number, of both families. It receives a copy of each such packet for this
// host; TCP, UDP or ICMP then process the packet as well. A packet of another protocol counts as delivered if a raw
// socket received it. Several sockets may have one protocol.
//
// The socket reports an ICMP error once, as RFC 1122 §4.1.3.3 requires of UDP, if it quotes a packet to one of the
// sixteen latest destinations. A socket for ICMP receives the message instead.
type RawConn struct {
	socket
	proto wire.Protocol
	sent  [rawDestinations]netip.Addr // latest destinations, each only once
	next  int                         // index of the oldest destination in sent
}

// rawDestinations is the number of destinations about which a raw socket reports ICMP errors.
const rawDestinations = 16

// rawPeer is a destination of packets of one protocol. socketTable.rawSenders maps it to the raw sockets that have sent
// packets there, so that an ICMP error need not be compared with every socket.
type rawPeer struct {
	proto wire.Protocol
	dst   netip.Addr
}

// BindRaw returns a socket for protocol proto, 0 to 255. Errors: ErrLimit.
func (h *Host) BindRaw(proto wire.Protocol) (*RawConn, error) {
	s, err := h.newSocket()
	if err != nil {
		return nil, err
	}
	c := &RawConn{socket: s, proto: proto}
	rollIn(h.sockets.raw, proto).join(c)
	return c, nil
}

// copyToRaw queues a copy of p in each raw socket of its protocol.
func (t *socketTable) copyToRaw(now clock.Instant, p *packet) (c copies) {
	for s := range t.raw[p.proto].all {
		c.enqueue(&s.socket, now, p.payload, netip.AddrPortFrom(p.src, 0), p.ttl)
	}
	return c
}

// failRaw reports an ICMP error to each raw socket that may have sent the quoted packet, and returns whether there was
// one.
func (t *socketTable) failRaw(now clock.Instant, q *quoted, cause error) (told bool) {
	if q.proto == familyOf(q.dst).icmp() {
		return false
	}
	for c := range t.rawSenders[rawPeer{q.proto, q.dst}].all {
		c.sendFailed(now, cause)
		told = true
	}
	return told
}

// Protocol returns the socket's protocol number.
func (c *RawConn) Protocol() wire.Protocol { return c.proto }

// Send sends a packet of the socket's protocol with the given payload. The host adds the IP header and does not change the
// payload, except the checksum of ICMPv6 (RFC 3542 §3.1). ttl 0 means the default. Errors: ErrTooBig, ErrQueueFull, ErrNoRoute, ErrInvalid, ErrClosed.
func (c *RawConn) Send(now clock.Instant, payload []byte, to netip.Addr, ttl uint8) error {
	f, path, err := c.start(now, netip.Addr{}, to, len(payload))
	if err != nil {
		return err
	}
	copy(f.Bytes(), payload)
	c.remember(path.dst)
	if familyOf(path.dst) == ipv6 && c.proto == wire.ProtocolICMPv6 {
		if len(payload) < 4 {
			c.host.frames.put(f)
			return ErrInvalid
		}
		putICMPChecksum(f.Bytes(), &path)
	}
	return c.finish(now, f, path, c.proto, ttl, 0)
}

// remember stores dst in place of the oldest destination.
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

// Recv copies the payload of the next packet into p and cuts it to the length of p. If no packet is queued, n is -1,
// and err is the pending error of a sent packet (ErrHostUnreach, tcp.ErrProtoUnreach, …). Each error is reported once.
// The checksum of a TCP or UDP packet may be incomplete if the device leaves it to the receiver.
func (c *RawConn) Recv(p []byte) (n int, from netip.Addr, ttl uint8, err error) {
	n, src, ttl, err := c.recv(p)
	return n, src.Addr(), ttl, err
}

// Close ends the socket and discards the queued packets.
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
