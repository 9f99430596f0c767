package stack

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/route"
)

// addressEvents records each change of an address of h as one line.
func addressEvents(h *Host) *told {
	l := &told{}
	h.Events(func(ev Event) {
		if ev.Kind == EventAddress {
			l.lines = append(l.lines, fmt.Sprintf("%v %s %q-%q", ev.Addr, ev.Iface.Name(), ev.Old, ev.New))
		}
	})
	return l
}

// addrTable returns the address table of h, a line for each address.
func addrTable(h *Host, now clock.Instant) (lines []string) {
	for _, a := range h.AddrInfos(now) {
		life := func(d time.Duration) string {
			if d < 0 {
				return "forever"
			}
			return d.Round(time.Second).String()
		}
		lines = append(lines, fmt.Sprintf("%v %s %v %s %s %s", a.Addr, a.Scope, a.Origin, a.State, life(a.Preferred), life(a.Valid)))
	}
	return lines
}

// advertised returns a network whose host r advertises fd00:1::/64. The host a does not speak IPv6 yet.
func advertised(t *testing.T, cfg Advertising) (n *network, a, r *Host) {
	n = newNetwork(t)
	a, ia := n.host("a", macA, "10.0.0.1/24")
	r, ir := n.host("r", macB, "10.0.0.2/24")
	n.join(ia, ir)
	if err := ir.AddAddr(0, netip.MustParsePrefix("fd00:1::1/64")); err != nil {
		t.Fatal(err)
	}
	if err := ir.Advertise(0, &cfg); err != nil {
		t.Fatal(err)
	}
	return n, a, r
}

// TestAddrInfos: the table has addresses of each origin and state, and lifetimes that run down (RFC 4862 §5.5).
func TestAddrInfos(t *testing.T) {
	n, a, r := advertised(t, Advertising{Valid: time.Hour, Preferred: 30 * time.Minute, MaxInterval: 1800 * time.Second, Lifetime: 9000 * time.Second})
	events := addressEvents(a)
	a.Ifaces()[0].EnableIPv6(0)
	n.run(500 * time.Millisecond)
	if got := strings.Join(addrTable(a, n.now), "\n"); !strings.Contains(got, "link link-local tentative forever forever") {
		t.Errorf("before detection of duplicates:\n%s", got)
	}
	n.run(9 * time.Second)
	i := a.Ifaces()[0]
	conf := i.v6.conf.Addresses(n.now)
	if len(conf) != 1 {
		t.Fatalf("configured %v", conf)
	}
	global, local := conf[0].Addr, i.LinkLocal()
	events.want(t,
		fmt.Sprintf(`%v eth0 ""-"tentative"`, local), fmt.Sprintf(`%v eth0 "tentative"-"preferred"`, local),
		fmt.Sprintf(`%v eth0 ""-"tentative"`, global), fmt.Sprintf(`%v eth0 "tentative"-"preferred"`, global))
	got := addrTable(a, n.now)
	if len(got) != 3 || got[0] != "10.0.0.1 global manual preferred forever forever" ||
		got[1] != local.String()+" link link-local preferred forever forever" ||
		!strings.HasPrefix(got[2], global.String()+" global autoconf preferred 29m5") || !strings.Contains(got[2], " 59m5") {
		t.Errorf("addresses\n%s", strings.Join(got, "\n"))
	}
	r.Ifaces()[0].SetUp(n.now, false)
	n.run(40 * time.Minute)
	a.Tick(n.now) // ends of lifetimes are no deadlines, see Host.Upkeep
	events.want(t, fmt.Sprintf(`%v eth0 "preferred"-"deprecated"`, global))
	if got := addrTable(a, n.now); len(got) != 3 || !strings.Contains(got[2], "autoconf deprecated 0s 19m") {
		t.Errorf("deprecated\n%s", strings.Join(got, "\n"))
	}
	n.run(30 * time.Minute)
	a.Tick(n.now)
	events.want(t, fmt.Sprintf(`%v eth0 "deprecated"-""`, global))
}

