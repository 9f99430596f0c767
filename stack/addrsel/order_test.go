package addrsel

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// shared counts common leading bits one by one, up to a source's prefix length, in the form of RFC 6724 §2.2.
func shared(c Candidate, dst netip.Addr) int {
	s, d := mapped(c.Addr).As16(), mapped(dst).As16()
	size := c.PrefixLen
	if c.Addr.Is4() {
		size += 96
	}
	n := 0
	for n < size && (s[n/8]^d[n/8])>>(7-n%8)&1 == 0 {
		n++
	}
	return n
}

// preferSource compares two candidates by RFC 6724 §5 as it is written. It returns the rule that decides, and 1 if a is
// preferred, -1 if b is; 0 and "" if none decides.
func preferSource(p *Policy, a, b Candidate, dst netip.Addr) (int, string) {
	label := func(a netip.Addr) int { _, l := p.Lookup(a); return l }
	only := func(x, y bool) int {
		switch {
		case x && !y:
			return 1
		case y && !x:
			return -1
		}
		return 0
	}
	scopes := func() int {
		sa, sb, sd := ScopeOf(a.Addr), ScopeOf(b.Addr), ScopeOf(dst)
		switch {
		case sa < sb && sa < sd:
			return -1
		case sa < sb:
			return 1
		case sb < sa && sb < sd:
			return 1
		case sb < sa:
			return -1
		}
		return 0
	}
	for _, rule := range []struct {
		name  string
		order int
	}{
		{"1", only(mapped(a.Addr) == mapped(dst), mapped(b.Addr) == mapped(dst))},
		{"2", scopes()},
		{"3", only(!a.Deprecated, !b.Deprecated)},
		{"5", only(a.Outgoing, b.Outgoing)},
		{"5.5", only(a.NextHop, b.NextHop)},
		{"6", only(label(a.Addr) == label(dst), label(b.Addr) == label(dst))},
		{"7", only(a.Temporary, b.Temporary)},
		{"8", only(shared(a, dst) > shared(b, dst), shared(b, dst) > shared(a, dst))},
	} {
		if rule.order != 0 {
			if rule.name == "7" && p.PreferPublic {
				rule.order = -rule.order
			}
			return rule.order, rule.name
		}
	}
	return 0, ""
}

// preferDestination compares two destinations by RFC 6724 §6 as it is written, like preferSource.
func preferDestination(p *Policy, a, b Destination) (int, string) {
	type values struct {
		usable, scope, fresh, label bool
		precedence                  int
		size                        Scope
		common                      int
	}
	of := func(d Destination) (v values) {
		precedence, label := p.Lookup(d.Addr)
		v.precedence, v.size = precedence, ScopeOf(d.Addr)
		if d.Source.Addr.IsValid() {
			_, own := p.Lookup(d.Source.Addr)
			v.usable, v.scope, v.fresh, v.label = !d.Unreachable, ScopeOf(d.Source.Addr) == v.size, !d.Source.Deprecated, own == label
			v.common = shared(d.Source, d.Addr)
		}
		return v
	}
	x, y := of(a), of(b)
	family := a.Addr.Unmap().Is4() == b.Addr.Unmap().Is4()
	for _, rule := range []struct {
		name string
		a, b bool // the rule prefers a, or b
	}{
		{"1", x.usable && !y.usable, y.usable && !x.usable},
		{"2", x.scope && !y.scope, y.scope && !x.scope},
		{"3", x.fresh && !y.fresh, y.fresh && !x.fresh},
		{"5", x.label && !y.label, y.label && !x.label},
		{"6", x.precedence > y.precedence, y.precedence > x.precedence},
		{"8", x.size < y.size, y.size < x.size},
		{"9", family && x.common > y.common, family && y.common > x.common},
	} {
		switch {
		case rule.a:
			return 1, rule.name
		case rule.b:
			return -1, rule.name
		}
	}
	return 0, ""
}

// randomAddr returns an address of any kind, close to the other ones of its kind.
func randomAddr(rng *rand.Rand) netip.Addr {
	kinds := []string{"2001:db8::", "2001:db8::", "2001:db8:1::", "3001::", "fe80::", "fe80::%eth0", "fec0::", "fd00::", "fd11::", "2002:a00:1::", "2001::",
		"3ffe::", "::", "10.0.0.0", "10.0.0.0", "169.254.0.0", "198.51.100.0", "127.0.0.0", "::ffff:10.0.0.0"}
	a := netip.MustParseAddr(kinds[rng.IntN(len(kinds))])
	for range rng.IntN(4) {
		a = a.Next()
	}
	return a
}

