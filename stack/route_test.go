package stack

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// manyRoutes returns a host with two interfaces and n random routes.
func manyRoutes(t testing.TB, n int) (*Host, [2]*Iface, *rand.Rand) {
	t.Helper()
	h := New(Config{})
	var ifaces [2]*Iface
	for k := range ifaces {
		ifaces[k] = h.AddIface(0, IfaceConfig{
			Name: string(rune('a' + k)), MAC: wire.HardwareAddr{2, 0, 0, 0, 0, byte(k + 1)},
			Caps:  phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1500},
			Addrs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(k), 1}), 24)},
		})
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		dst := netip.PrefixFrom(randomAddr(rng), rng.IntN(33)).Masked()
		k := rng.IntN(2)
		gw := netip.AddrFrom4([4]byte{10, 0, byte(k), byte(2 + rng.IntN(200))})
		if err := h.AddRoute(dst, gw, ifaces[k]); err != nil && err != ErrExists && !errors.Is(err, ErrInvalid) { // loopback and groups are behind no gateway
			t.Fatal(err)
		}
	}
	return h, ifaces, rng
}

func randomAddr(rng *rand.Rand) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(1 + rng.IntN(223)), byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32())})
}

func BenchmarkLookup(b *testing.B) {
	h, _, rng := manyRoutes(b, 10_000)
	addrs := make([]netip.Addr, 1024)
	for k := range addrs {
		addrs[k] = randomAddr(rng)
	}
	k := 0
	for b.Loop() {
		h.net.lookup(addrs[k%len(addrs)])
		k++
	}
}

// TestManyAddresses: an interface with many addresses selects and recognises them as a linear search would.
func TestManyAddresses(t *testing.T) {
	h := New(Config{})
	i := h.AddIface(0, IfaceConfig{Name: "eth0", Caps: ethernet, MAC: macB})
	rng := rand.New(rand.NewPCG(5, 6))
	near := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(4)), byte(rng.IntN(256))}) }
	for range 3000 {
		if len(i.addresses.list) > 0 && rng.IntN(5) == 0 {
			if err := i.DelAddr(0, i.addresses.list[rng.IntN(len(i.addresses.list))].Prefix); err != nil {
				t.Fatal(err)
			}
		} else if len(i.addresses.list) < 60 {
			_ = i.AddAddr(0, netip.PrefixFrom(near(), 22+rng.IntN(11)))
		}
		a := near()
		var source netip.Addr
		broadcast := false
		for _, p := range i.addresses.list {
			if !p.Contains(a) {
				continue
			}
			if !source.IsValid() {
				source = p.Addr()
			}
			broadcast = broadcast || p.Bits() <= 30 && (a == p.Masked().Addr() || a == lastAddr(p.Prefix))
		}
		got, ok := i.sourceTo(a)
		if got != source || ok != source.IsValid() || i.onLink(a) != ok || i.isBroadcast(a) != broadcast {
			t.Fatalf("%v: source %v, broadcast %v, want %v, %v of %v", a, got, i.isBroadcast(a), source, broadcast, i.Addrs())
		}
		routed := h.net.routes.OnLink(a) != nil
		if routed != ok {
			t.Fatalf("%v: on link by route %v, by address %v", a, routed, ok)
		}
	}
	for len(i.addresses.list) > 0 {
		if err := i.DelAddr(0, i.addresses.list[0].Prefix); err != nil {
			t.Fatal(err)
		}
	}
	if len(i.addresses.subnets.addrs) != 0 || len(i.addresses.subnets.broadcasts) != 0 || i.addresses.subnets.lengths != [numFamilies][129]int{} {
		t.Errorf("left over: %+v", i.addresses.subnets)
	}
}
