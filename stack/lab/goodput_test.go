package lab

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy/fault"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

var updateGoodput = flag.Bool("update", false, "write testdata/goodput.txt anew")

const goodputFile = "testdata/goodput.txt"

// payload is the number of octets of TCP payload in a full segment; wireSize is the length of its frame on a link, in
// octets.
const (
	payload  = 1500 - 20 - 32
	wireSize = 1500 + 14
)

// pump is a flow that always has data to send; the receiver counts the octets and discards them.
type pump struct {
	got  int
	from *stack.TCPConn
}

// newPump begins a flow between two hosts at the given instant.
func (s *scene) newPump(begin clock.Instant, from, to *Host, addr netip.Addr, port uint16, cfg tcp.Config) *pump {
	s.Helper()
	p := &pump{}
	ln, err := to.ListenTCP(netip.AddrPortFrom(netip.Addr{}, port), 0, tcp.Config{RecvBuffer: cfg.RecvBuffer})
	if err != nil {
		s.Fatal(err)
	}
	ln.OnEvent = func(clock.Instant) {
		c := ln.Accept()
		c.OnEvent = func(now clock.Instant) {
			n, _ := c.Discard(now, 1<<30)
			p.got += n
		}
	}
	data := make([]byte, 64<<10)
	s.w.At(begin, func(now clock.Instant) {
		c, err := from.DialTCP(now, netip.AddrPort{}, netip.AddrPortFrom(addr, port), cfg)
		if err != nil {
			s.Fatal(err)
		}
		p.from = c
		c.OnEvent = func(now clock.Instant) {
			for {
				if n, _ := c.Write(now, data); n < len(data) {
					break
				}
			}
		}
	})
	return p
}

// permille returns the share of a link's rate, in thousandths, that a transfer uses. The transfer moves octets of payload within the
// time d, in full frames.
func permille(octets int, d time.Duration, rate uint64) int {
	return int(uint64(octets) * 8 * wireSize / payload * 1000 / uint64(d.Seconds()) / rate)
}

var algorithms = [...]tcp.Algorithm{tcp.CUBIC, tcp.NewReno}

var lossesPermille = [...]int{0, 1, 10, 50, 150}

// goodputCells measures one flow over 20 Mbit/s for ten seconds, in kB/s, for each loss.
func goodputCells(t *testing.T, out *strings.Builder) {
	fmt.Fprintf(out, "One flow over 20 Mbit/s with a queue of 100 frames, the first 10 s, kB/s (at most %d).\n", 20_000_000/8*payload/wireSize/1000)
	fmt.Fprintf(out, "Loss in both directions; reordering holds 5 %% of the frames back for 10 ms.\n\n")
	fmt.Fprintf(out, "%-8s %-8s %-7s %-10s", "control", "buffers", "delay", "reordering")
	for _, l := range lossesPermille {
		fmt.Fprintf(out, " %6s", fmt.Sprintf("%d.%d%%", l/10, l%10))
	}
	out.WriteByte('\n')
	seed := uint64(0)
	for _, a := range algorithms {
		for _, buffer := range []int{0, 64 << 10} {
			for _, delay := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
				for _, reorder := range []float64{0, 0.05} {
					name := map[int]string{0: "auto", 64 << 10: "64 KiB"}[buffer]
					fmt.Fprintf(out, "%-8s %-8s %-7s %-10s", a, name, delay, fmt.Sprintf("%.0f %%", reorder*100))
					for _, loss := range lossesPermille {
						seed++
						if raced && seed%8 != 1 {
							fmt.Fprintf(out, " %6s", "?")
							continue
						}
						s := newScene(t, seed, LinkConfig{Delay: delay, RateBps: 20_000_000, Loss: float64(loss) / 1000})
						if reorder > 0 {
							s.k.Faults().Add(&fault.Rule{Reorder: reorder, Hold: 10 * time.Millisecond})
						}
						p := s.newPump(0, s.a, s.b, netip.MustParseAddr("10.0.0.2"), 80, tcp.Config{Congestion: a, SendBuffer: buffer, RecvBuffer: buffer})
						s.runFor(10 * time.Second)
						fmt.Fprintf(out, " %6d", p.got/10_000)
						s.check()
					}
					out.WriteByte('\n')
				}
			}
		}
	}
}

