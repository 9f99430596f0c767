package script

import (
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gopacket/gopacket"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// observed returns a host's interface with a packet for its observers.
func observed() *stack.PacketEvent {
	h := stack.New(stack.Config{Name: "a"})
	i := h.AddIface(0, stack.IfaceConfig{Name: "eth0", Caps: phy.Capabilities{Medium: phy.MediumEthernet, MTU: 1500}})
	i.AddAddr(0, netip.MustParsePrefix("10.0.0.1/24"))
	f := phy.NewFrame(phy.FrameSize)
	f.Set(make([]byte, 1514))
	return &stack.PacketEvent{Host: h, Iface: i, Frame: f, Verdict: stack.Verdict{Kind: stack.Dropped, Reason: drop.FaultLoss}}
}

// TestRingAllocatesNothing: the ring of the last packets is always on. Once it is full it allocates nothing for a
// packet. It keeps the heads of the last thousand packets, in order.
func TestRingAllocatesNothing(t *testing.T) {
	r, ev := &recent{seen: new(atomic.Uint64)}, observed()
	n := 0
	keep := func() {
		n++
		ev.Now = clock.Instant(n)
		ev.Frame.Bytes()[0] = byte(n)
		r.packet(ev)
	}
	for range maxRecent {
		keep()
	}
	if a := testing.AllocsPerRun(3000, keep); a != 0 {
		t.Errorf("%v allocations for a packet", a)
	}
	all := r.all()
	if len(all) != maxRecent {
		t.Fatalf("%d packets", len(all))
	}
	for i, p := range all {
		want := n - maxRecent + 1 + i
		if p.now != clock.Instant(want) || p.head[0] != byte(want) || p.n != seenHead || p.length != 1514 || p.iface != "eth0" ||
			p.verdict.String() != "dropped: fault loss" {
			t.Fatalf("packet %d of the ring: %+v, want the %dth", i, p, want)
		}
	}
}

func BenchmarkRing(b *testing.B) {
	r, ev := &recent{seen: new(atomic.Uint64)}, observed()
	b.ReportAllocs()
	for b.Loop() {
		r.packet(ev)
	}
}

// TestColours: colours distinguish protocols, directions and packets that did not arrive, and change no column.
func TestColours(t *testing.T) {
	frame := udpInVLAN(t, 5000, 6000, gopacket.Payload("hi"))
	s := &Session{cfg: Config{Colour: true}}
	s.watching.verdictAt.Store(80)
	t1 := &tracer{s: s}
	text := func(dir stack.Dir, b []byte, verdict string) string {
		return t1.text(5, "eth0", dir, b, phy.MediumEthernet, t1.line(b, phy.MediumEthernet, 0), verdict)
	}
	rx, tx := text(stack.RX, frame, "udp :6000"), text(stack.TX, tcpOverIPv6(t), "lost on the link: fault loss")
	if want := "0.000000 eth0 \x1b[36m< \x1b[0m \x1b[34mvlan 5, 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 2\x1b[0m" + strings.Repeat(" ", 11) + "\x1b[2mudp :6000\x1b[0m"; rx != want {
		t.Errorf("%q\nwant %q", rx, want)
	}
	if !strings.Contains(tx, "\x1b[35m >\x1b[0m \x1b[32mfdaa::1.50000") || !strings.HasSuffix(tx, "\x1b[31mlost on the link: fault loss\x1b[0m") {
		t.Errorf("%q", tx)
	}
	s.cfg.Colour = false
	if got := text(stack.RX, frame, "udp :6000"); got != regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(rx, "") {
		t.Errorf("without colours %q", got)
	}
}
