package lab

import (
	"bytes"
	"net/netip"
	"testing"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/tcp"
)

// gatherer is one end of a pair that accepts frames with borrowed octets, but not every time.
type gatherer struct {
	*phy.Memory
	asked, borrowed, refused int
	kept, impatient          int // number of refused frames, and of frames that came back with borrowed octets
}

func (g *gatherer) Capabilities() phy.Capabilities {
	c := g.Memory.Capabilities()
	c.Gather = true
	return c
}

func (g *gatherer) Send(frames []*phy.Frame) (int, error) {
	if g.asked++; g.asked%5 == 1 || g.asked%5 == 3 {
		g.refused++
		g.kept = len(frames)
		return 0, nil
	}
	for _, f := range frames[:min(g.kept, len(frames))] {
		if a, _ := f.Borrowed(); a != nil {
			g.impatient++
		}
	}
	g.kept = 0
	for i, f := range frames {
		if a, _ := f.Borrowed(); a != nil {
			g.borrowed++
		}
		whole := phy.NewFrame(phy.SuperFrameSize)
		whole.CopyFrom(f)
		if n, err := g.Memory.Send([]*phy.Frame{whole}); n == 0 {
			return i, err
		}
	}
	return len(frames), nil
}

// TestBorrowedPayload: a device that gathers gets payload without a copy. The payload of a refused frame stays intact, even when
// the connection's buffer changes.
func TestBorrowedPayload(t *testing.T) { bothFamilies(t, testBorrowedPayload) }

func testBorrowedPayload(t *testing.T, v *addressing) {
	da, db := phy.NewPair("near", "far", phy.MemoryConfig{Queue: 8, MaxGSO: 65535, TxChecksum: true})
	g := &gatherer{Memory: da}
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	s.a, s.b = addHost(t, s.l, "a"), addHost(t, s.l, "b")
	if _, err := s.a.Attach(g, netip.MustParsePrefix(v.host(1))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.b.Attach(db, netip.MustParsePrefix(v.host(2))); err != nil {
		t.Fatal(err)
	}
	heads, lent := 0, false
	s.a.ObserveHeads(func(ev *stack.PacketEvent) {
		if a, _ := ev.Frame.Borrowed(); a != nil {
			heads, lent = heads+1, true
		}
	})
	st := s.newStreamWith(tcp.Config{SendBuffer: 100_000}, s.a, s.b, v.at(2, 80), 4<<20)
	s.finish(st)
	if !bytes.Equal(st.got, st.data) {
		t.Errorf("%d octets arrived, equal: false", len(st.got))
	}
	if g.borrowed == 0 || g.refused == 0 || !lent {
		t.Errorf("%d frames with borrowed octets, %d refusals, %d seen by who wants heads", g.borrowed, g.refused, heads)
	}
	if g.impatient != 0 {
		t.Errorf("%d frames waited with borrowed octets", g.impatient)
	}
	g.borrowed = 0
	cancel := s.a.Observe(func(ev *stack.PacketEvent) {
		if a, _ := ev.Frame.Borrowed(); a != nil {
			t.Error("an observer sees borrowed octets")
		}
	})
	s.finish(s.newStream(s.a, s.b, v.at(2, 81), 1<<20))
	if g.borrowed != 0 {
		t.Errorf("%d frames are borrowed from while somebody looks", g.borrowed)
	}
	cancel()
	cancel()
	s.finish(s.newStream(s.a, s.b, v.at(2, 82), 1<<20))
	if g.borrowed == 0 {
		t.Error("nothing is borrowed any more")
	}
	s.check()
}
