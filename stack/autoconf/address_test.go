package autoconf

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/clock"
)

// TestAutonomousPrefixes: the cases in which a prefix makes an address, and those in which it makes none (RFC 4862 §5.5.3).
func TestAutonomousPrefixes(t *testing.T) {
	for _, c := range []struct {
		what    string
		option  []byte
		refused Refusals
		want    []string
	}{
		{"(a) not autonomous", prefix("", "2001:db8::/64", hour, hour), Refusals{}, nil},
		{"(b) link-local", prefix("A", "fe80::/64", hour, hour), Refusals{BadPrefix: 1}, nil},
		{"(c) preferred above valid", prefix("A", "2001:db8::/64", hour, hour+time.Second), Refusals{BadLifetime: 1}, nil},
		{"(c) preferred for ever", prefix("A", "2001:db8::/64", hour, Infinite), Refusals{BadLifetime: 1}, nil},
		{"(c) does not concern on-link", prefix("LA", "2001:db8::/64", hour, Infinite), Refusals{BadLifetime: 1}, []string{"0s +link 2001:db8::/64"}},
		{"(d) a valid lifetime of 0", prefix("A", "2001:db8::/64", 0, 0), Refusals{}, nil},
		{"(d) 63 bits", prefix("A", "2001:db8::/63", hour, hour), Refusals{BadLength: 1}, nil},
		{"(d) 65 bits", prefix("A", "2001:db8::/65", hour, hour), Refusals{BadLength: 1}, nil},
		{"(d) 128 bits", prefix("A", "2001:db8::1/128", hour, hour), Refusals{BadLength: 1}, nil},
		{"(d) no bits", prefix("A", "::/0", hour, hour), Refusals{BadLength: 1}, nil},
		{"(d) a new address", prefix("A", "2001:db8::77/64", hour, hour), Refusals{}, []string{"0s +addr 2001:db8::/64"}},
		{"(d) deprecated from the start", prefix("A", "2001:db8::/64", hour, 0), Refusals{}, []string{"0s +addr 2001:db8::/64 deprecated"}},
	} {
		w := newWorld(t, config(false))
		w.advertise(r1, 0, 0, c.option)
		w.want(c.what, c.want...)
		w.refused(c.what, c.refused)
	}
}

// TestAddressBound: a prefix beyond the bound makes no address and counts as refused, unless its valid lifetime is 0 (RFC 4862
// §5.5.3 (d)). A known prefix is updated all the same.
func TestAddressBound(t *testing.T) {
	cfg := config(false)
	cfg.Addresses = 1
	w := newWorld(t, cfg)
	w.advertise(r1, 0, 0, prefix("A", "2001:db8::/64", hour, hour), prefix("A", "2001:db8:1::/64", hour, hour), prefix("A", "2001:db8:2::/64", 0, 0),
		prefix("A", "2001:db8::/64", 2*hour, 0))
	w.want("one", "0s +addr 2001:db8::/64 deprecated")
	w.refused("one", Refusals{Addresses: 1})
	w.to(3 * hour)
	w.log = nil
	w.advertise(r1, 0, 0, prefix("A", "2001:db8:1::/64", hour, hour))
	w.want("room again", "3h0m0s +addr 2001:db8:1::/64")
}

