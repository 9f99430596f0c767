package stack

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/tcp"
)

// crowd is two hosts with many connections between them. Each has carried some octets both ways and then been idle until its
// buffers were freed.
type crowd struct {
	a, b    *Host
	ia, ib  *Iface
	now     clock.Instant
	frame   *phy.Frame
	clients []*TCPConn
	servers []*TCPConn
}

// perPort is the number of connections to one port of the server, a little below the number of ephemeral ports.
const perPort = 10_000

func newCrowd(tb testing.TB, n int) *crowd {
	net, a, b := pair(tb)
	x := &crowd{
		a: a, b: b, ia: a.Ifaces()[0], ib: b.Ifaces()[0], now: net.now, frame: phy.NewFrame(phy.FrameSize),
		clients: make([]*TCPConn, 0, n), servers: make([]*TCPConn, 0, n),
	}
	buf := make([]byte, 1000)
	var l *TCPListener
	for k := range n {
		p := uint16(1000 + k/perPort)
		if k%perPort == 0 {
			l = listen(tb, b, p, tcp.Config{})
		}
		c, err := a.DialTCP(x.now, netip.AddrPort{}, port(ipB, p), tcp.Config{})
		if err != nil {
			tb.Fatal(err)
		}
		x.settle()
		s := l.Accept()
		if s == nil {
			tb.Fatalf("connection %d: %v", k, c.State())
		}
		for _, d := range [...][2]*TCPConn{{c, s}, {s, c}} {
			if _, err := d[0].Write(x.now, buf); err != nil {
				tb.Fatal(err)
			}
			for got := 0; got < len(buf); {
				x.settle()
				m, err := d[1].Read(x.now, buf)
				if err != nil || m == 0 {
					tb.Fatalf("%d octets, then %v", got, err)
				}
				got += m
			}
		}
		x.clients, x.servers = append(x.clients, c), append(x.servers, s)
		if k%1000 == 999 {
			x.pass(100 * time.Millisecond)
		}
	}
	x.pass(5 * time.Second)
	return x
}

// settle transmits everything that both hosts have to send.
func (x *crowd) settle() {
	for busy := true; busy; {
		busy = false
		for _, d := range [...][2]*Iface{{x.ia, x.ib}, {x.ib, x.ia}} {
			for x.frame.Reset(); d[0].host.Transmit(x.now, d[0], x.frame); x.frame.Reset() {
				busy = true
				d[0].host.FrameSent(x.now, d[0], x.frame, drop.None)
				d[1].host.Receive(x.now, d[1], x.frame)
			}
		}
	}
}

func (x *crowd) pass(d time.Duration) {
	for end := x.now.Add(d); x.now < end; {
		x.now = min(end, max(x.now+1, min(x.a.Deadline(), x.b.Deadline())))
		x.a.Tick(x.now)
		x.b.Tick(x.now)
		x.settle()
	}
}

// heap returns the octets and objects in use after a full collection, and the collection's duration.
func heap() (octets, objects uint64, gc time.Duration) {
	runtime.GC()
	began := time.Now()
	runtime.GC()
	gc = time.Since(began)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.Mallocs - m.Frees, gc
}

// idleCost returns the memory of each end of n idle connections, all tables included.
func idleCost(tb testing.TB, n int) (octets, objects float64, gc time.Duration) {
	octets0, objects0, _ := heap()
	x := newCrowd(tb, n)
	octets1, objects1, gc := heap()
	ends := float64(2 * n)
	for _, c := range [...]*TCPConn{x.clients[n-1], x.servers[0]} {
		if c.State() != tcp.Established || c.timer.At() != clock.Never {
			tb.Errorf("%v, wants to run at %v though it is idle", c.State(), c.timer.At())
		}
	}
	runtime.KeepAlive(x)
	return float64(octets1-octets0) / ends, float64(objects1-objects0) / ends, gc
}

// TestIdleConnectionCost: an established idle connection, with its socket and its table entry, takes at most 1 KiB and three
// objects. The two lists of the test itself count as well.
func TestIdleConnectionCost(t *testing.T) {
	octets, objects, _ := idleCost(t, 10_000)
	t.Logf("%.0f octets, %.2f objects", octets, objects)
	if octets > 1024 || objects > 3 {
		t.Errorf("an idle connection costs %.0f octets in %.2f objects", octets, objects)
	}
}

// BenchmarkIdle reports the same for more connections, and the duration of a full collection with them. ns/op includes opening
// them.
func BenchmarkIdle(b *testing.B) {
	for _, n := range [...]int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var octets, objects float64
			var gc time.Duration
			for b.Loop() {
				octets, objects, gc = idleCost(b, n)
			}
			b.ReportMetric(octets, "B/conn")
			b.ReportMetric(objects, "objects/conn")
			b.ReportMetric(float64(gc.Microseconds())/1e3, "ms/gc")
		})
	}
}
