package tcp

import (
	"math/bits"
	"time"

	"smolsh/stack/clock"
)

// cubic is the controller of RFC 9438. After a loss cwnd grows along a cubic curve back to its size at the loss, and
// then beyond it. While a Reno window would be larger, cwnd follows Reno (RFC 9438 §4.3). C is 0.4 and beta 0.7.
type cubic struct {
	curve
	start  hystart
	before curve // the curve before the last reduction, for undo (RFC 9438 §4.9)
}

// curve is the state of one epoch of congestion avoidance (RFC 9438 §4.1). Windows are in octets.
type curve struct {
	epoch clock.Instant // start of the epoch; clock.Never before its first acknowledgement
	k     int64         // K, in ms: the time at which the curve reaches max
	max   int           // W_max
	prior int           // cwnd_prior: cwnd at the reduction
	est   int           // W_est: the window of Reno
	acked int           // octets acknowledged since est last grew, times alpha's numerator
}

func newCubic() *cubic { return &cubic{curve: curve{epoch: clock.Never}} }

// Acked grows cwnd: slow start below ssthresh, congestion avoidance above it (RFC 9438 §4.2 to §4.5).
func (c *cubic) Acked(now clock.Instant, w *Window, a *Acked) {
	if w.Cwnd < w.Ssthresh {
		c.slowStart(w, a)
		return
	}
	if c.epoch == clock.Never {
		c.begin(now, w)
	}
	c.reno(w, a)
	t := now.Sub(c.epoch)
	if c.at(t, w.MSS) < c.est {
		w.Cwnd = max(w.Cwnd, c.est)
		return
	}
	target := min(max(c.at(t+a.SRTT, w.MSS), w.Cwnd), w.Cwnd+w.Cwnd/2)
	w.Acked += (target - w.Cwnd) * a.Octets // the unit is octets of cwnd², to avoid rounding
	n := w.Acked / w.Cwnd
	w.Acked -= n * w.Cwnd
	w.Cwnd += n
}

// slowStart grows cwnd by HyStart++ before the first loss (RFC 9406 §4.2), and later by slow start with byte counting
// (RFC 9438 §4.10).
func (c *cubic) slowStart(w *Window, a *Acked) {
	if w.Ssthresh < MaxBuffer {
		w.Cwnd += a.slowStart(w.MSS)
		return
	}
	n, over := c.start.growth(a, w.MSS)
	if w.Cwnd += n; over {
		w.Ssthresh = w.Cwnd
	}
}

// begin starts an epoch at its first acknowledgement (RFC 9438 §4.2).
func (c *cubic) begin(now clock.Instant, w *Window) {
	c.epoch, c.est, c.acked, w.Acked = now, w.Cwnd, 0, 0
	c.k = 0
	if c.max <= w.Cwnd {
		c.max = w.Cwnd
		return
	}
	// K³ = (W_max - cwnd)/C, in segments and seconds; 2.5·10⁹ is 1/C in ms³.
	c.k = int64(cubeRoot(uint64(c.max-w.Cwnd) * 2_500_000_000 / uint64(w.MSS)))
}

// at returns W_cubic(t) in octets, where t is the time since the start of the epoch (RFC 9438 §4.2).
func (c *cubic) at(t time.Duration, mss int) int {
	d := min(t.Milliseconds()-c.k, 100_000) // after 100 s the curve exceeds any buffer
	d = max(d, -100_000)
	return min(c.max+int(d*d*d/10_000*int64(mss)*4/1_000_000), MaxBuffer)
}

// reno computes W_est, the window of a Reno flow with the same average (RFC 9438 §4.3). Alpha is 3(1-beta)/(1+beta),
// which is 9/17, until W_est reaches cwnd_prior. Then alpha is 1.
func (c *cubic) reno(w *Window, a *Acked) {
	part, whole := 9, 17
	if c.est >= c.prior {
		part, whole = 1, 1
	}
	c.acked += a.Octets * part
	if n := c.acked / (whole * w.Cwnd); n > 0 {
		c.acked -= n * whole * w.Cwnd
		c.est += n * w.MSS
	}
}

// Lost reduces ssthresh by multiplicative decrease, with fast convergence (RFC 9438 §4.6, §4.7).
func (c *cubic) Lost(_ clock.Instant, w *Window, flight int) {
	c.before = c.curve
	top := w.Cwnd
	if top < c.max {
		top = top * 17 / 20 // fast convergence, (1+beta)/2: leave room for another flow
	}
	c.curve = curve{epoch: clock.Never, max: top, prior: w.Cwnd}
	w.Ssthresh = max(flight*7/10, 2*w.MSS)
}

// TimedOut reduces cwnd to one segment. The next epoch begins at the end of slow start (RFC 9438 §4.8).
func (c *cubic) TimedOut(now clock.Instant, w *Window, flight int) {
	c.Lost(now, w, flight)
	c.max = 0
	w.Cwnd = w.MSS
}

// Undone restores the curve from before the reduction (RFC 9438 §4.9.1).
func (c *cubic) Undone(*Window) { c.curve = c.before }

// Idle moves the start of the epoch by d, because only the time during which data was sent counts (RFC 9438 §4.2).
func (c *cubic) Idle(d time.Duration) {
	if c.epoch != clock.Never {
		c.epoch = c.epoch.Add(d)
	}
}

// cubeRoot returns the largest integer whose cube does not exceed n.
func cubeRoot(n uint64) uint64 {
	var r uint64
	for bit := uint64(1) << (bits.Len64(n) / 3); bit > 0; bit >>= 1 {
		if x := r | bit; x <= 2642245 && x*x*x <= n {
			r = x
		}
	}
	return r
}
