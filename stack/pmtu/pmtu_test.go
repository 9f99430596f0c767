package pmtu

import (
	"net/netip"
	"testing"

	"smolsh/stack/clock"
)

func dst(k int) netip.Addr { return netip.AddrFrom4([4]byte{20, 0, 0, byte(k)}) }

// TestOldestIsEvicted: a new report about a path makes its entry the youngest.
func TestOldestIsEvicted(t *testing.T) {
	var table Table
	key := func(k int) Key { return Key{dst(k), true} }
	for k := range 4 {
		table.Put(clock.Instant(k), key(k), 1000, 4)
	}
	table.Put(5, key(0), 900, 4)
	table.Put(6, key(4), 1000, 4)
	table.Put(7, key(5), 1000, 4)
	for k, want := range []bool{true, false, false, true, true, true} {
		if _, _, ok := table.Get(7, key(k)); ok != want {
			t.Errorf("path %d: known %v, want %v", k, ok, want)
		}
	}
	if mtu, since, _ := table.Get(7, key(0)); mtu != 900 || since != 5 {
		t.Errorf("the path that was heard of again: %d octets since %v", mtu, since)
	}
	if table.Len() != 4 || table.Aged() != 4 {
		t.Errorf("%d entries, %d in the order of age", table.Len(), table.Aged())
	}
}

// TestAge: an entry is used for ten minutes. Within returns the minimum of both kinds of report.
func TestAge(t *testing.T) {
	var table Table
	table.Put(0, Key{dst(1), true}, 1400, 4)
	table.Put(5, Key{dst(1), false}, 1300, 4)
	for _, c := range []struct {
		now  clock.Instant
		want int
	}{
		{5, 1300}, {clock.Instant(Age) - 1, 1300}, {clock.Instant(Age), 1300}, {clock.Instant(Age) + 5, 1500},
	} {
		if got := table.Within(c.now, dst(1), 1500); got != c.want {
			t.Errorf("at %v: %d, want %d", c.now, got, c.want)
		}
	}
	if got := table.Within(5, dst(1), 1000); got != 1000 {
		t.Errorf("a link of 1000 octets carries %d", got)
	}
	if _, _, ok := table.Get(clock.Instant(Age), Key{dst(1), true}); ok {
		t.Error("an entry is used for longer than ten minutes")
	}
}

func TestPlateaus(t *testing.T) {
	for length, want := range map[int]int{65535: 32000, 1500: 1492, 1492: 1006, 576: 508, 69: 68, 68: 0, 0: 0} {
		if got := Plateau(length); got != want {
			t.Errorf("below %d: %d, want %d", length, got, want)
		}
	}
}

// TestZones: entries of IPv6 are kept beside those of IPv4, and a link-local address on two links has two.
func TestZones(t *testing.T) {
	var table Table
	local := netip.MustParseAddr("fe80::1")
	global := netip.MustParseAddr("2001:db8::1")
	mapped := netip.AddrFrom16(dst(1).As16())
	paths := []netip.Addr{local.WithZone("eth0"), local.WithZone("eth1"), global, mapped, dst(1)}
	for k, a := range paths {
		table.Put(clock.Instant(k), Key{a, false}, Min6+k, len(paths))
	}
	for k, a := range paths {
		if got := table.Within(10, a, 1500); got != Min6+k {
			t.Errorf("%v: %d, want %d", a, got, Min6+k)
		}
	}
	if got := table.Within(10, local, 1500); got != 1500 {
		t.Errorf("without a zone: %d", got)
	}
	table.Put(20, Key{local.WithZone("eth2"), false}, 1400, len(paths))
	if _, _, ok := table.Get(20, Key{paths[0], false}); ok || table.Len() != len(paths) {
		t.Errorf("the oldest entry is known: %v, of %d entries", ok, table.Len())
	}
	if _, _, ok := table.Get(20, Key{paths[1], false}); !ok {
		t.Error("the entry of the other link was evicted too")
	}
}
