package route

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func randomAddr(rng *rand.Rand) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(1 + rng.IntN(223)), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())})
}

// manyRoutes returns a table with two interfaces, their subnets and n random routes.
func manyRoutes(n int) (*Table, *rand.Rand) {
	t, rng := new(Table), rand.New(rand.NewPCG(1, 2))
	for out := range 2 {
		t.SetUp(out, true)
		t.Add(Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(out), 0}), 24), Out: out, Connected: true})
	}
	for range n {
		dst := netip.PrefixFrom(randomAddr(rng), rng.IntN(33)).Masked()
		out := rng.IntN(2)
		if gw := netip.AddrFrom4([4]byte{10, 0, byte(out), byte(2 + rng.IntN(200))}); !t.Has(dst) {
			t.Add(Route{Dst: dst, Gateway: gw, Out: out})
		}
	}
	return t, rng
}

// TestMatchAgreesWithSearch: Match finds the same route as a linear search of the table, also when an interface is down and after
// routes were removed.
func TestMatchAgreesWithSearch(t *testing.T) {
	table, rng := manyRoutes(2000)
	added := func(r Route) bool { return !r.Connected }
	for round := range 3 {
		list := table.All()
		for range 2000 {
			dst := randomAddr(rng)
			var want *Route
			for k := range list {
				if r := &list[k]; table.isUp(r) && r.Dst.Contains(dst) {
					want = r
					break
				}
			}
			got := table.Match(dst)
			if (got == nil) != (want == nil) || got != nil && *got != *want {
				t.Fatalf("round %d, %v: %+v, want %+v", round, dst, got, want)
			}
		}
		switch round {
		case 0:
			table.SetUp(0, false)
		case 1:
			table.SetUp(0, true)
			for _, r := range list[:len(list)/2] {
				table.Remove(r.Dst, added)
			}
		}
	}
	for _, r := range table.All() {
		table.Remove(r.Dst, added)
	}
	if got := table.All(); len(got) != 2 || !slices.Equal(table.v4, lengths{{24, 2}}) {
		t.Errorf("left: %v, %v", got, table.v4)
	}
}

// TestOrder: among routes to one destination, Match prefers a connected one, and OnLink one whose interface is up.
func TestOrder(t *testing.T) {
	var table Table
	dst, a := netip.MustParsePrefix("10.0.0.0/24"), netip.MustParseAddr("10.0.0.9")
	table.Add(Route{Dst: dst, Out: 2})
	table.Add(Route{Dst: dst, Out: 0, Connected: true})
	table.Add(Route{Dst: dst, Out: 1, Connected: true})
	if r := table.Match(a); r != nil {
		t.Errorf("all interfaces are down: %+v", *r)
	}
	if r := table.OnLink(a); r.Out != 0 {
		t.Errorf("on link by %d", r.Out)
	}
	table.SetUp(2, true)
	table.SetUp(1, true)
	if r := table.Match(a); r.Out != 1 {
		t.Errorf("by %d", r.Out)
	}
	if r := table.OnLink(a); r.Out != 1 {
		t.Errorf("on link by %d", r.Out)
	}
	if !table.Has(dst) || !table.Connected(dst, 0) || table.Connected(dst, 2) {
		t.Error("Has or Connected is wrong")
	}
}
