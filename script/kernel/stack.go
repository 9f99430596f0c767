package kernel

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"go.starlark.net/starlark"

	"smolsh/script/suggest"
)

// A Stack is the value kernel of scripts: the operating system's TCP/IP stack in the network namespace of the process.
// Its sockets are those of package net.
type Stack struct {
	env  Environment
	live bool
	open map[io.Closer]struct{} // sockets that are open

	pings uint16 // calls of kernel.ping so far
}

// New returns the stack as a value for scripts. If live is false, because time is simulated, each call returns an
// error.
func New(env Environment, live bool) *Stack {
	return &Stack{env: env, live: live, open: map[io.Closer]struct{}{}}
}

// String implements starlark.Value.
func (k *Stack) String() string { return "kernel" }

// Type implements starlark.Value.
func (k *Stack) Type() string { return "kernel" }

// Freeze implements starlark.Value.
func (k *Stack) Freeze() {}

// Truth implements starlark.Value. It is false if the stack is not live, since every call then fails.
func (k *Stack) Truth() starlark.Bool { return starlark.Bool(k.live) }

// Hash implements starlark.Value.
func (k *Stack) Hash() (uint32, error) { return starlark.String("kernel").Hash() }

// AttrNames implements starlark.HasAttrs.
func (k *Stack) AttrNames() []string {
	return []string{"ifaces", "measure", "neighbors", "ping", "routes", "serve", "ss", "tcp", "udp"}
}

// Attr returns the group tcp, udp or measure, or a builtin.
func (k *Stack) Attr(name string) (starlark.Value, error) {
	switch {
	case !slices.Contains(k.AttrNames(), name):
		return suggest.Attr(k, name, nil)
	case name == "tcp" || name == "udp" || name == "measure":
		return k.env.Group("kernel."+name, k), nil
	}
	return k.env.Member("kernel", k, name), nil
}

// Close closes every socket, which ends every wait for a socket.
func (k *Stack) Close() {
	for c := range k.open {
		k.close(c)
	}
}

// keep adds a socket to those that Close closes.
func (k *Stack) keep(c io.Closer) { k.open[c] = struct{}{} }

// close closes a socket, and removes it from those that Close closes.
func (k *Stack) close(c io.Closer) {
	delete(k.open, c)
	_ = c.Close()
}

// addrPort converts an address of package net. If the socket is bound to all addresses, the result has the port and no
// address.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		if a != nil {
			ap = a.AddrPort()
		}
	}
	if !ap.IsValid() {
		return ap
	}
	if ap.Addr().IsUnspecified() {
		return netip.AddrPortFrom(netip.Addr{}, ap.Port())
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// boundAddr returns the local end of a socket that is bound to at, in which the system may have chosen the port.
func boundAddr(a net.Addr, at netip.AddrPort) netip.AddrPort {
	got := addrPort(a)
	if got.Addr().IsValid() {
		return got
	}
	return netip.AddrPortFrom(at.Addr(), got.Port())
}

// listenAddr returns the network and the address in package net's notation for a socket of a protocol that is bound to at. The zero Addr
// stands for all addresses of both families, :: and 0.0.0.0 for those of one.
func listenAddr(proto string, at netip.AddrPort) (network, address string) {
	port := strconv.Itoa(int(at.Port()))
	switch a := at.Addr(); {
	case !a.IsValid():
		return proto, ":" + port
	case a.Is4():
		return proto + "4", at.String()
	}
	return proto + "6", at.String()
}

// netIP returns an address in package net's notation, nil if it stands for all addresses.
func netIP(a netip.Addr) net.IP {
	if !a.IsValid() || a.IsUnspecified() {
		return nil
	}
	return a.AsSlice()
}
