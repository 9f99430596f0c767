package route

import (
	"net/netip"
	"testing"
)

var (
	anywhere = netip.MustParsePrefix("::/0")
	far      = netip.MustParseAddr("2001:db8:1::9")
)

// router returns the link-local address of router n on the link of interface 0.
func router(n byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 15: n}).WithZone("eth0")
}

// gateways returns the last octets of the gateways to far that n lookups return.
func gateways(t *Table, n int, usable func(r *Route) bool) (list []byte) {
	for range n {
		b := t.Choose(far, usable).Gateway.As16()
		list = append(list, b[15])
	}
	return list
}

func none(*Route) bool { return false }

// TestLearnedOrder: a static route is preferred to learned ones, and among these the preference decides, then the order in which they
// were learned (RFC 4191 §3.2).
func TestLearnedOrder(t *testing.T) {
	var table Table
	table.SetUp(0, true)
	for n, preference := range []int8{-1, 0, 1, 1, 0} {
		table.Learn(Route{Dst: anywhere, Gateway: router(byte(n)), Preference: preference})
	}
	table.Add(Route{Dst: anywhere, Gateway: router(9)})
	table.Add(Route{Dst: anywhere, Out: 0, Connected: true})
	want := []Route{{Connected: true}, {Gateway: router(9)}, {Gateway: router(2)}, {Gateway: router(3)}, {Gateway: router(1)}, {Gateway: router(4)}, {Gateway: router(0)}}
	for k, r := range table.All() {
		if r.Connected != want[k].Connected || r.Gateway != want[k].Gateway {
			t.Errorf("route %d: %s", k, text(&r))
		}
	}
	if !table.Has(anywhere) {
		t.Error("the static route is not there")
	}
	table.Remove(anywhere, func(r Route) bool { return !r.Learned })
	if table.Has(anywhere) {
		t.Error("a learned route counts as static, so that no static route could be added")
	}
	if r := table.Match(far); r.Gateway != router(2) {
		t.Errorf("by %v, want the first router of high preference", r.Gateway)
	}
}

// TestLearnAgain: an advertisement that is repeated changes nothing, and a new preference replaces the old.
func TestLearnAgain(t *testing.T) {
	var table Table
	table.SetUp(0, true)
	learn := func(n byte, out int, preference int8, want bool) {
		t.Helper()
		if got := table.Learn(Route{Dst: anywhere, Gateway: router(n), Out: out, Preference: preference}); got != want {
			t.Errorf("router %d by %d with preference %d: changed %v", n, out, preference, got)
		}
	}
	learn(1, 0, 0, true)
	learn(2, 0, 0, true)
	unmasked := netip.PrefixFrom(far, 48)
	for k := range 2 {
		if got := table.Learn(Route{Dst: unmasked, Gateway: router(3)}); got != (k == 0) {
			t.Errorf("a prefix with further bits, time %d: changed %v", k, got)
		}
	}
	if r := table.Match(far); r.Gateway != router(3) {
		t.Errorf("by %v, though a prefix with further bits is advertised", r.Gateway)
	}
	table.Remove(unmasked.Masked(), func(Route) bool { return true })
	learn(1, 0, 0, false)
	learn(1, 1, 0, true) // the same address on another link is another router
	if r := table.Match(far); r.Gateway != router(1) {
		t.Errorf("by %v after the advertisement was repeated", r.Gateway)
	}
	learn(1, 0, -1, true)
	if r := table.Match(far); r.Gateway != router(2) || len(table.All()) != 3 {
		t.Errorf("by %v of %d routes, though its preference is lower now", r.Gateway, len(table.All()))
	}
}

// TestPeek: Peek returns the route that Choose returns next, however often it is called, also while gateways take turns.
func TestPeek(t *testing.T) {
	var table Table
	table.SetUp(0, true)
	everywhere, dst := netip.MustParsePrefix("::/0"), netip.MustParseAddr("2001:db8::1")
	for _, gw := range []string{"fe80::1", "fe80::2", "fe80::3"} {
		table.Learn(Route{Dst: everywhere, Gateway: netip.MustParseAddr(gw)})
	}
	for _, usable := range []bool{false, true, false} {
		for range 7 {
			seen := table.Peek(dst, func(*Route) bool { return usable }).Gateway
			if again := table.Peek(dst, func(*Route) bool { return usable }).Gateway; again != seen {
				t.Fatalf("Peek returns %v, then %v", seen, again)
			}
			if got := table.Choose(dst, func(*Route) bool { return usable }).Gateway; got != seen {
				t.Fatalf("Choose returns %v after Peek %v", got, seen)
			}
		}
	}
}

