//go:build linux

// Package portclaim takes TCP and UDP ports of the kernel's own addresses away from the kernel, so that a host on a packet
// socket can use these addresses beside it. Without that the kernel answers each segment for the host by a reset, because
// it has no socket for it.
//
// A claim consists of two parts. An nftables table of our own drops packets to claimed ports in the input hook, before the
// kernel's TCP and UDP. A packet socket has received them already. A bound socket of the kernel reserves the port, so that
// no program of this machine can take it meanwhile. It also shows whether the kernel uses the port now.
//
// The table has an owner (NFT_TABLE_F_OWNER, Linux 5.12): the kernel removes it when the netlink socket that made it is
// closed, even if the process is killed. google/nftables always sends zero flags for a table, so this package sends
// that message itself.
//
// A Claims is single-owner. New acts in the network namespace of the calling thread, and so does Claim.
package portclaim

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"smolsh/stack/wire"
)

// Errors of New and Claim, wrapped and matched with errors.Is.
var (
	// ErrPermission means that the process lacks CAP_NET_ADMIN.
	ErrPermission = errors.New("the nftables table needs CAP_NET_ADMIN")
	// ErrUnsupported means that the kernel has no nf_tables, or none with owners of tables.
	ErrUnsupported = errors.New("the kernel has no nf_tables with owned tables (Linux 5.12)")
	// ErrInUse means that the kernel has a socket of its own on the port.
	ErrInUse = errors.New("the kernel has a socket on it")
	// ErrPrivileged means that the process lacks CAP_NET_BIND_SERVICE, which a port below net.ipv4.ip_unprivileged_port_start needs.
	ErrPrivileged = errors.New("ports like this one need CAP_NET_BIND_SERVICE")
)

// key is a claimed port.
type key struct {
	proto wire.Protocol
	port  uint16
}

// Claims is a set of ports that the kernel does not answer on some interfaces.
type Claims struct {
	table *table
	held  map[key]int // descriptor of the kernel's socket that reserves the port
}

// New makes the table, without interfaces and ports. The caller closes the Claims. Errors: ErrPermission, ErrUnsupported.
func New() (*Claims, error) {
	t, err := newTable()
	if err != nil {
		return nil, err
	}
	return &Claims{table: t, held: make(map[key]int)}, nil
}

// Table returns the name of the nftables table, which has the family inet.
func (c *Claims) Table() string { return c.table.name }

// AddInterface makes the kernel drop packets to claimed ports that arrive on the interface with the given index.
func (c *Claims) AddInterface(index int) error { return c.table.addInterface(index) }

// Claim takes a port of TCP or UDP, in both families. The kernel answers nothing on it when Claim has returned. A port that is claimed
// already stays claimed. Errors: ErrInUse, ErrPrivileged.
func (c *Claims) Claim(proto wire.Protocol, port uint16) error {
	k := key{proto, port}
	if _, ok := c.held[k]; ok {
		return nil
	}
	fd, err := reserve(proto, port)
	if err != nil {
		return fmt.Errorf("%v port %d: %w", proto, port, err)
	}
	if err := c.table.add(k); err != nil {
		unix.Close(fd)
		return fmt.Errorf("%v port %d: %w", proto, port, err)
	}
	c.held[k] = fd
	return nil
}

// Release gives a port back to the kernel. It does nothing for a port that is not claimed.
func (c *Claims) Release(proto wire.Protocol, port uint16) error {
	k := key{proto, port}
	fd, ok := c.held[k]
	if !ok {
		return nil
	}
	delete(c.held, k)
	err := c.table.remove(k)
	unix.Close(fd) // after the rule, so that no program gets a port whose packets are dropped
	if err != nil {
		return fmt.Errorf("%v port %d: %w", proto, port, err)
	}
	return nil
}

// Close gives all ports back, and removes the table.
func (c *Claims) Close() error {
	err := c.table.close()
	for k, fd := range c.held {
		unix.Close(fd)
		delete(c.held, k)
	}
	return err
}

// reserve binds a socket of the kernel to a port of all addresses, and returns its descriptor. The socket receives nothing.
func reserve(proto wire.Protocol, port uint16) (int, error) {
	typ := unix.SOCK_STREAM
	switch proto {
	case wire.ProtocolTCP:
	case wire.ProtocolUDP:
		typ = unix.SOCK_DGRAM
	default:
		return -1, unix.EPROTONOSUPPORT
	}
	var at unix.Sockaddr = &unix.SockaddrInet6{Port: int(port)}
	fd, err := unix.Socket(unix.AF_INET6, typ|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	} else if errors.Is(err, unix.EAFNOSUPPORT) { // a kernel without IPv6
		at = &unix.SockaddrInet4{Port: int(port)}
		fd, err = unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, 0)
	}
	if err == nil && proto == wire.ProtocolUDP { // datagrams from this machine itself would fill the socket's buffer
		none := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none})
	}
	if err == nil {
		err = unix.Bind(fd, at)
	}
	if err == nil {
		return fd, nil
	}
	if fd >= 0 {
		unix.Close(fd)
	}
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return -1, ErrInUse
	case errors.Is(err, unix.EACCES):
		return -1, ErrPrivileged
	}
	return -1, os.NewSyscallError("reserving it", err)
}

// EphemeralRange returns the range from which the kernel chooses ports for its own connections, both ends included. ok is false if
// the kernel does not report it.
func EphemeralRange() (first, last uint16, ok bool) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, false
	}
	n, err := fmt.Sscan(string(b), &first, &last)
	return first, last, err == nil && n == 2 && first <= last
}

// protocols are the transport protocols whose ports can be claimed.
var protocols = []wire.Protocol{wire.ProtocolTCP, wire.ProtocolUDP}

// setOf returns the position of a protocol in protocols.
func setOf(p wire.Protocol) int { return slices.Index(protocols, p) }
