//go:build linux

package live

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"smolsh/phy/tap/taptest"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

// A few seconds show that nothing is leaked; twenty minutes show that nothing grows:
//
//	go test ./stack/lab/live -run '^TestSoak$' -v -timeout 0 -soak 20m
var soakTime = flag.Duration("soak", 3*time.Second, "how long the mixed load lasts")

// soakBuffers and soakReassembly are the host's limits buffers and reassembly, in octets; the load halves the former at
// times. The connections of the hoarder and of the idle readers would need several times as much.
const soakBuffers, soakReassembly = 32 << 20, 24 << 20

// soakGrowth is the maximum of octets by which the heap of the host at rest may be larger after the load than after the
// warm-up.
const soakGrowth = 4 << 20

// soakConnections exceeds the number of connections that the loads can have at a time, including those in TIME-WAIT:
// the hoarder's 600, the 1024 of the SYN queue, 160 that are held open, and about 40 per second that the host keeps for
// ten seconds after it has closed them.
const soakConnections = 4096

// soak is one run: a host under a mixed load from the kernel and from a hoarder.
type soak struct {
	t             *testing.T
	r             lab.Runner
	h             *lab.Host
	ns            *os.File          // the network namespace of the test
	gate          wire.HardwareAddr // the hardware address of the host
	speech        []byte            // data that services and clients send
	length        time.Duration
	newcomerEvery time.Duration

	stop    chan struct{} // closed when the phase ends
	running sync.WaitGroup
	loads   []*load
	hoarder *hoarder

	mu           sync.Mutex      // guards times and plain
	times, plain []time.Duration // durations of the newcomers' round trips, and of the kernel's to itself, since the last row
	cpu          time.Duration   // processor time of the process at the last row
	at           time.Duration   // time of the last row
	refused      uint64          // value of the counter of refused buffer space when bounds last read it
}

// usage is the memory and other resources that the process holds.
type usage struct {
	heap                    uint64 // octets in use after a garbage collection
	descriptors, goroutines int
}

// counts returns the host's counters, and its numbers of drops by reason.
func (s *soak) counts() (names []string, values map[string]uint64) {
	values = map[string]uint64{}
	set := func(name string, n uint64) {
		if n > 0 {
			names, values[name] = append(names, name), n
		}
	}
	s.r.Do(func(clock.Instant) {
		for _, c := range s.h.CounterInfos() {
			set(c.Name, c.Value)
		}
		for _, d := range s.h.DropInfos() {
			set("dropped: "+d.Reason.String(), d.Count)
		}
	})
	return names, values
}

// TestSoak: under a mixed load the host serves newcomers and loses no octet, and afterwards it holds no more than
// before. The load consists of transfers in each order of closing, resets at random moments, connections that are never
// used, readers that never read, datagrams, SYN floods, scans, and a station that fills the buffers with octets beyond
// gaps.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	s.length = min(max(*soakTime/10, time.Second), time.Minute)
	s.phase(1)
	before := s.settled()
	_, warm := s.counts()
	s.length = *soakTime
	rows := s.phase(min(20, max(2, int(s.length/time.Minute))))
	after := s.settled()
	if after.descriptors != before.descriptors || after.goroutines != before.goroutines {
		t.Errorf("%d descriptors and %d goroutines, %d and %d before", after.descriptors, after.goroutines, before.descriptors, before.goroutines)
	}
	if after.heap > before.heap+soakGrowth {
		t.Errorf("the quiet heap has grown from %d to %d octets", before.heap, after.heap)
	}
	if s.refused == 0 {
		t.Error("the buffers had room for everything: no pressure")
	}
	standing(t, s.r, s.h)
	s.report(before, after, warm, rows)
}

