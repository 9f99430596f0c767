package lab

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
)

// catch is a sink that records each frame's arrival. It identifies the frame by its first octet.
type catch struct {
	w   *World
	got []string
	n   int
}

func (c *catch) arrive(now clock.Instant, f *phy.Frame) {
	c.n++
	if c.got != nil {
		c.got = append(c.got, fmt.Sprintf("%d@%v", f.Bytes()[0], time.Duration(now)))
	}
	c.w.recycle(f)
}

// bareLink returns a link whose ends are catches.
func bareLink(t testing.TB, seed uint64, cfg LinkConfig) (*World, *Link, *catch, *catch) {
	t.Helper()
	w := NewWorld()
	l := New(w, seed)
	k, err := l.newLink(cfg, 1500)
	if err != nil {
		t.Fatal(err)
	}
	l.links = append(l.links, k)
	a, b := &catch{w: w, got: []string{}}, &catch{w: w, got: []string{}}
	k.ab.to, k.ba.to = b, a
	return w, k, a, b
}

// frameOf returns a frame of the given length whose first octet is id.
func (w *World) frameOf(id byte, octets int) *phy.Frame {
	f := w.frame(octets)
	b := f.Extend(octets)
	clear(b)
	b[0] = id
	return f
}

func (w *World) run() {
	for w.Step() {
	}
}

func checkFlow(t *testing.T, k *Link) {
	t.Helper()
	if err := k.lab.Conservation(); err != nil {
		t.Error(err)
	}
}

func TestLinkSerialisesInOrderAtItsRate(t *testing.T) {
	// 1000 octets at 8 Mbit/s take 1 ms.
	w, k, a, b := bareLink(t, 1, LinkConfig{RateBps: 8e6, Delay: 20 * time.Millisecond})
	k.ab.accept(0, w.frameOf(1, 1000))
	k.ab.accept(0, w.frameOf(2, 500))
	k.ba.accept(0, w.frameOf(3, 1000)) // the other direction does not wait
	w.At(at(10*time.Millisecond), func(now clock.Instant) { k.ab.accept(now, w.frameOf(4, 1000)) })
	w.run()
	if want := []string{"1@21ms", "2@21.5ms", "4@31ms"}; !slices.Equal(b.got, want) {
		t.Errorf("a->b %q, want %q", b.got, want)
	}
	if want := []string{"3@21ms"}; !slices.Equal(a.got, want) {
		t.Errorf("b->a %q, want %q", a.got, want)
	}
	checkFlow(t, k)
}

func TestLinkRateRoundsUp(t *testing.T) {
	w, k, _, b := bareLink(t, 1, LinkConfig{RateBps: 3e9})
	k.ab.accept(0, w.frameOf(1, 100)) // 800 bits at 3 bits per nanosecond take 266.7 ns
	w.run()
	if want := []string{"1@267ns"}; !slices.Equal(b.got, want) {
		t.Errorf("got %q, want %q", b.got, want)
	}
}

func TestLinkQueueHoldsWhatItSays(t *testing.T) {
	w, k, _, b := bareLink(t, 1, LinkConfig{RateBps: 8e6, Queue: 2})
	for i := range byte(5) {
		k.ab.accept(0, w.frameOf(i, 1000)) // one is sent, two wait, two are dropped
	}
	w.At(at(time.Millisecond), func(now clock.Instant) { // the first has just been sent: there is room for one
		k.ab.accept(now, w.frameOf(8, 1000))
		k.ab.accept(now, w.frameOf(9, 1000))
	})
	w.run()
	if want := []string{"0@1ms", "1@2ms", "2@3ms", "8@4ms"}; !slices.Equal(b.got, want) {
		t.Errorf("got %q, want %q", b.got, want)
	}
	s, _ := k.Stats()
	if s.In != 7 || s.Delivered != 4 || s.Drops[drop.LinkQueueFull] != 3 || s.Octets != 7000 {
		t.Errorf("stats %+v", s)
	}
	checkFlow(t, k)
}

func TestLinkWithoutRateIsBounded(t *testing.T) {
	w, k, _, _ := bareLink(t, 1, LinkConfig{Delay: time.Hour})
	for range maxInFlight + 5 {
		k.ab.accept(0, w.frameOf(1, 60))
	}
	if s, _ := k.Stats(); s.InFlight != maxInFlight || s.Drops[drop.LinkQueueFull] != 5 {
		t.Errorf("in flight %d, dropped %d", s.InFlight, s.Drops[drop.LinkQueueFull])
	}
	checkFlow(t, k)
}

