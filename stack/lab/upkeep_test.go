package lab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack"
)

// TestAdvertisingRouterComesToRest: a world in which a router only goes on to advertise itself has nothing left to happen, however
// short its interval and however many its links. When time passes, advertisements are sent (RFC 4861 §6.2.4).
func TestAdvertisingRouterComesToRest(t *testing.T) {
	const links = 8
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	cfg := HostConfig{Name: "r", Forward: true, Advertise: &stack.Advertising{MaxInterval: 4 * time.Second}}
	for i := range links {
		cfg.Addrs = append(cfg.Addrs, netip.MustParsePrefix(fmt.Sprintf("fd00:0:0:%d::1/64", i)))
	}
	router, err := s.l.AddHost(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range links {
		s.b = addHost(t, s.l, fmt.Sprint("h", i))
		if _, err := s.l.Link(router, s.b, LinkConfig{Delay: 10 * time.Millisecond}); err != nil {
			t.Fatal(err)
		}
	}
	for s.w.Step() {
		if s.w.Now() > at(3*time.Minute) {
			t.Fatalf("something is still to happen at %v", s.w.Now())
		}
	}
	if addrs := s.b.Ifaces()[0].Addrs(); len(addrs) != 2 { // the link-local one and that of the prefix
		t.Errorf("the host has the addresses %v", addrs)
	}
	heard := func() (n uint64) {
		for _, c := range s.b.CounterInfos() {
			if c.Name == "Icmp6InRouterAdvertisements" {
				n = c.Value
			}
		}
		return n
	}
	before := heard()
	s.runFor(time.Minute)
	if n := heard() - before; n < 15 || n > 45 {
		t.Errorf("%d advertisements in a minute", n)
	}
	s.check()
}