// TestUnreachableGateways: Choose passes over routers that are known to be unreachable, also to one with a lower preference or a
// shorter prefix (RFC 4191 §3.2).
func TestUnreachableGateways(t *testing.T) {
	var table Table
	table.SetUp(0, true)
	table.Learn(Route{Dst: netip.MustParsePrefix("2001:db8:1::/48"), Gateway: router(1), Preference: 1})
	table.Learn(Route{Dst: netip.MustParsePrefix("2001:db8:1::/48"), Gateway: router(2), Preference: -1})
	table.Learn(Route{Dst: anywhere, Gateway: router(3)})
	for dead, want := range []byte{1, 2, 1, 3} { // bit 0: router 1, bit 1: router 2
		got := gateways(&table, 1, func(r *Route) bool { b := r.Gateway.As16(); return dead>>(b[15]-1)&1 == 0 })
		if got[0] != want {
			t.Errorf("dead routers %02b: router %d, want %d", dead, got[0], want)
		}
	}
	table.Add(Route{Dst: netip.MustParsePrefix("2001:db8::/32"), Gateway: router(4)})
	if got := gateways(&table, 1, none); got[0] != 4 {
		t.Errorf("router %d, want that of the static route, which is always used", got[0])
	}
	table.Learn(Route{Dst: netip.MustParsePrefix("2001:db8:1::/64")}) // an advertised on-link prefix
	if r := table.Choose(far, none); r.Gateway.IsValid() {
		t.Errorf("by %v, though the destination is on link", r.Gateway)
	}
}

// TestRoundRobin: while no router is reachable, each is chosen in turn, whatever other destinations are looked up between (RFC 4861
// §6.3.6). A router that becomes reachable is used at once.
func TestRoundRobin(t *testing.T) {
	var table Table
	table.SetUp(0, true)
	table.Learn(Route{Dst: anywhere, Gateway: router(1)})
	table.Learn(Route{Dst: anywhere, Gateway: router(2), Preference: 1})
	if got := gateways(&table, 5, none); string(got) != "\x02\x01\x02\x01\x02" {
		t.Errorf("routers %v", got)
	}
	other := netip.MustParsePrefix("2001:db8:2::/48")
	table.Learn(Route{Dst: other, Gateway: router(5)})
	table.Learn(Route{Dst: other, Gateway: router(6)})
	var seen []byte
	for range 4 {
		seen = append(seen, gateways(&table, 1, none)...)
		table.Choose(other.Addr(), none)
	}
	for k := 1; k < len(seen); k++ {
		if seen[k] == seen[k-1] {
			t.Errorf("routers %v: the same twice", seen)
		}
	}
	if got := gateways(&table, 2, func(r *Route) bool { return r.Gateway == router(1) }); string(got) != "\x01\x01" {
		t.Errorf("routers %v, want the reachable one", got)
	}
	table.SetUp(0, false)
	if r := table.Choose(far, none); r != nil {
		t.Errorf("by %v, though the interface is down", r.Gateway)
	}
}

// TestFamiliesApart: a route of one family does not match an address of the other, and zones do not matter.
func TestFamiliesApart(t *testing.T) {
	var table Table
	table.SetUp(0, true)
	table.SetUp(1, true)
	table.Add(Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.0.1"), Out: 0})
	if r := table.Match(far); r != nil {
		t.Errorf("IPv6 by %s", text(r))
	}
	table.Add(Route{Dst: netip.MustParsePrefix("fe80::/64"), Out: 1, Connected: true})
	if r := table.Match(router(1)); r == nil || r.Out != 1 {
		t.Errorf("an address with a zone: %s", text(r))
	}
	for _, a := range []string{"::ffff:10.0.0.9", "2001:db8::1"} {
		if r := table.Match(netip.MustParseAddr(a)); r != nil {
			t.Errorf("%s: %s", a, text(r))
		}
	}
	if r := table.Match(netip.Addr{}); r != nil {
		t.Errorf("no address: %s", text(r))
	}
}

// TestCost: 50,000 routes cost a lookup no more steps than their prefix lengths, no lookup allocates, and the lengths of one
// family cost lookups of the other nothing.
func TestCost(t *testing.T) {
	table, dsts := manyRoutes6(50_000, 4)
	if len(table.v6) != 5 || len(table.v4) != 0 {
		t.Errorf("%d lengths of IPv6 and %d of IPv4 are tried", len(table.v6), len(table.v4))
	}
	table.Learn(Route{Dst: anywhere, Gateway: router(1)})
	v4 := netip.MustParseAddr("10.0.0.1")
	zone := dsts[1].WithZone("eth0")
	usable := func(r *Route) bool { return r.Gateway == v4 }
	for what, lookup := range map[string]func(){
		"match":     func() { table.Match(dsts[0]) },
		"zone":      func() { table.Match(zone) },
		"match 4":   func() { table.Match(v4) },
		"choose":    func() { table.Choose(dsts[0], usable) },
		"on link":   func() { table.OnLink(dsts[0]) },
		"has":       func() { table.Has(anywhere) },
		"connected": func() { table.Connected(anywhere, 0) },
	} {
		if n := testing.AllocsPerRun(100, lookup); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}