func newSoak(t *testing.T) *soak {
	r, h, p := onTAP(t)
	s := &soak{t: t, r: r, h: h, speech: make([]byte, 40_000), newcomerEvery: min(time.Second, *soakTime/10)}
	_, _ = rand.NewChaCha8([32]byte{19}).Read(s.speech)
	var err error
	if s.ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.ns.Close() })
	link, err := netlink.LinkByName("tap0")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []netip.Addr{soakNewcomer, soakCareless} {
		addr, err := netlink.ParseAddr(netip.PrefixFrom(a, 24).String())
		if err == nil {
			err = netlink.AddrAdd(link, addr)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	taptest.Hurry(t, "tap0", kernelAddr, 20*time.Millisecond)
	r.Do(func(now clock.Instant) {
		s.gate = p.Iface().MAC()
		for name, most := range map[string]int{"buffers": soakBuffers, "reassembly": soakReassembly} {
			if err == nil {
				err = h.SetLimit(name, most)
			}
		}
		if err == nil {
			err = h.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), kernelAddr.Addr(), nil)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// phase runs the load for the duration of the soak, and returns the given number of rows of the table.
func (s *soak) phase(rows int) (table []string) {
	s.t.Helper()
	var err error
	s.r.Do(func(now clock.Instant) { err = s.serve(now) })
	if err != nil {
		s.t.Fatal(err)
	}
	s.begin()
	began := time.Now()
	s.row(0)
	for k := range rows {
		for end := began.Add(s.length * time.Duration(k+1) / time.Duration(rows)); time.Now().Before(end); {
			time.Sleep(min(100*time.Millisecond, time.Until(end)))
			s.bounds(time.Since(began))
		}
		table = append(table, s.row(time.Since(began)))
	}
	s.end()
	for _, x := range s.loads {
		if x.failed > 0 || x.done == 0 {
			s.t.Errorf("%s: %d of %d steps failed", x.name, x.failed, x.done)
		}
	}
	return table
}

// took records the duration of a newcomer's round trip, and of the same round trip from the kernel to itself.
func (s *soak) took(d, plain time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times, s.plain = append(s.times, d), append(s.plain, plain)
}

const soakHead = "    time  heap KiB  goroutines  descriptors  connections  buffers KiB  beyond KiB   refused  CPU %  newcomers  median µs    max µs  kernel's own: median µs    max µs"

// bounds returns how much of each limit is in use, and fails the test if the host exceeds one.
func (s *soak) bounds(at time.Duration) (used map[string]int) {
	used, s.refused = map[string]int{}, 0
	s.r.Do(func(clock.Instant) {
		for _, l := range s.h.LimitInfos() {
			used[l.Name] = l.Used
			if l.Name == "buffers" || l.Name == "reassembly" {
				s.refused += l.Refused
			}
		}
	})
	n := used["connections"]
	for name, most := range map[string]int{
		"connections": soakConnections, "reassembly": soakReassembly,
		"buffers": soakBuffers + n<<12, // a connection always has 2 KiB in each direction
	} {
		if used[name] > most {
			s.t.Errorf("after %v %d of %s, more than %d, with %d connections", at, used[name], name, most, n)
		}
	}
	return used
}

// row describes the resources of the process and of the host under load, and the durations of the newcomers' round
// trips since the last row.
func (s *soak) row(at time.Duration) string {
	s.mu.Lock()
	times, plain := s.times, s.plain
	s.times, s.plain = nil, nil
	s.mu.Unlock()
	slices.Sort(times)
	slices.Sort(plain)
	var median, most, own, ownMost time.Duration
	if n := len(times); n > 0 {
		median, most, own, ownMost = times[n/2], times[n-1], plain[n/2], plain[n-1]
	}
	used := s.bounds(at)
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	cpu := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	percent := 100 * float64(cpu-s.cpu) / float64(max(1, at-s.at))
	q := measure()
	s.cpu, s.at = cpu, at
	return fmt.Sprintf("%8v %9d %11d %12d %12d %12d %11d %9d %6.1f %10d %10d %9d %24d %9d", at.Round(time.Second/10), q.heap>>10, q.goroutines, q.descriptors,
		used["connections"], used["buffers"]>>10, used["reassembly"]>>10, s.refused, percent, len(times), median.Microseconds(), most.Microseconds(), own.Microseconds(), ownMost.Microseconds())
}

// measure returns the present usage of the process.
func measure() usage {
	runtime.GC()
	runtime.GC() // the first collection moves the contents of the pools to their victim caches
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{heap: m.HeapAlloc, descriptors: descriptors(), goroutines: runtime.NumGoroutine()}
}

// settled returns the usage of the process once six consecutive measurements agree on the numbers of descriptors and
// goroutines. Nothing else waits for a goroutine that only has to close its descriptor.
func (s *soak) settled() (u usage) {
	same := 0
	s.eventually("descriptors and goroutines go on to change", func() error {
		last := u
		if u = measure(); u.descriptors != last.descriptors || u.goroutines != last.goroutines {
			same = 0
		}
		if same++; same < 6 {
			return fmt.Errorf("%d descriptors and %d goroutines", u.descriptors, u.goroutines)
		}
		return nil
	})
	return u
}

// eventually calls try until it returns nil, and fails the test with the last error after an unreasonably long time.
func (s *soak) eventually(what string, try func() error) {
	s.t.Helper()
	var err error
	for range 1200 {
		if err = try(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.t.Errorf("%s: %v", what, err)
}

// report prints the tables.
func (s *soak) report(before, after usage, warm map[string]uint64, rows []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%v under load\n%s\n%s\n\n", s.length, soakHead, strings.Join(rows, "\n"))
	fmt.Fprintf(&b, "at rest          heap KiB  descriptors  goroutines\n")
	for _, q := range []struct {
		when string
		usage
	}{{"after warm-up", before}, {"at the end", after}} {
		fmt.Fprintf(&b, "%-13s %11d %12d %11d\n", q.when, q.heap>>10, q.descriptors, q.goroutines)
	}
	fmt.Fprintf(&b, "\nload            done  failed    longest\n")
	for _, x := range s.loads {
		fmt.Fprintf(&b, "%-13s %6d %7d %10v\n", x.name, x.done, x.failed, x.longest.Round(time.Millisecond))
	}
	if h := s.hoarder; h != nil {
		fmt.Fprintf(&b, "the hoarder: %d handshakes, %d octets beyond gaps, %d resets received\n", h.handshakes, h.octets, h.resets)
	}
	s.r.Do(func(clock.Instant) {
		fmt.Fprintf(&b, "\nlimit                used        limit      refused  paid last\n")
		for _, l := range s.h.LimitInfos() {
			fmt.Fprintf(&b, "%-14s %10d %12d %12d  %v\n", l.Name, l.Used, l.Limit, l.Refused, l.Peer)
		}
	})
	names, values := s.counts()
	fmt.Fprintf(&b, "\ncounter                      after warm-up   at the end\n")
	for _, name := range names {
		fmt.Fprintf(&b, "%-28s %13d %12d\n", name, warm[name], values[name])
	}
	s.t.Log(b.String())
}
