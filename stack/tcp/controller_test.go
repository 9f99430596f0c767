package tcp

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

func TestCubeRoot(t *testing.T) {
	check := func(n, want uint64) {
		t.Helper()
		if got := cubeRoot(n); got != want {
			t.Errorf("the cube root of %d is %d, want %d", n, got, want)
		}
	}
	for _, r := range []uint64{1, 2, 3, 4, 7, 8, 100, 1000, 65535, 1 << 20, 2642244, 2642245} {
		check(r*r*r-1, r-1)
		check(r*r*r, r)
		check(r*r*r+1, r)
	}
	check(0, 0)
	check(math.MaxUint64, 2642245)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		n := rng.Uint64() >> rng.IntN(64)
		r := cubeRoot(n)
		if r*r*r > n || r < 2642245 && (r+1)*(r+1)*(r+1) <= n {
			t.Fatalf("the cube root of %d is not %d", n, r)
		}
	}
}

const second = clock.Instant(time.Second)

// TestCubicCurve: RFC 9438 §4.2 in segments of 1000 octets. After a loss at 1000 segments the window is
// 700; K is the cube root of 300/0.4, 9.086 s.
func TestCubicCurve(t *testing.T) {
	c, w := newCubic(), &Window{Cwnd: 1_000_000, Ssthresh: MaxBuffer, MSS: 1000}
	c.Lost(0, w, 1_000_000)
	if w.Ssthresh != 700_000 || c.max != 1_000_000 {
		t.Fatalf("ssthresh %d, W_max %d", w.Ssthresh, c.max)
	}
	w.Cwnd = w.Ssthresh
	c.Acked(5*second, w, &Acked{Octets: 1000, SRTT: 100 * time.Millisecond})
	if c.k != 9085 || c.epoch != 5*second {
		t.Errorf("K is %d ms from %v", c.k, c.epoch)
	}
	for _, tc := range []struct {
		t    time.Duration
		want int // ± a segment
	}{
		{0, 700_000}, {4085 * time.Millisecond, 950_000}, {9085 * time.Millisecond, 1_000_000},
		{14085 * time.Millisecond, 1_050_000}, {19085 * time.Millisecond, 1_400_000}, {time.Hour, MaxBuffer},
	} {
		if got := c.at(tc.t, 1000); max(got-tc.want, tc.want-got) > 1000 {
			t.Errorf("after %v the curve is at %d, want %d", tc.t, got, tc.want)
		}
	}
	// If the window of the round trip at 4.085 s is acknowledged, it grows to the curve's value one round trip later.
	w.Cwnd = 950_000
	at := 5*second + clock.Instant(4085*time.Millisecond)
	for range 950 {
		c.Acked(at, w, &Acked{Octets: 1000, SRTT: 100 * time.Millisecond})
	}
	if n := w.Cwnd - 950_000; n < 1840 || n > 1880 { // 63 % of the way to the target, as in continuous growth
		t.Errorf("cwnd grew by %d of %d", n, c.at(4185*time.Millisecond, 1000)-950_000)
	}
	// Far below the curve it grows by at most half in a round trip.
	w.Cwnd, w.Ssthresh, c.est = 100_000, 2000, 0
	for range 100 {
		c.Acked(at, w, &Acked{Octets: 1000, SRTT: 100 * time.Millisecond})
	}
	if w.Cwnd < 145_000 || w.Cwnd > 165_000 { // each acknowledgement acts on the window that the previous acknowledgement has enlarged
		t.Errorf("cwnd %d after one window of acknowledgements", w.Cwnd)
	}
}

