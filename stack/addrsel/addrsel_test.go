package addrsel

import (
	"net/netip"
	"strings"
	"testing"
)

// candidate parses an address with an optional prefix length, 64 by default or 24 for IPv4, and states: "fe80::1/10 deprecated". It
// is an address of the outgoing interface unless a state is "elsewhere".
func candidate(text string) Candidate {
	fields := strings.Fields(text)
	c := Candidate{Outgoing: true, PrefixLen: 64}
	if p, err := netip.ParsePrefix(fields[0]); err == nil {
		c.Addr, c.PrefixLen = p.Addr(), p.Bits()
	} else if c.Addr = netip.MustParseAddr(fields[0]); c.Addr.Is4() {
		c.PrefixLen = 24
	}
	for _, state := range fields[1:] {
		switch state {
		case "deprecated":
			c.Deprecated = true
		case "temporary":
			c.Temporary = true
		case "elsewhere":
			c.Outgoing = false
		case "advertised":
			c.NextHop = true
		default:
			panic(state)
		}
	}
	return c
}

// candidates parses candidates with commas between them.
func candidates(text string) (list []Candidate) {
	for _, s := range strings.Split(text, ",") {
		if strings.TrimSpace(s) != "" {
			list = append(list, candidate(s))
		}
	}
	return list
}

// choose returns the source that a policy selects, "" if none.
func choose(p *Policy, dst string, list []Candidate) string {
	k, ok := p.Source(netip.MustParseAddr(dst), list)
	if !ok {
		return ""
	}
	return list[k].Addr.String()
}

// destinations returns the destinations with the sources that a policy selects for them. The state "unreachable" may follow an
// address.
func destinations(p *Policy, text string, sources []Candidate) (list []Destination) {
	for _, s := range strings.Split(text, ",") {
		addr, unreachable := strings.CutSuffix(strings.TrimSpace(s), " unreachable")
		d := Destination{Addr: netip.MustParseAddr(addr), Unreachable: unreachable}
		if k, ok := p.Source(d.Addr, sources); ok {
			d.Source = sources[k]
		}
		list = append(list, d)
	}
	return list
}

// text returns destinations with their sources as "2001:db8::1 from 2001:db8::2, …".
func text(list []Destination) string {
	var parts []string
	for _, d := range list {
		part := d.Addr.String()
		if d.Source.Addr.IsValid() {
			part += " from " + d.Source.Addr.String()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func TestScopes(t *testing.T) {
	for addr, want := range map[string]Scope{
		"fe80::1": LinkLocal, "fe80::1%eth0": LinkLocal, "febf::1": LinkLocal, "::1": LinkLocal,
		"fec0::1": SiteLocal, "feff::1": SiteLocal,
		"2001:db8::1": Global, "fc00::1": Global, "fd00::1": Global, "fe00::1": Global, "::": Global, "2002:a00:1::1": Global,
		"64:ff9b::10.0.0.1": Global, "::10.0.0.1": Global,
		"ff01::1": 1, "ff02::1": LinkLocal, "ff04::1": 4, "ff05::1": SiteLocal, "ff08::1": 8, "ff0e::1": Global, "ff32::1": LinkLocal,
		"127.0.0.1": LinkLocal, "169.254.1.1": LinkLocal, "10.0.0.1": Global, "192.168.0.1": Global, "100.64.0.1": Global, "198.51.100.1": Global,
		"::ffff:127.0.0.1": LinkLocal, "::ffff:169.254.1.1": LinkLocal, "::ffff:10.0.0.1": Global,
	} {
		if got := ScopeOf(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %d, want %d", addr, got, want)
		}
	}
}

// TestLookup: the longest prefix decides, wherever it is in the table.
func TestLookup(t *testing.T) {
	p := DefaultPolicy()
	for addr, want := range map[string][2]int{
		"::1": {50, 0}, "2001:db8::1": {40, 1}, "10.0.0.1": {35, 4}, "::ffff:10.0.0.1": {35, 4}, "2002:a00:1::1": {30, 2}, "2001:0:1::1": {5, 5},
		"fd00::1": {3, 13}, "fc00::1": {3, 13}, "::10.0.0.1": {1, 3}, "fec0::1": {1, 11}, "3ffe::1": {1, 12},
		"fe80::1%eth0": {40, 1}, "::": {1, 3}, "ff02::1": {40, 1},
	} {
		if precedence, label := p.Lookup(netip.MustParseAddr(addr)); precedence != want[0] || label != want[1] {
			t.Errorf("%s: precedence %d, label %d, want %v", addr, precedence, label, want)
		}
	}
	var none Policy
	if precedence, label := none.Lookup(netip.MustParseAddr("::1")); precedence != -1 || label != -1 {
		t.Errorf("an empty table: precedence %d, label %d", precedence, label)
	}
	twice := Policy{Table: []Entry{{netip.MustParsePrefix("::/0"), 1, 2}, {netip.MustParsePrefix("::/0"), 3, 4}}}
	if precedence, _ := twice.Lookup(netip.MustParseAddr("::1")); precedence != 1 {
		t.Errorf("of two equal prefixes the one with precedence %d applies", precedence)
	}
}

func TestCommonPrefixLen(t *testing.T) {
	for _, c := range []struct {
		src  string
		size int
		dst  string
		want int
	}{
		{"fe80::1", 64, "fe80::2", 64},
		{"fe80::1", 128, "fe80::2", 126},
		{"2001:db8::1", 128, "2001:db8::1", 128},
		{"2001:db8::1", 999, "2001:db8::1", 128},
		{"2001:db8::1", -1, "2001:db8::1", 0},
		{"2001:db8::1", 64, "3001:db8::1", 3},
		{"8000::", 64, "::", 0},
		{"2001:db8::1", 64, "2001:db8:0:0:8000::", 64},
		{"2001:db8::1", 80, "2001:db8:0:0:8000::", 64},
		{"10.0.0.1", 24, "10.0.0.200", 96 + 24},
		{"10.0.0.1", 32, "10.0.0.2", 96 + 30},
		{"10.0.0.1", 99, "10.0.0.1", 128},
		{"10.0.0.1", 24, "::ffff:10.0.0.1", 96 + 24},
	} {
		src, dst := netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst)
		if got := commonPrefixLen(src, c.size, dst); got != c.want {
			t.Errorf("%s/%d and %s: %d, want %d", c.src, c.size, c.dst, got, c.want)
		}
		if got := commonPrefixLen(src.WithZone("eth0"), c.size, dst.WithZone("eth1")); got != c.want {
			t.Errorf("%s/%d and %s with zones: %d, want %d", c.src, c.size, c.dst, got, c.want)
		}
	}
}
