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
	return u.writeTo(p, to, nil)
}

func (u *UDPConn) writeTo(p []byte, to netip.AddrPort, addr net.Addr) (int, error) {
	if addr == nil {
		addr = addrPortAddr(to)
	}
	a := to.Addr().Unmap()
	if !a.IsValid() || a.IsUnspecified() {
		a = loopback(u.network != "udp6" && !a.Is6())
	}
	switch {
	case u.peer.IsValid():
		return 0, u.opError("write", net.ErrWriteToConnected, addr)
	case u.network == "udp4" && !a.Is4():
		return 0, u.opError("write", &net.AddrError{Err: "non-IPv4 address", Addr: a.String()}, addr)
	case u.network == "udp6" && a.Is4():
		return 0, u.opError("write", &net.AddrError{Err: "non-IPv6 address", Addr: a.String()}, addr)
	case to.Port() == 0:
		return 0, u.opError("write", os.NewSyscallError("sendto", syscall.EINVAL), addr)
	}
	n, err := u.send(p, netip.AddrPortFrom(a, to.Port()))
	return n, u.opError("write", err, addr)
}

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
