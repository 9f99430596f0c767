package autoconf

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/stack/wire"
)

// TestDefaultRouters: a router is a default router for its lifetime, and ends with a lifetime of 0 (RFC 4861 §6.3.4, §6.3.5).
func TestDefaultRouters(t *testing.T) {
	w := newWorld(t, config(false))
	w.advertise(r1, 30*time.Minute, 0)
	w.advertise(r2, 10*time.Minute, 1)
	w.advertise(r3, 0, 1)
	w.want("two routers", "0s +route ::/0 fe80::1 0", "0s +route ::/0 fe80::2 1")
	w.to(5 * time.Minute)
	w.advertise(r2, 10*time.Minute, 1)
	w.want("the same again")
	w.advertise(r2, 10*time.Minute, -1)
	w.want("another preference", "5m0s =route ::/0 fe80::2 -1")
	if got, want := w.s.Routers(w.now), []Router{{r1, 0, 25 * time.Minute}, {r2, -1, 10 * time.Minute}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.advertise(r1.WithZone("eth0"), 0, 0)
	w.want("a lifetime of 0", "5m0s -route ::/0 fe80::1 0")
	w.to(time.Hour)
	w.want("expiry", "15m0s -route ::/0 fe80::2 -1")
	w.refused("all", Refusals{})
}

// TestRouterGone: a neighbour that stops being a router loses its routes, and keeps its prefixes and servers (RFC 4861 §7.2.5).
func TestRouterGone(t *testing.T) {
	w := newWorld(t, config(false))
	w.advertise(r1, hour, 0, route("2001:db8:7::/48", 0, hour), prefix("L", "2001:db8:1::/64", hour, hour), servers(hour, "2001:db8::53"))
	w.advertise(r2, hour, 0, route("2001:db8:7::/48", 0, hour))
	w.log = nil
	w.s.RouterGone(w.now, r1)
	w.drain()
	w.want("gone", "0s -route 2001:db8:7::/48 fe80::1 0", "0s -route ::/0 fe80::1 0")
	w.s.RouterGone(w.now, r3)
	w.drain()
	w.want("a stranger")
}

// TestRouteInformation: routes have their own lifetimes and preferences, and that of ::/0 overrides the header's (RFC 4191 §2.3,
// §3.1).
func TestRouteInformation(t *testing.T) {
	w := newWorld(t, config(false))
	w.advertise(r1, 0, 0, route("2001:db8:7::1/48", 1, hour), route("::/0", -1, Infinite))
	w.want("a router by its option", "0s +route ::/0 fe80::1 -1", "0s +route 2001:db8:7::/48 fe80::1 1")
	w.advertise(r1, hour, 1, route("::/0", -1, 2*hour), route("2001:db8:8::/48", 0, Infinite))
	w.want("another route", "0s +route 2001:db8:8::/48 fe80::1 0")
	w.advertise(r2, hour, 1, route("::/0", 0, 0), route("2001:db8:7::/48", 0, 2*hour))
	w.want("the same route of another router", "0s +route 2001:db8:7::/48 fe80::2 0")
	w.advertise(r1, hour, -1, route("2001:db8:8::/48", 0, 0))
	w.want("a lifetime of 0", "0s -route 2001:db8:8::/48 fe80::1 0")
	if got, want := w.s.Routes(w.now), []Route{
		{netip.MustParsePrefix("2001:db8:7::/48"), r1, 1, hour}, {netip.MustParsePrefix("2001:db8:7::/48"), r2, 0, 2 * hour}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.to(3 * hour)
	w.want("expiry", "1h0m0s -route 2001:db8:7::/48 fe80::1 1", "1h0m0s -route ::/0 fe80::1 -1", "2h0m0s -route 2001:db8:7::/48 fe80::2 0")
	w.refused("all", Refusals{})
}

// TestReservedPrefixes: a router can't advertise link-local, multicast, loopback or IPv4-mapped space (RFC 4861 §6.3.4).
func TestReservedPrefixes(t *testing.T) {
	n := uint64(0)
	w := newWorld(t, config(false))
	for _, p := range []string{"fe80::/64", "fe80::/10", "febf::1/128", "ff02::/16", "ff00::/8", "::1/128", "::/128", "::ffff:0:0/96", "::ffff:1.2.3.4/128"} {
		w.advertise(r1, 0, 0, prefix("LA", p, hour, hour), route(p, 0, hour))
		w.want(p)
		n += 2
	}
	w.advertise(r1, 0, 0, servers(hour, "::1", "::ffff:8.8.8.8"))
	w.want("servers")
	w.refused("all", Refusals{BadPrefix: n + 2})
	for _, p := range []string{"fc00::/6", "fec0::/10", "64:ff9b::/96", "::/1", "fe00::/8"} {
		w.advertise(r1, 0, 0, route(p, 0, hour))
		w.want(p, "0s +route "+p+" fe80::1 0")
	}
}

// TestOnLink: an on-link prefix has the valid lifetime, without the two-hour rule. A prefix without the flag changes nothing
// (RFC 4861 §6.3.4, RFC 5942 §4).
func TestOnLink(t *testing.T) {
	w := newWorld(t, config(false))
	w.advertise(r1, 0, 0, prefix("L", "2001:db8:1::5/64", 24*hour, 0), prefix("L", "2001:db8:2::/48", Infinite, hour), prefix("L", "2001:db8:3::/64", 0, 0),
		prefix("", "2001:db8:4::/64", hour, hour))
	w.want("two prefixes", "0s +link 2001:db8:1::/64", "0s +link 2001:db8:2::/48")
	if got, want := w.s.Prefixes(w.now), []Prefix{
		{netip.MustParsePrefix("2001:db8:1::/64"), 24 * hour}, {netip.MustParsePrefix("2001:db8:2::/48"), Infinite}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	w.advertise(r1, 0, 0, prefix("A", "2001:db8:1::/64", hour, hour))
	w.want("no flag: an address, and the prefix stays", "0s +addr 2001:db8:1::/64")
	w.advertise(r2, 0, 0, prefix("L", "2001:db8:1::/64", 60*time.Second, 0), prefix("L", "2001:db8:2::/48", 0, 0))
	w.want("a lifetime of 0", "0s -link 2001:db8:2::/48")
	w.to(61 * time.Second)
	w.want("expiry", "1m0s -link 2001:db8:1::/64")
	w.refused("all", Refusals{})
}

// TestParameters: a router sets the parameters that it specifies, within their bounds (RFC 4861 §6.3.4).
func TestParameters(t *testing.T) {
	w := newWorld(t, config(false))
	w.deliver(r1, wire.RouterAdvertisement{HopLimit: 64, ReachableTime: 30000, RetransTimer: 2000, Managed: true}, mtu(1400))
	w.want("first", "0s mtu 1400", "0s hops 64", "0s reachable 30s", "0s retrans 2s")
	w.deliver(r1, wire.RouterAdvertisement{Other: true})
	w.want("unspecified")
	if got, want := w.s.Link(), (Link{1400, 64, 30 * time.Second, 2 * time.Second, false, true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.deliver(r1, wire.RouterAdvertisement{ReachableTime: 3_600_001, RetransTimer: 99}, mtu(1279), mtu(0))
	w.deliver(r1, wire.RouterAdvertisement{ReachableTime: 1<<32 - 1, RetransTimer: 60_001})
	w.deliver(r1, wire.RouterAdvertisement{HopLimit: 1})
	w.deliver(r1, wire.RouterAdvertisement{HopLimit: 31})
	w.want("out of bounds")
	w.refused("out of bounds", Refusals{BadTimer: 4, BadMTU: 2, BadHopLimit: 2})
	w.deliver(r1, wire.RouterAdvertisement{HopLimit: 32})
	w.want("the least hop limit", "0s hops 32")
	w.deliver(r1, wire.RouterAdvertisement{HopLimit: 255, ReachableTime: 3_600_000, RetransTimer: 60_000}, mtu(1280), mtu(1<<32-1))
	w.want("at the bounds; the last option counts", "0s mtu 4294967295", "0s hops 255", "0s reachable 1h0m0s", "0s retrans 1m0s")
	w.s.Flush(w.now)
	w.drain()
	w.want("the defaults apply again", "0s mtu 0", "0s hops 0", "0s reachable 0s", "0s retrans 0s")
}

// TestDNS: servers and domains have lifetimes, and a router withdraws only its own (RFC 8106 §5.1, §5.2, §5.3.1).
func TestDNS(t *testing.T) {
	w := newWorld(t, config(false))
	w.advertise(r1, 0, 0, servers(hour, "2001:db8::53", "fe80::53"), domains(Infinite, "Example.com", "lab"))
	w.advertise(r2, 0, 0, servers(2*hour, "2001:db8::53"), domains(hour, "example.com"))
	w.want("the second router has nothing new", "0s dns")
	w.advertise(r1, 0, 0, servers(0, "2001:db8::53", "fe80::53", "2001:db8::54"))
	w.want("one is withdrawn", "0s dns")
	w.advertise(r1, 0, 0, domains(0, "EXAMPLE.com"))
	w.want("a domain moves", "0s dns")
	want := DNS{[]Server{{netip.MustParseAddr("2001:db8::53"), r2, 2 * hour}}, []Domain{{"lab", r1, Infinite}, {"example.com", r2, hour}}}
	if got := w.s.DNS(w.now); !slices.Equal(got.Servers, want.Servers) || !slices.Equal(got.Domains, want.Domains) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.to(3 * hour)
	w.want("expiry", "1h0m0s dns", "2h0m0s dns")
	w.refused("all", Refusals{})
}

// TestMalformedOptions: an option whose content contradicts its type is refused alone (RFC 4861 §6.3.4, RFC 4191 §2.3).
func TestMalformedOptions(t *testing.T) {
	w := newWorld(t, config(false))
	bad := prefix("LA", "2001:db8::/64", hour, hour)
	bad[2] = 129
	odd := route("2001:db8::/48", 0, hour)
	odd[3] = 2 << 3 // the reserved preference
	unknown := []byte{200, 1, 0, 0, 0, 0, 0, 0}
	link := make([]byte, wire.NDLinkAddrLen)
	wire.PutNDLinkAddr(link, wire.NDSourceLinkAddr, wire.HardwareAddr{2})
	w.advertise(r1, 0, 0, bad, odd, unknown, link, []byte{5, 2, 15: 0}, []byte{25, 1, 7: 0}, []byte{31, 1, 7: 0}, mtu(1500))
	w.want("the good option", "0s mtu 1500")
	w.refused("five", Refusals{BadOption: 5})
}
