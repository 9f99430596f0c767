package registry

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
)

// parseEndpoint reads an address with its port, such as "192.168.69.1:80" or "[fe80::1%eth0]:80".
func parseEndpoint(s string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(s)
	if err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return ap, wrongEndpoint(s)
	}
	missing := fmt.Sprintf("the port is missing: %q", netip.AddrPortFrom(a, 80))
	if at := strings.LastIndexByte(s, ':'); a.Is6() && at > 0 && !strings.HasPrefix(s, "[") {
		if host, err := netip.ParseAddr(s[:at]); err == nil { // an address that ends in what may be a port
			if port, err := strconv.ParseUint(s[at+1:], 10, 16); err == nil {
				missing += fmt.Sprintf(", or the brackets are: %q", netip.AddrPortFrom(host, uint16(port)))
			}
		}
	}
	return ap, errors.New(missing)
}

// Endpoint converts an address with port to a script's value, None for the zero value.
func Endpoint(ap netip.AddrPort) starlark.Value {
	if !ap.IsValid() {
		return starlark.None
	}
	return starlark.String(ap.String())
}

// SocketAddress returns a socket's address as ss shows it: "192.168.69.1:7", "[fe80::1%eth0]:7", "*:7" for all addresses of both
// families, "0.0.0.0:7" and "[::]:7" for those of one family, "*:*" for any peer.
func SocketAddress(ap netip.AddrPort) string {
	host, port := "*", "*"
	if a := ap.Addr(); a.IsValid() {
		host = a.String()
		if a.Is6() {
			host = "[" + host + "]"
		}
	}
	if ap.Port() != 0 {
		port = strconv.Itoa(int(ap.Port()))
	}
	return host + ":" + port
}

// BoundTo returns the local end of a socket that is bound to addr and port. For all addresses of both families, which the zero Addr and
// :: name, it has the zero Addr; with v6only, for IPv6 alone, it has ::. The error says that v6only excludes addr.
func BoundTo(addr netip.Addr, port int, v6only bool) (netip.AddrPort, error) {
	switch {
	case addr.IsValid() && addr.Is4() && v6only:
		return netip.AddrPort{}, fmt.Errorf("v6only=True excludes %v, an address of IPv4", addr)
	case v6only && !addr.IsValid():
		addr = netip.IPv6Unspecified()
	case !v6only && addr == netip.IPv6Unspecified():
		addr = netip.Addr{}
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// Ends are the two ends of a connection to be made. The zero Local means that the host chooses it.
type Ends struct{ Local, Remote netip.AddrPort }

// From returns the local end as SocketAddress shows it. In an argument :: stands for all addresses of both families.
func (e Ends) From() string {
	if e.Local.Addr() == netip.IPv6Unspecified() {
		return SocketAddress(netip.AddrPortFrom(netip.Addr{}, e.Local.Port()))
	}
	return SocketAddress(e.Local)
}

// PairEnds gives each remote end the first local end from which it can be reached: one of the same family, and not in another zone. A
// remote end without one is left out. Without locals each remote end is paired with the zero value. The error says why no remote end
// is left.
func PairEnds(locals, remotes []netip.AddrPort) (pairs []Ends, err error) {
	if len(locals) == 0 {
		for _, r := range remotes {
			pairs = append(pairs, Ends{Remote: r})
		}
		return pairs, nil
	}
	for _, r := range remotes {
		for _, l := range locals {
			if why := apart(l.Addr(), r.Addr()); why == nil {
				pairs = append(pairs, Ends{l, r})
				break
			} else if err == nil {
				err = why
			}
		}
	}
	if len(pairs) > 0 {
		err = nil
	}
	return pairs, err
}

// apart returns the reason why a socket bound to l can't reach r, nil if there is none. The address :: stands for all of both families.
func apart(l, r netip.Addr) error {
	switch {
	case l == netip.IPv6Unspecified():
		return nil
	case l.Is4() != r.Is4():
		return fmt.Errorf("%v is an address of %s, and %v of %s", l, family(l), r, family(r))
	case l.Zone() != "" && r.Zone() != "" && l.Zone() != r.Zone():
		return fmt.Errorf("%v and %v are on different links", l, r)
	}
	return nil
}

// family returns the name of the version of IP to which an address belongs.
func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// LocalEndpoints returns the local ends of a socket that an argument of KindAny names, in the order in which to use them: an address,
// an address with port, or a port, which stands for all addresses of both families. A caller, which may be nil, has hosts that
// stand for their addresses. It returns none for nil and None. The error begins with a verb.
func LocalEndpoints(v starlark.Value, caller Caller) (list []netip.AddrPort, err error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	if port, err := KindPort.Convert(v); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port.(int)))}, nil
	}
	addrs, err := addresses(v, caller)
	var lookup *LookupError
	if errors.As(err, &lookup) {
		return nil, fmt.Errorf("can't be used: %w", lookup)
	}
	if err == nil {
		for _, a := range addrs {
			list = append(list, netip.AddrPortFrom(a, 0))
		}
		return list, nil
	}
	convert := KindEndpoint.Convert
	if caller != nil {
		convert = func(v starlark.Value) (any, error) { return KindEndpoint.For(v, caller) }
	}
	x, err := convert(v)
	if errors.As(err, &lookup) {
		return nil, fmt.Errorf("can't be used: %w", lookup)
	}
	if err != nil {
		return nil, fmt.Errorf("is an address, with a port or without, or a port, got %s %v", v.Type(), v)
	}
	return x.([]netip.AddrPort), nil
}
