package addrsel

import (
	"net/netip"
	"testing"
)

// TestSourceRules: each rule of RFC 6724 §5 decides between two candidates that no earlier rule distinguishes, though later
// rules are for the other. The first candidate is to win, in either order.
func TestSourceRules(t *testing.T) {
	p := DefaultPolicy()
	public := Policy{Table: p.Table, PreferPublic: true}
	for _, c := range []struct {
		rule, dst, candidates string
		policy                *Policy
	}{
		{"1", "2001:db8::1", "2001:db8::1/0 deprecated elsewhere, 2001:db8::2 advertised temporary", &p},
		{"1, whatever the zone", "fe80::1%eth0", "fe80::1%eth1 deprecated, fe80::2%eth0 temporary", &p},
		{"2, not smaller", "2001:db8::1", "2002::1 deprecated, fe80::1", &p},
		{"2, not greater than needed", "fec0::1", "fec0::2 deprecated, 2001:db8::1", &p},
		{"2, the greater of the smaller", "2001:db8::1", "fec0::1 deprecated, fe80::1", &p},
		{"2, of a group", "ff02::1", "fe80::1 deprecated, 2001:db8::1", &p},
		{"2, of IPv4", "10.0.0.1", "172.16.0.1 deprecated, 169.254.0.1", &p},
		{"3", "2001:db8::1", "2002::1 elsewhere, 2001:db8::2 deprecated advertised temporary", &p},
		{"5", "2001:db8::1", "2002::1, 2001:db8::2 elsewhere advertised temporary", &p},
		{"5.5", "2001:db8::1", "2002::1 advertised, 2001:db8::2 temporary", &p},
		{"6", "2002::1", "2002:1::1, 2001:db8::1 temporary", &p},
		{"7", "2001:db8::1", "3001::1 temporary, 2001:db8::2", &p},
		{"7 reversed", "2001:db8::1", "3001::1, 2001:db8::2 temporary", &public},
		{"8", "2001:db8:1::1", "2001:db8:1::2, 2001:db8::2", &p},
		{"8, no longer than the subnet prefix", "2001:db8:1::1", "2001:db8:1::2/49, 2001:db8:1::3/48", &p},
		{"8, of IPv4", "10.1.0.1", "10.1.0.2, 10.2.0.2", &p},
	} {
		list := candidates(c.candidates)
		want := list[0].Addr.String()
		for range 2 {
			if got := choose(c.policy, c.dst, list); got != want {
				t.Errorf("rule %s: from %s to %s, want %s", c.rule, got, c.dst, want)
			}
			list[0], list[1] = list[1], list[0]
		}
	}
	tied := candidates("2001:db8::2, 2001:db8::3")
	if k, ok := p.Source(netip.MustParseAddr("2001:db8::4"), tied); k != 0 || !ok {
		t.Errorf("of equal candidates number %d", k)
	}
}

// TestNoCandidate: an address that must not be the source is no candidate (RFC 6724 §4), even if it is the only one.
func TestNoCandidate(t *testing.T) {
	p := DefaultPolicy()
	for _, c := range []struct{ dst, candidates, want string }{
		{"2001:db8::1", "", ""},
		{"2001:db8::1", "::, ff02::1, 10.0.0.1, ::ffff:10.0.0.2", ""},
		{"10.0.0.1", "0.0.0.0, 224.0.0.1, 2001:db8::1", ""},
		{"10.0.0.1", "2001:db8::1, ::ffff:10.0.0.2", "::ffff:10.0.0.2"},
		{"::ffff:10.0.0.1", "2001:db8::1, 10.0.0.2", "10.0.0.2"},
		{"fe80::1%eth0", "2001:db8::1 elsewhere, fe80::2%eth1 elsewhere", ""},
		{"ff0e::1", "2001:db8::1 elsewhere", ""},
		{"ff0e::1", "2001:db8::1 elsewhere, fe80::1", "fe80::1"},
		{"2001:db8::1", "fe80::2 elsewhere", ""},
		{"2001:db8::1", "2001:db8::2 elsewhere", "2001:db8::2"},
		{"2001:db8::1", "::1 elsewhere", ""},
		{"10.0.0.1", "127.0.0.1 elsewhere", ""},
		{"10.0.0.1", "169.254.0.1 elsewhere", "169.254.0.1"},
		{"::1", "::1, 2001:db8::1 elsewhere", "::1"},
	} {
		if got := choose(&p, c.dst, candidates(c.candidates)); got != c.want {
			t.Errorf("to %s from %q: %q, want %q", c.dst, c.candidates, got, c.want)
		}
	}
	if _, ok := p.Source(netip.Addr{}, candidates("2001:db8::1")); ok {
		t.Error("no destination has a source")
	}
}

