package stack

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// advertising returns a settled rig that advertises itself from now on.
func advertising(t testing.TB, cfg Advertising, addrs ...string) *ndRig {
	t.Helper()
	r := settled(t, addrs...)
	if err := r.i.Advertise(r.n.now, &cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

// adverts returns the times, from now on, of the router advertisements that B sends within d, and their texts.
func (r *ndRig) adverts(d time.Duration) (at []time.Duration, texts []string) {
	r.t.Helper()
	start := r.n.now
	r.timed()
	r.n.keepUp(d)
	for _, s := range r.timed() {
		when, text, _ := strings.Cut(s, " ")
		if strings.HasPrefix(text, "RA") {
			x, _ := time.ParseDuration(when)
			at, texts = append(at, x-time.Duration(start).Round(time.Millisecond)), append(texts, text)
		}
	}
	return at, texts
}

// TestND623: a router advertisement, octet for octet, with every option (RFC 4861 §6.2.3, RFC 4861 §4.2, RFC 4191 §2.2, RFC 8106
// §5.1).
func TestND623(t *testing.T) {
	r := advertising(t, Advertising{
		MaxInterval: 30 * time.Second, Lifetime: time.Minute, Preference: 1, Valid: 2 * time.Hour, Preferred: time.Hour, MTU: 1400, HopLimit: 32,
		Managed: true, Other: true, DNS: []netip.Addr{netip.MustParseAddr("2001:db8::53")},
	}, "fd00::2/64", "fd00::3/64", "fd01::2/48", "10.0.0.2/24")
	r.n.runUntil("an advertisement", 2*time.Second, func() bool { return strings.Contains(strings.Join(r.sent, ""), " RA ") })
	r.raw = r.raw[len(r.raw)-1:]
	ll := r.ll.As16()
	hexAddr := func(b [16]byte) (s string) {
		const digits = "0123456789abcdef"
		for _, x := range b {
			s += string([]byte{digits[x>>4], digits[x&15]})
		}
		return s
	}
	r.wantOctets("333300000001020000000002" + "86dd" +
		"6000000000783aff" + hexAddr(ll) + "ff020000000000000000000000000001" +
		"8600????" + "20c8003c" + "00000000" + "00000000" +
		"0101020000000002" + "0501000000000578" +
		"030440c0" + "00001c20" + "00000e10" + "00000000" + "fd000000000000000000000000000000" +
		"03043080" + "00001c20" + "00000e10" + "00000000" + "fd010000000000000000000000000000" +
		"19030000" + "0000003c" + "20010db8000000000000000000000053")
}

// TestND624: the first three advertisements follow within 16 s of each other, and later ones after a random time between the least and
// the greatest interval (RFC 4861 §6.2.4, RFC 4861 §6.2.1, RFC 8319 §4).
func TestND624(t *testing.T) {
	for _, c := range []struct{ max, min, most, lifetime time.Duration }{
		{0, 200 * time.Second, 600 * time.Second, 1800 * time.Second},
		{30 * time.Second, 10 * time.Second, 30 * time.Second, 90 * time.Second},
		{4 * time.Second, 3 * time.Second, 4 * time.Second, 12 * time.Second},
		{time.Second, 3 * time.Second, 4 * time.Second, 12 * time.Second}, // raised to 4 s
		{100_000 * time.Second, 65535 / 3 * time.Second, 65535 * time.Second, 65535 * time.Second},
	} {
		r := advertising(t, Advertising{MaxInterval: c.max}, "fd00::2/64")
		at, _ := r.adverts(20 * c.most)
		if len(at) < 15 || at[0] > time.Second || at[1]-at[0] > 16*time.Second || at[2]-at[1] > 16*time.Second {
			t.Fatalf("%v: sent at %v", c.max, at)
		}
		shortest, longest := time.Duration(1<<62), time.Duration(0)
		for k := 3; k < len(at); k++ {
			d := at[k] - at[k-1]
			shortest, longest = min(shortest, d), max(longest, d)
		}
		if shortest < c.min || longest > c.most || shortest == longest {
			t.Errorf("%v: intervals of %v to %v", c.max, shortest, longest)
		}
		if got := r.i.v6.router.cfg.Lifetime; got != c.lifetime {
			t.Errorf("%v: lifetime %v", c.max, got)
		}
	}
	if got := (Advertising{MaxInterval: time.Minute, Lifetime: time.Second}).withDefaults().Lifetime; got != time.Minute {
		t.Errorf("a lifetime of %v, shorter than the interval", got)
	}
}

// TestND626: a solicitation is answered within half a second, but not within three seconds of the last advertisement. The solicitor
// becomes a neighbour that is no router (RFC 4861 §6.2.6).
func TestND626(t *testing.T) {
	r := advertising(t, Advertising{}, "fd00::2/64")
	r.n.keepUp(time.Minute)
	ask := func(src netip.Addr, options ...[]byte) {
		r.receive(routerSolicitation(src, options...).frame(), "router advertisement")
	}
	ask(llA, sourceLink(macA))
	r.wantNeighbor(llA, "STALE 02:00:00:00:00:01")
	ask(netip.IPv6Unspecified())
	if d := r.h.Deadline().Sub(r.n.now); d < 0 || d > 500*time.Millisecond {
		t.Errorf("the answer is sent after %v", d)
	}
	at, _ := r.adverts(time.Second)
	if len(at) != 1 || at[0] > 500*time.Millisecond {
		t.Fatalf("sent at %v", at)
	}
	ask(llA)
	at, _ = r.adverts(10 * time.Second)
	if len(at) != 1 || at[0] < 2*time.Second || at[0] > 3500*time.Millisecond {
		t.Errorf("the second answer is sent at %v", at)
	}
	gap := time.Duration(1 << 62)
	last := time.Duration(-1)
	start := time.Duration(r.n.now)
	for range 1000 { // a flood
		ask(llA)
		r.n.run(20 * time.Millisecond)
	}
	count := 0
	for _, s := range r.timed() {
		when, text, _ := strings.Cut(s, " ")
		if x, _ := time.ParseDuration(when); strings.HasPrefix(text, "RA") && x >= start {
			if count++; last >= 0 {
				gap = min(gap, x-last)
			}
			last = x
		}
	}
	if gap < 3*time.Second || count < 5 {
		t.Errorf("%d answers to a flood, at least %v apart", count, gap)
	}
}

// TestND625: a router that ceases to be one says so by a lifetime of 0, and its advertisements of neighbours have the router flag no
// more (RFC 4861 §6.2.5).
func TestND625(t *testing.T) {
	for name, stop := range map[string]func(r *ndRig){
		"Advertise":     func(r *ndRig) { _ = r.i.Advertise(r.n.now, nil) },
		"SetForwarding": func(r *ndRig) { r.h.SetForwarding(r.n.now, false) },
	} {
		r := advertising(t, Advertising{}, "fd00::2/64")
		r.n.keepUp(time.Minute)
		r.take()
		stop(r)
		if got := strings.Join(r.take(), "\n"); strings.Count(got, "RA lifetime=0 ") != 1 {
			t.Errorf("%s: sent %s", name, got)
		}
		if at, _ := r.adverts(time.Hour); len(at) != 0 {
			t.Errorf("%s: advertisements at %v", name, at)
		}
		if r.h.Upkeep() != clock.Never {
			t.Errorf("%s: upkeep at %v", name, r.h.Upkeep())
		}
	}
	r := advertising(t, Advertising{}, "fd00::2/64")
	r.i.SetUp(r.n.now, false)
	r.h.SetForwarding(r.n.now, false)
	r.i.SetUp(r.n.now, true)
	if at, _ := r.adverts(time.Hour); len(at) != 0 || r.i.membership(wire.AllRouters6) != nil {
		t.Errorf("a host advertises itself at %v", at)
	}
}

// TestND624Changes: a router whose prefixes have changed advertises them soon, three times, and withdraws a prefix that it has lost. The
// advertisements stay three seconds apart (RFC 4861 §6.2.4, RFC 9096 §3.5).
func TestND624Changes(t *testing.T) {
	r := advertising(t, Advertising{Valid: time.Hour, Preferred: time.Hour}, "fd00::2/64")
	r.n.keepUp(time.Minute)
	if err := r.i.AddAddr(r.n.now, netip.MustParsePrefix("fd01::2/64")); err != nil {
		t.Fatal(err)
	}
	at, texts := r.adverts(40 * time.Second)
	if len(at) != 3 || at[0] > time.Second || !strings.HasSuffix(texts[0], " fd00::/64 L A 3600/3600 fd01::/64 L A 3600/3600") {
		t.Errorf("%v: %q", at, texts)
	}
	for _, p := range []string{"fd01::2/64", "fd00::2/64"} {
		if err := r.i.DelAddr(r.n.now, netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.i.AddAddr(r.n.now, netip.MustParsePrefix("fd00::2/64")); err != nil { // no withdrawal
		t.Fatal(err)
	}
	at, texts = r.adverts(40 * time.Second)
	for _, s := range texts {
		if !strings.HasSuffix(s, " fd00::/64 L A 3600/3600 fd01::/64 L A 0/0") {
			t.Error(s)
		}
	}
	if len(at) != 3 {
		t.Errorf("sent at %v", at)
	}
	if _, texts = r.adverts(20 * time.Minute); len(texts) == 0 || strings.Contains(texts[0], "fd01") {
		t.Errorf("sent %q", texts)
	}
	for k := range 10 { // ten changes in two seconds
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 2, 15: byte(k)}), 64)
		if err := r.i.AddAddr(r.n.now, p); err != nil {
			t.Fatal(err)
		}
		r.n.run(200 * time.Millisecond)
	}
	at, _ = r.adverts(time.Minute)
	for k := 1; k < len(at); k++ {
		if at[k]-at[k-1] < 3*time.Second {
			t.Errorf("sent at %v", at)
		}
	}
}

// TestNDAdvertiseRest: only the first advertisements, and answers, keep a network from coming to rest. The others are upkeep. A router
// without a link-local address, or on an interface that is down, sends none (RFC 4861 §6.2.4).
func TestNDAdvertiseRest(t *testing.T) {
	r := advertising(t, Advertising{}, "fd00::2/64")
	r.n.run(time.Minute)
	if r.h.Deadline() != clock.Never || r.h.Upkeep() == clock.Never {
		t.Errorf("deadline %v, upkeep %v", r.h.Deadline(), r.h.Upkeep())
	}
	r.i.SetUp(r.n.now, false)
	if at, _ := r.adverts(time.Hour); len(at) != 0 || r.h.Upkeep() != clock.Never {
		t.Errorf("advertisements at %v", at)
	}
	r.i.SetUp(r.n.now, true)
	if at, _ := r.adverts(time.Minute); len(at) < 3 {
		t.Errorf("advertisements at %v", at)
	}
	if err := r.i.DelAddr(r.n.now, netip.PrefixFrom(r.ll, 64)); err != nil {
		t.Fatal(err)
	}
	if at, _ := r.adverts(time.Hour); len(at) != 0 || r.h.Upkeep() != clock.Never {
		t.Errorf("without a link-local address: advertisements at %v, upkeep %v", at, r.h.Upkeep())
	}
	r.receive(routerSolicitation(llA).frame(), "nd not for us")
	if err := r.i.AddAddr(r.n.now, netip.MustParsePrefix("fe80::2/64")); err != nil {
		t.Fatal(err)
	}
	if at, texts := r.adverts(time.Minute); len(at) < 3 || !strings.Contains(texts[0], "<- fe80::2 ") {
		t.Errorf("advertisements at %v: %q", at, texts)
	}
}

// TestNDAdvertiseInvalid: what a router can't advertise is an error (RFC 4861 §6.2.1).
func TestNDAdvertiseInvalid(t *testing.T) {
	r := settled(t)
	for _, cfg := range []Advertising{
		{MTU: 1279}, {MTU: 1501}, {DNS: []netip.Addr{ipA}}, {DNS: []netip.Addr{wire.AllNodes6}}, {DNS: make([]netip.Addr, 5)},
	} {
		if err := r.i.Advertise(r.n.now, &cfg); err != ErrInvalid {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if err := r.h.net.loop.Advertise(r.n.now, &Advertising{}); err != ErrInvalid {
		t.Errorf("on the loop: %v", err)
	}
	if r.h.Forwarding() {
		t.Error("an error has made the host a router")
	}
}

// TestNDRouterAndHost: a host gets address, route and link parameters from a router of ours, loses its router when that ceases to be one,
// and its packets are forwarded (RFC 4861 §6.2.3, RFC 4862 §5.5).
func TestNDRouterAndHost(t *testing.T) {
	n := newNetwork(t)
	b := n.bare(Config{Name: "b", Seed: 1})
	ib := b.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB, IPv6: true})
	a, ia := n.host("a", macA, "fd00::1/64")
	other := a.AddIface(0, IfaceConfig{Name: "eth1", Caps: ethernet, MAC: macC, Addrs: []netip.Prefix{netip.MustParsePrefix("fd01::1/64")}})
	c, ic := n.host("c", wire.HardwareAddr{2, 0, 0, 0, 0, 4}, "fd01::2/64")
	n.join(ia, ib)
	n.join(other, ic)
	for _, i := range []*Iface{ia, other} {
		if err := i.Advertise(0, &Advertising{MTU: 1400}); err != nil {
			t.Fatal(err)
		}
	}
	n.run(20 * time.Second)
	if len(ib.Addrs()) != 2 || ib.mtuOf(ipv6) != 1400 {
		t.Fatalf("addresses %v, mtu %d", ib.Addrs(), ib.mtuOf(ipv6))
	}
	if got := echo6(t, n, b, netip.MustParseAddr("fd01::2"), 3000); len(got) != 3000 {
		t.Errorf("%d octets came back", len(got))
	}
	a.SetForwarding(n.now, false)
	n.run(time.Second)
	if _, ok := b.net.lookup(distant); ok {
		t.Error("the host still uses the router")
	}
	noDrops(t, a, b, c)
}
