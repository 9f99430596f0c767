package gonet

import (
	"context"
	"net"
	"net/netip"
)

// protocol splits a network such as "tcp6" into its protocol and its family, 4, 6 or 0 for both. ok is false for other networks.
func protocol(network string) (proto string, family int, ok bool) {
	switch network {
	case "tcp", "udp":
		return network, 0, true
	case "tcp4", "udp4":
		return network[:3], 4, true
	case "tcp6", "udp6":
		return network[:3], 6, true
	}
	return "", 0, false
}

// fits reports whether an address is of the family.
func fits(a netip.Addr, family int) bool {
	return family == 0 || a.Is4() == (family == 4)
}

// resolve returns the addresses and port of an address such as "host:port" in the order in which they are to be tried. An empty host
// is one address, the zero Addr. An empty address is an empty host and port 0.
func (n *Net) resolve(ctx context.Context, network, address string) ([]netip.Addr, uint16, error) {
	_, family, _ := protocol(network)
	if address == "" {
		return []netip.Addr{{}}, 0, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, 0, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service)
	if err != nil {
		return nil, 0, err
	}
	if host == "" {
		return []netip.Addr{{}}, uint16(port), nil
	}
	addrs, err := n.Resolver().lookup(ctx, family, host)
	if err != nil {
		return nil, 0, err
	}
	if family == 0 && len(addrs) == 1 && addrs[0] == netip.IPv6Unspecified() {
		addrs = append(addrs, netip.IPv4Unspecified()) // as package net does for a dial to "::"
	}
	if len(addrs) == 0 {
		return nil, 0, noSuitable(host)
	}
	return addrs, uint16(port), nil
}

// noSuitable returns the error of a name or literal that has no address of the family.
func noSuitable(host string) error {
	return &net.AddrError{Err: "no suitable address found", Addr: host}
}

// bindAddr returns the address to which a socket is bound that listens on a, and whether it receives IPv6 only. An unspecified address
// of a network of both families means both, as in package net.
func bindAddr(a netip.Addr, family int) (bound netip.Addr, only6 bool) {
	switch {
	case a.IsValid() && !a.IsUnspecified():
		return a, false
	case family == 4:
		return netip.IPv4Unspecified(), false
	case family == 6:
		return netip.IPv6Unspecified(), true
	}
	return netip.Addr{}, false
}

// localAddr returns the address and port of a Dialer's LocalAddr, which must be of the protocol. An unspecified address means that the
// route chooses it.
func localAddr(a net.Addr, proto string) (netip.AddrPort, bool) {
	var ap netip.AddrPort
	if a == nil {
		return ap, true
	}
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	if a.Network() != proto {
		return ap, false
	}
	ip := ap.Addr().Unmap()
	if ip.IsValid() && ip.IsUnspecified() {
		ip = netip.Addr{}
	}
	return netip.AddrPortFrom(ip, ap.Port()), true
}
