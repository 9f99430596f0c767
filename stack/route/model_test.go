package route

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// A model is a list of routes that each lookup searches from end to end.
type model struct {
	list    []modelRoute // in the order in which they were added
	up      [4]bool
	choices int
}

type modelRoute struct {
	Route
	chosen int
}

// place orders the routes to one address: the longest prefix first, then connected, static, and learned by preference.
func (r *modelRoute) place() [3]int {
	kind, preference := 1, 0
	if r.Connected {
		kind = 0
	}
	if r.Learned {
		kind, preference = 2, -int(r.Preference)
	}
	return [3]int{-r.Dst.Bits(), kind, preference}
}

// to returns the routes to dst, the best first.
func (m *model) to(dst netip.Addr) (found []*modelRoute) {
	for k := range m.list {
		if m.list[k].Dst.Contains(dst.WithZone("")) {
			found = append(found, &m.list[k])
		}
	}
	slices.SortStableFunc(found, func(a, b *modelRoute) int {
		x, y := a.place(), b.place()
		return slices.Compare(x[:], y[:])
	})
	return found
}

func (m *model) match(dst netip.Addr) *modelRoute {
	for _, r := range m.to(dst) {
		if m.up[r.Out] {
			return r
		}
	}
	return nil
}

func (m *model) choose(dst netip.Addr, usable func(netip.Addr) bool) *modelRoute {
	var dead []*modelRoute
	for _, r := range m.to(dst) {
		if !m.up[r.Out] {
			continue
		}
		if !r.Learned || !r.Gateway.IsValid() || usable(r.Gateway) {
			return r
		}
		dead = append(dead, r)
	}
	if dead == nil {
		return nil
	}
	slices.SortStableFunc(dead, func(a, b *modelRoute) int { return cmp.Compare(a.chosen, b.chosen) })
	m.choices++
	dead[0].chosen = m.choices
	return dead[0]
}

func (m *model) onLink(dst netip.Addr) (best *modelRoute) {
	for _, r := range m.to(dst) {
		if best != nil && r.Dst.Bits() < best.Dst.Bits() {
			break
		}
		if !r.Gateway.IsValid() && (best == nil || m.up[r.Out] && !m.up[best.Out]) {
			best = r
		}
	}
	return best
}

func (m *model) has(dst netip.Prefix) bool {
	return slices.ContainsFunc(m.list, func(r modelRoute) bool { return r.Dst == dst && !r.Connected && !r.Learned })
}

func (m *model) connected(dst netip.Prefix, out int) bool {
	return slices.ContainsFunc(m.list, func(r modelRoute) bool { return r.Dst == dst && r.Connected && r.Out == out })
}

// all returns the routes of each family by place, then in the order of adding.
func (m *model) all() []modelRoute {
	list := slices.Clone(m.list)
	slices.SortStableFunc(list, func(a, b modelRoute) int {
		x, y := a.place(), b.place()
		return cmp.Or(a.Dst.Addr().BitLen()-b.Dst.Addr().BitLen(), slices.Compare(x[:], y[:]))
	})
	return list
}

func (m *model) learn(r Route) bool {
	r.Learned, r.Connected = true, false
	k := slices.IndexFunc(m.list, func(o modelRoute) bool {
		return o.Learned && o.Dst == r.Dst && o.Gateway == r.Gateway && o.Out == r.Out
	})
	if k >= 0 {
		if m.list[k].Preference == r.Preference {
			return false
		}
		m.list = slices.Delete(m.list, k, k+1)
	}
	m.list = append(m.list, modelRoute{Route: r})
	return true
}

// text describes a route without the table's own numbers.
func text(r *Route) string {
	if r == nil {
		return "none"
	}
	return fmt.Sprint(r.Dst, " via ", r.Gateway, " out ", r.Out, " connected ", r.Connected, " learned ", r.Learned, " preference ", r.Preference)
}

func (r *modelRoute) text() string {
	if r == nil {
		return "none"
	}
	return text(&r.Route)
}

// near returns an address in one of a few small networks of both families, so that prefixes of all lengths nest.
func near(rng *rand.Rand) netip.Addr {
	if rng.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(2)) << 7, byte(rng.IntN(4))})
	}
	b := [16]byte{0x20, 1, 0x0d, 0xb8, 7: byte(rng.IntN(2)), 15: byte(rng.IntN(4))}
	if rng.IntN(4) == 0 {
		copy(b[:], []byte{0xfe, 0x80, 0, 0})
		return netip.AddrFrom16(b).WithZone("1")
	}
	return netip.AddrFrom16(b)
}