// TestCubicReductions: RFC 9438 §4.7, a loss below the last maximum; §4.8, a timeout; §4.9, the undo of a spurious reduction.
func TestCubicReductions(t *testing.T) {
	c, w := newCubic(), &Window{Cwnd: 1_000_000, MSS: 1000}
	c.Lost(0, w, 1_000_000)
	w.Cwnd = 800_000
	c.Acked(second, w, &Acked{Octets: 1000, SRTT: time.Millisecond})
	before := c.curve
	c.Lost(2*second, w, 800_000)
	if c.max != 680_000 || w.Ssthresh != 560_000 || c.epoch != clock.Never {
		t.Errorf("fast convergence: W_max %d, ssthresh %d", c.max, w.Ssthresh)
	}
	c.Undone(w)
	if c.curve != before {
		t.Errorf("undone: %+v, want %+v", c.curve, before)
	}
	c.TimedOut(3*second, w, 500_000)
	if w.Cwnd != 1000 || w.Ssthresh != 350_000 {
		t.Errorf("timeout: cwnd %d, ssthresh %d", w.Cwnd, w.Ssthresh)
	}
	w.Cwnd = 350_000
	c.Acked(4*second, w, &Acked{Octets: 1000, SRTT: time.Millisecond})
	if c.k != 0 || c.max != 350_000 {
		t.Errorf("after a timeout K is %d and W_max %d", c.k, c.max)
	}
	c.Idle(time.Minute)
	if c.epoch != 64*second {
		t.Errorf("idle: the epoch began at %v", c.epoch)
	}
	c.Lost(0, w, 2000)
	if w.Ssthresh != 2000 {
		t.Errorf("ssthresh %d, want two segments", w.Ssthresh)
	}
}

// TestCubicIsNotSlowerThanReno: RFC 9438 §4.3. On a short path the window is Reno's estimate, which grows by nine seventeenths of
// a segment per window until the last maximum, then by a segment.
func TestCubicIsNotSlowerThanReno(t *testing.T) {
	c, w := newCubic(), &Window{Cwnd: 20_000, MSS: 1000}
	c.Lost(0, w, 20_000)
	w.Cwnd = w.Ssthresh
	now := clock.Instant(0)
	windows := func(n int) (grown int) {
		from := w.Cwnd
		for range n {
			now = now.Add(time.Millisecond)
			for left := w.Cwnd; left > 0; left -= 1000 {
				c.Acked(now, w, &Acked{Octets: min(left, 1000), SRTT: time.Millisecond})
			}
		}
		return w.Cwnd - from
	}
	if n := windows(10); n < 4000 || n > 6000 {
		t.Errorf("ten windows below the maximum add %d octets, want 5294", n)
	}
	for w.Cwnd < 21_000 {
		windows(1)
	}
	if n := windows(10); n < 9000 || n > 11000 {
		t.Errorf("ten windows beyond it add %d octets, want 10000", n)
	}
}

// round passes n acknowledgements of one round to HyStart++. Each measures the round trip time rtt. It returns the
// window's growth, and whether slow start is over.
func (h *hystart) round(una, nxt wire.Seq, n int, rtt time.Duration) (grown int, over bool) {
	for range n {
		g, o := h.growth(&Acked{Octets: 1000, RTT: rtt, Una: una, Nxt: nxt}, 1000)
		grown += g
		over = over || o
	}
	return grown, over
}

func TestHyStart(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name string
		last time.Duration
		up   time.Duration // the round trip that ends slow start; a slightly shorter one does not
	}{
		{"an eighth", 80 * ms, 90 * ms}, {"4 ms at least", 10 * ms, 14 * ms}, {"16 ms at most", 400 * ms, 416 * ms},
	} {
		for _, up := range []time.Duration{tc.up - 1, tc.up} {
			var h hystart
			h.round(1, 10, 8, tc.last)
			grown, _ := h.round(10, 20, 8, up)
			if want := up == tc.up; h.css != want {
				t.Errorf("%s: from %v to %v, conservative is %v", tc.name, tc.last, up, h.css)
			} else if want && grown != 7*1000+250 || !want && grown != 8000 {
				t.Errorf("%s: grown by %d", tc.name, grown)
			}
		}
	}
	var h hystart
	h.round(1, 10, 8, 80*ms)
	h.round(10, 20, 7, 200*ms)
	if h.css {
		t.Error("seven samples are not enough")
	}
	h.round(10, 20, 1, 200*ms)
	if grown, _ := h.round(20, 30, 4, 200*ms); !h.css || grown != 1000 {
		t.Errorf("conservative slow start grows by %d", grown)
	}
	if h.round(20, 30, 4, 150*ms); h.css {
		t.Error("shorter round trips do not bring slow start back")
	}
	h.round(30, 40, 8, 300*ms)
	for k := range 5 {
		if _, over := h.round(wire.Seq(40+10*k), wire.Seq(50+10*k), 8, 300*ms); over != (k == 4) {
			t.Errorf("round %d of conservative slow start: over is %v", k+1, over)
		}
	}
	if g, _ := new(hystart).growth(&Acked{Octets: 20_000, Nxt: 5}, 1000); g != 8000 {
		t.Errorf("one acknowledgement makes the window grow by %d", g)
	}
}

