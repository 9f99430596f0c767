package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// manyRoutes6 returns a table with n random routes of IPv6, whose prefixes have the given number of lengths from 32 on.
func manyRoutes6(n, lengths int) (*Table, []netip.Addr) {
	t, rng := new(Table), rand.New(rand.NewPCG(1, 2))
	t.SetUp(0, true)
	gw := netip.MustParseAddr("fe80::1%0")
	for k := range n {
		t.Add(Route{Dst: netip.PrefixFrom(randomAddr6(rng), 32+k%lengths).Masked(), Gateway: gw})
	}
	t.Add(Route{Dst: netip.MustParsePrefix("::/0"), Gateway: gw})
	dsts := make([]netip.Addr, 1024)
	for k := range dsts {
		dsts[k] = randomAddr6(rng)
	}
	return t, dsts
}

func randomAddr6(rng *rand.Rand) netip.Addr {
	b := [16]byte{0x20}
	for k := range b[1:] {
		b[1+k] = byte(rng.Uint32())
	}
	return netip.AddrFrom16(b)
}

func BenchmarkMatch(b *testing.B) {
	table, rng := manyRoutes(10_000)
	addrs := make([]netip.Addr, 1024)
	for k := range addrs {
		addrs[k] = randomAddr(rng)
	}
	k := 0
	for b.Loop() {
		table.Match(addrs[k%len(addrs)])
		k++
	}
}

func BenchmarkMatch6(b *testing.B) {
	for _, n := range []int{10_000, 50_000} {
		for _, lengths := range []int{1, 4, 32, 96} {
			table, dsts := manyRoutes6(n, lengths)
			b.Run(fmt.Sprintf("routes=%d/lengths=%d", n, lengths+1), func(b *testing.B) {
				k := 0
				for b.Loop() {
					table.Match(dsts[k%len(dsts)])
					k++
				}
			})
		}
	}
}
