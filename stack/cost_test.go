package stack

import (
	"fmt"
	"net/netip"
	"testing"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// BenchmarkCost is a table of the work for one packet or call after so many of whatever can pile up. No row may grow by
// more than a logarithm.
func BenchmarkCost(b *testing.B) {
	for _, c := range []struct {
		name string
		fn   func(b *testing.B, n int)
	}{
		{"fragmentation needed, path table full", costPaths},
	} {
		for _, n := range []int{0, 1000, 50_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) { c.fn(b, n) })
		}
	}
}

// outside is an address beyond the link's router.
func outside(k int) netip.Addr {
	return netip.AddrFrom4([4]byte{20, byte(k >> 16), byte(k >> 8), byte(k)})
}

func costPaths(b *testing.B, n int) {
	h, i := lone(b)
	if err := h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil); err != nil {
		b.Fatal(err)
	}
	if err := h.SetLimit("paths", max(1, n)); err != nil {
		b.Fatal(err)
	}
	if _, err := h.BindUDP(port(netip.IPv4Unspecified(), 80)); err != nil {
		b.Fatal(err)
	}
	frame := func(k int) *phy.Frame { return toB(fragNeeded(1000, wire.ProtocolUDP, outside(k), 1500, 0, 9)) }
	for k := range n {
		h.Receive(clock.Instant(k), i, frame(k))
	}
	frames := make([]*phy.Frame, 4096)
	for k := range frames {
		frames[k] = frame(n + k)
	}
	for k := n; b.Loop(); k++ {
		h.Receive(clock.Instant(k), i, frames[k%len(frames)])
	}
}
