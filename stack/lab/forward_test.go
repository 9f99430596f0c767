package lab

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack"
)

// A router sends super-segments on whole, between links of one MTU and with every option that segments have;
// where the next link is narrower it says so, and the sender cuts them smaller.
func TestSuperSegmentsAreForwarded(t *testing.T) {
	for _, mtu := range []int{1500, 1400} {
		s := &scene{TB: t, w: NewWorld()}
		s.l, s.r = New(s.w, 1), NewVirtual(s.w)
		host := func(cfg HostConfig) *Host {
			h, err := s.l.AddHost(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		prefixes := func(list ...string) (all []netip.Prefix) {
			for _, p := range list {
				all = append(all, netip.MustParsePrefix(p))
			}
			return all
		}
		router := host(HostConfig{Name: "router", Addrs: prefixes("10.0.1.1/24", "10.0.2.1/24"), Forward: true})
		a := host(HostConfig{Name: "a", Addrs: prefixes("10.0.1.2/24"), Gateway: netip.MustParseAddr("10.0.1.1")})
		b := host(HostConfig{Name: "b", Addrs: prefixes("10.0.2.2/24"), Gateway: netip.MustParseAddr("10.0.2.1")})
		for i, h := range []*Host{a, b} {
			cfg := LinkConfig{Delay: time.Millisecond, Offload: true, MTU: []int{1500, mtu}[i]}
			if _, err := s.l.Link(router, h, cfg); err != nil {
				t.Fatal(err)
			}
		}
		longest := 0
		b.Observe(func(ev *stack.PacketEvent) { longest = max(longest, ev.Frame.Len()) })
		st := s.newStream(a, b, "10.0.2.2:80", 1<<20)
		s.finish(st)
		if !bytes.Equal(st.got, st.data) {
			t.Errorf("mtu %d: the stream arrived changed", mtu)
		}
		if longest < 20_000 {
			t.Errorf("mtu %d: the longest frame has %d octets", mtu, longest)
		}
		s.check()
	}
}
