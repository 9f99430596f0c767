//go:build linux

package live

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// The measurement beside the kernel takes minutes, so `go test` skips it unless a flag asks for it:
//
//	go test ./stack/lab/live -run '^TestBesideKernel$' -v -beside 8 -beside.time 8s -parallel 8 -timeout 0
//	go test ./stack/lab/live -run '^TestBesideKernel$/^loss_(1|5)_%$' -v -beside 48 -beside.time 8s -parallel 8 -timeout 0
//
// They wait for the path more than they work, so several run at a time. A goodput of 8 s under 1 % loss varies by a
// sixth from seed to seed: a difference of a few hundredths shows with some fifty.
var (
	besideRounds = flag.Int("beside", 0, "measure goodput beside the kernel's, so many `rounds`")
	besideDelay  = flag.Duration("beside.delay", 10*time.Millisecond, "delay of the path in each direction")
	besideTime   = flag.Duration("beside.time", time.Second, "how long each run takes")
	besideSysctl = flag.String("beside.sysctl", "", "`settings` of the kernels, tcp_sack=0,tcp_timestamps=0")
)

// TestKernelOptions sends octets each way between us and a kernel with and without selective
// acknowledgements and timestamps, over a path that loses, repeats, delays and reorders frames.
func TestKernelOptions(t *testing.T) {
	for _, sack := range []string{"0", "1"} {
		for _, stamps := range []string{"0", "1"} {
			t.Run("sack "+sack+", timestamps "+stamps, func(t *testing.T) {
				t.Parallel()
				r, h, port := onTAP(t)
				sysctl(t, "tcp_sack", sack)
				sysctl(t, "tcp_timestamps", stamps)
				cfg := tcp.Config{RTOMin: 20 * time.Millisecond}
				taptest.Hurry(t, "tap0", kernelAddr, cfg.RTOMin)

				r.Do(func(clock.Instant) {
					port.Faults().Add(&fault.Rule{Match: matchTCP, Loss: 0.01, Duplicate: 0.02, Reorder: 0.03, Hold: 3 * time.Millisecond, Delay: time.Millisecond})
				})
				data := make([]byte, 512<<10)
				rng := rand.New(rand.NewPCG(5, 69))
				for i := range data {
					data[i] = byte(rng.Uint32())
				}
				bothWays(t, r, h, cfg, data)
				r.Do(func(clock.Instant) {
					if in, out := h.Conservation(); in != out {
						t.Errorf("%d frames in, %d accounted for", in, out)
					}
				})
			})
		}
	}
}

// bothWays sends data each way between us and the kernel at once, and compares what arrives.
func bothWays(t *testing.T, r lab.Runner, h *lab.Host, cfg tcp.Config, data []byte) {
	t.Helper()
	want := sha256.Sum256(data)
	finish := []func() ([32]byte, error){exchange(t, r, h, cfg, kernelAddr.Addr(), data, true, weClose), exchange(t, r, h, cfg, kernelAddr.Addr(), data, false, theyClose)}
	for i, f := range finish {
		if got, err := f(); err != nil || got != want {
			t.Errorf("direction %d: hash %x, want %x: %v", i, got, want, err)
		}
	}
}

// matchTCP reports whether a frame is TCP. Rules that use it do not drop ARP, which waits for a second after a loss.
func matchTCP(f []byte, _ phy.Medium) bool {
	return len(f) > 33 && f[12] == 8 && f[13] == 0 && f[23] == 6
}

// sysctl sets a variable in the calling goroutine's namespace.
func sysctl(t testing.TB, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// way names the end that sends in a measurement and the end that receives.
type way int

const (
	weSend way = iota
	weReceive
	theySend // from one kernel to another, through a router of ours
)

func (w way) String() string { return [...]string{"we send", "we receive", "kernel to kernel"}[w] }

// bed is a kernel on a TAP and our host at the other end of the TAP. If our host is a router, a second kernel is on its
// other link. The fault rules are on our port to the first kernel.
type bed struct {
	testing.TB
	r      lab.Runner
	h      *lab.Host
	way    way
	second *taptest.Space
}

var secondKernel = netip.MustParsePrefix("192.168.70.100/24")

func newBed(t testing.TB, w way, seed uint64, rules ...*fault.Rule) *bed {
	r, h, port := onTAPSeeded(t, tap.Options{}, seed)
	b := &bed{TB: t, r: r, h: h, way: w}
	settle := func() {
		sysctl(t, "tcp_no_metrics_save", "1")
		for _, s := range strings.Split(*besideSysctl, ",") {
			if name, value, ok := strings.Cut(s, "="); ok {
				sysctl(t, name, value)
			}
		}
	}
	settle()
	if w == theySend {
		b.second = taptest.NewSpace(t)
		var dev phy.Device
		b.second.Do(func() {
			taptest.TAP(t, "tap1", secondKernel)
			settle()
			route(t, "0.0.0.0/0", "192.168.70.1")
			var err error
			if dev, err = tap.Open("tap1", tap.Options{}); err != nil {
				t.Error(err)
			}
		})
		route(t, "192.168.70.0/24", "192.168.69.1")
		t.Cleanup(func() {
			r.Close() // before the device is closed, since the runner reads it until then
			dev.Close()
		})
		r.Do(func(clock.Instant) {
			h.SetForwarding(0, true)
			if _, err := h.Attach(dev, netip.MustParsePrefix("192.168.70.1/24")); err != nil {
				t.Error(err)
			}
		})
	}
	r.Do(func(clock.Instant) {
		for _, rule := range rules {
			port.Faults().Add(rule)
		}
	})
	return b
}

func route(t testing.TB, to, via string) {
	t.Helper()
	_, dst, err := net.ParseCIDR(to)
	if err == nil {
		err = netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(via)})
	}
	if err != nil {
		t.Error(err)
	}
}

