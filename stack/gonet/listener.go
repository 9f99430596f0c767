package gonet

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
)

// backlog is the number of connections that may wait for Accept.
const backlog = 1024

// A TCPListener is a socket in LISTEN. It implements net.Listener with the contract of net.TCPListener.
type TCPListener struct {
	net     *Net
	task    task
	network string
	addr    *net.TCPAddr
	both    bool // true if the socket receives for both families
	sock    *stack.TCPListener
	serving bool // the owner's: true while serve runs

	mu       sync.Mutex
	accepts  requests
	deadline deadline
	closed   bool
	gone     error // the error of calls after the host has ended the listener and Net.Fail was called; nil for net.ErrClosed
}

var _ net.Listener = (*TCPListener)(nil)

// listenTCP opens a listener on the owner's goroutine.
func (n *Net) listenTCP(network string, local netip.AddrPort, only6 bool) (*TCPListener, error) {
	l := &TCPListener{net: n, network: network}
	l.task.run, l.accepts.later = l.serve, n.later
	var err error
	n.do("listen "+network+local.String(), func(clock.Instant) {
		if err = n.failure(); err != nil {
			return
		}
		listen := n.host.ListenTCP
		if only6 {
			listen = n.host.ListenTCP6
		}
		if l.sock, err = listen(local, backlog, n.defaults()); err != nil {
			return
		}
		l.task.key = n.newKey()
		l.addr = net.TCPAddrFromAddrPort(anyAddr(l.sock.Local()))
		l.both = !l.sock.Local().Addr().IsValid()
		l.sock.OnEvent = l.serve
	})
	if err != nil {
		return nil, sysError("bind", err)
	}
	return l, nil
}

// anyAddr returns the address of a socket. The zero Addr, for all addresses of both families, becomes ::, as package net has it.
func anyAddr(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsValid() {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), a.Port())
	}
	return a
}

// mapped returns the address of a packet at a socket, IPv4-mapped if the socket receives for both families, as Linux has it.
func mapped(a netip.AddrPort, both bool) netip.AddrPort {
	if both {
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()).WithZone(a.Addr().Zone()), a.Port())
	}
	return a
}

// serve passes connections from the backlog to the callers of Accept.
func (l *TCPListener) serve(now clock.Instant) {
	if l.serving {
		return
	}
	l.serving = true
	defer func() { l.serving = false }()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.sock.OnEvent = nil
		l.sock.Close(now)
		return
	}
	if l.sock.Closed() { // by the host itself, whose owner has closed all sockets
		l.closed, l.gone = true, l.net.failure()
		l.accepts.finishAll(l.closedError())
		return
	}
	for len(l.accepts.list) > 0 {
		sock := l.sock.Accept()
		if sock == nil {
			return
		}
		c := l.net.newTCP(l.network)
		cfg := sock.Config()
		c.options = &cfg
		c.attach(sock, l.both)
		c.room = sock.Writable()
		c.notice() // the peer may have closed or reset the connection already
		l.accepts.list[0].value = c
		l.accepts.finish(nil)
	}
}

// closedError returns the error of a call after the end of the listener. The caller holds the lock.
func (l *TCPListener) closedError() error {
	if l.gone != nil {
		return l.gone
	}
	return net.ErrClosed
}

// Accept waits for a connection, and returns a *TCPConn.
func (l *TCPListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP waits for a connection.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) {
	c, err := l.accept()
	if err != nil {
		return nil, l.opError("accept", err)
	}
	return c, nil
}

func (l *TCPListener) accept() (*TCPConn, error) {
	l.mu.Lock()
	switch {
	case l.closed:
		defer l.mu.Unlock()
		return nil, l.closedError()
	case l.deadline.expired:
		l.mu.Unlock()
		return nil, os.ErrDeadlineExceeded
	}
	r := l.accepts.add(nil)
	l.mu.Unlock()
	got := l.net.wait(&l.task, r, &l.mu, &l.accepts)
	c, _ := got.value.(*TCPConn)
	return c, got.err
}

func (l *TCPListener) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: l.network, Addr: l.addr, Err: err}
}

// Addr returns the local address, a *net.TCPAddr.
func (l *TCPListener) Addr() net.Addr { return l.addr }

// Close stops listening and never waits. Connections that were not accepted are reset, and blocked calls of Accept return
// net.ErrClosed. Errors: net.ErrClosed for every call but the first.
func (l *TCPListener) Close() error {
	l.mu.Lock()
	if l.closed {
		defer l.mu.Unlock()
		return l.opError("close", l.closedError())
	}
	l.closed = true
	l.deadline.set(time.Time{}, nil, nil)
	l.accepts.finishAll(net.ErrClosed)
	l.mu.Unlock()
	l.net.submit(&l.task)
	return nil
}

// SetDeadline sets the time after which Accept fails with os.ErrDeadlineExceeded; the zero time removes it.
func (l *TCPListener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.closedError() // bare, as in package net
	}
	l.deadline.set(t, &l.mu, func() { l.accepts.finishAll(os.ErrDeadlineExceeded) })
	return nil
}

// SyscallConn returns an error, since there is no descriptor: errors.ErrUnsupported in a *net.OpError.
func (l *TCPListener) SyscallConn() (syscall.RawConn, error) {
	return nil, l.opError("raw-control", errNoDescriptor)
}

// File returns an error, since there is no descriptor: errors.ErrUnsupported in a *net.OpError.
func (l *TCPListener) File() (*os.File, error) { return nil, l.opError("file", errNoDescriptor) }
