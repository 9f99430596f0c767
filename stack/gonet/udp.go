package gonet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
)

// Bounds of the datagrams that were written and that the owner has not sent. A write beyond them waits for the owner's turn.
const (
	maxDatagrams     = 256
	maxDatagramBytes = 256 << 10
	maxDatagram      = 65507 // octets in a datagram of IPv4 without options
	maxDatagram6     = 65527 // octets in a datagram of IPv6 without extension headers
)

// A UDPConn is a UDP socket, connected or not. It implements net.Conn and net.PacketConn with the contract of net.UDPConn. Any number of
// goroutines may call its methods.
//
// Close, the deadlines and writes only record what the owner is to do; a write waits only if many datagrams wait already. So an error of
// sending a datagram, such as ENETUNREACH, is returned by a later call: on a connected socket by the next read or write, on others by
// the next write to the same destination, whose own datagram is sent nevertheless.
type UDPConn struct {
	net           *Net
	task          task
	network       string // udp, udp4 or udp6
	local, remote *net.UDPAddr
	peer          netip.AddrPort // of a connected socket
	both          bool           // true if the socket receives for both families
	sock          *stack.UDPConn
	serving       bool // the owner's: true while serve runs
	left          bool // the owner's: true after the owner has closed the socket

	mu      sync.Mutex
	in      half
	out     half // requests of writes that wait for room
	waiting []datagram
	octets  int // sum of the lengths of waiting
	err     error
	errTo   netip.AddrPort // destination whose datagram caused err, if the socket is not connected
	closed  bool
	gone    error // the error of calls after the host has ended the socket and Net.Fail was called; nil for net.ErrClosed
}

// datagram is one that was written and not sent.
type datagram struct {
	p  []byte
	to netip.AddrPort // zero for the peer
}

var (
	_ net.Conn       = (*UDPConn)(nil)
	_ net.PacketConn = (*UDPConn)(nil)
)

// openUDP opens a socket on the owner's goroutine.
func (n *Net) openUDP(network, call string, peer netip.AddrPort, want string, open func() (*stack.UDPConn, error)) (*UDPConn, error) {
	u := &UDPConn{net: n, network: network, peer: peer}
	u.task.run = u.serve
	u.in.later, u.out.later = n.later, n.later
	var err error
	n.do(want, func(clock.Instant) {
		if err = n.failure(); err != nil {
			return
		}
		if u.sock, err = open(); err != nil {
			return
		}
		u.task.key = n.newKey()
		u.local = net.UDPAddrFromAddrPort(anyAddr(u.sock.Local()))
		u.both = !u.sock.Local().Addr().IsValid()
		if peer.IsValid() {
			u.remote = net.UDPAddrFromAddrPort(u.sock.Remote())
		}
		u.sock.OnEvent, u.sock.OnClose = u.serve, u.lost
	})
	if err != nil {
		return nil, sysError(call, err)
	}
	return u, nil
}

func (n *Net) listenUDP(network string, local netip.AddrPort, only6 bool) (*UDPConn, error) {
	return n.openUDP(network, "bind", netip.AddrPort{}, "listen "+network+local.String(), func() (*stack.UDPConn, error) {
		if only6 {
			return n.host.BindUDP6(local)
		}
		return n.host.BindUDP(local)
	})
}

func (n *Net) dialUDP(network string, local, remote netip.AddrPort) (*UDPConn, error) {
	return n.openUDP(network, "connect", remote, "dial "+network+local.String()+remote.String(), func() (*stack.UDPConn, error) {
		return n.host.DialUDP(local, remote)
	})
}

// serve sends the written octets and passes the received ones to the callers of reads.
func (u *UDPConn) serve(now clock.Instant) {
	if u.serving || u.left {
		return
	}
	u.serving = true
	defer func() { u.serving = false }()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.serveWrites(now)
	if u.closed {
		u.left = true
		u.sock.OnEvent, u.sock.OnClose = nil, nil
		u.sock.Close()
		return
	}
	for len(u.in.list) > 0 {
		r := u.in.list[0]
		if u.err != nil && u.peer.IsValid() {
			r.err, u.err = u.err, nil
			u.in.finish(sysError("read", r.err))
			continue
		}
		n, from, err := u.sock.Recv(r.p)
		switch {
		case n >= 0:
			r.n, r.value = n, mapped(from, u.both)
			u.in.finish(nil)
		case err != nil && u.peer.IsValid():
			u.in.finish(sysError("read", err))
		case err == nil:
			return
		}
	}
	if u.peer.IsValid() && u.err == nil && u.sock.NextLen() < 0 {
		_, _, u.err = u.sock.Recv(nil) // an ICMP error, for the next call
	}
}

// lost ends the blocked calls after the owner has closed all sockets of the host.
func (u *UDPConn) lost() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left = true
	if !u.closed {
		u.gone = u.net.failure()
	}
	u.close()
}

// closedError returns the error of a call after the end of the socket. The caller holds the lock.
func (u *UDPConn) closedError() error {
	if u.gone != nil {
		return u.gone
	}
	return net.ErrClosed
}

// close ends the blocked calls. The caller holds the lock.
func (u *UDPConn) close() {
	u.closed = true
	for _, h := range [...]*half{&u.in, &u.out} {
		h.deadline.set(time.Time{}, nil, nil)
		h.finishAll(u.closedError())
	}
}