// TestDestinationRules: each rule of RFC 6724 §6 decides between two destinations that no earlier rule distinguishes, though later
// rules are for the other. The first is to win, in either order.
func TestDestinationRules(t *testing.T) {
	flat := Policy{Table: []Entry{entry("::/0", 40, 1)}}
	p := DefaultPolicy()
	d := func(addr, source string) Destination {
		d := Destination{Addr: netip.MustParseAddr(addr)}
		if source != "" {
			d.Source = candidate(source)
		}
		return d
	}
	dead := d("fe80::1", "fe80::2")
	dead.Unreachable = true
	for _, c := range []struct {
		rule   string
		policy *Policy
		a, b   Destination
	}{
		{"1, no source", &p, d("2001:db8::1", "fe80::1 deprecated"), d("::1", "")},
		{"1, unreachable", &p, d("2001:db8::1", "fe80::1 deprecated"), dead},
		{"2", &p, d("2001:db8::1", "2002::1 deprecated"), d("2002::1", "fe80::1")},
		{"3", &p, d("2001:db8::1", "2002::1"), d("2001:db8::1", "2001:db8::2 deprecated")},
		{"5", &p, d("2002::1", "2002:1::1"), d("2001:db8::1", "2002::1")},
		{"6", &p, d("2001:db8::1", "2001:db8:1::1"), d("fec0::1", "fec0::2")},
		{"6, IPv6 before IPv4", &p, d("2001:db8::1", "3001::1"), d("10.0.0.1", "10.0.0.2")},
		{"8", &p, d("fe80::1", "fe80::2/10"), d("2001:db8::1", "2001:db8::2")},
		{"9", &p, d("2001:db8:1::1", "2001:db8:1::2"), d("2001:db8:1::1", "2001:db8::2")},
		{"9, no longer than the source's prefix", &p, d("2001:db8::1", "2001:db8::2/65"), d("2001:db8::1", "2001:db8::3/64")},
		{"9, of IPv4", &p, d("10.1.0.1", "10.1.0.2"), d("10.1.0.1", "10.2.0.2")},
	} {
		for _, list := range [][]Destination{{c.a, c.b}, {c.b, c.a}} {
			if c.policy.SortDestinations(list); list[0] != c.a {
				t.Errorf("rule %s: %s", c.rule, text(list))
			}
		}
	}
	for _, list := range [][]Destination{ // rule 10
		{d("2001:db8::1", "2001:db8::9"), d("2001:db8::2", "2001:db8::9")},
		{d("10.0.0.1", "10.1.0.2/0"), d("2001:db8::1", "2001:db8::2/128")}, // rule 9 is not for two families
		{d("2001:db8::1", "2001:db8::2/0"), d("10.0.0.1", "10.1.0.2/32")},
		{d("::1", ""), d("fe80::1", "")},
	} {
		before := text(list)
		if flat.SortDestinations(list); text(list) != before {
			t.Errorf("rule 10: %s, want %s", text(list), before)
		}
	}
}

// TestSourceAllocates: selecting a source costs no allocation.
func TestSourceAllocates(t *testing.T) {
	p := DefaultPolicy()
	list := candidates("fe80::1%eth0, 2001:db8::2 temporary, 10.0.0.1, 2002::1 elsewhere, fd00::1")
	dst := netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(100, func() { p.Source(dst, list) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSource(b *testing.B) {
	p := DefaultPolicy()
	list := candidates("fe80::1%eth0, 2001:db8::2 temporary, 10.0.0.1, 2002::1 elsewhere, fd00::1")
	dst := netip.MustParseAddr("2001:db8::1")
	for b.Loop() {
		p.Source(dst, list)
	}
}
