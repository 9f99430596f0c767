package addrsel

import (
	"net/netip"
	"testing"
)

// with returns the default policy with changed or additional entries.
func with(entries ...Entry) *Policy {
	p := DefaultPolicy()
next:
	for _, e := range entries {
		for k := range p.Table {
			if p.Table[k].Prefix == e.Prefix {
				p.Table[k] = e
				continue next
			}
		}
		p.Table = append(p.Table, e)
	}
	return &p
}

func entry(prefix string, precedence, label int) Entry {
	return Entry{netip.MustParsePrefix(prefix), precedence, label}
}

// TestSourceExamples has the examples of RFC 6724 §10.1, each with its candidates in both orders. That about home addresses is left
// out.
func TestSourceExamples(t *testing.T) {
	p := DefaultPolicy()
	for _, c := range []struct{ what, dst, candidates, want string }{
		{"appropriate scope", "2001:db8:1::1", "2001:db8:3::1, fe80::1", "2001:db8:3::1"},
		{"appropriate scope", "ff05::1", "2001:db8:3::1, fe80::1", "2001:db8:3::1"},
		{"same address", "2001:db8:1::1", "2001:db8:1::1 deprecated, 2001:db8:2::1", "2001:db8:1::1"},
		{"appropriate scope", "fe80::1", "fe80::2 deprecated, 2001:db8:1::1", "fe80::2"},
		{"longest matching prefix", "2001:db8:1::1", "2001:db8:1::2, 2001:db8:3::2", "2001:db8:1::2"},
		{"matching label", "2002:c633:6401::1", "2002:c633:6401::d5e3:7953:13eb:22e8 temporary, 2001:db8:1::2", "2002:c633:6401::d5e3:7953:13eb:22e8"},
		{"temporary address", "2001:db8:1::d5e3:0:0:1", "2001:db8:1::2, 2001:db8:1::d5e3:7953:13eb:22e8 temporary", "2001:db8:1::d5e3:7953:13eb:22e8"},
	} {
		list := candidates(c.candidates)
		for range 2 {
			if got := choose(&p, c.dst, list); netip.MustParseAddr(got) != netip.MustParseAddr(c.want) {
				t.Errorf("%s: from %s to %s, want %s", c.what, got, c.dst, c.want)
			}
			list[0], list[1] = list[1], list[0]
		}
	}
}

