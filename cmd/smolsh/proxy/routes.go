package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Route says where the kernel's socket listens and where its connections or datagrams go.
type Route struct {
	Network        string // tcp or udp
	Listen, Target string // "host:port"
}

// loopback is the host of an address without one.
const loopback = "127.0.0.1"

// ParseRoute reads "LISTEN=TARGET", or "udp:LISTEN=TARGET". See ParseListen for LISTEN. TARGET is HOST:PORT, where HOST is an address or a
// name, or PORT, which means that of this machine's loopback.
func ParseRoute(s string) (Route, error) {
	network, text := "tcp", s
	for _, n := range []string{"tcp", "udp"} {
		if len(s) > len(n) && s[len(n)] == ':' && strings.EqualFold(s[:len(n)], n) {
			network, text = n, s[len(n)+1:]
		}
	}
	listen, target, ok := strings.Cut(text, "=")
	if !ok {
		return Route{}, fmt.Errorf("%q is no route such as 8080=127.0.0.1:80, or udp:5353=192.0.2.1:53", s)
	}
	at, err := ParseListen(listen)
	if err != nil {
		return Route{}, fmt.Errorf("%s: %w", Shown(s), err)
	}
	to, err := address(target, 1)
	if host, port, _ := net.SplitHostPort(to); err == nil && host == "*" {
		err = fmt.Errorf("%q names no host (127.0.0.1:%s is this machine)", target, port)
	}
	if err != nil {
		return Route{}, fmt.Errorf("%s: the target %w", Shown(s), err)
	}
	if at == to {
		return Route{}, fmt.Errorf("%s: the target is the route itself, so that each connection would make another one", s)
	}
	return Route{network, at, to}, nil
}

// Shown returns an argument for a message: quoted if it contains characters that a terminal might obey.
func Shown(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	return s
}

// ParseListen reads the address of a socket that listens: PORT or :PORT, which mean that of the loopback 127.0.0.1, HOST:PORT, or *:PORT for
// all addresses of the machine. Port 0 is a free one.
func ParseListen(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, "*:"); ok {
		s = "0.0.0.0:" + rest
	}
	at, err := address(s, 0)
	if host, port, _ := net.SplitHostPort(at); err == nil && (strings.EqualFold(host, "udp") || strings.EqualFold(host, "tcp")) {
		err = fmt.Errorf("%q begins with a network, which only LISTEN=TARGET may have (write %s)", s, port)
	}
	if err != nil {
		err = fmt.Errorf("the address to listen at %w", err)
	}
	return at, err
}

// address completes an address, whose port is at least least. Its errors continue a sentence about the address.
func address(s string, least int) (string, error) {
	host, port := "", s
	switch {
	case s == "":
		return "", errors.New("is missing (write HOST:PORT, or PORT on 127.0.0.1)")
	case strings.Contains(s, "://"):
		return "", fmt.Errorf("%q is a URL (write HOST:PORT, without %s//)", s, s[:strings.Index(s, "://")+1])
	case strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || unicode.IsSpace(r) || !strconv.IsPrint(r) }):
		return "", fmt.Errorf("%q contains a character that no address has (write HOST:PORT)", s)
	case strings.Contains(s, ":"):
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			var e *net.AddrError
			if errors.As(err, &e) {
				return "", fmt.Errorf("%q has no port, or an IPv6 address without brackets ([::1]:80)", s)
			}
			return "", err
		}
	case strings.Trim(s, "+-0123456789") != "":
		return "", fmt.Errorf("%q has no port (write HOST:PORT, such as 127.0.0.1:80, or PORT on 127.0.0.1)", s)
	}
	n, err := strconv.ParseUint(port, 10, 64)
	canonical := strconv.FormatUint(n, 10)
	if err != nil || int64(n) < int64(least) || n > 65535 {
		what := "write a number from 1 to 65535"
		if least == 0 {
			what += ", or 0 for a free port"
		}
		return "", fmt.Errorf("has the port %q (%s)", port, what)
	}
	if port != canonical {
		return "", fmt.Errorf("has the port %q, whose zero at the front may mean octal (write %s)", port, canonical)
	}
	if host == "" {
		host = loopback
	}
	return net.JoinHostPort(host, port), nil
}

// Public reports whether the address of a socket that listens can be reached from other machines.
func Public(at string) bool {
	host, _, _ := net.SplitHostPort(at)
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.Unmap().IsLoopback()
}

// Clash reports whether two addresses to listen at, as ParseListen returns them, are one port of one address of the machine.
func Clash(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && portA != "0" && (every(hostA) || every(hostB) || named(hostA) == named(hostB))
}

// every reports whether a host to listen at stands for all addresses of the machine.
func every(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsUnspecified()
}

// named returns the address of a host to listen at if it is known without a lookup.
func named(host string) string {
	if strings.EqualFold(host, "localhost") {
		return loopback
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsLoopback() {
			ip = ip.WithZone("")
		}
		return ip.Unmap().String()
	}
	return host
}
