package registry

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// TestSocketAddress: a socket's address is shown as ss shows it.
func TestSocketAddress(t *testing.T) {
	for _, c := range []struct {
		addr string // "" is the zero Addr
		port uint16
		want string
	}{
		{"", 80, "*:80"}, {"", 0, "*:*"}, {"0.0.0.0", 80, "0.0.0.0:80"}, {"::", 80, "[::]:80"}, {"10.0.0.1", 0, "10.0.0.1:*"},
		{"fe80::1%eth0", 80, "[fe80::1%eth0]:80"}, {"fd00::1", 0, "[fd00::1]:*"},
	} {
		var a netip.Addr
		if c.addr != "" {
			a = netip.MustParseAddr(c.addr)
		}
		if got := SocketAddress(netip.AddrPortFrom(a, c.port)); got != c.want {
			t.Errorf("%s %d: %s, want %s", c.addr, c.port, got, c.want)
		}
	}
}

// endpoints parses endpoints with spaces between them.
func endpoints(text string) (list []netip.AddrPort) {
	for _, s := range strings.Fields(text) {
		list = append(list, netip.MustParseAddrPort(s))
	}
	return list
}

// TestPairEnds: each remote end gets the first local end of its family and zone, and one without is left out.
func TestPairEnds(t *testing.T) {
	for _, c := range []struct{ locals, remotes, want string }{
		{"", "[fd00::2]:80 10.0.0.2:80", "[invalid AddrPort>[fd00::2]:80 invalid AddrPort>10.0.0.2:80]"},
		{"[::]:9", "[fd00::2]:80 10.0.0.2:80", "[[::]:9>[fd00::2]:80 [::]:9>10.0.0.2:80]"},
		{"10.0.0.1:0 [fd00::1]:0", "[fd00::2]:80 10.0.0.2:80", "[[fd00::1]:0>[fd00::2]:80 10.0.0.1:0>10.0.0.2:80]"},
		{"10.0.0.1:0", "[fd00::2]:80 10.0.0.2:80", "[10.0.0.1:0>10.0.0.2:80]"},
		{"0.0.0.0:9", "[fd00::2]:80 10.0.0.2:80", "[0.0.0.0:9>10.0.0.2:80]"},
		{"[fe80::1%eth1]:0", "[fe80::2%eth0]:80 [fe80::2%eth1]:80", "[[fe80::1%eth1]:0>[fe80::2%eth1]:80]"},
		{"[fe80::1%eth1]:0", "[fe80::2]:80", "[[fe80::1%eth1]:0>[fe80::2]:80]"},
		{"10.0.0.1:0", "[fd00::2]:80", "10.0.0.1 is an address of IPv4, and fd00::2 of IPv6"},
		{"[fe80::1%eth1]:0", "[fe80::2%eth0]:80", "fe80::1%eth1 and fe80::2%eth0 are on different links"},
	} {
		pairs, err := PairEnds(endpoints(c.locals), endpoints(c.remotes))
		var texts []string
		for _, p := range pairs {
			texts = append(texts, fmt.Sprintf("%v>%v", p.Local, p.Remote))
		}
		got := fmt.Sprint(texts)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("from %s to %s: %s, want %s", c.locals, c.remotes, got, c.want)
		}
	}
}

// twoAddresses is a Caller in whose lab one host, b, has addresses of both families.
type twoAddresses struct{ permissive }

func (twoAddresses) HostOf(v starlark.Value) (starlark.Value, error) {
	if s, ok := starlark.AsString(v); ok && s == "b" {
		return v, nil
	}
	return nil, nil
}
func (twoAddresses) AddrsOf(starlark.Value) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("fd00::2"), netip.MustParseAddr("10.0.0.2")}, nil
}

// Lookup knows one name of the network, and fails for another.
func (twoAddresses) Lookup(name string) ([]netip.Addr, error) {
	switch name {
	case "web.example", "web.", "web":
		return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, nil
	case "lost.example":
		return nil, &LookupError{errors.New("no such name: lost.example")}
	}
	return nil, nil
}