// TestTwoHourRule: a valid lifetime falls to two hours at most, and the preferred lifetime follows each advertisement (RFC 4862
// §5.5.3 (e)).
func TestTwoHourRule(t *testing.T) {
	const second = time.Second
	for _, c := range []struct {
		old, valid, want time.Duration
	}{
		{24 * hour, 48 * hour, 48 * hour},                       // 1. longer
		{24 * hour, 3 * hour, 3 * hour},                         // 1. shorter, above two hours
		{24 * hour, 2*hour + second, 2*hour + second},           // 1.
		{24 * hour, 2 * hour, 2 * hour},                         // 3.
		{24 * hour, hour, 2 * hour},                             // 3.
		{24 * hour, 0, 2 * hour},                                // 3.
		{Infinite, 0, 2 * hour}, {Infinite, 3 * hour, 3 * hour}, // 3., 1.
		{Infinite, Infinite, Infinite}, {hour, Infinite, Infinite}, // 1.
		{hour, hour + second, hour + second}, {hour, 2 * hour, 2 * hour}, // 1. longer than the rest
		{hour, hour, hour}, {hour, hour - second, hour}, {hour, 0, hour}, // 2.
		{2 * hour, hour, 2 * hour}, {2*hour + second, hour, 2 * hour}, // 2., 3.
	} {
		w := newWorld(t, config(false))
		w.advertise(r1, 0, 0, prefix("A", "2001:db8::/64", c.old, c.old))
		first := w.address().Addr
		w.advertise(r2, 0, 0, prefix("A", "2001:db8::/64", c.valid, c.valid))
		a := w.address()
		if a.Valid != c.want || a.Preferred != c.valid || a.Deprecated != (c.valid == 0) || a.Addr != first {
			t.Errorf("%v, then %v: %+v, want valid for %v", c.old, c.valid, a, c.want)
		}
		kept := uint64(0)
		if c.valid < c.want {
			kept = 1
		}
		w.refused("two-hour rule", Refusals{TwoHourRule: kept})
	}

	// The rule compares with the rest of the lifetime, not with the lifetime.
	w := newWorld(t, config(false))
	w.advertise(r1, 0, 0, prefix("A", "2001:db8::/64", 24*hour, 24*hour))
	w.to(23 * hour)
	w.advertise(r1, 0, 0, prefix("A", "2001:db8::/64", 30*time.Minute, 20*time.Minute))
	if a := w.address(); a.Valid != hour || a.Preferred != 20*time.Minute {
		t.Errorf("an hour before the end: %+v", a)
	}
}

// TestLifetimes: an address is deprecated, preferred again, and removed at the end of its valid lifetime (RFC 4862 §5.5.4).
func TestLifetimes(t *testing.T) {
	w := newWorld(t, config(false))
	p := "2001:db8::/64"
	w.advertise(r1, 0, 0, prefix("A", p, 4*hour, hour), prefix("A", "2001:db8:1::/64", 3*hour, 3*hour), prefix("A", "2001:db8:2::/64", Infinite, Infinite))
	w.log = nil
	w.to(2 * hour)
	w.want("deprecated", "1h0m0s =addr "+p+" deprecated")
	w.advertise(r1, 0, 0, prefix("A", p, 4*hour, 2*hour))
	w.want("preferred again", "2h0m0s =addr "+p)
	w.advertise(r1, 0, 0, prefix("A", p, 4*hour, 0))
	w.want("deprecated by an advertisement", "2h0m0s =addr "+p+" deprecated")
	w.to(100 * 365 * 24 * hour)
	w.want("the end", "3h0m0s -addr 2001:db8:1::/64", "6h0m0s -addr "+p+" deprecated")
	if a := w.address(); a.Valid != Infinite || a.Preferred != Infinite || w.s.Deadline() != clock.Never {
		t.Errorf("for ever: %+v, deadline %v", a, w.s.Deadline())
	}
}

// TestLongestLifetimes: the longest finite lifetime neither overflows nor lasts for ever.
func TestLongestLifetimes(t *testing.T) {
	const longest = (1<<32 - 2) * time.Second
	w := newWorld(t, config(false))
	w.to(100 * 365 * 24 * hour)
	w.advertise(r1, 65535*time.Second, 0, prefix("LA", "2001:db8::/64", longest, longest), route("2001:db8:7::/48", 0, longest))
	if a := w.address(); a.Valid != longest || a.Preferred != longest || a.Deprecated {
		t.Errorf("%+v", a)
	}
	if p := w.s.Prefixes(w.now); p[0].Valid != longest {
		t.Errorf("%+v", p)
	}
	if r := w.s.Routers(w.now); r[0].Lifetime != 65535*time.Second {
		t.Errorf("%+v", r)
	}
	w.to(240 * 365 * 24 * hour)
	if len(w.items) != 0 || w.s.Deadline() != clock.Never {
		t.Errorf("left: %v, deadline %v", w.items, w.s.Deadline())
	}
}