// TestDestinationExamples has the examples of RFC 6724 §10.2, then cases for the policies of §10.3 to §10.7. Each has its
// destinations in both orders. The examples about home addresses are left out.
func TestDestinationExamples(t *testing.T) {
	var (
		normal = with()
		ipv4   = with(entry("::ffff:0:0/96", 100, 4))                                         // §10.3
		scoped = with(entry("fe80::/10", 33, 1))                                              // §10.4
		homed  = with(entry("2001:db8:1aaa::/48", 43, 6), entry("2001:db8:1bbb::/48", 43, 6)) // §10.5
		ula    = with(entry("fd11:1111:1111::/48", 45, 14))                                   // §10.6
		sixTo4 = with(entry("2002::/16", 45, 2))                                              // §10.7
	)
	const both, site = "2001:db8:1::1, 198.51.100.121", "2001:db8:1aaa::a, 2001:db8:70aa::a, fe80::a"
	for _, c := range []struct {
		what                  string
		policy                *Policy
		destinations, sources string
		want                  string
	}{
		{"matching scope", normal, both, "2001:db8:1::2, fe80::1, 169.254.13.78",
			"2001:db8:1::1 from 2001:db8:1::2, 198.51.100.121 from 169.254.13.78"},
		{"matching scope", normal, both, "fe80::1, 198.51.100.117",
			"198.51.100.121 from 198.51.100.117, 2001:db8:1::1 from fe80::1"},
		{"higher precedence", normal, "2001:db8:1::1, 10.1.2.3", "2001:db8:1::2, fe80::1, 10.1.2.4",
			"2001:db8:1::1 from 2001:db8:1::2, 10.1.2.3 from 10.1.2.4"},
		{"smaller scope", normal, "2001:db8:1::1, fe80::1", "2001:db8:1::2, fe80::2",
			"fe80::1 from fe80::2, 2001:db8:1::1 from 2001:db8:1::2"},
		{"no deprecated source", normal, "2001:db8:1::1, fe80::1", "2001:db8:1::2, fe80::2 deprecated",
			"2001:db8:1::1 from 2001:db8:1::2, fe80::1 from fe80::2"},
		{"longest matching prefix", normal, "2001:db8:1::1, 2001:db8:3ffe::1", "2001:db8:1::2, 2001:db8:3f44::2, fe80::2",
			"2001:db8:1::1 from 2001:db8:1::2, 2001:db8:3ffe::1 from 2001:db8:3f44::2"},
		{"matching label", normal, "2002:c633:6401::1, 2001:db8:1::1", "2002:c633:6401::2, fe80::2",
			"2002:c633:6401::1 from 2002:c633:6401::2, 2001:db8:1::1 from 2002:c633:6401::2"},
		{"higher precedence", normal, "2002:c633:6401::1, 2001:db8:1::1", "2002:c633:6401::2, 2001:db8:1::2, fe80::2",
			"2001:db8:1::1 from 2001:db8:1::2, 2002:c633:6401::1 from 2002:c633:6401::2"},

		{"IPv4 first: matching scope all the same", ipv4, both, "2001:db8:1::2, fe80::1, 169.254.13.78",
			"2001:db8:1::1 from 2001:db8:1::2, 198.51.100.121 from 169.254.13.78"},
		{"IPv4 first: matching scope", ipv4, both, "fe80::1, 198.51.100.117",
			"198.51.100.121 from 198.51.100.117, 2001:db8:1::1 from fe80::1"},
		{"IPv4 first: higher precedence", ipv4, "2001:db8:1::1, 10.1.2.3", "2001:db8:1::2, fe80::1, 10.1.2.4",
			"10.1.2.3 from 10.1.2.4, 2001:db8:1::1 from 2001:db8:1::2"},
		{"broken IPv6", normal, "2001:db8:1::1 unreachable, 198.51.100.121", "2001:db8:1::2, 198.51.100.117",
			"198.51.100.121 from 198.51.100.117, 2001:db8:1::1 from 2001:db8:1::2"},

		{"greater scope first: higher precedence", scoped, "2001:db8:1::1, fe80::1", "2001:db8:1::2, fe80::2",
			"2001:db8:1::1 from 2001:db8:1::2, fe80::1 from fe80::2"},
		{"greater scope first: no deprecated source", scoped, "2001:db8:1::1, fe80::1", "2001:db8:1::2 deprecated, fe80::2",
			"fe80::1 from fe80::2, 2001:db8:1::1 from 2001:db8:1::2"},

		{"multi-homed, default", normal, "2001:db8:1bbb::b, 2001:db8:70bb::b", site,
			"2001:db8:70bb::b from 2001:db8:70aa::a, 2001:db8:1bbb::b from 2001:db8:1aaa::a"},
		{"multi-homed, default, a third site", normal, "2001:db8:1ccc::c, 2001:db8:6ccc::c", site,
			"2001:db8:1ccc::c from 2001:db8:1aaa::a, 2001:db8:6ccc::c from 2001:db8:70aa::a"},
		{"multi-homed", homed, "2001:db8:1bbb::b, 2001:db8:70bb::b", site,
			"2001:db8:1bbb::b from 2001:db8:1aaa::a, 2001:db8:70bb::b from 2001:db8:70aa::a"},
		{"multi-homed, a third site", homed, "2001:db8:1ccc::c, 2001:db8:6ccc::c", site,
			"2001:db8:6ccc::c from 2001:db8:70aa::a, 2001:db8:1ccc::c from 2001:db8:70aa::a"},

		{"unique local, default", normal, "2001:db8:2::2, fd11:1111:1111:1::2", "2001:db8:1::1, fd11:1111:1111:1::1",
			"2001:db8:2::2 from 2001:db8:1::1, fd11:1111:1111:1::2 from fd11:1111:1111:1::1"},
		{"unique local of the own site", ula, "2001:db8:2::2, fd11:1111:1111:1::2", "2001:db8:1::1, fd11:1111:1111:1::1",
			"fd11:1111:1111:1::2 from fd11:1111:1111:1::1, 2001:db8:2::2 from 2001:db8:1::1"},
		{"unique local of another site", ula, "2001:db8:2::2, fd22:2222:2222:2::2", "2001:db8:1::1, fd11:1111:1111:1::1",
			"2001:db8:2::2 from 2001:db8:1::1, fd22:2222:2222:2::2 from fd11:1111:1111:1::1"},

		{"6to4, default", normal, "2002:c633:6401::2, 198.51.100.2", "2002:836b:4179::2, 10.1.2.3",
			"198.51.100.2 from 10.1.2.3, 2002:c633:6401::2 from 2002:836b:4179::2"},
		{"6to4 first", sixTo4, "2002:c633:6401::2, 198.51.100.2", "2002:836b:4179::2, 10.1.2.3",
			"2002:c633:6401::2 from 2002:836b:4179::2, 198.51.100.2 from 10.1.2.3"},
	} {
		list := destinations(c.policy, c.destinations, candidates(c.sources))
		for range 2 {
			c.policy.SortDestinations(list)
			if got := text(list); got != c.want {
				t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
			}
			list[0], list[1] = list[1], list[0]
		}
	}
}