// TestNamesOfTheNetwork: a name with a dot is looked up, and its failure is the call's error as it is. What is meant as an address is not.
func TestNamesOfTheNetwork(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		v    string
		want string
	}{
		{KindIP, "web.example", "192.0.2.1"}, {KindIP, "web.", "192.0.2.1"}, {KindEndpoint, "web.example:80", "[192.0.2.1:80 [2001:db8::1]:80]"},
		{KindEndpoint, "web.example", `the port is missing: "web.example:80"`}, {KindIP, "lost.example", "no such name: lost.example"},
		{KindEndpoint, "lost.example:80", "no such name: lost.example"}, {KindIP, "none.example", errDomain.Error()}, {KindEndpoint, "none.example:80", errDomain.Error()},
		{KindIP, "192.0.2.256", `"256" is not a number from 0 to 255`}, {KindIP, "1.2.3", "an address of IPv4 has 4 numbers, this has 3"}, {KindIP, "web.example:80", "wrong type"},
		{KindEndpoint, "http://web.example/", `an address with port without the rest of the URL: "web.example:80", or http.get("http://web.example/")`},
		{KindHost, "web.example", "wrong type"},
	} {
		x, err := c.kind.For(starlark.String(c.v), twoAddresses{})
		got := fmt.Sprint(x)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.v, got, c.want)
		}
	}
	_, err := New(language()).ByName["ping"].Bind(starlark.Tuple{starlark.String("lost.example")}, nil, twoAddresses{})
	if err == nil || err.Error() != "ping: no such name: lost.example" {
		t.Errorf("the call's error: %v", err)
	}
	if _, err := LocalEndpoints(starlark.String("lost.example"), twoAddresses{}); err == nil || err.Error() != "can't be used: no such name: lost.example" {
		t.Errorf("a local end: %v", err)
	}
}

// TestEndpoints: an endpoint is an address with a port, or all addresses of a host. An address of IPv6 has brackets, and an error says so.
func TestEndpoints(t *testing.T) {
	pair := starlark.Tuple{starlark.String("b"), starlark.MakeInt(80)}
	for _, c := range []struct {
		v    starlark.Value
		want string
	}{
		{starlark.String("b:80"), "[[fd00::2]:80 10.0.0.2:80]"},
		{pair, "[[fd00::2]:80 10.0.0.2:80]"},
		{starlark.Tuple{starlark.String("fe80::1%eth0"), starlark.MakeInt(80)}, "[[fe80::1%eth0]:80]"},
		{starlark.String("[fe80::1%eth0]:80"), "[[fe80::1%eth0]:80]"},
		{starlark.String("[::ffff:10.0.0.1]:80"), "[10.0.0.1:80]"},
		{starlark.String("b"), `the port is missing: "b:80"`},
		{starlark.String("10.0.0.1"), `the port is missing: "10.0.0.1:80"`},
		{starlark.String("fd00::1"), `the port is missing: "[fd00::1]:80"`},
		{starlark.String("fe80::1:80"), `the port is missing: "[fe80::1:80]:80", or the brackets are: "[fe80::1]:80"`},
		{starlark.String("[fe80::1%eth0]"), `the port is missing: "[fe80::1%eth0]:80"`},
		{starlark.String("fe80::1%eth0"), `the port is missing: "[fe80::1%eth0]:80"`},
		{starlark.String("b:port"), "wrong type"},
		{starlark.String("c:80"), "wrong type"},
		{starlark.MakeInt(80), "wrong type"},
	} {
		x, err := KindEndpoint.For(c.v, twoAddresses{})
		got := fmt.Sprint(x)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
	}
	if x, err := KindIP.For(starlark.String("b"), twoAddresses{}); err != nil || x != netip.MustParseAddr("fd00::2") {
		t.Errorf("the address of b is %v, %v", x, err)
	}
}
