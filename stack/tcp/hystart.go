package tcp

import (
	"time"

	"smolsh/stack/wire"
)

// The constants of RFC 9406 §4.3.
const (
	hystartMinThresh = 4 * time.Millisecond
	hystartMaxThresh = 16 * time.Millisecond
	hystartDivisor   = 8
	hystartSamples   = 8
	cssGrowthDivisor = 4
	cssRounds        = 5
	slowStartLimit   = 8 // L: without pacing, one ACK adds at most this many segments to cwnd
)

// hystart is HyStart++ (RFC 9406 §4.2). It ends the first slow start when round trips become longer, before a segment is lost.
type hystart struct {
	end       wire.Seq // windowEnd: the round ends when this number is acknowledged
	began     bool
	css       bool // true in conservative slow start (CSS)
	samples   uint8
	rounds    uint8         // number of rounds in CSS
	last, cur time.Duration // smallest round trip of the last round and of this one; 0 means none was measured
	baseline  time.Duration // smallest round trip of the round in which CSS began
}

// growth returns the octets that an acknowledgement adds to cwnd. over is true when slow start has ended.
func (h *hystart) growth(a *Acked, mss int) (n int, over bool) {
	if !h.began || !h.end.In(a.Una.Add(1), a.Nxt.Sub(a.Una)) {
		if h.css {
			if h.rounds++; h.rounds >= cssRounds {
				return 0, true
			}
		}
		h.end, h.began = a.Nxt, true
		h.last, h.cur, h.samples = h.cur, 0, 0
	}
	if a.RTT > 0 {
		if h.cur == 0 || a.RTT < h.cur {
			h.cur = a.RTT
		}
		h.samples = min(h.samples+1, hystartSamples)
	}
	n = a.Octets
	if !a.Paced {
		n = min(n, slowStartLimit*mss)
	}
	if h.samples == hystartSamples {
		thresh := max(hystartMinThresh, min(h.last/hystartDivisor, hystartMaxThresh))
		switch {
		case h.css && h.cur < h.baseline: // round trips are shorter again, so no queue has built up
			h.css = false
		case !h.css && h.last > 0 && h.cur >= h.last+thresh:
			h.css, h.rounds, h.baseline = true, 0, h.cur
		}
	}
	if h.css {
		n /= cssGrowthDivisor
	}
	return n, false
}