// goodput returns the rate at which octets arrive, in octets per second, during d from the first octet on.
func (b *bed) goodput(d time.Duration) float64 {
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: kernelAddr.Addr().AsSlice()})
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	at := netip.AddrPortFrom(kernelAddr.Addr(), uint16(ln.Addr().(*net.TCPAddr).Port))
	var got atomic.Int64
	switch b.way {
	case theySend:
		var k *net.TCPConn
		b.second.Do(func() { k, err = net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(at)) })
		if err != nil {
			b.Fatal(err)
		}
		cubic(b, k)
		defer abort(k)
		go fill(k)
	default:
		abortOurs := b.dial(at, &got)
		defer abortOurs()
	}
	k, err := ln.AcceptTCP()
	if err != nil {
		b.Fatal(err)
	}
	defer abort(k)
	cubic(b, k)
	if b.way == weReceive {
		go fill(k)
	} else {
		go func() {
			buf := make([]byte, 256<<10)
			for {
				n, err := k.Read(buf)
				if got.Add(int64(n)); err != nil {
					return
				}
			}
		}()
	}
	for deadline := time.Now().Add(10 * time.Second); got.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	time.Sleep(d)
	return float64(got.Load()) / time.Since(began).Seconds()
}

// dial opens our end of a connection, which sends as much as it can or counts the octets that it receives.
func (b *bed) dial(to netip.AddrPort, got *atomic.Int64) (abort func()) {
	data := make([]byte, 64<<10)
	b.r.Do(func(now clock.Instant) {
		c, err := b.h.DialTCP(now, netip.AddrPort{}, to, tcp.Config{})
		if err != nil {
			b.Error(err)
			return
		}
		abort = func() { b.r.Do(func(now clock.Instant) { c.Abort(now) }) }
		c.OnEvent = func(now clock.Instant) {
			if b.way == weReceive {
				n, _ := c.Discard(now, 1<<30)
				got.Add(int64(n))
				return
			}
			for {
				if n, _ := c.Write(now, data); n < len(data) {
					return
				}
			}
		}
	})
	return abort
}

// fill writes until the connection ends.
func fill(w io.Writer) {
	data := make([]byte, 256<<10)
	for {
		if _, err := w.Write(data); err != nil {
			return
		}
	}
}

func abort(k *net.TCPConn) {
	_ = k.SetLinger(0)
	k.Close()
}

// TestBesideKernel measures goodput under loss: ours in both directions, and that of one kernel to another through the
// same rules. It runs as many measurements at once as -parallel says, and prints means with their standard errors.
// Without -beside it only checks that each way works.
func TestBesideKernel(t *testing.T) {
	rounds, d := *besideRounds, *besideTime
	cases := []struct {
		name string
		loss float64
		more fault.Rule
	}{
		{"loss 0", 0, fault.Rule{}}, {"loss 0.1 %", 0.001, fault.Rule{}}, {"loss 1 %", 0.01, fault.Rule{}},
		{"loss 5 %", 0.05, fault.Rule{}}, {"loss 15 %", 0.15, fault.Rule{}},
		{"loss 1 %, reordered 2 %", 0.01, fault.Rule{Reorder: 0.02, Hold: 4 * time.Millisecond}},
		{"loss 1 %, twice 2 %", 0.01, fault.Rule{Duplicate: 0.02}},
	}
	if rounds == 0 {
		rounds, d, cases = 1, 50*time.Millisecond, cases[2:3]
	}
	t.Logf("%-26s %14s %14s %16s   %s", fmt.Sprintf("kB/s, means of %d", rounds), weSend, weReceive, theySend, "ratios")
	for _, c := range cases {
		var mu sync.Mutex
		var got [3][]float64
		t.Run(c.name, func(t *testing.T) {
			for seed := range rounds { // each round has another seed, which all ways share
				for w := weSend; w <= theySend; w++ {
					t.Run(w.String(), func(t *testing.T) { // runs in a goroutine of its own, which stays in a namespace
						t.Parallel()
						more := c.more
						more.Loss, more.Delay = c.loss, *besideDelay
						if more.Loss > 0 || more.Delay > 0 { // otherwise the rule would drop what it matches
							more.Match = matchTCP
						}
						v := newBed(t, w, uint64(seed), &more).goodput(d)
						mu.Lock()
						defer mu.Unlock()
						got[w] = append(got[w], v/1000)
					})
				}
			}
		})
		if t.Failed() {
			return
		}
		if len(got[weSend])+len(got[weReceive])+len(got[theySend]) == 0 {
			continue // this case was not selected
		}
		var m, e [3]float64
		for w := range got {
			if len(got[w]) == 0 {
				continue
			}
			if m[w], e[w] = mean(got[w]); m[w] == 0 && c.loss < 0.05 {
				t.Errorf("%s, %v: nothing arrived", c.name, way(w))
			}
		}
		t.Logf("%-26s %8.0f ±%-4.0f %8.0f ±%-4.0f %10.0f ±%-4.0f   %.2f %.2f", c.name, m[0], e[0], m[1], e[1], m[2], e[2], m[0]/m[2], m[1]/m[2])
	}
}

// mean returns the values' mean and its standard error.
func mean(values []float64) (m, e float64) {
	n := float64(len(values))
	for _, v := range values {
		m += v / n
	}
	for _, v := range values {
		e += (v - m) * (v - m)
	}
	return m, math.Sqrt(e / max(1, n-1) / n)
}
