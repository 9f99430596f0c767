package lab

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// TestSuperSegmentsAreForwarded: a router forwards super-segments whole between links of one MTU, and keeps every TCP
// option. If the next link is narrower it sends fragmentation needed, and the sender makes smaller segments.
func TestSuperSegmentsAreForwarded(t *testing.T) { bothFamilies(t, testSuperSegmentsAreForwarded) }

func testSuperSegmentsAreForwarded(t *testing.T, v *addressing) {
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
		end := func(name string, k int) *Host {
			cfg := HostConfig{Name: name, Addrs: []netip.Prefix{netip.MustParsePrefix(v.on(k, 2))}}
			v.gateway(&cfg, k, 1)
			return host(cfg)
		}
		router := host(HostConfig{Name: "router", Addrs: []netip.Prefix{netip.MustParsePrefix(v.on(0, 1)), netip.MustParsePrefix(v.on(1, 1))}, Forward: true})
		b, a := end("b", 0), end("a", 1)
		for i, h := range []*Host{b, a} {
			cfg := LinkConfig{Delay: time.Millisecond, Offload: true, MTU: []int{mtu, 1500}[i]}
			if _, err := s.l.Link(router, h, cfg); err != nil {
				t.Fatal(err)
			}
		}
		longest := 0
		b.Observe(func(ev *stack.PacketEvent) { longest = max(longest, ev.Frame.Len()) })
		st := s.newStream(a, b, v.at(2, 80), 1<<20)
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

// TestLittleIsSentAgainNeedlessly: on a path that keeps the order nothing arrives twice. Of two segments sent at the same instant,
// a retransmission must not count as lost because the segment sent before it arrives first.
func TestLittleIsSentAgainNeedlessly(t *testing.T) { bothFamilies(t, testLittleIsSentAgainNeedlessly) }

func testLittleIsSentAgainNeedlessly(t *testing.T, v *addressing) {
	s := v.scene(t, 3, LinkConfig{Delay: 10 * time.Millisecond})
	s.k.Faults().Add(&fault.Rule{Loss: 0.01, Dir: fault.TX})
	p := s.newPump(0, s.a, s.b, v.addr(0, 2), 80, tcp.Config{})
	arrived, twice := map[wire.Seq]bool{}, 0
	s.b.Observe(func(ev *stack.PacketEvent) {
		if b := ev.Frame.Bytes(); ev.Dir == stack.RX && len(b) > 100 {
			seg, err := segmentIn(b)
			if seg == nil {
				return
			}
			if h, _, err2 := wire.ParseTCP(seg); err != nil || err2 != nil {
				t.Error(err, err2)
			} else if arrived[h.Seq] {
				twice++
			} else {
				arrived[h.Seq] = true
			}
		}
	})
	s.runFor(10 * time.Second)
	ab, _ := s.k.Stats()
	if lost := int(ab.Dropped()); lost < 50 || twice > 2 || p.got < 8_000_000 {
		t.Errorf("%d frames were lost, %d came twice, %d octets arrived", lost, twice, p.got)
	}
}
