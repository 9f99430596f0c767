package lab

import (
	"fmt"
	"testing"
	"time"

	"smolsh/stack/clock"
)

// crowd is a switch with n hosts beside a and b. They have no addresses, so that they are silent.
func crowd(t testing.TB, n int) (s *scene, sw *Switch) {
	t.Helper()
	s = &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	sw = s.l.Switch("s")
	join := func(name string, addrs ...string) *Host {
		h := addHost(t, s.l, name, addrs...)
		if _, err := sw.Attach(h, LinkConfig{Delay: time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		return h
	}
	s.a, s.b = join("a", "10.0.0.1/24"), join("b", "10.0.0.2/24")
	for k := range n {
		join(fmt.Sprintf("h%d", k))
	}
	for s.w.Next() < clock.Instant(time.Hour) && s.w.Step() {
	}
	return s, sw
}

// BenchmarkCost is a table of the work for one thing in a world of so many hosts. No row may grow by more than a
// logarithm for each host.
func BenchmarkCost(b *testing.B) {
	for _, c := range []struct {
		name string
		fn   func(b *testing.B, n int)
	}{
		{"host made and attached to a switch, beside others", costAttach},
		{"call of an application, hosts at rest", costCall},
		{"datagram between two hosts of a switch, others at rest", costDatagram},
	} {
		for _, n := range []int{0, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) { c.fn(b, n) })
		}
	}
}

func costAttach(b *testing.B, n int) {
	s, sw := crowd(b, n)
	for k := 0; b.Loop(); k++ {
		h := addHost(b, s.l, fmt.Sprintf("x%d", k))
		if _, err := sw.Attach(h, LinkConfig{}); err != nil {
			b.Fatal(err)
		}
	}
}

func costCall(b *testing.B, n int) {
	s, _ := crowd(b, n)
	for b.Loop() {
		s.r.Do(func(clock.Instant) {})
	}
}

func costDatagram(b *testing.B, n int) {
	s, _ := crowd(b, n)
	from, to := s.bindUDP(s.a, 5), s.bindUDP(s.b, 7)
	var buf [10]byte
	exchange := func() {
		s.sendUDP(from, "x", "10.0.0.2:7")
		for k := 0; to.NextLen() < 0; k++ {
			if !s.w.Step() {
				b.Fatal("nothing arrived")
			}
		}
		to.Recv(buf[:])
	}
	exchange() // the first asks everyone for the neighbour
	for b.Loop() {
		exchange()
	}
}