// TestHyStartLosesLess: HyStart++ loses less than slow start when a long path's queue overflows.
func TestHyStartLosesLess(t *testing.T) {
	var dropped [numAlgorithms]int
	for a := range numAlgorithms {
		there := &way{rate: 12_500_000, queue: 1_250_000, delay: 50 * time.Millisecond}
		p := newPath(t, 1, there, &way{delay: 50 * time.Millisecond}, Config{Congestion: a, SendBuffer: 16 << 20, NoPacing: true}, Config{RecvBuffer: 8 << 20})
		p.run(3 * time.Second)
		dropped[a] = there.dropped
		t.Logf("%v: %d segments dropped, ssthresh %d, %d octets", a, there.dropped, p.c[0].cong.Ssthresh, p.got)
	}
	if dropped[CUBIC] >= dropped[NewReno]/2 {
		t.Errorf("segments dropped: %d, by Reno %d", dropped[CUBIC], dropped[NewReno])
	}
}

// TestCubicSlowStart: CUBIC uses HyStart++ in the first slow start, and sets ssthresh at its end (RFC 9406 §4.2).
func TestCubicSlowStart(t *testing.T) {
	c, w := newCubic(), &Window{Cwnd: 10_000, Ssthresh: 1_000_000, MSS: 1000}
	if c.Acked(0, w, &Acked{Octets: 9000}); w.Cwnd != 12_000 {
		t.Errorf("cwnd %d, want two segments more", w.Cwnd)
	}
	w.Ssthresh = MaxBuffer
	if c.Acked(0, w, &Acked{Octets: 9000}); w.Cwnd != 20_000 {
		t.Errorf("cwnd %d, want eight segments more", w.Cwnd)
	}
	c.start = hystart{began: true, css: true, rounds: cssRounds - 1, end: 5}
	if c.Acked(0, w, &Acked{Octets: 1000, Una: 5, Nxt: 9}); w.Ssthresh != w.Cwnd {
		t.Errorf("ssthresh %d after conservative slow start, cwnd %d", w.Ssthresh, w.Cwnd)
	}
}

// TestInitialWindow: RFC 6928 §2, min(10 segments, max(2 segments, 14600 octets)).
func TestInitialWindow(t *testing.T) {
	for mss, want := range map[int]int{536: 5360, 1460: 14600, 4000: 14600, 8960: 17920} {
		c := Open(&Config{}, linkMSS, 1, 0, nil)
		if c.setMSS(mss); c.cong.Cwnd != want {
			t.Errorf("the initial window of segments of %d is %d, want %d", mss, c.cong.Cwnd, want)
		}
	}
}

// TestControllerOfAConnection: an idle connection notifies its controller; SetConfig changes the controller.
func TestControllerOfAConnection(t *testing.T) {
	d := newDuplex(t, linkMSS, linkMSS)
	d.round(t, make([]byte, 1000), 0)
	c := d.c[0].controller().(*cubic)
	c.epoch = second
	sent := d.c[0].at.sent
	d.now = d.now.Add(300 * time.Millisecond)
	idle := d.now.Add(time.Millisecond).Sub(sent) - d.c[0].rtt.srtt // the last transmission, estimated from the arrival of its ACK
	d.round(t, make([]byte, 1000), 0)
	if want := second.Add(idle); c.epoch < want.Add(-time.Millisecond) || c.epoch > want {
		t.Errorf("the epoch is %v after %v of idleness", c.epoch, idle)
	}
	cfg := d.c[0].Config()
	cfg.Congestion = NewReno
	d.c[0].SetConfig(d.now, cfg)
	if _, ok := d.c[0].controller().(reno); !ok || d.c[0].Info(d.now).Congestion != "newreno" {
		t.Errorf("the controller is %T", d.c[0].controller())
	}
}

func TestAlgorithms(t *testing.T) {
	for a := range numAlgorithms {
		if b, ok := ParseAlgorithm(a.String()); !ok || a != b {
			t.Errorf("%v is read as %v", a, b)
		}
	}
	if _, ok := ParseAlgorithm("bbr"); ok || Algorithm(9).String() != "unknown" || (Config{}).Congestion != CUBIC {
		t.Error("the names are not what they should be")
	}
}
