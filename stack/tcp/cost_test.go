package tcp

import (
	"testing"
	"time"
	"unsafe"

	"smolsh/stack/clock"
)

// duplex is two established connections without a link: each receives at once the segments that the other emits.
type duplex struct {
	c   [2]*Conn
	now clock.Instant
	buf []byte
}

func newDuplex(tb testing.TB, mss, room int) *duplex {
	d := &duplex{buf: make([]byte, room)}
	cfg := &Config{InitialWindow: 100}
	d.c[0] = Open(cfg, mss, 1, 0, nil)
	d.c[1] = NewListen(cfg, mss, 2, nil)
	d.exchange()
	if d.c[0].State() != Established || d.c[1].State() != Established {
		tb.Fatal(d.c[0].State(), d.c[1].State())
	}
	return d
}

// exchange passes segments until both ends are silent, and returns their number.
func (d *duplex) exchange() (segments int) {
	var s Segment
	for quiet := 0; quiet < 2; {
		for i, c := range d.c {
			quiet++
			for {
				_, ok := c.Emit(d.now, d.buf, &s)
				if !ok {
					break
				}
				quiet = 0
				segments++
				d.c[1-i].Receive(d.now, &s)
			}
		}
	}
	return segments
}

// round sends the octets p from each end in the list from to the other end, which acknowledges them.
func (d *duplex) round(tb testing.TB, p []byte, from ...int) {
	for _, i := range from {
		if n, err := d.c[i].Write(p); n != len(p) || err != nil {
			tb.Fatal(n, err)
		}
	}
	d.now = d.now.Add(time.Millisecond)
	d.exchange()
	d.now = d.now.Add(40 * time.Millisecond) // the delayed ACK of an odd segment
	d.exchange()
	for _, i := range from {
		got := 0
		for d.c[1-i].Readable() > 0 {
			n, _ := d.c[1-i].Read(d.buf)
			got += n
		}
		if got != len(p) {
			tb.Fatalf("%d of %d octets arrived", got, len(p))
		}
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	for _, tc := range []struct {
		name      string
		mss, room int
		octets    int
		from      []int
	}{
		{"one segment there", 1460, 1460, 1000, []int{0}},
		{"one segment back", 1460, 1460, 1000, []int{1}},
		{"many segments both ways", 1460, 1460, 50_000, []int{0, 1}},
		{"super-segments both ways", 1460, 65535, 60_000, []int{0, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDuplex(t, tc.mss, tc.room)
			p := make([]byte, tc.octets)
			if n := testing.AllocsPerRun(200, func() { d.round(t, p, tc.from...) }); n != 0 {
				t.Errorf("%v allocations for a round", n)
			}
		})
	}
}

// TestGapsAllocateNothing: out-of-order segments allocate nothing once the set of ranges has grown.
func TestGapsAllocateNothing(t *testing.T) {
	d := newDuplex(t, 1000+stampLen, 1000+stampLen)
	p, segs := make([]byte, 3000), [3]Segment{}
	var bufs [3][1000 + stampLen]byte
	if n := testing.AllocsPerRun(200, func() {
		if k, _ := d.c[0].Write(p); k != len(p) {
			t.Fatal(k)
		}
		for i := range segs {
			if k, ok := d.c[0].Emit(d.now, bufs[i][:], &segs[i]); !ok || k != 1000 {
				t.Fatal(k, ok)
			}
		}
		for i := range segs {
			d.c[1].Receive(d.now, &segs[len(segs)-1-i])
			d.exchange()
		}
		if k, _ := d.c[1].Read(p); k != len(p) {
			t.Fatal(k)
		}
		d.exchange()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestIdleConnectionIsSmall: an idle connection must take less than 1 KiB in the whole stack. This test bounds the part of the
// Conn.
func TestIdleConnectionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 632 { // with the allocator's header, the largest size that it allocates as 640
		t.Errorf("a Conn is %d octets", n)
	}
	d := newDuplex(t, 1460, 1460)
	d.round(t, make([]byte, 5000), 0, 1)
	d.exchange() // the readers' window updates
	d.c[0].controller()
	var s [2]Segment
	var bufs [2][1460]byte
	_, _ = d.c[0].Write(make([]byte, 2*1448)) // and out-of-order data
	for i := range s {
		d.c[0].Emit(d.now, bufs[i][:], &s[i])
	}
	d.c[1].Receive(d.now, &s[1])
	d.c[1].Receive(d.now, &s[0])
	_, _ = d.c[1].Read(make([]byte, 2*1448))
	d.exchange()
	d.now = d.now.Add(10 * time.Second)
	d.exchange()
	for i, c := range d.c {
		if n := c.snd.buf.Allocated() + c.rcv.buf.Allocated(); n != 0 {
			t.Errorf("end %d keeps %d octets of empty buffers", i, n)
		}
		if c.snd.scoreboard != nil || c.rcv.ooo != nil || c.cong.ctl != nil {
			t.Errorf("end %d keeps an empty scoreboard %v, gaps %v or %T", i, c.snd.scoreboard, c.rcv.ooo, c.cong.ctl)
		}
		if c.Deadline() != clock.Never {
			t.Errorf("end %d wants to run at %v though it is idle", i, c.Deadline())
		}
	}
}

func benchmarkRounds(b *testing.B, mss, room, octets int) {
	d := newDuplex(b, mss, room)
	p := make([]byte, octets)
	b.SetBytes(int64(octets))
	b.ReportAllocs()
	for b.Loop() {
		d.round(b, p, 0)
	}
}

func BenchmarkStream1460(b *testing.B)  { benchmarkRounds(b, 1460, 1460, 58_400) }
func BenchmarkStreamSuper(b *testing.B) { benchmarkRounds(b, 1460, 65535, 58_400) }
func BenchmarkOneOctet(b *testing.B)    { benchmarkRounds(b, 1460, 1460, 1) }

// BenchmarkConnect opens a connection, sends one octet over it and closes it.
func BenchmarkConnect(b *testing.B) {
	b.ReportAllocs()
	p := []byte{1}
	for b.Loop() {
		d := newDuplex(b, 1460, 1460)
		d.round(b, p, 0)
		d.c[0].Close(d.now)
		d.exchange()
		d.c[1].Close(d.now)
		d.exchange()
		if d.c[0].State() != TimeWait || !d.c[1].Done() {
			b.Fatal(d.c[0].State(), d.c[1].State())
		}
	}
}
