package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Window is what a congestion controller controls, in octets.
type Window struct {
	Cwnd, Ssthresh int
	MSS            int // the sender's maximum segment size (SMSS)
	Acked          int // octets acknowledged since cwnd last grew in congestion avoidance
}

// Controller decides how the congestion window answers to acknowledgements and losses. It is told
// only what concerns it: the window's inflation while lost segments are repaired is the connection's
// business. A Controller serves one connection; time and arithmetic come in as integers, so that
// every machine repeats a run.
type Controller interface {
	// Name is what congestion= takes and sockets show.
	Name() string
	// Acked is called for n octets newly acknowledged outside recovery, when the window was the limit.
	Acked(now clock.Instant, w *Window, n int, srtt time.Duration)
	// Lost is called when a loss is found by duplicate acknowledgements; it sets Ssthresh.
	Lost(now clock.Instant, w *Window, flight int)
	// TimedOut is called for the first timeout of a segment; it sets Ssthresh and Cwnd.
	TimedOut(now clock.Instant, w *Window, flight int)
}

// NewReno is the controller of RFC 5681, with byte counting (RFC 3465, L = 2 SMSS).
type NewReno struct{}

// Name is "newreno".
func (NewReno) Name() string { return "newreno" }

// Acked is slow start below ssthresh, and one segment per window of acknowledged octets above it
// (RFC 5681 §3.1).
func (NewReno) Acked(_ clock.Instant, w *Window, n int, _ time.Duration) {
	if w.Cwnd < w.Ssthresh {
		w.Cwnd += min(n, 2*w.MSS)
		return
	}
	if w.Acked += n; w.Acked >= w.Cwnd {
		w.Acked -= w.Cwnd
		w.Cwnd += w.MSS
	}
}

// Lost halves: RFC 5681 equation (4).
func (NewReno) Lost(_ clock.Instant, w *Window, flight int) {
	w.Ssthresh = max(flight/2, 2*w.MSS)
	w.Acked = 0
}

// TimedOut halves and starts again from one segment (RFC 5681 §3.1).
func (r NewReno) TimedOut(now clock.Instant, w *Window, flight int) {
	r.Lost(now, w, flight)
	w.Cwnd = w.MSS
}

// congestion is the connection's side of congestion control: the window and the state of loss
// recovery (RFC 6582).
type congestion struct {
	Window
	ctl        Controller
	initial    uint16   // segments; 0: by equation
	recover    wire.Seq // the highest number sent when the last loss was found
	dupAcks    int32
	inRecovery bool
	partial    bool // a partial acknowledgement has come in this recovery
}

func (g *congestion) init(cfg *Config, mss int) {
	g.ctl, g.initial = NewReno{}, uint16(cfg.InitialWindow)
	g.setMSS(mss)
	g.Ssthresh = MaxBuffer
}

// limited is what limited transmit adds to the window: a new segment for each of the first two duplicate
// acknowledgements, so that a small window comes to its third (RFC 3042, RFC 5681 §3.2 step 1).
// With a scoreboard what has arrived does not count, which does the same.
func (c *Conn) limited() int {
	if c.cong.inRecovery || c.snd.board != nil {
		return 0
	}
	return int(min(c.cong.dupAcks, 2)) * c.cong.MSS
}

// setMSS fixes the segment size and with it the initial window.
func (g *congestion) setMSS(mss int) {
	g.MSS = mss
	g.Cwnd = g.initialWindow()
}

// initialWindow is RFC 5681 §3.1's upper bound, in octets.
func (g *congestion) initialWindow() int {
	n := int(g.initial)
	switch {
	case n > 0:
	case g.MSS > 2190:
		n = 2
	case g.MSS > 1095:
		n = 3
	default:
		n = 4
	}
	return n * g.MSS
}
