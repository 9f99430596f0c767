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
	families      families
	label         labelCache
	ttl           uint8             // 0 means the default
	groups        roll[*membership] // the groups that the socket has joined
	service       bool              // true if SetService marked the socket as a service
}

// BindUDP returns a socket that receives datagrams from every peer. The zero Addr and :: stand for all addresses of the host,
// 0.0.0.0 for all IPv4 addresses, port 0 for an ephemeral port. Errors: ErrNotOurs, ErrZone, ErrPortInUse, ErrNoPorts, ErrLimit.
func (h *Host) BindUDP(local netip.AddrPort) (*UDPConn, error) {
	return h.openAnyUDP(local, netip.AddrPort{}, false)
}

// BindUDP6 is BindUDP for a socket that receives no datagrams of IPv4, even if it is bound to all addresses (RFC 3493 §5.3).
func (h *Host) BindUDP6(local netip.AddrPort) (*UDPConn, error) {
	return h.openAnyUDP(local, netip.AddrPort{}, true)
}

// DialUDP returns a socket that sends to and receives from remote only, and reports ICMP errors. The route chooses a
// zero local address. Errors: those of BindUDP, ErrNoRoute, ErrInvalid.
func (h *Host) DialUDP(local, remote netip.AddrPort) (*UDPConn, error) {
	if !remote.Addr().IsValid() || remote.Addr().IsUnspecified() || remote.Port() == 0 {
		return nil, ErrInvalid
	}
	local, remote, err := h.ends(local, remote)
	if err != nil {
		return nil, err
	}
	if local, err = h.localFor(local, remote.Addr()); err != nil {
		return nil, err
	}
	return h.openAnyUDP(local, remote, false)
}

// localFor returns local. A zero address in it is replaced by the source address for packets to dst.
func (h *Host) localFor(local netip.AddrPort, dst netip.Addr) (netip.AddrPort, error) {
	p, ok := h.net.routeFor(local.Addr(), dst)
	if !ok {
		h.countIP(familyOf(dst), mib.IPOutNoRoutes)
		return local, ErrNoRoute
	}
	if a := local.Addr(); !isAny(a) {
		if a.IsLoopback() && p.iface != h.net.loop {
			return local, ErrNoRoute // 127/8 and ::1 never leave the host (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3)
		}
		return local, nil
	}
	a, ok := h.net.source(p, dst)
	if !ok {
		return local, ErrNotOurs
	}
	return netip.AddrPortFrom(a, local.Port()), nil
}

// ends returns the two ends of a socket without IPv4-mapped addresses, and with the zones that link-local addresses need.
// Errors: ErrInvalid if they are of different families, ErrZone.
func (h *Host) ends(local, remote netip.AddrPort) (netip.AddrPort, netip.AddrPort, error) {
	l, r := local.Addr().Unmap(), remote.Addr().Unmap()
	if l.IsValid() && l.Is4() != r.Is4() && (l.Is4() || !l.IsUnspecified()) {
		return local, remote, ErrInvalid
	}
	r, err := h.net.scope(r, l)
	if err == nil && !isAny(l) {
		l, err = h.net.scope(l, r)
	}
	if l.Zone() != "" && r.Zone() != "" && l.Zone() != r.Zone() {
		err = ErrInvalid
	}
	return netip.AddrPortFrom(l, local.Port()), netip.AddrPortFrom(r, remote.Port()), err
}

// openAnyUDP is openUDP, called again if it has chosen a port that WatchPorts refuses.
func (h *Host) openAnyUDP(local, remote netip.AddrPort, only6 bool) (*UDPConn, error) {
	u, err := h.openUDP(local, remote, only6)
	for try := 1; h.anotherPort(local, err, try); try++ {
		u, err = h.openUDP(local, remote, only6)
	}
	return u, err
}

