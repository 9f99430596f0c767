package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

const slaacPrefix = "2001:db8:1::/64"

// ra passes a router advertisement of station A to B, whose lifetimes are in seconds.
func (r *ndRig) ra(m wire.RouterAdvertisement, options ...[]byte) {
	r.t.Helper()
	r.receive(routerAdvertisement(llA, m, append(options, sourceLink(macA))...).frame(), "icmp6")
}

// keepUp runs the network for d with the ends of lifetimes and the periodic advertisements of routers.
func (n *network) keepUp(d time.Duration) {
	n.t.Helper()
	until := n.now.Add(d)
	for k := 0; ; k++ {
		at := until
		for _, h := range n.hosts {
			at = min(at, h.Upkeep())
		}
		if k > 10_000 {
			n.t.Fatal("upkeep goes on at one instant")
		}
		n.run(max(0, at.Sub(n.now)))
		for _, h := range n.hosts {
			h.Tick(n.now)
		}
		n.pump()
		if at >= until {
			return
		}
	}
}

// autoAddrs returns the interface's addresses that are not link-local.
func (r *ndRig) autoAddrs() (list []netip.Addr) {
	for _, p := range r.i.Addrs() {
		if p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() {
			list = append(list, p.Addr())
		}
	}
	return list
}

// routes returns B's IPv6 routes: "::/0 via fe80::a%eth0".
func (r *ndRig) routes() (list []string) {
	for _, x := range r.h.net.routes.All() {
		if x.Dst.Addr().Is6() {
			s := x.Dst.String()
			if x.Gateway.IsValid() {
				s += " via " + x.Gateway.String()
			}
			list = append(list, s)
		}
	}
	return list
}

func (r *ndRig) wantRoutes(want ...string) {
	r.t.Helper()
	if got := r.routes(); !slices.Equal(got, want) {
		r.t.Errorf("routes %q, want %q", got, want)
	}
}

// TestND637: a host asks for routers three times, four seconds apart, the first time after up to a second. While it has no link-local
// address, it asks from :: without its link-layer address. It stops when a router answers (RFC 4861 §6.3.7, RFC 4861 §4.1).
func TestND637(t *testing.T) {
	r := newNDRig(t)
	r.n.run(time.Minute)
	ll := r.i.LinkLocal().WithZone("")
	var at []time.Duration
	for _, s := range r.timed() {
		when, text, _ := strings.Cut(s, " ")
		if !strings.HasPrefix(text, "RS") {
			continue
		}
		d, _ := time.ParseDuration(when)
		at = append(at, d)
		want := "RS <- :: to ff02::2"
		if len(at) > 1 {
			want = fmt.Sprintf("RS <- %v to ff02::2 src=02:00:00:00:00:02", ll)
		}
		if text != want && len(at) != 1 {
			t.Errorf("%d: %s, want %s", len(at), text, want)
		}
	}
	if len(at) != 3 || at[0] > time.Second || at[1]-at[0] != 4*time.Second || at[2]-at[1] != 4*time.Second {
		t.Errorf("sent at %v", at)
	}
	for lifetime, want := range map[uint16]int{0: 3, 1800: 1} {
		r = newNDRig(t)
		r.n.run(2500 * time.Millisecond)
		r.ra(wire.RouterAdvertisement{RouterLifetime: lifetime})
		r.n.run(time.Minute)
		if n := strings.Count(strings.Join(r.take(), "\n"), "RS "); n != want {
			t.Errorf("lifetime %d: %d solicitations, want %d", lifetime, n, want)
		}
	}
}

// TestND612: a router advertisement that is not valid is dropped (RFC 4861 §6.1.2).
func TestND612(t *testing.T) {
	r := settled(t)
	r.invalid(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}, sourceLink(macA)),
		ndFault{"a global source", func(m *ndMessage) { m.src = ip6A }, "dropped: source not link local"},
		ndFault{"a group's link-layer address", func(m *ndMessage) { m.options = sourceLink(wire.Broadcast) }, "dropped: nd martian"},
	)
	r.wantRoutes()
}

