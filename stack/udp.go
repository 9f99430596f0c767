package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// UDPConn is a UDP socket. Only the host's owner may call its methods.
type UDPConn struct {
	socket
	key           flow
	local, remote netip.AddrPort
	ttl           uint8             // 0 means the default
	groups        roll[*membership] // the groups that the socket has joined
	service       bool              // true if SetService marked the socket as a service
}

// BindUDP returns a socket that receives datagrams from every peer. The zero address stands for all addresses of the
// host, port 0 for an ephemeral port. Errors: ErrNotOurs, ErrPortInUse, ErrNoPorts, ErrLimit.
func (h *Host) BindUDP(local netip.AddrPort) (*UDPConn, error) {
	return h.openUDP(local, netip.AddrPort{})
}

// DialUDP returns a socket that sends to and receives from remote only, and reports ICMP errors. The route chooses a
// zero local address. Errors: those of BindUDP, ErrNoRoute, ErrInvalid.
func (h *Host) DialUDP(local, remote netip.AddrPort) (*UDPConn, error) {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if !remote.Addr().Is4() || remote.Port() == 0 {
		return nil, ErrInvalid
	}
	local, err := h.localFor(local, remote.Addr())
	if err != nil {
		return nil, err
	}
	return h.openUDP(local, remote)
}

// localFor returns local. A zero address in it is replaced by the source address for packets to dst.
func (h *Host) localFor(local netip.AddrPort, dst netip.Addr) (netip.AddrPort, error) {
	p, ok := h.net.routeFor(local.Addr(), dst)
	if !ok {
		h.count(mib.IPOutNoRoutes)
		return local, ErrNoRoute
	}
	if a := local.Addr(); a.IsValid() && !a.IsUnspecified() {
		if a.IsLoopback() && p.iface != h.net.loop {
			return local, ErrNoRoute // 127/8 never leaves the host (RFC 1122 §3.2.1.3)
		}
		return local, nil
	}
	a, ok := h.net.source(p, dst)
	if !ok {
		return local, ErrNotOurs
	}
	return netip.AddrPortFrom(a, local.Port()), nil
}

