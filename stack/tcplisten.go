package stack

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// TCPListener is a socket in LISTEN.
type TCPListener struct {
	Signal  Signal                  // fired when a connection may be accepted, and on Close
	OnEvent func(now clock.Instant) // called with Signal, for a consumer on the owner's goroutine; may be nil

	host    *Host
	id      uint64
	local   netip.AddrPort
	cfg     *tcp.Config // configuration that its connections share
	backlog int
	half    int // number of connections in SYN-RECEIVED (the SYN queue)
	accept  fifo[*TCPConn]
	closed  bool
}

// ListenTCP listens for connections (passive OPEN). A zero address means all addresses of the host, port 0 an ephemeral
// port, and backlog 0 DefaultBacklog. The zero cfg means the host's defaults. Errors: ErrNotOurs, ErrPortInUse,
// ErrNoPorts, ErrLimit.
func (h *Host) ListenTCP(local netip.AddrPort, backlog int, cfg tcp.Config) (*TCPListener, error) {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if !h.net.mayBind(local.Addr()) {
		return nil, ErrNotOurs
	}
	if local.Port() == 0 {
		port, err := h.ephemeral(portsTCP, local, netip.AddrPort{}, nil)
		if err != nil {
			return nil, err
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	}
	key, any := flowOf(local, netip.AddrPort{}), flow{localPort: local.Port()}
	if h.sockets.listeners[key] != nil || h.sockets.listeners[any] != nil || key == any && h.ports.users[portsTCP][local.Port()] > 0 {
		return nil, ErrPortInUse
	}
	id, err := h.register()
	if err != nil {
		return nil, err
	}
	if backlog <= 0 {
		backlog = DefaultBacklog
	}
	l := &TCPListener{host: h, id: id, local: local, cfg: h.tcpConfig(cfg), backlog: backlog}
	h.sockets.listeners[key] = l
	h.ports.bind(portsTCP, local.Port())
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

// Local returns the local address and port. The address is unspecified if the listener accepts connections to any
// address.
func (l *TCPListener) Local() netip.AddrPort { return l.local }

// Pending returns the number of connections that wait for Accept.
func (l *TCPListener) Pending() int { return l.accept.n }

// Backlog returns the number of connections that may wait for Accept.
func (l *TCPListener) Backlog() int { return l.backlog }

// Close stops listening and resets the connections that were not accepted.
func (l *TCPListener) Close(now clock.Instant) {
	if l.closed {
		return
	}
	l.closed = true
	h := l.host
	delete(h.sockets.listeners, flowOf(l.local, netip.AddrPort{}))
	h.ports.unbind(portsTCP, l.local.Port())
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