// TestConflict: after a duplicate the interface tries three further addresses of the prefix, and an advertisement does not repeat
// the attempt (RFC 7217 §6).
func TestConflict(t *testing.T) {
	w := newWorld(t, config(false))
	p := prefix("A", "2001:db8::/64", 4*hour, hour)
	w.advertise(r1, 0, 0, p)
	w.log = nil
	seen := map[netip.Addr]bool{}
	for range 3 {
		a := w.address().Addr
		next, ok := w.s.Conflict(w.now, a)
		w.drain()
		if seen[a] = true; !ok || seen[next] || next != w.address().Addr {
			t.Fatalf("after %v: %v, %v", a, next, ok)
		}
		w.want("another address", "0s -addr 2001:db8::/64", "0s +addr 2001:db8::/64")
		w.advertise(r1, 0, 0, p)
		w.want("advertised again")
	}
	last := w.address().Addr
	if next, ok := w.s.Conflict(w.now, last); ok || next.IsValid() {
		t.Errorf("a fourth further address: %v", next)
	}
	w.drain()
	w.want("given up", "0s -addr 2001:db8::/64")
	w.advertise(r1, 0, 0, p)
	w.want("advertised again")
	w.refused("given up", Refusals{Duplicate: 1})
	for _, stranger := range []netip.Addr{last, {}, r3, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")} {
		if next, ok := w.s.Conflict(w.now, stranger); ok {
			t.Errorf("instead of %v: %v", stranger, next)
		}
	}

	// When the prefix has expired, the interface begins anew.
	w.to(5 * hour)
	w.advertise(r1, 0, 0, p)
	if a := w.address().Addr; !seen[a] {
		t.Errorf("another first address: %v", a)
	}
}

// TestFlush: everything is removed, and the next advertisement of the prefix gives the same address.
func TestFlush(t *testing.T) {
	w := newWorld(t, config(false))
	all := [][]byte{prefix("LA", "2001:db8::/64", hour, hour), route("2001:db8:7::/48", 0, hour), servers(hour, "2001:db8::53"), domains(hour, "lab"), mtu(1400)}
	w.advertise(r1, hour, 0, all...)
	a := w.address().Addr
	w.log = nil
	w.s.Flush(w.now)
	w.drain()
	w.want("flushed", "0s -route 2001:db8:7::/48 fe80::1 0", "0s -route ::/0 fe80::1 0", "0s -link 2001:db8::/64", "0s -addr 2001:db8::/64", "0s mtu 0", "0s dns")
	if w.s.Deadline() != clock.Never {
		t.Errorf("deadline %v", w.s.Deadline())
	}
	w.advertise(r1, hour, 0, all...)
	if b := w.address().Addr; a != b {
		t.Errorf("%v, then %v", a, b)
	}
}

// TestSnapshotLate: a snapshot has no entry whose lifetime has ended, even before Expire is called.
func TestSnapshotLate(t *testing.T) {
	w := newWorld(t, config(true))
	w.advertise(r1, hour, 0, prefix("LA", "2001:db8::/64", 2*hour, hour), route("2001:db8:7::/48", 0, hour), servers(hour, "2001:db8::53"), domains(hour, "lab"))
	sizes := func(at time.Duration) [6]int {
		now := clock.Instant(at)
		dns := w.s.DNS(now)
		return [6]int{len(w.s.Routers(now)), len(w.s.Prefixes(now)), len(w.s.Routes(now)), len(w.s.Addresses(now)), len(dns.Servers), len(dns.Domains)}
	}
	for at, want := range map[time.Duration][6]int{hour - 1: {1, 1, 1, 2, 1, 1}, hour: {0, 1, 0, 2, 0, 0}, 2 * hour: {}} {
		if got := sizes(at); got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
	for _, a := range w.s.Addresses(clock.Instant(hour)) {
		if !a.Deprecated || a.Preferred != 0 || a.Valid != hour {
			t.Errorf("%+v", a)
		}
	}
}
