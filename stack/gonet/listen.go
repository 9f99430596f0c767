package gonet

import (
	"context"
	"net"
	"net/netip"
)

// Listen listens on an address such as "host:port" or ":port". The networks are tcp, tcp4 and tcp6. An empty or unspecified host means
// all addresses of the network's families, port 0 a free port. It returns a *TCPListener. Errors are of type *net.OpError.
func (n *Net) Listen(network, address string) (net.Listener, error) {
	proto, addr, only6, err := n.bindTo(network, address)
	resolved := err == nil
	if resolved && proto != "tcp" {
		err = &net.AddrError{Err: "unexpected address type", Addr: address}
	}
	var l *TCPListener
	if err == nil {
		l, err = n.listenTCP(network, addr, only6)
	}
	if err != nil {
		return nil, listenError(network, addr, resolved, err, func(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) })
	}
	return l, nil
}

// ListenPacket binds a UDP socket to an address such as "host:port" or ":port". The networks are udp, udp4 and udp6. An empty or
// unspecified host means all addresses of the network's families, port 0 a free port. It returns a *UDPConn. Errors are of type
// *net.OpError.
func (n *Net) ListenPacket(network, address string) (net.PacketConn, error) {
	proto, addr, only6, err := n.bindTo(network, address)
	resolved := err == nil
	if resolved && proto != "udp" {
		err = &net.AddrError{Err: "unexpected address type", Addr: address}
	}
	var u *UDPConn
	if err == nil {
		u, err = n.listenUDP(network, addr, only6)
	}
	if err != nil {
		return nil, listenError(network, addr, resolved, err, func(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) })
	}
	return u, nil
}

// bindTo returns the address to which a socket is bound, the first of a name's, IPv4 first.
func (n *Net) bindTo(network, address string) (proto string, addr netip.AddrPort, only6 bool, err error) {
	proto, family, ok := protocol(network)
	if !ok {
		return "", addr, false, net.UnknownNetworkError(network)
	}
	addrs, port, err := n.resolve(context.Background(), network, address)
	if err != nil {
		return proto, addr, false, err
	}
	first := addrs[0]
	for _, a := range addrs {
		if a.Is4() && !a.IsUnspecified() {
			first = a
			break
		}
	}
	a, only6 := bindAddr(first, family)
	return proto, netip.AddrPortFrom(a, port), only6, nil
}

func listenError(network string, addr netip.AddrPort, resolved bool, err error, convert func(netip.AddrPort) net.Addr) error {
	e := &net.OpError{Op: "listen", Net: network, Err: err}
	if resolved {
		e.Addr = convert(anyAddr(addr))
	}
	return e
}