// TestND611: a router solicitation that is not valid is dropped. A host that is no router ignores a valid one (RFC 4861 §6.1.1, RFC 4861
// §6.2.6).
func TestND611(t *testing.T) {
	r := settled(t)
	r.h.SetForwarding(r.n.now, true)
	r.n.run(5 * time.Second)
	r.take()
	r.invalid(routerSolicitation(llA, sourceLink(macA)),
		ndFault{":: with a link-layer address", func(m *ndMessage) { m.src = netip.IPv6Unspecified() }, "dropped: nd bad source"},
	)
	r.receive(routerSolicitation(llA, sourceLink(macA)).frame(), "nd not for us")
	r.wantNeighbor(llA, "")
}

// TestND634Link: an advertisement's hop limit is that of packets and of answers, its times are those of neighbours, and its MTU bounds
// IPv6's packets, but not IPv4's (RFC 4861 §6.3.4, RFC 4861 §6.3.2, RFC 2464 §2).
func TestND634Link(t *testing.T) {
	r := settled(t, "fd00::2/64", "10.0.0.2/24")
	r.ra(wire.RouterAdvertisement{HopLimit: 39, ReachableTime: 4000, RetransTimer: 250}, mtuOption(1400))
	c := r.i.neigh[ipv6].Config()
	if c.Interval != 250*time.Millisecond {
		t.Errorf("the retransmission timer is %v", c.Interval)
	}
	r.receive(solicitation(ip6A, ip6B, ip6B, sourceLink(macA)).frame(), "neighbor advertisement")
	r.receive(advertisement(ip6A, ip6B, ip6A, "S").frame(), "icmp6")
	if d := r.i.neigh[ipv6].Get(ip6A).Expires().Sub(r.n.now); d < 2*time.Second || d > 6*time.Second {
		t.Errorf("a neighbour is REACHABLE for %v", d)
	}
	r.n.pump()
	r.take()
	u, err := r.h.BindUDP(port(netip.Addr{}, 7))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1352, 1353} {
		if err := u.Send(r.n.now, make([]byte, n), port(ip6A, 9)); err != nil {
			t.Fatal(err)
		}
		r.n.pump()
		for _, f := range r.raw {
			if len(f) > 1414 || f[wire.EthernetLen+7] != 39 {
				t.Errorf("a frame of %d octets with hop limit %d", len(f), f[wire.EthernetLen+7])
			}
		}
		if want := 1 + n - 1352; len(r.raw) != want {
			t.Errorf("%d octets in %d packets, want %d", n, len(r.raw), want)
		}
		r.take()
	}
	if got := r.h.PathMTU(r.n.now, ip6A); got != 1400 {
		t.Errorf("the path MTU is %d", got)
	}
	if six, four := r.i.mss(ipv6), r.i.mss(ipv4); six != 1340 || four != 1460 {
		t.Errorf("segments of %d and %d octets", six, four)
	}
	r.receive(ndFrame(macA, ip6A, ip6B, 64, echo6Message(ip6A, ip6B)), "echo reply")
	r.n.pump()
	if f := r.raw[len(r.raw)-1]; f[wire.EthernetLen+7] != 39 {
		t.Errorf("the answer's hop limit is %d", f[wire.EthernetLen+7])
	}
	r.take()
	// Values of zero change nothing, and an MTU above the link's or below the least is ignored.
	r.ra(wire.RouterAdvertisement{}, mtuOption(1279))
	if r.i.mtuOf(ipv6) != 1400 || r.i.hopLimit(ipv6) != 39 {
		t.Errorf("mtu %d, hop limit %d", r.i.mtuOf(ipv6), r.i.hopLimit(ipv6))
	}
	r.ra(wire.RouterAdvertisement{}, mtuOption(9000))
	if r.i.mtuOf(ipv6) != 1400 {
		t.Errorf("mtu %d after one that the link can't have", r.i.mtuOf(ipv6))
	}
	r.ra(wire.RouterAdvertisement{}, mtuOption(1500))
	if r.i.mtuOf(ipv6) != 1500 {
		t.Errorf("mtu %d", r.i.mtuOf(ipv6))
	}
	// All of it ends with the link.
	r.i.SetUp(r.n.now, false)
	r.i.SetUp(r.n.now, true)
	if c := r.i.neigh[ipv6].Config(); c.Interval != time.Second || r.i.hopLimit(ipv6) != 64 {
		t.Errorf("after the link was down: %v, hop limit %d", c.Interval, r.i.hopLimit(ipv6))
	}
}

