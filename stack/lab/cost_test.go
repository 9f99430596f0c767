package lab

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// labPile is a kind of entry of which a lab may have many, and the step per packet that is measured beside it: see
// stack.BenchmarkCost.
type labPile struct {
	name, step string
	most       int
	make       func(s *costScene, n int) (step func())
}

// costScene is a switch with two hosts, one of which sends datagrams to the other.
type costScene struct {
	testing.TB
	w     *World
	l     *Lab
	r     Runner
	sw    *Switch
	a, b  *Host
	ka    *Link
	v     *addressing
	u, to *stack.UDPConn
	buf   [200]byte
}

func newCostScene(tb testing.TB, v *addressing) *costScene {
	s := &costScene{TB: tb, v: v, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	s.sw = s.l.Switch("s")
	s.a, s.ka = s.attach(0)
	s.b, _ = s.attach(1)
	var err error
	if s.u, err = s.a.BindUDP(netip.AddrPortFrom(netip.Addr{}, 7)); err != nil {
		tb.Fatal(err)
	}
	if s.to, err = s.b.BindUDP(netip.AddrPortFrom(netip.Addr{}, 7)); err != nil {
		tb.Fatal(err)
	}
	for s.w.Step() { // until the hosts have announced themselves
	}
	s.datagram()
	return s
}

// addr returns the address of host k, and prefix that of the network with all of them.
func (s *costScene) addr(k int) netip.Addr {
	k++
	if s.v == six {
		return netip.AddrFrom16([16]byte{0: 0xfd, 13: byte(k >> 16), 14: byte(k >> 8), 15: byte(k)})
	}
	return netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)})
}

func (s *costScene) prefix(k int) string {
	a := s.addr(k)
	return netip.PrefixFrom(a, a.BitLen()/4).String()
}

// attach adds the kth host to the switch.
func (s *costScene) attach(k int) (*Host, *Link) {
	s.Helper()
	h := addHost(s, s.l, fmt.Sprint("h", k), s.prefix(k))
	link, err := s.sw.Attach(h, LinkConfig{})
	if err != nil {
		s.Fatal(err)
	}
	return h, link
}

// crowd attaches n more hosts, and makes each of them send a frame.
func (s *costScene) crowd(n int) {
	for k := range n {
		s.attach(k + 2)
	}
	s.w.Kick()
	s.w.Advance(s.w.Now() + 1)
}

// datagram sends a datagram from a to b.
func (s *costScene) datagram() {
	s.Helper()
	s.r.Do(func(now clock.Instant) {
		if err := s.u.Send(now, s.buf[:100], netip.AddrPortFrom(s.addr(1), 7)); err != nil {
			s.Fatal(err)
		}
	})
	s.w.Advance(s.w.Now() + 1)
	if n, _, _ := s.to.Recv(s.buf[:]); n != 100 {
		s.Fatalf("%d octets", n)
	}
}

var labPiles = []labPile{
	{"hosts on a switch", "a datagram between two, by a call", 300, func(s *costScene, n int) func() {
		s.crowd(n)
		return s.datagram
	}},
	{"hosts on a switch", "a datagram between two, by an event of a host's", 300, func(s *costScene, n int) func() {
		s.crowd(n)
		s.to.OnEvent = func(now clock.Instant) { // makes both ends answer each other without end
			m, from, _ := s.to.Recv(s.buf[:])
			_ = s.to.Send(now, s.buf[:m], from)
		}
		s.u.OnEvent = func(now clock.Instant) {
			m, from, _ := s.u.Recv(s.buf[:])
			_ = s.u.Send(now, s.buf[:m], from)
		}
		s.ka.cfg.Delay = time.Microsecond
		s.r.Do(func(now clock.Instant) { _ = s.u.Send(now, s.buf[:100], netip.AddrPortFrom(s.addr(1), 7)) })
		return func() {
			if !s.w.Step() {
				s.Fatal("nothing happens")
			}
		}
	}},
	{"labs in the world", "a datagram between two, by a call", 5000, func(s *costScene, n int) func() {
		for k := range n {
			addHost(s, New(s.w, uint64(k)), "x", s.v.host(1))
		}
		return s.datagram
	}},
	{"rules at a link", "a datagram that none concerns", 10_000, func(s *costScene, n int) func() {
		for range n {
			s.ka.Faults().Add(&fault.Rule{Match: func([]byte, phy.Medium) bool { return false }, Loss: 1})
		}
		return s.datagram
	}},
	{"events scheduled", "a datagram", 50_000, func(s *costScene, n int) func() {
		for k := range n {
			s.w.At(clock.Instant(1000*time.Hour)+clock.Instant(k), func(clock.Instant) {})
		}
		return s.datagram
	}},
}

var labCostSizes = [...]int{0, 1000, 50_000}

// BenchmarkCost measures each pile's step as stack.BenchmarkCost does. setup-ns is the time to make one entry of the pile.
func BenchmarkCost(b *testing.B) {
	for _, v := range families {
		b.Run(v.name, func(b *testing.B) { benchmarkCost(b, v) })
	}
}

func benchmarkCost(b *testing.B, v *addressing) {
	for _, p := range labPiles {
		for k, n := range labCostSizes {
			if n = min(n, p.most); k > 1 && n == min(labCostSizes[k-1], p.most) {
				continue
			}
			b.Run(fmt.Sprintf("%s: %s/%d", p.name, p.step, n), func(b *testing.B) {
				s := newCostScene(b, v)
				began := time.Now()
				step := p.make(s, n)
				setup := time.Since(began)
				b.ReportAllocs()
				for b.Loop() {
					step()
				}
				b.ReportMetric(float64(setup.Nanoseconds())/float64(max(1, n)), "setup-ns")
			})
		}
	}
}

// TestCostSteps runs each pile's step beside a few entries, to check that it does what the benchmark measures.
func TestCostSteps(t *testing.T) { bothFamilies(t, testCostSteps) }

func testCostSteps(t *testing.T, v *addressing) {
	for _, p := range labPiles {
		for _, n := range [...]int{0, 20} {
			t.Run(fmt.Sprintf("%s: %s/%d", p.name, p.step, n), func(t *testing.T) {
				step := p.make(newCostScene(t, v), n)
				for range 100 {
					step()
				}
			})
		}
	}
}