// goodputPaths measures one flow that must fill a path; least is the smallest accepted goodput for each controller, in
// permille of the path's rate.
func goodputPaths(t *testing.T, out *strings.Builder) {
	fmt.Fprintf(out, "\nOne flow, permille of what the link carries: while it starts, and afterwards.\n\n")
	fmt.Fprintf(out, "%-8s %-26s %8s %10s %6s\n", "control", "link, round trip, queue", "first 5s", "5s to 15s", "again")
	for _, a := range algorithms {
		for _, c := range []struct {
			rate  uint64
			rtt   time.Duration
			queue int // frames
			least [len(algorithms)]int
		}{
			{100_000_000, 200 * time.Millisecond, 100, [...]int{900, 750}},
			{100_000_000, 200 * time.Millisecond, 1600, [...]int{950, 950}},
			{200_000_000, time.Millisecond, 64_000 / wireSize, [...]int{950, 950}}, // 25 MB/s with 64 KB
			{200_000_000, 10 * time.Millisecond, 64_000 / wireSize, [...]int{950, 850}},
			{200_000_000, 40 * time.Millisecond, 64_000 / wireSize, [...]int{900, 750}},
			{10_000_000, 20 * time.Millisecond, 10, [...]int{950, 900}},
			{10_000_000, 20 * time.Millisecond, 1000, [...]int{950, 950}},
		} {
			s := newScene(t, 1, LinkConfig{Delay: c.rtt / 2, RateBps: c.rate, Queue: c.queue})
			p := s.newPump(0, s.a, s.b, netip.MustParseAddr("10.0.0.2"), 80, tcp.Config{Congestion: a})
			s.runFor(5 * time.Second)
			start := p.got
			s.runFor(10 * time.Second)
			share := permille(p.got-start, 10*time.Second, c.rate)
			fmt.Fprintf(out, "%-8s %-26s %8d %10d %6d\n", a, fmt.Sprintf("%d Mbit/s, %v, %d", c.rate/1_000_000, c.rtt, c.queue),
				permille(start, 5*time.Second, c.rate), share, p.from.Info(s.w.Now()).Retrans)
			if share < c.least[a] {
				t.Errorf("%v, %d Mbit/s, %v, queue %d: %d permille, want %d", a, c.rate/1_000_000, c.rtt, c.queue, share, c.least[a])
			}
			s.check()
		}
	}
}

// jain returns Jain's index of fairness in permille: 1000 for equal shares, 1000/n if one flow has everything.
func jain(got []int) int {
	sum, squares := 0, 0
	for _, n := range got {
		n /= 1000
		sum += n
		squares += n * n
	}
	if squares == 0 {
		return 0
	}
	return sum * sum * 1000 / (len(got) * squares)
}