// echo6Message returns an echo request.
func echo6Message(src, dst netip.Addr) []byte {
	b := []byte{128, 0, 0, 0, 0, 1, 0, 1}
	ndChecksum(b, src, dst)
	return b
}

// TestND634MTUConn: a connection shortens its segments when a router advertises a smaller MTU (RFC 4861 §6.3.4).
func TestND634MTUConn(t *testing.T) {
	n, a, b := pair6(t)
	n.run(20 * time.Second)
	l := listen(t, b, 80, tcp.Config{})
	client, server := dial(n, a, port(ip6B, 80), l)
	i := a.Ifaces()[0]
	a.Receive(n.now, i, crafted6(macA, routerAdvertisement(llC, wire.RouterAdvertisement{}, mtuOption(1280))))
	longest := 0
	a.Observe(func(ev *PacketEvent) {
		if ev.Dir == TX && ev.Iface == i {
			longest = max(longest, ev.Frame.Len()-wire.EthernetLen)
		}
	})
	transfer(n, client, server, make([]byte, 100_000), time.Minute)
	if longest != 1280 {
		t.Errorf("the longest packet has %d octets", longest)
	}
}

// TestND635: routers, prefixes and routes end with their lifetimes, and a lifetime of 0 ends a router at once. Its prefix stays
// (RFC 4861 §6.3.5, RFC 4861 §6.3.4).
func TestND635(t *testing.T) {
	r := settled(t)
	r.ra(wire.RouterAdvertisement{RouterLifetime: 60}, prefixOption(slaacPrefix, "L", 120, 120))
	if r.h.Deadline() < r.n.now.Add(30*time.Second) || r.i.v6.conf.Deadline() != r.n.now.Add(time.Minute) {
		t.Errorf("at %v: deadline %v, the lifetimes' end %v", r.n.now, r.h.Deadline(), r.i.v6.conf.Deadline())
	}
	r.n.keepUp(59 * time.Second)
	r.wantRoutes(slaacPrefix, "::/0 via fe80::a%eth0")
	r.n.keepUp(time.Second)
	r.wantRoutes(slaacPrefix)
	r.n.keepUp(time.Minute)
	r.wantRoutes()
	if r.h.Upkeep() != clock.Never {
		t.Errorf("upkeep at %v", r.h.Upkeep())
	}
	r.ra(wire.RouterAdvertisement{RouterLifetime: 60}, prefixOption(slaacPrefix, "L", 120, 120))
	r.ra(wire.RouterAdvertisement{RouterLifetime: 0})
	r.wantRoutes(slaacPrefix)
}

