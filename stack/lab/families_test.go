package lab

import (
	"fmt"
	"net/netip"
	"testing"

	"smolsh/stack/clock"
)

// addressing is the addresses of a test's hosts in one family.
type addressing struct {
	name     string
	prefix   string // format of host n's address on link k with its prefix length
	endpoint string // format of its address with a port
	header   int    // length of the IP header in octets
}

var (
	four     = &addressing{"IPv4", "10.0.%[2]d.%[1]d/24", "10.0.%[2]d.%[1]d:%[3]d", 20}
	six      = &addressing{"IPv6", "fd00:0:0:%[2]d::%[1]d/64", "[fd00:0:0:%[2]d::%[1]d]:%[3]d", 40}
	families = [...]*addressing{four, six}
)

// bothFamilies runs a test in each family.
func bothFamilies(t *testing.T, f func(t *testing.T, v *addressing)) {
	for _, v := range families {
		t.Run(v.name, func(t *testing.T) { f(t, v) })
	}
}

// on returns the address of host n on link k with its prefix length, host that of host n on link 0.
func (v *addressing) on(k, n int) string { return fmt.Sprintf(v.prefix, n, k) }
func (v *addressing) host(n int) string  { return v.on(0, n) }

// addr returns the address of host n on link k.
func (v *addressing) addr(k, n int) netip.Addr { return netip.MustParsePrefix(v.on(k, n)).Addr() }

// at returns the endpoint of host n on link 0, as text.
func (v *addressing) at(n, port int) string { return fmt.Sprintf(v.endpoint, n, 0, port) }

// gateway makes host n of link k the gateway of a host.
func (v *addressing) gateway(cfg *HostConfig, k, n int) {
	if v == six {
		cfg.Gateway6 = v.addr(k, n)
		return
	}
	cfg.Gateway = v.addr(k, n)
}

// scene is newScene in the family.
func (v *addressing) scene(t testing.TB, seed uint64, cfg LinkConfig) *scene {
	t.Helper()
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, seed), NewVirtual(s.w)
	s.a, s.b = addHost(t, s.l, "a", v.host(1)), addHost(t, s.l, "b", v.host(2))
	k, err := s.l.Link(s.a, s.b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.k = k
	return s
}

// settle lets time pass until nothing is left to happen: the hosts have announced their addresses and found no router.
func (s *scene) settle() {
	s.Helper()
	for n := 0; s.w.Step(); n++ {
		if n > 100_000 {
			s.Fatalf("something is still to happen at %v", s.w.Now())
		}
	}
	s.w.Sync(s.w.Now() + clock.Instant(1))
}