func (h *Host) openUDP(local, remote netip.AddrPort, only6 bool) (*UDPConn, error) {
	local, err := h.net.bindAddr(local)
	if err != nil {
		return nil, err
	}
	fs := familiesOf(local.Addr(), only6)
	if only6 && fs.first == ipv4 {
		return nil, ErrInvalid
	}
	if isAny(local.Addr()) {
		local = netip.AddrPortFrom(fs.anyAddr(), local.Port())
	}
	if local.Port() == 0 {
		port, err := h.ephemeral(portsUDP, local, remote, nil)
		if err != nil {
			return nil, err
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	} else if h.claim(wire.ProtocolUDP, local.Port()) != nil || h.udpPortTaken(local, remote, fs) {
		return nil, ErrPortInUse
	}
	if err := h.holdPort(portsUDP, local); err != nil {
		return nil, err
	}
	s, err := h.newSocket()
	if err != nil {
		h.releasePort(portsUDP, local)
		return nil, err
	}
	u := &UDPConn{socket: s, key: h.net.flowOf(local, remote), local: local, remote: remote, families: fs}
	if isAny(local.Addr()) {
		for f := fs.first; f <= fs.last; f++ {
			h.sockets.anyUDP[familyPort{f, local.Port()}] = u
		}
	} else {
		h.sockets.udp[u.key] = u
	}
	h.ports.bind(portsUDP, fs, local.Port())
	return u, nil
}

// udpPortTaken reports whether another socket stands in the way of one with the two ends. remote is zero if the socket is not
// connected.
func (h *Host) udpPortTaken(local, remote netip.AddrPort, fs families) bool {
	key := h.net.flowOf(local, remote)
	switch {
	case isAny(local.Addr()):
		return h.ports.anyInUse(portsUDP, fs, local.Port())
	case remote.IsValid():
		return h.sockets.udp[key] != nil
	}
	return h.sockets.udpSocket(key, fs.first) != nil
}

// receiveUDP delivers a datagram to its socket: the socket connected to the sender, else the one bound to the
// destination address, else the one bound to all addresses. Without a socket the host answers port unreachable.
func (h *Host) receiveUDP(now clock.Instant, p *packet) Verdict {
	src, dst := p.src, p.dst
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
	key := flow{local: dst.As16(), remote: src.As16(), localPort: u.DstPort, remotePort: u.SrcPort, zone: p.zone}
	s := h.sockets.udpSocket(key, p.family)
	if s == nil {
		h.count(mib.UDPNoPorts)
		return h.sendError(now, p, icmpError{kind: portUnreachable}, drop.NoSocket) // RFC 1122 §4.1.3.1, RFC 4443 §3.1
	}
	if s.service && wire.AnswersAll(from.Port(), s.local.Port()) {
		h.count(mib.UDPInErrors)
		return dropped(drop.ServiceLoop)
	}
	if !s.enqueue(now, data, from, p.ttl) {
		h.count(mib.UDPInErrors)
		h.count(mib.UDPRcvbufErrors)
		return dropped(drop.SocketQueueFull)
	}
	h.count(mib.UDPInDatagrams)
	return deliveredTo(wire.ProtocolUDP, s.local.Port())
}

// Local returns the local address and port. The address of a socket that is bound to all addresses is the zero Addr, :: if it
// receives for IPv6 alone, 0.0.0.0 for IPv4 alone.
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
	switch {
	case u.closed:
		return ErrClosed
	case !to.IsValid():
		return ErrNotBound
	case to.Port() == 0, u.families.first == ipv6 && to.Addr().Unmap().Is4():
		return ErrInvalid // RFC 3493 §5.3: a socket for IPv6 only sends no packets of IPv4
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
	if err := u.finish(now, f, path, wire.ProtocolUDP, u.ttl, u.label.of(h, &path, u.local.Port(), to.Port())); err != nil {
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
	if isAny(u.local.Addr()) {
		for f := u.families.first; f <= u.families.last; f++ {
			delete(h.sockets.anyUDP, familyPort{f, u.local.Port()})
		}
	} else {
		delete(h.sockets.udp, u.key)
	}
	h.ports.unbind(portsUDP, u.families, u.local.Port())
	h.releasePort(portsUDP, u.local)
}
