package autoconf

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"smolsh/stack/wire"
)

// many returns prefix number k.
func many(k int) string { return fmt.Sprintf("2001:db8:%x:%x::/64", 0xff00+k>>16, k&0xffff) }

// rogue returns router number k.
func rogue(k int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: 1, 13: byte(k >> 16), 14: byte(k >> 8), 15: byte(k)})
}

// TestRogueRouters: when the table is full, a router of higher preference replaces the one of lowest preference whose lifetime ends
// first, and no other router enters (RFC 4191 §2.1).
func TestRogueRouters(t *testing.T) {
	w := newWorld(t, config(false))
	w.advertise(r1, 65535*time.Second, 0)
	w.advertise(r2, 65535*time.Second, -1)
	for k := range 14 {
		w.advertise(rogue(k), time.Duration(1000+k)*time.Second, -1)
	}
	w.log = nil
	for k := range 1000 {
		w.advertise(rogue(100+k), hour, -1)
	}
	w.want("low")
	w.advertise(rogue(20), hour, 0)
	w.want("medium", "0s -route ::/0 "+rogue(0).String()+" -1", "0s +route ::/0 "+rogue(20).String()+" 0")
	w.advertise(rogue(0), 0, 1)
	w.want("no router")
	w.refused("low", Refusals{Routers: 1000, Evicted: 1})
	for k := range 1000 {
		w.advertise(rogue(2000+k), hour, 0)
	}
	w.refused("medium", Refusals{Routers: 1000 + 986, Evicted: 15})
	has := func(a netip.Addr) bool {
		return slices.ContainsFunc(w.s.Routers(w.now), func(r Router) bool { return r.Addr == a })
	}
	if !has(r1) || has(r2) || len(w.s.Routers(w.now)) != 16 {
		t.Errorf("%v", w.s.Routers(w.now))
	}
	w.advertise(r1, hour, -1)
	w.refused("known routers always enter", Refusals{Routers: 1000 + 986, Evicted: 15})
}

// TestFlood: 50,000 advertisements of rogue routers leave what the interface knew before, and an advertisement costs no more after
// them than before.
func TestFlood(t *testing.T) {
	w := newWorld(t, config(false))
	good := [][]byte{prefix("LA", doc, Infinite, Infinite), route("2001:db8:7::/48", 0, Infinite), servers(Infinite, "2001:db8::53"), domains(Infinite, "lab")}
	w.advertise(r1, 65535*time.Second, 0, good...)
	mine := slices.Clone(w.items)
	flood := func(k int) {
		m := wire.RouterAdvertisement{RouterLifetime: 9000}
		options := slices.Concat(prefix("LA", many(k), Infinite, Infinite), prefix("LA", many(k+1<<15), Infinite, Infinite),
			route(many(k), 1, Infinite), servers(Infinite, fmt.Sprintf("2001:db8::%x", k&0x7fff+1)), domains(Infinite, fmt.Sprintf("d%d", k)))
		w.s.Advertisement(w.now, rogue(k), &m, options)
	}
	for k := range 100 {
		flood(k)
	}
	cost := func() float64 {
		k := 0
		return testing.AllocsPerRun(100, func() { k++; flood(1000 + k); w.s.Changes(func(Change) bool { return true }) })
	}
	w.drain()
	before := cost()
	for k := range 50_000 {
		flood(k)
	}
	w.drain()
	if after := cost(); after > before+2 { // a mean of 100 flips between two numbers
		t.Errorf("%v allocations for an advertisement, %v before", after, before)
	}
	for what, n := range map[string][2]int{"routers": {len(w.s.routers.entries), 16}, "on-link": {len(w.s.onLink.entries), 32},
		"addresses": {w.s.numAddresses(), 32}, "routes": {len(w.s.routes.entries), 32}, "servers": {len(w.s.servers.entries), 8},
		"domains": {len(w.s.domains.entries), 8}, "items": {len(w.s.told.items), 16 + 3*32}} {
		if n[0] != n[1] {
			t.Errorf("%s: %d, want %d", what, n[0], n[1])
		}
	}
	for _, c := range mine {
		if !slices.Contains(w.items, c) {
			t.Errorf("the flood has removed %s", describe(&c))
		}
	}
	if dns := w.s.DNS(w.now); dns.Servers[0].Router != r1 || dns.Domains[0].Name != "lab" {
		t.Errorf("%+v", dns)
	}
	w.s.Flush(w.now)
	w.drain()
	if len(w.items) != 0 || len(w.s.told.items) != 0 {
		t.Errorf("left after Flush: %v", w.items)
	}
}

// TestChangesInParts: a reader that stops gets the rest by the next call, and a change that was reverted is not reported.
func TestChangesInParts(t *testing.T) {
	s := New(config(true))
	options := slices.Concat(prefix("LA", doc, hour, hour), route("2001:db8:7::/48", 0, hour), servers(hour, "2001:db8::53"), mtu(1400))
	m := wire.RouterAdvertisement{RouterLifetime: 600, HopLimit: 64, ReachableTime: 30000, RetransTimer: 2000}
	read := func() (list []string) {
		for range 100 {
			n := len(list)
			for c := range s.Changes {
				list = append(list, describe(&c))
				break
			}
			if len(list) == n {
				break
			}
		}
		return list
	}
	s.Advertisement(0, r1, &m, options)
	want := []string{"mtu 1400", "hops 64", "reachable 30s", "retrans 2s", "+addr " + doc, "+addr " + doc + " temporary", "+link " + doc,
		"+route ::/0 fe80::1 0", "+route 2001:db8:7::/48 fe80::1 0", "dns"}
	if got := read(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	s.Advertisement(1, r1, &wire.RouterAdvertisement{}, nil)
	s.Advertisement(1, r1, &m, options)
	if got := read(); got != nil {
		t.Errorf("reverted: %q", got)
	}
	s.Advertisement(2, r1, &wire.RouterAdvertisement{RouterLifetime: 600, Preference: 1}, prefix("LA", doc, hour, 0))
	want = []string{"=addr " + doc + " deprecated", "=addr " + doc + " temporary deprecated", "=route ::/0 fe80::1 1"}
	if got := read(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	s.Flush(3)
	want = []string{"-route 2001:db8:7::/48 fe80::1 0", "-route ::/0 fe80::1 1", "-link " + doc, "-addr " + doc + " temporary deprecated",
		"-addr " + doc + " deprecated",
		"mtu 0", "hops 0", "reachable 0s", "retrans 0s", "dns"}
	if got := read(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// BenchmarkFlood measures an advertisement of new prefixes and routes from a new router, after a flood.
func BenchmarkFlood(b *testing.B) {
	s := New(config(false))
	m := wire.RouterAdvertisement{RouterLifetime: 9000}
	k := 0
	for b.Loop() {
		k++
		options := slices.Concat(prefix("LA", many(k), Infinite, Infinite), route(many(k), 1, Infinite))
		s.Advertisement(0, rogue(k), &m, options)
		s.Changes(func(Change) bool { return true })
	}
}
