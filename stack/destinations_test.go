package stack

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/tcp"
)

// addresses parses addresses with spaces between them.
func addresses(text string) (list []netip.Addr) {
	for _, s := range strings.Fields(text) {
		list = append(list, netip.MustParseAddr(s))
	}
	return list
}

// TestSortDestinations compares the order of a name's addresses with that of RFC 6724 §6, for the sources that the host would choose:
// rules 1, 2, 3, 5, 6, 8 and 9.
func TestSortDestinations(t *testing.T) {
	for _, c := range []struct{ name, have, sort, want string }{
		{"a host of IPv4 alone", "10.0.0.1/24", "2001:db8::2 10.0.0.2", "10.0.0.2 2001:db8::2"},
		{"a host of IPv6 alone", "2001:db8::1/64", "10.0.0.2 2001:db8::2", "2001:db8::2 10.0.0.2"},
		{"precedence", "10.0.0.1/24 2001:db8::1/64", "10.0.0.2 2001:db8::2", "2001:db8::2 10.0.0.2"},
		{"unique local addresses after IPv4", "10.0.0.1/24 fd00::1/64", "fd00::2 10.0.0.2", "10.0.0.2 fd00::2"},
		{"no route", "10.0.0.1/24 2001:db8::1/64", "2001:db8:1::2 10.0.0.2", "10.0.0.2 2001:db8:1::2"},
		{"label", "2001:db8::1/64 fd00::1/64", "fd00::2 2001:db8::2", "2001:db8::2 fd00::2"},
		{"prefix", "10.0.0.1/24 10.0.1.1/24", "10.9.0.2 10.0.1.2 10.0.0.2", "10.0.1.2 10.0.0.2 10.9.0.2"},
		{"order kept", "2001:db8::1/64", "2001:db8::3 2001:db8::2", "2001:db8::3 2001:db8::2"},
		{"own address", "10.0.0.1/24 2001:db8::1/64", "10.0.0.1 2001:db8::1", "2001:db8::1 10.0.0.1"},
		{"loopback", "10.0.0.1/24", "127.0.0.1 ::1", "::1 127.0.0.1"},
		{"nothing reachable", "10.0.0.1/24", "192.0.2.1 2001:db8::2", "2001:db8::2 192.0.2.1"},
		{"none", "10.0.0.1/24", "", ""},
	} {
		n := newNetwork(t)
		have := strings.Fields(c.have)
		h, i := n.host("a", macA, have[0])
		for _, p := range have[1:] {
			if err := i.AddAddr(0, netip.MustParsePrefix(p)); err != nil {
				t.Fatal(err)
			}
		}
		for _, lo := range h.net.ifaces {
			if lo.loop {
				if err := lo.AddAddr(0, netip.MustParsePrefix("::1/128")); err != nil {
					t.Fatal(err)
				}
			}
		}
		given := addresses(c.sort)
		got := h.SortDestinations(given)
		if !slices.Equal(got, addresses(c.want)) {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
		if !slices.Equal(given, addresses(c.sort)) {
			t.Errorf("%s: the argument was changed to %v", c.name, given)
		}
	}
}

// TestReaches: an address is reachable if it has a route that is up, and a source.
func TestReaches(t *testing.T) {
	_, a, _ := pair6(t)
	for text, want := range map[string]bool{
		"10.0.0.2": true, "fd00::2": true, "fd00::1": true, "10.9.0.1": false, "2001:db8::1": false, "fe80::2": true, "fe80::2%eth9": false,
	} {
		if got := a.Reaches(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	a.Ifaces()[0].SetUp(0, false)
	if a.Reaches(netip.MustParseAddr("10.0.0.2")) {
		t.Error("10.0.0.2 is reachable by an interface that is down")
	}
}

// TestSortDestinationsDeprecated: an address for which the source is deprecated comes later (RFC 6724 §6 rule 3).
func TestSortDestinationsDeprecated(t *testing.T) {
	_, a, _ := pair6(t)
	i := a.Ifaces()[0]
	if err := i.AddAddr(0, netip.MustParsePrefix("2001:db8::1/64")); err != nil {
		t.Fatal(err)
	}
	list := addresses("10.0.0.2 2001:db8::2")
	if got := a.SortDestinations(list); got[0] != list[1] {
		t.Fatalf("%v before the address is deprecated", got)
	}
	for k := range i.addresses.list {
		if p := &i.addresses.list[k]; p.addr == netip.MustParseAddr("2001:db8::1") {
			p.deprecated = true
		}
	}
	if got := a.SortDestinations(list); got[0] != list[0] {
		t.Errorf("%v after", got)
	}
}

// twoLinks returns a host with two interfaces that speak IPv6.
func twoLinks(t *testing.T) (n *network, h *Host) {
	n = newNetwork(t)
	h, i := n.host("a", macA, "2001:db8::1/64")
	j := h.AddIface(n.now, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macB, Addrs: []netip.Prefix{netip.MustParsePrefix("2001:db8:1::1/64")}})
	for _, i := range []*Iface{i, j} {
		i.EnableIPv6(n.now)
	}
	n.run(10 * time.Second) // until the link-local addresses are unique
	return n, h
}

// TestZoneError: an address of link-local scope without a zone is refused if two interfaces speak IPv6, by an error that names the
// addresses which can be meant (RFC 4007 §6).
func TestZoneError(t *testing.T) {
	n, h := twoLinks(t)
	names := [2]string{}
	for k, i := range h.Ifaces() {
		names[k] = i.Name()
	}
	to := netip.MustParseAddrPort("[fe80::9]:80")
	u, err := h.BindUDP(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	_, dial := h.DialTCP(0, netip.AddrPort{}, to, tcp.Config{})
	_, dialUDP := h.DialUDP(netip.AddrPort{}, to)
	_, listen := h.ListenTCP(to, 1, tcp.Config{})
	for what, err := range map[string]error{
		"DialTCP": dial, "DialUDP": dialUDP, "ListenTCP": listen, "Send": u.Send(0, nil, to),
	} {
		want := "link-local address without its zone: write fe80::9%" + names[0] + " or fe80::9%" + names[1]
		if !errors.Is(err, ErrZone) || err.Error() != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	if err := u.Join(0, netip.MustParseAddr("ff02::1:3"), nil); !errors.Is(err, ErrZone) {
		t.Errorf("Join: %v", err)
	}
	_, err = h.DialTCP(0, netip.AddrPort{}, netip.MustParseAddrPort("[fe80::9%eth9]:80"), tcp.Config{})
	if want := "interface eth9 does not speak IPv6; those that do: " + names[0] + ", " + names[1]; !errors.Is(err, ErrZone) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	only4, _ := n.host("b", macB, "10.0.0.2/24")
	if _, err := only4.DialTCP(0, netip.AddrPort{}, to, tcp.Config{}); !errors.Is(err, ErrZone) || err.Error() != "no interface speaks IPv6" {
		t.Errorf("%v", err)
	}
}

// TestZoneOfBoundAddress: a socket that is bound to an address of an interface reaches link-local addresses there without a zone.
func TestZoneOfBoundAddress(t *testing.T) {
	_, h := twoLinks(t)
	for _, i := range h.Ifaces() {
		a, _ := i.first(ipv6)
		u, err := h.BindUDP(netip.AddrPortFrom(a, 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := u.Send(0, nil, netip.MustParseAddrPort("[fe80::9]:80")); err != nil {
			t.Errorf("from %v: %v", a, err)
		}
		if err := u.Join(0, netip.MustParseAddr("ff02::1:3"), nil); err != nil {
			t.Error(err)
		}
		if got := u.Groups(); len(got) != 1 || got[0] != netip.MustParseAddr("ff02::1:3%"+i.Name()) {
			t.Errorf("from %v: groups %v", a, got)
		}
	}
}

// TestJoinOnEach: a socket joins a group once on each interface, and leaves it on the one that the zone names.
func TestJoinOnEach(t *testing.T) {
	_, h := twoLinks(t)
	u, err := h.BindUDP(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"ff02::1:3", "ff05::1:3", "239.1.2.3"} {
		group := netip.MustParseAddr(text)
		one, two := h.Ifaces()[0], h.Ifaces()[1]
		for _, i := range []*Iface{one, two} {
			if err := u.Join(0, group, i); err != nil {
				t.Errorf("%v on %s: %v", group, i.Name(), err)
			}
			if err := u.Join(0, group, i); err != ErrExists {
				t.Errorf("%v on %s again: %v", group, i.Name(), err)
			}
		}
		if err := u.Join(0, group.WithZone(one.Name()), two); group.Is6() && err != ErrInvalid {
			t.Errorf("%v with the zone of another interface: %v", group, err)
		}
		if group.Is6() {
			if err := u.Leave(group.WithZone(two.Name())); err != nil {
				t.Error(err)
			}
			if one.membership(group) == nil || two.membership(group) != nil {
				t.Errorf("%v was left on the wrong interface", group)
			}
			if err := u.Leave(group.WithZone(two.Name())); err != ErrNotFound {
				t.Errorf("%v left twice: %v", group, err)
			}
		}
	}
}

// TestAnyAddress: the local address of a socket for all addresses tells the families for which it receives.
func TestAnyAddress(t *testing.T) {
	_, h, _ := pair6(t)
	only6 := map[bool]func(local netip.AddrPort) (*UDPConn, error){false: h.BindUDP, true: h.BindUDP6}
	listen := map[bool]func(netip.AddrPort, int, tcp.Config) (*TCPListener, error){false: h.ListenTCP, true: h.ListenTCP6}
	for k, c := range []struct {
		addr  string // "" is the zero Addr
		only6 bool
		want  netip.Addr
	}{
		{"", false, netip.Addr{}}, {"::", false, netip.Addr{}}, {"0.0.0.0", false, netip.IPv4Unspecified()},
		{"", true, netip.IPv6Unspecified()}, {"::", true, netip.IPv6Unspecified()},
	} {
		var a netip.Addr
		if c.addr != "" {
			a = netip.MustParseAddr(c.addr)
		}
		local := netip.AddrPortFrom(a, uint16(1000+k))
		u, err := only6[c.only6](local)
		if err != nil {
			t.Fatal(err)
		}
		l, err := listen[c.only6](local, 0, tcp.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if u.Local().Addr() != c.want || l.Local().Addr() != c.want {
			t.Errorf("%q, %v: %v and %v, want %v", c.addr, c.only6, u.Local(), l.Local(), c.want)
		}
		for _, to := range []string{"10.0.0.2:9", "[fd00::2]:9"} {
			to := netip.MustParseAddrPort(to)
			refused := c.want.IsValid() && c.want.Is4() != to.Addr().Is4()
			if err := u.Send(0, nil, to); (err == ErrInvalid) != refused || err != nil && err != ErrInvalid {
				t.Errorf("%q, %v: sending to %v: %v", c.addr, c.only6, to, err)
			}
		}
		u.Close()
		l.Close(0)
	}
}