// goodputFlows measures several flows at once, each from its own host, through a router whose queue precedes a link of 30 Mbit/s.
func goodputFlows(t *testing.T, out *strings.Builder) {
	fmt.Fprintf(out, "\nFlows from hosts of their own over one router's 30 Mbit/s with a queue of 50 frames, 20 s, after 5 s:\n")
	fmt.Fprintf(out, "permille of the link in all, Jain's index in permille, each flow's permille.\n\n")
	const ms = time.Millisecond
	c, r := tcp.CUBIC, tcp.NewReno
	for _, f := range []struct {
		name  string
		flows []tcp.Algorithm
		rtts  []time.Duration // round trips, which the flows have in turn
		least int             // minimum of Jain's index
	}{
		{"2 cubic, 20 ms", []tcp.Algorithm{c, c}, []time.Duration{20 * ms}, 900},
		{"4 cubic, 20 ms", []tcp.Algorithm{c, c, c, c}, []time.Duration{20 * ms}, 900},
		{"8 cubic, 20 ms", []tcp.Algorithm{c, c, c, c, c, c, c, c}, []time.Duration{20 * ms}, 900},
		{"4 newreno, 20 ms", []tcp.Algorithm{r, r, r, r}, []time.Duration{20 * ms}, 900},
		{"cubic, newreno, 20 ms", []tcp.Algorithm{c, r}, []time.Duration{20 * ms}, 0},
		{"cubic, newreno, 100 ms", []tcp.Algorithm{c, r}, []time.Duration{100 * ms}, 0},
		{"2 cubic, 20 and 80 ms", []tcp.Algorithm{c, c}, []time.Duration{20 * ms, 80 * ms}, 0},
		{"2 newreno, 20 and 80 ms", []tcp.Algorithm{r, r}, []time.Duration{20 * ms, 80 * ms}, 0},
	} {
		const rate = 30_000_000
		s := newForwarding(t, len(f.flows), rate, f.rtts)
		var pumps []*pump
		for i, a := range f.flows {
			from, to := s.l.Hosts()[2+i], s.l.Hosts()[1]
			pumps = append(pumps, s.newPump(clock.Instant(i)*clock.Instant(100*ms), from, to, netip.MustParseAddr("10.0.0.2"), uint16(80+i), tcp.Config{Congestion: a}))
		}
		s.runFor(5 * time.Second)
		got := make([]int, len(pumps))
		for i, p := range pumps {
			got[i] = -p.got
		}
		s.runFor(20 * time.Second)
		all, shares := 0, ""
		for i, p := range pumps {
			got[i] += p.got
			all += got[i]
			shares += fmt.Sprintf(" %d", permille(got[i], 20*time.Second, rate))
		}
		fmt.Fprintf(out, "%-24s %5d %5d  %s\n", f.name, permille(all, 20*time.Second, rate), jain(got), shares)
		if jain(got) < f.least {
			t.Errorf("%s: Jain's index is %d permille, want %d", f.name, jain(got), f.least)
		}
		s.check()
	}
}

// newForwarding returns a router, a receiver 10.0.0.2 on the router's link of the given rate, and n senders. Each
// sender has its own round trip time.
func newForwarding(t *testing.T, n int, rate uint64, rtts []time.Duration) *scene {
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	add := func(cfg HostConfig) *Host {
		h, err := s.l.AddHost(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	link := func(a, b *Host, cfg LinkConfig) {
		if _, err := s.l.Link(a, b, cfg); err != nil {
			t.Fatal(err)
		}
	}
	addrs := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}
	for i := range n {
		addrs = append(addrs, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i + 1), 1}), 24))
	}
	router := add(HostConfig{Name: "router", Addrs: addrs, Forward: true})
	to := add(HostConfig{Name: "to", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}, Gateway: netip.MustParseAddr("10.0.0.1")})
	link(router, to, LinkConfig{RateBps: rate, Queue: 50, Delay: time.Millisecond})
	for i := range n {
		h := add(HostConfig{Name: fmt.Sprint("from", i), Addrs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i + 1), 2}), 24)},
			Gateway: netip.AddrFrom4([4]byte{10, 0, byte(i + 1), 1})})
		link(h, router, LinkConfig{RateBps: 1_000_000_000, Queue: 10_000, Delay: rtts[i%len(rtts)]/2 - time.Millisecond})
	}
	return s
}

// TestGoodput compares the flows' goodput with the table in testdata; -update writes the table. Under the race detector, which is
// ten times slower, it measures one cell in eight.
func TestGoodput(t *testing.T) {
	var out strings.Builder
	goodputCells(t, &out)
	if !raced {
		goodputPaths(t, &out)
		goodputFlows(t, &out)
	}
	got := strings.TrimSuffix(out.String(), "\n")
	if *updateGoodput {
		if err := os.WriteFile(goodputFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(goodputFile)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || !sameCells(line, wantLines[i]) {
			t.Errorf("line %d is\n%s\nwant\n%s", i+1, line, strings.Join(wantLines[min(i, len(wantLines)):min(i+1, len(wantLines))], ""))
		}
	}
	if t.Failed() {
		t.Log("if that is as it should be: go test ./stack/lab -run '^TestGoodput$' -update")
	}
}

// sameCells reports whether a line of the table equals the wanted line, except for cells that were left out.
func sameCells(got, want string) bool {
	return slices.EqualFunc(strings.Fields(got), strings.Fields(want), func(a, b string) bool { return a == b || a == "?" })
}