func TestLinkJitterStaysInItsRangeAndReorders(t *testing.T) {
	w, k, _, b := bareLink(t, 7, LinkConfig{Delay: 10 * time.Millisecond, Jitter: 4 * time.Millisecond})
	var times []clock.Instant
	var ids []byte
	k.ab.to = sinkFunc(func(now clock.Instant, f *phy.Frame) {
		times, ids = append(times, now), append(ids, f.Bytes()[0])
		b.arrive(now, f)
	})
	for i := range 200 {
		k.ab.accept(0, w.frameOf(byte(i), 60))
	}
	w.run()
	if lo, hi := times[0], times[len(times)-1]; lo < at(6*time.Millisecond) || hi > at(14*time.Millisecond) ||
		hi.Sub(lo) < 6*time.Millisecond {
		t.Errorf("delays from %v to %v, want about 6 to 14 ms", lo, hi)
	}
	if slices.IsSorted(ids) {
		t.Error("nothing was reordered")
	}
}

type sinkFunc func(now clock.Instant, f *phy.Frame)

func (s sinkFunc) arrive(now clock.Instant, f *phy.Frame) { s(now, f) }

func TestLinkLoss(t *testing.T) {
	w, k, _, b := bareLink(t, 3, LinkConfig{Loss: 0.25})
	for i := range 10000 {
		k.ab.accept(0, w.frameOf(byte(i), 60))
	}
	w.run()
	s, _ := k.Stats()
	if lost := s.Drops[drop.FaultLoss]; lost < 2350 || lost > 2650 || s.Delivered != 10000-lost {
		t.Errorf("%d of 10000 lost, %d delivered", lost, s.Delivered)
	}
	if len(b.got) != int(s.Delivered) {
		t.Errorf("%d arrived", len(b.got))
	}
	checkFlow(t, k)
}

func TestLinkMTU(t *testing.T) {
	w, k, _, b := bareLink(t, 1, LinkConfig{MTU: 1000})
	k.ab.accept(0, w.frameOf(1, 1014))
	k.ab.accept(0, w.frameOf(2, 1015))
	tagged := w.frameOf(3, 1018)
	tagged.Bytes()[12] = 0x81
	k.ab.accept(0, tagged)
	w.run()
	if want := []string{"1@0s", "3@0s"}; !slices.Equal(b.got, want) {
		t.Errorf("got %q, want %q", b.got, want)
	}
	if s, _ := k.Stats(); s.Drops[drop.TooBig] != 1 {
		t.Errorf("drops %v", s.Drops)
	}
	checkFlow(t, k)
}

// TestTooBigOfSuperSegments: a super-segment exceeds the MTU if its segments do, by the headers of its version of IP.
func TestTooBigOfSuperSegments(t *testing.T) {
	for _, c := range []struct {
		version, head int // head is the octets of the least headers
		udp           bool
		tagged        bool
	}{
		{4, 40, false, false}, {4, 28, true, false}, {6, 60, false, false}, {6, 48, true, false}, {6, 60, false, true}, {4, 28, true, true},
	} {
		f := phy.NewFrame(4000)
		b := f.Extend(3000)
		at := 14
		if c.tagged {
			b[12], at = 0x81, 18
		}
		b[at] = byte(c.version << 4)
		for mss, want := range map[int]bool{1500 - c.head: false, 1501 - c.head: true} {
			f.Offload = phy.Offload{GSOSize: uint16(mss), UDP: c.udp}
			if got := tooBig(f, 1500); got != want {
				t.Errorf("%+v: segments of %d octets are too big: %v, want %v", c, mss, got, want)
			}
		}
	}
}

func TestLinkDownLosesWhatIsUnderWay(t *testing.T) {
	w, k, _, b := bareLink(t, 1, LinkConfig{Delay: 10 * time.Millisecond})
	k.ab.accept(0, w.frameOf(1, 60))
	w.At(at(5*time.Millisecond), func(now clock.Instant) {
		k.SetUp(false)
		k.ab.accept(now, w.frameOf(2, 60))
	})
	w.At(at(11*time.Millisecond), func(now clock.Instant) {
		k.SetUp(true)
		k.ab.accept(now, w.frameOf(3, 60))
	})
	w.run()
	if want := []string{"3@21ms"}; !slices.Equal(b.got, want) {
		t.Errorf("got %q, want %q", b.got, want)
	}
	if s, _ := k.Stats(); s.Drops[drop.LinkDown] != 2 {
		t.Errorf("drops %v", s.Drops)
	}
	checkFlow(t, k)
}

