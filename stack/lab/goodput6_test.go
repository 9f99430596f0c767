package lab

import (
	"net/netip"
	"testing"
	"time"

	"smolsh/phy/fault"
	"smolsh/stack/tcp"
)

// TestGoodputOfBothFamilies: a flow over IPv6 uses as much of its link as one over IPv4, but for the longer header, whatever the delay,
// the queue, the buffers and the reordering. Single flows under random loss differ by chance, so their sum is compared.
func TestGoodputOfBothFamilies(t *testing.T) {
	measure := func(v *addressing, seed uint64, cfg LinkConfig, tcpCfg tcp.Config, rules ...*fault.Rule) int {
		s := v.scene(t, seed, cfg)
		for _, r := range rules {
			s.k.Faults().Add(r)
		}
		p := s.newPump(0, s.a, s.b, v.addr(0, 2), 80, tcpCfg)
		s.runFor(10 * time.Second)
		s.check()
		return p.got
	}
	// Octets of payload in a full segment of each family, with the timestamps option.
	const full4, full6 = 1500 - 20 - 32, 1500 - 40 - 32
	for _, a := range algorithms {
		if raced && a != tcp.CUBIC {
			continue // the race detector makes a minute of it
		}
		for _, c := range []LinkConfig{
			{RateBps: 100_000_000, Delay: 100 * time.Millisecond, Queue: 1600},
			{RateBps: 200_000_000, Delay: 5 * time.Millisecond, Queue: 42},
			{RateBps: 10_000_000, Delay: 10 * time.Millisecond, Queue: 10},
			{RateBps: 10_000_000, Delay: 10 * time.Millisecond, Queue: 1000},
			{RateBps: 10_000_000, Delay: time.Millisecond, MTU: 1280},
			{RateBps: 1_000_000_000, Delay: time.Millisecond, Offload: true},
		} {
			cfg := tcp.Config{Congestion: a}
			got4, got6 := measure(four, 1, c, cfg), measure(six, 1, c, cfg)
			if got6 < got4/full4*full6/100*97 {
				t.Errorf("%v, %+v: %d octets over IPv6, %d over IPv4", a, c, got6, got4)
			}
		}
		var sum [2]int
		for seed := uint64(1); seed <= 6; seed++ {
			for k, v := range families {
				sum[k] += measure(v, seed, LinkConfig{RateBps: 20_000_000, Delay: 10 * time.Millisecond, Loss: 0.01}, tcp.Config{Congestion: a},
					&fault.Rule{Reorder: 0.05, Hold: 10 * time.Millisecond})
			}
		}
		if sum[1] < sum[0]*9/10 {
			t.Errorf("%v at 1 %% loss: %d octets over IPv6, %d over IPv4", a, sum[1], sum[0])
		}
	}
}

// TestManyFlowsOfBothFamilies: flows over IPv4 and IPv6 through one router share its link fairly.
func TestManyFlowsOfBothFamilies(t *testing.T) {
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	both := func(k, n int) []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix(four.on(k, n)), netip.MustParsePrefix(six.on(k, n))}
	}
	add := func(name string, forward bool, addrs []netip.Prefix, k int) *Host {
		cfg := HostConfig{Name: name, Addrs: addrs, Forward: forward}
		if !forward {
			four.gateway(&cfg, k, 1)
			six.gateway(&cfg, k, 1)
		}
		h, err := s.l.AddHost(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	router := add("router", true, append(both(0, 1), both(1, 1)...), 0)
	from, to := add("from", false, both(0, 2), 0), add("to", false, both(1, 2), 1)
	const rate = 30_000_000
	for k, h := range []*Host{from, to} {
		cfg := LinkConfig{RateBps: 1_000_000_000, Queue: 10_000, Delay: 5 * time.Millisecond}
		if k == 1 {
			cfg = LinkConfig{RateBps: rate, Queue: 50, Delay: time.Millisecond}
		}
		if _, err := s.l.Link(router, h, cfg); err != nil {
			t.Fatal(err)
		}
	}
	var pumps []*pump
	for i := range 6 {
		v := families[i%2]
		pumps = append(pumps, s.newPump(at(time.Duration(i)*100*time.Millisecond), from, to, v.addr(1, 2), uint16(80+i), tcp.Config{}))
	}
	s.runFor(5 * time.Second)
	got := make([]int, len(pumps))
	for i, p := range pumps {
		got[i] = -p.got
	}
	s.runFor(20 * time.Second)
	var sum [2]int
	for i, p := range pumps {
		got[i] += p.got
		sum[i%2] += got[i]
	}
	if j := jain(got); j < 850 || sum[1] < sum[0]*7/10 || sum[0] < sum[1]*7/10 || permille(sum[0]+sum[1], 20*time.Second, rate) < 900 {
		t.Errorf("Jain's index is %d permille; %v", j, got)
	}
	s.check()
}
