package proxy

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
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
		if rest, ok := strings.CutPrefix(s, n+":"); ok {
			network, text = n, rest
		}
	}
	listen, target, ok := strings.Cut(text, "=")
	if !ok {
		return Route{}, fmt.Errorf("%q is no route such as 8080=127.0.0.1:80, or udp:5353=192.0.2.1:53", s)
	}
	at, err := ParseListen(listen)
	if err != nil {
		return Route{}, fmt.Errorf("%s: %w", s, err)
	}
	to, err := address(target, 1)
	if err != nil {
		return Route{}, fmt.Errorf("%s: the target %w", s, err)
	}
	if at == to {
		return Route{}, fmt.Errorf("%s: the target is the route itself, so that each connection would make another one", s)
	}
	return Route{network, at, to}, nil
}

// ParseListen reads the address of a socket that listens: PORT or :PORT, which mean that of the loopback 127.0.0.1, HOST:PORT, or *:PORT for
// all addresses of the machine. Port 0 is a free one.
func ParseListen(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, "*:"); ok {
		s = "0.0.0.0:" + rest
	}
	at, err := address(s, 0)
	if err != nil {
		err = fmt.Errorf("the address to listen at %w", err)
	}
	return at, err
}

// address completes an address, whose port is at least least.
func address(s string, least uint64) (string, error) {
	host, port := "", s
	if strings.Contains(s, ":") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			var e *net.AddrError
			if errors.As(err, &e) {
				return "", fmt.Errorf("%q has no port, or an IPv6 address without brackets ([::1]:80)", s)
			}
			return "", err
		}
	}
	n, err := strconv.ParseUint(port, 10, 64)
	if err != nil || n < least || n > 65535 {
		return "", fmt.Errorf("has the port %q, which is not within %d to 65535", port, least)
	}
	if host == "" {
		host = loopback
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

// Public reports whether an address to listen at, as ParseListen returns it, can be reached from other machines.
func Public(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}