func TestLinkRulesByDirection(t *testing.T) {
	w, k, a, b := bareLink(t, 1, LinkConfig{Delay: 10 * time.Millisecond})
	k.Faults().Add(&fault.Rule{Dir: fault.TX, Nth: []int{2}})
	k.Faults().Add(&fault.Rule{Dir: fault.TX, Nth: []int{2}, Duplicate: 1, Delay: 5 * time.Millisecond})
	for i := range byte(3) {
		k.ab.accept(0, w.frameOf(i, 60))
		k.ba.accept(0, w.frameOf(i+10, 60))
	}
	w.run()
	// The first rule drops the second frame, so that the second rule counts the third frame as its second.
	if want := []string{"0@10ms", "2@15ms", "2@15ms"}; !slices.Equal(b.got, want) {
		t.Errorf("a->b %q, want %q", b.got, want)
	}
	if want := []string{"10@10ms", "11@10ms", "12@10ms"}; !slices.Equal(a.got, want) {
		t.Errorf("b->a %q, want %q", a.got, want)
	}
	if s, _ := k.Stats(); s.Copies != 1 || s.Drops[drop.FaultMatch] != 1 || s.Delivered != 3 {
		t.Errorf("stats %+v", s)
	}
	checkFlow(t, k)
}

// TestLinkStreamsAreIndependent: a new link does not change the random draws of other links.
func TestLinkStreamsAreIndependent(t *testing.T) {
	fates := func(others int) []string {
		w := NewWorld()
		l := New(w, 42)
		b := &catch{w: w, got: []string{}}
		k, _ := l.newLink(LinkConfig{Loss: 0.5, Delay: time.Second, Jitter: time.Second}, 1500)
		l.links = append(l.links, k)
		k.ab.to, k.ba.to = b, b
		var rest []*Link
		for range others {
			o, _ := l.newLink(LinkConfig{Loss: 0.5}, 1500)
			l.links = append(l.links, o)
			o.ab.to = &catch{w: w}
			rest = append(rest, o)
		}
		for i := range byte(100) {
			k.ab.accept(0, w.frameOf(i, 60))
			for _, o := range rest {
				o.ab.accept(0, w.frameOf(i, 60))
			}
		}
		w.run()
		return b.got
	}
	if alone, among := fates(0), fates(3); !slices.Equal(alone, among) {
		t.Errorf("draws differ:\n%q\n%q", alone, among)
	}
}

func TestLinkConfigIsChecked(t *testing.T) {
	l := New(NewWorld(), 1)
	for _, cfg := range []LinkConfig{
		{Delay: -1}, {Jitter: -1}, {Loss: -0.1}, {Loss: 1.1}, {Queue: -1}, {Queue: 1 << 20}, {MTU: 20}, {MTU: 70000},
	} {
		if _, err := l.newLink(cfg, 1500); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

func TestLinkDeliveryDoesNotAllocate(t *testing.T) {
	w, k, _, _ := bareLink(t, 1, LinkConfig{
		RateBps: 1e9, Delay: time.Millisecond, Jitter: 500 * time.Microsecond, Loss: 0.1, Queue: 1000,
	})
	sink := &catch{w: w}
	k.ab.to, k.ba.to = sink, sink
	k.Faults().Add(&fault.Rule{Duplicate: 0.2, Reorder: 0.2, Corrupt: 0.2})
	burst := func() {
		for range 100 {
			k.ab.accept(w.now, w.frameOf(1, 1000))
			k.ba.accept(w.now, w.frameOf(1, 1000))
		}
		w.run()
	}
	for range 20 {
		burst()
	}
	if n := testing.AllocsPerRun(50, burst); n != 0 {
		t.Errorf("%v allocations for 200 frames", n)
	}
	if sink.n == 0 {
		t.Error("nothing arrived")
	}
	checkFlow(t, k)
}

func BenchmarkLink(b *testing.B) {
	w, k, _, _ := bareLink(b, 1, LinkConfig{RateBps: 10e9, Delay: time.Millisecond, Queue: 1000})
	k.ab.to = &catch{w: w}
	for b.Loop() {
		for range 100 {
			k.ab.accept(w.now, w.frameOf(1, 1500))
		}
		w.run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/frame")
}

// TestLinkStreamsDiffer: all directions and links have different random draws.
func TestLinkStreamsDiffer(t *testing.T) {
	w := NewWorld()
	l := New(w, 42)
	var fates [][]string
	for range 2 {
		k, err := l.newLink(LinkConfig{Loss: 0.5}, 1500)
		if err != nil {
			t.Fatal(err)
		}
		l.links = append(l.links, k)
		a, b := &catch{w: w, got: []string{}}, &catch{w: w, got: []string{}}
		k.ab.to, k.ba.to = b, a
		for i := range byte(100) {
			k.ab.accept(0, w.frameOf(i, 60))
			k.ba.accept(0, w.frameOf(i, 60))
		}
		w.run()
		fates = append(fates, a.got, b.got)
	}
	for i := range fates {
		for j := range i {
			if slices.Equal(fates[i], fates[j]) {
				t.Errorf("directions %d and %d have one fate", j, i)
			}
		}
	}
}