func randomCandidates(rng *rand.Rand) (list []Candidate) {
	for range rng.IntN(8) {
		a := randomAddr(rng)
		c := Candidate{Addr: a, PrefixLen: a.BitLen() - rng.IntN(9)}
		c.Deprecated, c.Temporary, c.Outgoing, c.NextHop = rng.IntN(3) == 0, rng.IntN(2) == 0, rng.IntN(3) > 0, rng.IntN(3) == 0
		list = append(list, c)
	}
	return list
}

// randomPolicy returns the default policy, or one whose entries often have equal precedences and labels.
func randomPolicy(rng *rand.Rand) Policy {
	p := DefaultPolicy()
	p.PreferPublic = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		for k := range p.Table {
			p.Table[k].Precedence, p.Table[k].Label = rng.IntN(2), rng.IntN(3)
		}
	}
	return p
}

// TestSourceOrder: no candidate is preferable to the selected one by the rules as they are written, and of equal ones it is the
// first. Every rule decides some of the comparisons.
func TestSourceOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	decided := map[string]int{}
	for range 20_000 {
		p, dst, list := randomPolicy(rng), randomAddr(rng), randomCandidates(rng)
		best, ok := p.Source(dst, list)
		for k, c := range list {
			if !c.eligible(dst) {
				if ok && k == best {
					t.Fatalf("to %v from %+v, which is no candidate", dst, c)
				}
				continue
			}
			if !ok {
				t.Fatalf("to %v from none of %+v", dst, list)
			}
			order, rule := preferSource(&p, list[best], c, dst)
			if order < 0 || order == 0 && k < best {
				t.Fatalf("to %v from %+v, rule %q prefers %+v", dst, list[best], rule, c)
			}
			decided[rule]++
		}
	}
	for _, rule := range []string{"1", "2", "3", "5", "5.5", "6", "7", "8"} {
		if decided[rule] < 20 {
			t.Errorf("rule %s decided %d comparisons", rule, decided[rule])
		}
	}
}

// TestDestinationOrder: the sorted list is a permutation in which no rule as it is written prefers a later destination. Destinations of
// one family that no rule distinguishes keep their order, as does every list that has only one family. Sorting again changes
// nothing.
func TestDestinationOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	decided := map[string]int{}
	for round := range 10_000 {
		p, sources := randomPolicy(rng), randomCandidates(rng)
		most := 9
		if round%100 == 0 {
			most = 80 // a sort may be stable for short lists only
		}
		var list []Destination
		for range rng.IntN(most) {
			d := Destination{Addr: randomAddr(rng), Unreachable: rng.IntN(6) == 0}
			if k, ok := p.Source(d.Addr, sources); ok {
				d.Source = sources[k]
			}
			if !slices.Contains(list, d) { // so that a destination tells its former place
				list = append(list, d)
			}
		}
		checkSorted(t, &p, list, decided)
	}
	for _, rule := range []string{"1", "2", "3", "5", "6", "8", "9"} {
		if decided[rule] < 20 {
			t.Errorf("rule %s decided %d comparisons", rule, decided[rule])
		}
	}
}

func checkSorted(t *testing.T, p *Policy, before []Destination, decided map[string]int) {
	t.Helper()
	list := slices.Clone(before)
	p.SortDestinations(list)
	again := slices.Clone(list)
	if p.SortDestinations(again); !slices.Equal(again, list) {
		t.Fatalf("sorted again: %s, want %s", text(again), text(list))
	}
	place := func(d Destination) int { return slices.Index(before, d) }
	seen := map[int]bool{}
	families := map[bool]bool{}
	for _, d := range list {
		seen[place(d)] = true
		families[d.Addr.Unmap().Is4()] = true
	}
	if len(seen) != len(before) || seen[-1] {
		t.Fatalf("%s is no permutation of %s", text(list), text(before))
	}
	for i, a := range list {
		for _, b := range list[i+1:] {
			order, rule := preferDestination(p, a, b)
			same := len(families) == 1 || a.Addr.Unmap().Is4() == b.Addr.Unmap().Is4()
			if order < 0 || order == 0 && same && place(a) > place(b) {
				t.Fatalf("rule %q prefers %s to %s, policy %+v", rule, text([]Destination{b}), text([]Destination{a}), p)
			}
			decided[rule]++
		}
	}
}