// TestND636: of two routers, the one of higher preference is used. If it does not answer, connections go by the other one (RFC 4861
// §6.3.6, RFC 4191 §3.2).
func TestND636(t *testing.T) {
	r := settled(t, "fd00::2/64")
	low := routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800, Preference: -1}, sourceLink(macA))
	high := routerAdvertisement(llC, wire.RouterAdvertisement{RouterLifetime: 1800, Preference: 1})
	r.receive(low.frame(), "icmp6")
	r.receive(high.frame(), "icmp6")
	c, err := r.h.DialTCP(r.n.now, netip.AddrPort{}, port(distant, 80), tcp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.wantSent("NS fe80::c <- fd00::2 to ff02::1:ff00:c src=02:00:00:00:00:02")
	r.n.run(5 * time.Second)
	if c.State() != tcp.SynSent {
		t.Errorf("the connection is %v: %v", c.State(), c.Err())
	}
	if got := strings.Join(r.take(), "\n"); !strings.Contains(got, "tcp <- fd00::2 to 2001:db8::1") {
		t.Errorf("sent %s", got)
	}
	if p, _ := r.h.net.lookup(distant); p.next != r.i.scoped(llA) {
		t.Errorf("the route is by %v", p.next)
	}
	r.wantRoutes("fd00::/64", "::/0 via fe80::c%eth0", "::/0 via fe80::a%eth0")
	r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800, Preference: 1}).frame(), "icmp6")
	r.receive(routerAdvertisement(llC, wire.RouterAdvertisement{RouterLifetime: 1800}).frame(), "icmp6")
	r.wantRoutes("fd00::/64", "::/0 via fe80::a%eth0", "::/0 via fe80::c%eth0")
}

// TestND4191: a more specific route is used before a default route (RFC 4191 §3.1, RFC 4191 §2.3).
func TestND4191(t *testing.T) {
	r := settled(t)
	info := func(p string, lifetime uint32) []byte {
		m := wire.RouteInfo{Prefix: netip.MustParsePrefix(p), Lifetime: lifetime}
		b := make([]byte, wire.NDRouteLen)
		m.Put(b)
		return b
	}
	r.ra(wire.RouterAdvertisement{RouterLifetime: 1800, Preference: 1})
	r.receive(routerAdvertisement(llC, wire.RouterAdvertisement{}, info("2001:db8::/32", 600)).frame(), "icmp6")
	r.wantRoutes("2001:db8::/32 via fe80::c%eth0", "::/0 via fe80::a%eth0")
	if p, _ := r.h.net.lookup(distant); p.next != r.i.scoped(llC) {
		t.Errorf("by %v", p.next)
	}
	r.receive(routerAdvertisement(llC, wire.RouterAdvertisement{}, info("2001:db8::/32", 0)).frame(), "icmp6")
	r.wantRoutes("::/0 via fe80::a%eth0")
}

// TestNDRouterIgnores: a router configures nothing from advertisements, and a host that becomes a router forgets what it has learnt
// (RFC 4861 §6.2.7, RFC 4862 §5.5).
func TestNDRouterIgnores(t *testing.T) {
	r := settled(t)
	r.ra(wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption(slaacPrefix, "LA", 7200, 3600))
	r.receive(redirectTo(llA, r.ll, llC, distant).frame(), "icmp6")
	r.n.run(3 * time.Second)
	r.h.SetForwarding(r.n.now, true)
	r.wantRoutes()
	if len(r.autoAddrs()) != 0 || len(r.h.net.redirects) != 0 || len(r.h.net.gateways) != 0 {
		t.Errorf("addresses %v, redirects %v, gateways %v", r.autoAddrs(), r.h.net.redirects, r.h.net.gateways)
	}
	r.receive(routerAdvertisement(llA, wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption(slaacPrefix, "LA", 7200, 3600)).frame(), "nd not for us")
	r.wantRoutes()
	r.h.SetForwarding(r.n.now, false)
	r.n.run(time.Minute)
	if n := strings.Count(strings.Join(r.take(), "\n"), "RS "); n != 3 {
		t.Errorf("%d solicitations of the new host", n)
	}
}