func (h *Host) openUDP(local, remote netip.AddrPort) (*UDPConn, error) {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if !h.net.mayBind(local.Addr()) {
		return nil, ErrNotOurs
	}
	taken := func(port uint16) bool {
		key := flowOf(netip.AddrPortFrom(local.Addr(), port), remote)
		any := flow{localPort: port}
		_, same := h.sockets.udp[key]
		_, wild := h.sockets.udp[any]
		if remote.IsValid() {
			return same
		}
		return same || wild || key == any && h.ports.users[portsUDP][port] > 0
	}
	if local.Port() == 0 {
		port, err := h.ephemeral(portsUDP, local, remote, nil)
		if err != nil {
			return nil, err
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	} else if taken(local.Port()) {
		return nil, ErrPortInUse
	}
	s, err := h.newSocket()
	if err != nil {
		return nil, err
	}
	u := &UDPConn{socket: s, key: flowOf(local, remote), local: local, remote: remote}
	h.sockets.udp[u.key] = u
	h.ports.bind(portsUDP, local.Port())
	return u, nil
}

// receiveUDP delivers a datagram to its socket: the socket connected to the sender, else the one bound to the
// destination address, else the one bound to all addresses. Without a socket the host answers port unreachable.
func (h *Host) receiveUDP(now clock.Instant, p *packet) Verdict {
	src, dst := p.ip.Src, p.ip.Dst
	u, data, err := wire.ParseUDP(p.payload, src, dst, !p.trusted)
	if err != nil {
		h.count(mib.UDPInErrors)
		if drop.Of(err) == drop.BadChecksum {
			h.count(mib.UDPInCsumErrors)
		}
		return dropped(drop.Of(err))
	}
	from := netip.AddrPortFrom(src, u.SrcPort)
	if dst.IsMulticast() {
		return h.receiveGroup(now, p, u.DstPort, from, data)
	}
	key := flow{local: dst.As16(), remote: src.As16(), localPort: u.DstPort, remotePort: u.SrcPort}
	s := h.sockets.udp[key]
	if s == nil {
		key.remote, key.remotePort = [16]byte{}, 0
		s = h.sockets.udp[key]
	}
	if s == nil {
		key.local = [16]byte{}
		s = h.sockets.udp[key]
	}
	if s == nil {
		h.count(mib.UDPNoPorts)
		return h.sendUnreachable(now, p, wire.UnreachablePort, PortUnreachable, drop.NoSocket) // port unreachable, RFC 1122 §4.1.3.1
	}
	if s.service && wire.AnswersAll(from.Port(), s.local.Port()) {
		h.count(mib.UDPInErrors)
		return dropped(drop.ServiceLoop)
	}
	if !s.enqueue(now, data, from, p.ip.TTL) {
		h.count(mib.UDPInErrors)
		h.count(mib.UDPRcvbufErrors)
		return dropped(drop.SocketQueueFull)
	}
	h.count(mib.UDPInDatagrams)
	return deliveredTo(wire.ProtocolUDP, s.local.Port())
}

// Local returns the local address and port. The address is unspecified if the socket is bound to all addresses.
func (u *UDPConn) Local() netip.AddrPort { return u.local }

// Remote returns the peer of a connected socket, the zero value for others.
func (u *UDPConn) Remote() netip.AddrPort { return u.remote }

// SetTTL sets the time to live of datagrams sent from now on; 0 means the default, 64.
func (u *UDPConn) SetTTL(ttl uint8) { u.ttl = ttl }

// SetService sets whether the socket's owner answers every datagram, as echo (RFC 862) and chargen (RFC 864) do. The
// host then drops datagrams whose source port belongs to such a service (drop.ServiceLoop). Otherwise one forged
// datagram would make two services answer each other for ever.
func (u *UDPConn) SetService(on bool) { u.service = on }

// Send sends one datagram, to the socket's remote address if to is zero. It copies the octets. ErrTooBig: p is longer
// than 65507 octets, or than the path carries while SetDontFragment is on. ErrQueueFull: the interface's queue is full.
// Other errors: ErrNoRoute, ErrNotOurs, ErrNotBound, ErrInvalid, ErrClosed, and a pending ICMP error, which is reported
// once.
func (u *UDPConn) Send(now clock.Instant, p []byte, to netip.AddrPort) error {
	if err := u.err; err != nil && u.remote.IsValid() {
		u.err = nil
		return err
	}
	if !to.IsValid() {
		to = u.remote
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	switch {
	case u.closed:
		return ErrClosed
	case !to.IsValid():
		return ErrNotBound
	case to.Port() == 0:
		return ErrInvalid
	}
	h := u.host
	f, path, err := u.start(now, u.local.Addr(), to.Addr(), wire.UDPLen+len(p))
	if err != nil {
		if err == ErrQueueFull {
			h.count(mib.UDPSndbufErrors)
		}
		return err
	}
	udp := wire.UDP{SrcPort: u.local.Port(), DstPort: to.Port()}
	copy(f.Bytes()[wire.UDPLen:], p)
	udp.Put(f.Bytes(), path.src, path.dst)
	if err := u.finish(now, f, path, wire.ProtocolUDP, u.ttl); err != nil {
		return err
	}
	h.count(mib.UDPOutDatagrams)
	return nil
}

// Recv copies the next datagram into p, cuts it to the length of p, and returns its source. If no datagram is queued, n
// is -1 and err is a pending ICMP error, which is reported once.
func (u *UDPConn) Recv(p []byte) (n int, from netip.AddrPort, err error) {
	n, from, _, err = u.recv(p)
	return n, from, err
}

// Close frees the port, leaves every group and discards the queued datagrams.
func (u *UDPConn) Close() {
	if !u.closeSocket() {
		return
	}
	for m := range u.groups.all {
		u.leave(m)
	}
	h := u.host
	delete(h.sockets.udp, u.key)
	h.ports.unbind(portsUDP, u.local.Port())
}