// TestDuplicateInTable: an address that another station has is in the table as a duplicate until the interface probes for it
// again or goes down, and only the last eight are (RFC 4862 §5.4).
func TestDuplicateInTable(t *testing.T) {
	n, a, b := pair6(t)
	n.run(5 * time.Second)
	i, events := a.Ifaces()[0], addressEvents(a)
	states := func() (list []string) {
		for _, x := range a.AddrInfos(n.now) {
			if x.State == AddrDuplicate {
				list = append(list, x.Prefix.String())
			}
		}
		return list
	}
	probe := func(p string) {
		if _, err := i.ProbeAddr(n.now, netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
		n.run(8 * time.Second)
	}
	probe("fd00::2/64")
	events.want(t, `fd00::2 eth0 ""-"tentative"`, `fd00::2 eth0 "tentative"-"duplicate"`)
	probe("10.0.0.2/24")
	events.want(t, `10.0.0.2 eth0 ""-"tentative"`, `10.0.0.2 eth0 "tentative"-"duplicate"`)
	if got := states(); !slices.Equal(got, []string{"fd00::2/64", "10.0.0.2/24"}) {
		t.Errorf("duplicates %v", got)
	}
	for k := range maxDuplicates {
		p := netip.MustParsePrefix(fmt.Sprintf("fd00::1%d/64", k))
		if err := b.Ifaces()[0].AddAddr(n.now, p); err != nil {
			t.Fatal(err)
		}
		probe(p.String())
	}
	if got := states(); len(got) != maxDuplicates || got[0] != "fd00::10/64" {
		t.Errorf("duplicates %v", got)
	}
	if err := b.Ifaces()[0].DelAddr(n.now, netip.MustParsePrefix("fd00::10/64")); err != nil {
		t.Fatal(err)
	}
	events.lines = nil
	probe("fd00::10/64")
	events.want(t, `fd00::10 eth0 ""-"tentative"`, `fd00::10 eth0 "tentative"-"preferred"`)
	if got := states(); len(got) != maxDuplicates-1 {
		t.Errorf("duplicates %v", got)
	}
	i.SetUp(n.now, false)
	if got := states(); got != nil {
		t.Errorf("duplicates of an interface that is down: %v", got)
	}
}

// TestLearnedRoutes: the tables say which routes, routers, prefixes and servers a host has from a router, and until when.
func TestLearnedRoutes(t *testing.T) {
	n, a, r := advertised(t, Advertising{Lifetime: 1800 * time.Second, Preference: 1, DNS: []netip.Addr{netip.MustParseAddr("fd00:1::53")}})
	a.Ifaces()[0].EnableIPv6(0)
	n.run(3 * time.Second)
	if err := a.AddRoute(netip.MustParsePrefix("fd09::/16"), r.Ifaces()[0].LinkLocal(), nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range a.RouteInfos() {
		line := fmt.Sprintf("%v %v %s %s", x.Dst, x.Gateway, x.Proto, x.Preference)
		if x.Expires != clock.Never {
			line += fmt.Sprintf(" %v", x.Expires.Sub(n.now).Round(time.Hour))
		}
		got = append(got, line)
	}
	router := r.Ifaces()[0].LinkLocal()
	want := []string{
		"10.0.0.0/24 invalid IP connected ", "fd00:1::/64 invalid IP ra  720h0m0s",
		fmt.Sprintf("fd09::/16 %v static ", router), fmt.Sprintf("::/0 %v ra high 0s", router),
	}
	if !slices.Equal(got, want) {
		t.Errorf("routes\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	if l := a.RouterInfos(n.now); len(l) != 1 || l[0].Addr != router || l[0].Preference != "high" || l[0].State != "STALE" || l[0].Expires > 1800*time.Second || l[0].Expires < 1700*time.Second {
		t.Errorf("routers %+v", l)
	}
	if l := a.PrefixInfos(n.now); len(l) != 1 || l[0].Prefix.String() != "fd00:1::/64" {
		t.Errorf("prefixes %+v", l)
	}
	if l := a.DNSInfos(n.now); len(l) != 1 || l[0].Server.String() != "fd00:1::53" || l[0].Router != router {
		t.Errorf("name servers %+v", l)
	}
	if x, ok := a.NextHop(n.now, netip.MustParseAddr("fd77::1")); !ok || x.Addr != router || !x.Router {
		t.Errorf("next hop %+v %v", x, ok)
	}
}

// TestRedirectInTable: the route of a redirect is shown as one (RFC 4861 §8.3).
func TestRedirectInTable(t *testing.T) {
	n, a, r := advertised(t, Advertising{})
	a.Ifaces()[0].EnableIPv6(0)
	n.run(3 * time.Second)
	a.net.followRedirect(route.Route{Dst: netip.MustParsePrefix("fd77::1/128"), Gateway: r.Ifaces()[0].LinkLocal(), Out: int(a.Ifaces()[0].index)})
	found := false
	for _, x := range a.RouteInfos() {
		found = found || x.Proto == RouteRedirect && x.Expires == clock.Never
	}
	if !found {
		t.Errorf("routes %+v", a.RouteInfos())
	}
}