// TestNDFlood: advertisements of 1,000 routers with 32,000 prefixes leave the host with at most 16 routers and 32 prefixes, and its own
// router among them. The limits name the refusals (RFC 4861 §6.3.4, RFC 8504 §5.13, RFC 6104 §3).
func TestNDFlood(t *testing.T) {
	r := settled(t)
	r.ra(wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption(slaacPrefix, "LA", 7200, 3600))
	r.n.run(3 * time.Second)
	own := r.autoAddrs()
	for k := range 1000 {
		var options []byte
		for j := range 32 {
			options = append(options, prefixOption(fmt.Sprintf("2001:db9:%x:%x::/64", k, j), "LA", 7200, 3600)...)
		}
		m := routerAdvertisement(netip.MustParseAddr(fmt.Sprintf("fe80::1:%x", k)), wire.RouterAdvertisement{RouterLifetime: 9000}, options)
		r.receive(m.frame(), "icmp6")
	}
	r.n.run(10 * time.Second)
	if got := r.autoAddrs(); len(got) != 32 || got[0] != own[0] {
		t.Errorf("%d addresses, the first %v", len(got), got[0])
	}
	routers, prefixes := 0, 0
	for _, s := range r.routes() {
		if strings.HasPrefix(s, "::/0") {
			routers++
		} else {
			prefixes++
		}
	}
	if routers != 16 || prefixes != 32 || !slices.Contains(r.routes(), "::/0 via fe80::a%eth0") || !slices.Contains(r.routes(), slaacPrefix) {
		t.Errorf("%d routers, %d prefixes", routers, prefixes)
	}
	for _, l := range r.h.LimitInfos()[limitAdvertised:] {
		if l.Name != "advertised" || (l.Used != 32 || l.Refused == 0 || l.Peer != r.i.scoped(netip.MustParseAddr("fe80::1:3e7"))) {
			t.Errorf("%+v", l)
		}
	}
}

// TestNDLink: an interface speaks IPv6 only while its MTU is at least 1280 octets. It forgets routers when it stops, and begins again
// (RFC 8200 §5, RFC 4861 §6.3.7).
func TestNDLink(t *testing.T) {
	r := settled(t)
	r.ra(wire.RouterAdvertisement{RouterLifetime: 1800}, prefixOption(slaacPrefix, "LA", 7200, 3600))
	r.n.run(3 * time.Second)
	if err := r.i.SetMTU(1279); err != nil {
		t.Fatal(err)
	}
	r.take()
	r.n.run(time.Minute)
	r.wantRoutes()
	r.wantSent()
	if v := r.h.Receive(r.n.now, r.i, routerAdvertisement(llA, wire.RouterAdvertisement{}).frame()); v.String() != "nd not for us" {
		t.Errorf("%v", v)
	}
	if v := r.h.Receive(r.n.now, r.i, advertisement(ip6A, r.ll, ip6A, "S").frame()); v != dropped(drop.IPv6Off) {
		t.Errorf("%v", v)
	}
	if err := r.i.SetMTU(1280); err != nil {
		t.Fatal(err)
	}
	r.n.run(time.Minute)
	got := strings.Join(r.take(), "\n")
	if strings.Count(got, "RS ") != 3 || !strings.Contains(got, "MLD 4:") {
		t.Errorf("sent %s", got)
	}
}

// TestND632: each host draws its own ReachableTime, and draws it again after some hours of the same advertisements (RFC 4861 §6.3.2,
// RFC 4861 §6.3.4).
func TestND632(t *testing.T) {
	r := settled(t)
	drawn := func() time.Duration {
		r.receive(advertisement(llA, r.ll, llA, "RSO", targetLink(macA)).frame(), "icmp6")
		return r.i.neigh[ipv6].Get(r.i.scoped(llA)).Expires().Sub(r.n.now)
	}
	values := map[time.Duration]bool{}
	for range 50 { // 50 × 10 minutes
		r.ra(wire.RouterAdvertisement{RouterLifetime: 1800, ReachableTime: 10_000})
		d := drawn()
		if values[d] = true; d < 5*time.Second || d > 15*time.Second {
			t.Errorf("REACHABLE for %v", d)
		}
		r.n.keepUp(10 * time.Minute)
	}
	if len(values) < 4 || len(values) > 6 {
		t.Errorf("%d values in 500 minutes", len(values))
	}
}