func (u *UDPConn) serveWrites(now clock.Instant) {
	for k := range u.waiting {
		d := &u.waiting[k]
		err := u.sock.Send(now, d.p, d.to)
		if err != nil && !errors.Is(err, stack.ErrQueueFull) { // a full queue drops datagrams, as Linux does
			u.err, u.errTo = err, d.to
		}
		*d = datagram{}
	}
	u.waiting, u.octets = u.waiting[:0], 0
	for len(u.out.list) > 0 {
		r := u.out.list[0]
		to, _ := r.value.(netip.AddrPort)
		err := u.sock.Send(now, r.p, to)
		if errors.Is(err, stack.ErrQueueFull) {
			err = nil
		}
		r.n = len(r.p)
		u.out.finish(sysError(sendCall(to), err))
	}
}

// sendCall is the system call that package net uses for a datagram to the destination, or to the peer if it is zero.
func sendCall(to netip.AddrPort) string {
	if to.IsValid() {
		return "sendto"
	}
	return "write"
}

// receive waits for a datagram, copies it into p, cut to the length of p, and returns its source.
func (u *UDPConn) receive(p []byte) (int, netip.AddrPort, error) {
	u.mu.Lock()
	switch {
	case u.closed:
		defer u.mu.Unlock()
		return 0, netip.AddrPort{}, u.closedError()
	case u.in.deadline.expired:
		u.mu.Unlock()
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	}
	r := u.in.add(p)
	u.mu.Unlock()
	got := u.net.wait(&u.task, r, &u.mu, &u.in.requests)
	from, _ := got.value.(netip.AddrPort)
	return got.n, from, got.err
}

// send queues a datagram; a zero to means the peer.
func (u *UDPConn) send(p []byte, to netip.AddrPort) (int, error) {
	most := maxDatagram
	if to.Addr().Is6() && !to.Addr().Is4In6() || !to.IsValid() && u.peer.Addr().Is6() {
		most = maxDatagram6
	}
	u.mu.Lock()
	var err error
	switch {
	case u.closed:
		err = u.closedError()
	case u.out.deadline.expired:
		err = os.ErrDeadlineExceeded
	case u.err != nil && u.peer.IsValid():
		err, u.err = sysError(sendCall(to), u.err), nil
	case len(p) > most:
		err = os.NewSyscallError(sendCall(to), syscall.EMSGSIZE)
	}
	if err != nil {
		u.mu.Unlock()
		return 0, err
	}
	if len(u.waiting) < maxDatagrams && u.octets+len(p) <= maxDatagramBytes {
		u.waiting = append(u.waiting, datagram{append([]byte(nil), p...), to})
		u.octets += len(p)
		n := len(p)
		if u.err != nil && u.errTo == to { // of an earlier datagram, perhaps long ago
			n, err, u.err = 0, sysError(sendCall(to), u.err), nil
		}
		u.mu.Unlock()
		u.net.submit(&u.task)
		return n, err
	}
	r := u.out.add(p)
	r.value = to
	u.mu.Unlock()
	got := u.net.wait(&u.task, r, &u.mu, &u.out.requests)
	return got.n, got.err
}

// LocalAddr returns the local address, a *net.UDPAddr.
func (u *UDPConn) LocalAddr() net.Addr { return u.local }

// RemoteAddr returns the peer's address, a *net.UDPAddr, or nil if the socket is not connected.
func (u *UDPConn) RemoteAddr() net.Addr {
	if u.remote == nil {
		return nil
	}
	return u.remote
}

func (u *UDPConn) opError(op string, err error, to net.Addr) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: u.network, Source: u.local, Addr: to, Err: err}
}

// Close closes the socket and never waits. Datagrams that were written are sent. Blocked calls return net.ErrClosed. Errors:
// net.ErrClosed for every call but the first.
func (u *UDPConn) Close() error {
	u.mu.Lock()
	if u.closed {
		defer u.mu.Unlock()
		return u.opError("close", u.closedError(), u.RemoteAddr())
	}
	u.close()
	u.mu.Unlock()
	u.net.submit(&u.task)
	return nil
}

// SetDeadline sets both deadlines.
func (u *UDPConn) SetDeadline(t time.Time) error { return u.setDeadline(t, &u.in, &u.out) }

// SetReadDeadline sets the time after which reads fail with os.ErrDeadlineExceeded; the zero time removes it.
func (u *UDPConn) SetReadDeadline(t time.Time) error { return u.setDeadline(t, &u.in) }

// SetWriteDeadline sets the time after which writes fail with os.ErrDeadlineExceeded; the zero time removes it.
func (u *UDPConn) SetWriteDeadline(t time.Time) error { return u.setDeadline(t, &u.out) }

func (u *UDPConn) setDeadline(t time.Time, halves ...*half) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return &net.OpError{Op: "set", Net: u.network, Addr: u.local, Err: u.closedError()}
	}
	for _, h := range halves {
		h.deadline.set(t, &u.mu, func() { h.finishAll(os.ErrDeadlineExceeded) })
	}
	return nil
}

// SyscallConn returns an error, since there is no descriptor: errors.ErrUnsupported in a *net.OpError.
func (u *UDPConn) SyscallConn() (syscall.RawConn, error) {
	return nil, u.opError("raw-control", errNoDescriptor, u.RemoteAddr())
}

// File returns an error, since there is no descriptor: errors.ErrUnsupported in a *net.OpError.
func (u *UDPConn) File() (*os.File, error) {
	return nil, u.opError("file", errNoDescriptor, u.RemoteAddr())
}
