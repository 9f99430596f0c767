package autoconf

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"smolsh/stack/wire"
)

// TestStableAddress: an address depends on the prefix, the interface, the counter and the secret, and on nothing else (RFC 7217
// §4, §5).
func TestStableAddress(t *testing.T) {
	base := config(false)
	of := func(change func(*Config), p string, attempt int) netip.Addr {
		cfg := base
		if change != nil {
			change(&cfg)
		}
		return New(cfg).stable(netip.MustParsePrefix(p), attempt)
	}
	const p = "2001:db8:1:2::/64"
	all := map[string]netip.Addr{
		"the first":           of(nil, p, 0),
		"another prefix":      of(nil, "2001:db8:1:3::/64", 0),
		"another attempt":     of(nil, p, 1),
		"another secret":      of(func(c *Config) { c.Secret[15] = 1 }, p, 0),
		"another name":        of(func(c *Config) { c.Iface = "eth1" }, p, 0),
		"another MAC":         of(func(c *Config) { c.MAC[5] = 2 }, p, 0),
		"an octet moved":      of(func(c *Config) { c.Iface, c.MAC = "eth0\x02", wire.HardwareAddr{0, 0, 0, 0, 1, 0} }, p, 0),
		"the link-local":      New(base).LinkLocal(0),
		"the link-local next": New(base).LinkLocal(1),
	}
	seen := map[uint64]string{}
	for what, a := range all {
		v := a.As16()
		id := binary.BigEndian.Uint64(v[8:])
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s have the identifier %x", what, other, id)
		}
		seen[id] = what
		if want := []string{"fe80::/64", "2001:db8:1:2::/64", "2001:db8:1:3::/64"}; !slices.ContainsFunc(want, func(p string) bool {
			return netip.MustParsePrefix(p).Contains(a)
		}) {
			t.Errorf("%s: %v", what, a)
		}
	}
	if a, b := all["the first"], of(func(c *Config) { c.Routers, c.Temporary = 3, true }, p, 0); a != b {
		t.Errorf("the same prefix: %v and %v", a, b)
	}
	// The addresses of a version must be those of the next one, so that a host keeps its addresses.
	if got, want := all["the first"].String()+" "+all["the link-local"].String(), "2001:db8:1:2:ce25:799e:51d9:872c fe80::88a:7b68:8a6c:9bb"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestReservedIdentifiers: no address has a reserved interface identifier (RFC 5453 §3, RFC 7217 §5).
func TestReservedIdentifiers(t *testing.T) {
	for _, c := range []struct {
		id   uint64
		want bool
	}{
		{0, true}, {1, false},
		{0x02005efffdffffff, false}, {0x02005efffe000000, true}, {0x02005efffe005213, true}, {0x02005efffeffffff, true}, {0x02005effff000000, false},
		{0xfdffffffffffff7f, false}, {0xfdffffffffffff80, true}, {0xfdffffffffffffff, true}, {0xfe00000000000000, false}, {1<<64 - 1, false},
	} {
		if got := reservedID(c.id); got != c.want {
			t.Errorf("%016x is reserved: %v", c.id, got)
		}
	}
	ids := []uint64{0, 10, 0xfdffffffffffff80, 0, 11, 12, 0x02005efffe000000, 13}
	for attempt := range 4 {
		if got := permitted(attempt, func(counter uint32) uint64 { return ids[counter] }); got != uint64(10+attempt) {
			t.Errorf("attempt %d: %d", attempt, got)
		}
	}
	if got := permitted(2, func(uint32) uint64 { return 0 }); got != 0 {
		t.Errorf("a hash that is always reserved: %d", got)
	}
}

// TestLinkLocal: after a duplicate the host tries three further link-local addresses (RFC 7217 §6, RFC 4862 §5.4.5).
func TestLinkLocal(t *testing.T) {
	w := newWorld(t, config(false))
	a := w.s.LinkLocal(0)
	if !a.IsLinkLocalUnicast() || a != New(config(true)).LinkLocal(0) {
		t.Errorf("%v", a)
	}
	for k := range 3 {
		next, ok := w.s.Conflict(w.now, a.WithZone("eth0"))
		if !ok || next != w.s.LinkLocal(k+1) {
			t.Fatalf("instead of %v: %v, %v", a, next, ok)
		}
		a = next
	}
	if next, ok := w.s.Conflict(w.now, a); ok {
		t.Errorf("a fourth further address: %v", next)
	}
	w.drain()
	w.want("the host tracks these addresses")
	w.refused("given up", Refusals{Duplicate: 1})
}