// randomRoute returns a route of any kind. Its gateway is one of few, link-local for IPv6.
func randomRoute(rng *rand.Rand) Route {
	a, out := near(rng), rng.IntN(4)
	r := Route{Dst: netip.PrefixFrom(a, rng.IntN(a.BitLen()+1)).Masked(), Out: out}
	if rng.IntN(3) == 0 { // the lengths that share a destination most often
		r.Dst = netip.PrefixFrom(a, 0).Masked()
	}
	if rng.IntN(4) > 0 {
		r.Gateway = netip.AddrFrom4([4]byte{10, 9, 9, byte(rng.IntN(3))})
		if a.Is6() {
			r.Gateway = netip.AddrFrom16([16]byte{0xfe, 0x80, 15: byte(rng.IntN(3))}).WithZone(fmt.Sprint(out))
		}
	}
	switch rng.IntN(4) {
	case 0:
		r.Connected = !r.Gateway.IsValid()
	case 1, 2:
		r.Learned, r.Preference = true, int8(rng.IntN(3)-1)
	}
	return r
}

// change applies one random change to a table and its model.
func change(t *testing.T, rng *rand.Rand, table *Table, m *model) {
	r := randomRoute(rng)
	switch rng.IntN(8) {
	case 0, 1, 2, 3, 4:
		if !r.Learned {
			table.Add(r)
			m.list = append(m.list, modelRoute{Route: r})
		} else if got, want := table.Learn(r), m.learn(r); got != want {
			t.Fatalf("learn %s: changed %v, want %v", text(&r), got, want)
		}
	case 5:
		out := rng.IntN(4)
		m.up[out] = rng.IntN(4) > 0
		table.SetUp(out, m.up[out])
	default:
		if len(m.list) > 0 {
			r = m.list[rng.IntN(len(m.list))].Route
		}
		match := func(o Route) bool { return o.Learned == r.Learned && o.Out == r.Out }
		table.Remove(r.Dst, match)
		m.list = slices.DeleteFunc(m.list, func(o modelRoute) bool { return o.Dst == r.Dst && match(o.Route) })
	}
}

// checkLengths compares the prefix lengths of a table with the destinations of its model.
func checkLengths(t *testing.T, table *Table, m *model) {
	t.Helper()
	want := map[int]lengths{}
	seen := map[netip.Prefix]bool{}
	for _, r := range m.all() {
		if seen[r.Dst] {
			continue
		}
		seen[r.Dst] = true
		l := want[r.Dst.Addr().BitLen()]
		if n := len(l); n == 0 || l[n-1].bits != r.Dst.Bits() {
			l = append(l, length{bits: r.Dst.Bits()})
		}
		l[len(l)-1].destinations++
		want[r.Dst.Addr().BitLen()] = l
	}
	if !slices.Equal(table.v4, want[32]) || !slices.Equal(table.v6, want[128]) {
		t.Fatalf("lengths %v and %v, want %v", table.v4, table.v6, want)
	}
}

// TestModel: every lookup finds the route that a search of all routes finds, in both families, while routes and interfaces
// change at random.
func TestModel(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var table Table
		var m model
		for step := range 300 {
			change(t, rng, &table, &m)
			for range 6 {
				checkLookups(t, rng, &table, &m)
			}
			if step%20 == 0 {
				checkAll(t, &table, &m)
				checkLengths(t, &table, &m)
			}
		}
	}
}

func checkLookups(t *testing.T, rng *rand.Rand, table *Table, m *model) {
	t.Helper()
	dst, dead := near(rng), byte(rng.IntN(8))
	usable := func(gw netip.Addr) bool { b := gw.As16(); return dead>>b[15]&1 == 0 }
	if got, want := text(table.Match(dst)), m.match(dst).text(); got != want {
		t.Fatalf("match %v: %s, want %s", dst, got, want)
	}
	got := text(table.Choose(dst, func(r *Route) bool { return usable(r.Gateway) }))
	if want := m.choose(dst, usable).text(); got != want {
		t.Fatalf("choose %v, dead gateways %03b: %s, want %s", dst, dead, got, want)
	}
	if got, want := text(table.OnLink(dst)), m.onLink(dst).text(); got != want {
		t.Fatalf("on link %v: %s, want %s", dst, got, want)
	}
	p, out := netip.PrefixFrom(dst, rng.IntN(dst.BitLen()+1)).Masked(), rng.IntN(4)
	if got, want := table.Has(p), m.has(p); got != want {
		t.Fatalf("has %v: %v, want %v", p, got, want)
	}
	if got, want := table.Connected(p, out), m.connected(p, out); got != want {
		t.Fatalf("connected %v by %d: %v, want %v", p, out, got, want)
	}
}

func checkAll(t *testing.T, table *Table, m *model) {
	t.Helper()
	got, want := table.All(), m.all()
	if len(got) != len(want) {
		t.Fatalf("%d routes, want %d", len(got), len(want))
	}
	for k := range got {
		if text(&got[k]) != want[k].text() {
			t.Fatalf("route %d: %s, want %s", k, text(&got[k]), want[k].text())
		}
	}
}
