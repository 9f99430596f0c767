package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TCPListener is a socket in LISTEN.
type TCPListener struct {
	Signal  Signal                  // fired when a connection may be accepted, and on Close
	OnEvent func(now clock.Instant) // called with Signal, for a consumer on the owner's goroutine; may be nil

	host     *Host
	id       uint64
	local    netip.AddrPort
	families families
	cfg      *tcp.Config // configuration that its connections share
	backlog  int
	half     int // number of connections in SYN-RECEIVED (the SYN queue)
	accept   fifo[*TCPConn]
	closed   bool
}

// ListenTCP listens for connections (passive OPEN). The zero Addr and :: mean all addresses of the host, 0.0.0.0 all IPv4
// addresses. Port 0 means an ephemeral port, backlog 0 DefaultBacklog, and the zero cfg the host's defaults. Errors: ErrNotOurs,
// ErrZone, ErrPortInUse, ErrNoPorts, ErrLimit.
func (h *Host) ListenTCP(local netip.AddrPort, backlog int, cfg tcp.Config) (*TCPListener, error) {
	return h.listenAnyTCP(local, false, backlog, cfg)
}

// ListenTCP6 is ListenTCP for a listener that accepts no connections of IPv4, even if it listens on all addresses (RFC 3493 §5.3).
func (h *Host) ListenTCP6(local netip.AddrPort, backlog int, cfg tcp.Config) (*TCPListener, error) {
	return h.listenAnyTCP(local, true, backlog, cfg)
}

// listenAnyTCP is listenTCP, called again if it has chosen a port that WatchPorts refuses.
func (h *Host) listenAnyTCP(local netip.AddrPort, only6 bool, backlog int, cfg tcp.Config) (*TCPListener, error) {
	l, err := h.listenTCP(local, only6, backlog, cfg)
	for try := 1; h.anotherPort(local, err, try); try++ {
		l, err = h.listenTCP(local, only6, backlog, cfg)
	}
	return l, err
}

func (h *Host) listenTCP(local netip.AddrPort, only6 bool, backlog int, cfg tcp.Config) (*TCPListener, error) {
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
		port, err := h.ephemeral(portsTCP, local, netip.AddrPort{}, nil)
		if err != nil {
			return nil, err
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	}
	key, port := h.net.flowOf(local, netip.AddrPort{}), local.Port()
	if h.claim(wire.ProtocolTCP, port) != nil {
		return nil, ErrPortInUse
	}
	if isAny(local.Addr()) {
		if h.ports.anyInUse(portsTCP, fs, port) {
			return nil, ErrPortInUse
		}
	} else if h.sockets.listener(key, fs.first) != nil {
		return nil, ErrPortInUse
	}
	if err := h.holdPort(portsTCP, local); err != nil {
		return nil, err
	}
	id, err := h.register()
	if err != nil {
		h.releasePort(portsTCP, local)
		return nil, err
	}
	if backlog <= 0 {
		backlog = DefaultBacklog
	}
	l := &TCPListener{host: h, id: id, local: local, families: fs, cfg: h.tcpConfig(cfg), backlog: backlog}
	if isAny(local.Addr()) {
		for f := fs.first; f <= fs.last; f++ {
			h.sockets.anyTCP[familyPort{f, port}] = l
		}
	} else {
		h.sockets.listeners[key] = l
	}
	h.ports.bind(portsTCP, fs, port)
	return l, nil
}

// Accept removes the next established connection from the backlog and returns it, nil if the backlog is empty. The peer
// may have reset the connection since.
func (l *TCPListener) Accept() *TCPConn {
	c, ok := l.accept.pop()
	if !ok {
		return nil
	}
	c.listener = nil
	return c
}

// Local returns the local address and port. The address of a listener on all addresses is the zero Addr, :: if it accepts
// connections of IPv6 alone, 0.0.0.0 of IPv4 alone.
func (l *TCPListener) Local() netip.AddrPort { return l.local }

// Pending returns the number of connections that wait for Accept.
func (l *TCPListener) Pending() int { return l.accept.n }

// Backlog returns the number of connections that may wait for Accept.
func (l *TCPListener) Backlog() int { return l.backlog }

// Closed reports whether the listener was closed.
func (l *TCPListener) Closed() bool { return l.closed }

// Close stops listening and resets the connections that were not accepted.
func (l *TCPListener) Close(now clock.Instant) {
	if l.closed {
		return
	}
	l.closed = true
	h := l.host
	if isAny(l.local.Addr()) {
		for f := l.families.first; f <= l.families.last; f++ {
			delete(h.sockets.anyTCP, familyPort{f, l.local.Port()})
		}
	} else {
		delete(h.sockets.listeners, h.net.flowOf(l.local, netip.AddrPort{}))
	}
	h.ports.unbind(portsTCP, l.families, l.local.Port())
	h.releasePort(portsTCP, l.local)
	h.sockets.open--
	if l.half+l.accept.n > 0 {
		for _, c := range h.sockets.connections() {
			if c.listener == l {
				c.Abort(now)
			}
		}
	}
	for c := l.Accept(); c != nil; c = l.Accept() {
	}
	l.fire(now)
}

func (l *TCPListener) fire(now clock.Instant) {
	l.Signal.Fire()
	if l.OnEvent != nil {
		l.OnEvent(now)
	}
}

// full reports whether the backlog is full.
func (l *TCPListener) full() bool { return l.accept.n >= l.backlog }
