package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// ICMPConn is an ICMP socket. If it is bound to an identifier, it receives echo replies with that identifier, and
// errors that quote our requests with it. If it listens for a UDP port, it receives errors that quote datagrams from
// that port.
type ICMPConn struct {
	socket
	ident uint16 // identifier or UDP port
	table map[uint16]*ICMPConn
}

// numIDs is the number of ICMP identifiers, 0 included.
const numIDs = 1 << 16

// BindICMP returns a socket for an identifier; 0 chooses a free one. Errors: ErrPortInUse, ErrNoPorts, ErrLimit.
func (h *Host) BindICMP(id uint16) (*ICMPConn, error) {
	if id == 0 {
		var err error
		if id, err = h.EchoID(); err != nil {
			return nil, err
		}
	}
	if h.claim(wire.ProtocolICMP, id) != nil {
		return nil, ErrPortInUse
	}
	c, err := h.openICMP(h.sockets.icmpByID, id)
	if err == nil {
		h.ports.icmpIDs.add(int(id), numIDs)
	}
	return c, err
}

// EchoID returns an identifier for echo requests that no socket and no claim has. The identifier 0 is not used. Errors: ErrNoPorts.
func (h *Host) EchoID() (uint16, error) {
	free, ok := h.ports.icmpIDs.free(int(uint16(h.rng.Uint32())), numIDs, nil)
	if ok && free == 0 {
		free, ok = h.ports.icmpIDs.free(1, numIDs, nil)
	}
	if !ok || free == 0 {
		return 0, ErrNoPorts
	}
	return uint16(free), nil
}

// ListenICMP returns a socket for errors about a UDP port. Errors: ErrPortInUse, ErrLimit.
func (h *Host) ListenICMP(udpPort uint16) (*ICMPConn, error) {
	return h.openICMP(h.sockets.icmpByUDP, udpPort)
}

func (h *Host) openICMP(table map[uint16]*ICMPConn, ident uint16) (*ICMPConn, error) {
	if table[ident] != nil {
		return nil, ErrPortInUse
	}
	s, err := h.newSocket()
	if err != nil {
		return nil, err
	}
	c := &ICMPConn{socket: s, ident: ident, table: table}
	table[ident] = c
	return c, nil
}

// receive queues the ICMP message of p.
func (c *ICMPConn) receive(now clock.Instant, p *packet) Verdict {
	if !c.enqueue(now, p.payload, netip.AddrPortFrom(p.src, 0), p.ttl) {
		return dropped(drop.SocketQueueFull)
	}
	return deliveredTo(p.family.icmp(), c.ident)
}

// ID returns the identifier, or the UDP port of a listening socket.
func (c *ICMPConn) ID() uint16 { return c.ident }

// Send sends a message of at least eight octets, from its type on, and fills in the checksum. The message is of ICMP or ICMPv6, as
// the destination determines. ttl 0 means the default. Errors: ErrTooBig, ErrQueueFull, ErrNoRoute, ErrZone, ErrInvalid, ErrClosed.
func (c *ICMPConn) Send(now clock.Instant, msg []byte, to netip.Addr, ttl uint8) error {
	if len(msg) < wire.ICMPLen {
		return ErrInvalid
	}
	f, path, err := c.start(now, netip.Addr{}, to, len(msg))
	if err != nil {
		return err
	}
	b := f.Bytes()
	copy(b, msg)
	version := familyOf(path.dst)
	putICMPChecksum(b, &path)
	if err := c.finish(now, f, path, version.icmp(), ttl, 0); err != nil {
		return err
	}
	c.host.countIP(version, mib.ICMPOutMsgs)
	if IsEchoRequest(path.dst, msg) {
		c.host.countIP(version, mib.ICMPOutEchos)
	}
	return nil
}

// IsEchoRequest reports whether a message of ICMP or ICMPv6, as the address a of one end determines, is an echo request.
func IsEchoRequest(a netip.Addr, msg []byte) bool {
	if familyOf(a) == ipv6 {
		return len(msg) > 0 && wire.ICMPv6Type(msg[0]) == wire.ICMPv6EchoRequest
	}
	return len(msg) > 0 && wire.ICMPType(msg[0]) == wire.ICMPEchoRequest
}

// putICMPChecksum writes the checksum of the message b. That of ICMPv6 covers a pseudo-header (RFC 4443 §2.3).
func putICMPChecksum(b []byte, path *datagramRoute) {
	b[2], b[3] = 0, 0
	sum := wire.Checksum(b)
	if familyOf(path.dst) == ipv6 {
		sum = wire.PseudoHeader(path.src, path.dst, wire.ProtocolICMPv6, len(b)).AddBytes(b).Checksum()
	}
	b[2], b[3] = byte(sum>>8), byte(sum)
}

// Recv copies the next ICMP message, without the IP header, into p and cuts it to the length of p. If no message is
// queued, n is -1, and err is the pending error of a sent message, such as ErrHostUnreach. Each error is reported once.
func (c *ICMPConn) Recv(p []byte) (n int, from netip.Addr, ttl uint8, err error) {
	n, src, ttl, err := c.recv(p)
	return n, src.Addr(), ttl, err
}

// Close frees the identifier and discards the queued messages.
func (c *ICMPConn) Close() {
	if !c.closeSocket() {
		return
	}
	delete(c.table, c.ident)
	if h := c.host; h.sockets.icmpByID[c.ident] == nil {
		h.ports.icmpIDs.remove(int(c.ident))
	}
}
