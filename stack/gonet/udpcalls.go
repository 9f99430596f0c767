package gonet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// Read waits for a datagram and copies it into p, cut to the length of p. If p is empty, Read returns at once.
func (u *UDPConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.closed {
			return 0, u.opError("read", u.closedError(), u.RemoteAddr())
		}
		return 0, nil
	}
	n, _, err := u.receive(p)
	return n, u.opError("read", err, u.RemoteAddr())
}

// ReadFrom waits for a datagram, copies it into p, cut to the length of p, and returns its source, a *net.UDPAddr.
func (u *UDPConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := u.ReadFromUDP(p)
	if from == nil {
		return n, nil, err
	}
	return n, from, err
}

// ReadFromUDP is ReadFrom with the source's type.
func (u *UDPConn) ReadFromUDP(p []byte) (int, *net.UDPAddr, error) {
	n, from, err := u.ReadFromUDPAddrPort(p)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is ReadFrom with the source as a netip.AddrPort. At a socket of both families an IPv4 source is IPv4-mapped.
func (u *UDPConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	n, from, err := u.receive(p)
	return n, from, u.opError("read", err, u.RemoteAddr())
}

// Write sends p to the peer as one datagram.
func (u *UDPConn) Write(p []byte) (int, error) {
	if !u.peer.IsValid() {
		return 0, u.opError("write", os.NewSyscallError("write", syscall.EDESTADDRREQ), u.RemoteAddr())
	}
	n, err := u.send(p, netip.AddrPort{})
	return n, u.opError("write", err, u.remote)
}

// WriteTo sends p as one datagram to a *net.UDPAddr. Errors: net.ErrWriteToConnected on a connected socket.
func (u *UDPConn) WriteTo(p []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, u.opError("write", syscall.EINVAL, to)
	}
	return u.WriteToUDP(p, a)
}

// WriteToUDP is WriteTo with the destination's type.
func (u *UDPConn) WriteToUDP(p []byte, to *net.UDPAddr) (int, error) {
	if to == nil {
		if u.peer.IsValid() {
			return 0, u.opError("write", net.ErrWriteToConnected, nil)
		}
		return 0, u.opError("write", errMissingAddress, nil)
	}
	return u.writeTo(p, to.AddrPort(), to)
}

// WriteToUDPAddrPort is WriteTo with the destination as a netip.AddrPort.
func (u *UDPConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	if !to.IsValid() && !u.peer.IsValid() {
		return 0, u.opError("write", errMissingAddress, addrPortAddr(to))
	}
	return u.writeTo(p, to, nil)
}

func (u *UDPConn) writeTo(p []byte, to netip.AddrPort, addr net.Addr) (int, error) {
	if addr == nil {
		addr = addrPortAddr(to)
	}
	a, err := u.destination(to)
	if err != nil {
		return 0, u.opError("write", err, addr)
	}
	n, err := u.send(p, netip.AddrPortFrom(a, to.Port()))
	return n, u.opError("write", err, addr)
}

// destination returns the address to which a datagram for to is sent: that of the host itself for an unspecified one. Errors are those of
// package net for a socket of IPv4, of IPv6, or of both.
func (u *UDPConn) destination(to netip.AddrPort) (netip.Addr, error) {
	a, v4 := to.Addr().Unmap(), isIPv4(u.local)
	unspecified := !a.IsValid() || a == netip.IPv4Unspecified() || !v4 && a.IsUnspecified()
	switch {
	case u.peer.IsValid():
		return a, net.ErrWriteToConnected
	case v4 && !unspecified && !a.Is4():
		return a, &net.AddrError{Err: "non-IPv4 address", Addr: a.String()}
	case to.Port() == 0:
		return a, os.NewSyscallError("sendto", syscall.EINVAL)
	case unspecified:
		return loopback(v4), nil
	case a.Is4() && !v4 && !u.both: // the socket is bound to an address of IPv6, or for IPv6 only
		return a, os.NewSyscallError("sendto", syscall.ENETUNREACH)
	}
	return a, nil
}

// isIPv4 reports whether a socket with a local address is one of IPv4.
func isIPv4(a *net.UDPAddr) bool { return a.IP.To4() != nil }

// addrPortAddr is a netip.AddrPort as a net.Addr, for errors.
type addrPortAddr netip.AddrPort

// Network returns "udp".
func (addrPortAddr) Network() string { return "udp" }

// String returns the address and port.
func (a addrPortAddr) String() string { return netip.AddrPort(a).String() }

// errMissingAddress is the error of a write without a destination.
var errMissingAddress = errors.New("missing address")

// loopback returns the family's address of the host itself, to which package net sends packets for the unspecified address.
func loopback(v4 bool) netip.Addr {
	if v4 {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}
