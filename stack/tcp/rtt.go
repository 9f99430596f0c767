package tcp

import (
	"time"

	"smolsh/stack/clock"
)

// granularity is G of RFC 6298: how fine the timers are.
const granularity = time.Millisecond

// rtoAfterLostSYN is what the timer restarts from when the SYN itself was lost (RFC 6298 §5.7).
const rtoAfterLostSYN = 3 * time.Second

// estimator keeps the retransmission timeout (RFC 6298).
type estimator struct {
	srtt, rttvar time.Duration
	rto          time.Duration
	min          time.Duration // the smallest round trip of late, by what was sent once; 0: none is known
	minAt        clock.Instant
	backedOff    bool  // rto is longer than the samples have it
	backoffs     int32 // consecutive timeouts since the last acknowledgement of something new
}

// rtoMax is the longest timeout; the shortest one prevails.
func (c *Config) rtoMax() time.Duration { return max(c.RTOMax, c.RTOMin) }

// sample takes in the round trip of a segment that was sent once (§2.2, §2.3); it ends the back-off. The floor
// of the timeout is that of its variance: over a long steady path RTTVAR shrinks to nothing, and a timeout
// of SRTT alone would run out for every acknowledgement that is a little late. Deviates: §2.4 has a floor of
// 1 s for the whole timeout.
func (e *estimator) sample(r time.Duration, cfg *Config) {
	e.backedOff = false
	if e.srtt == 0 {
		e.srtt, e.rttvar = max(r, 1), r/2
	} else {
		e.rttvar += ((e.srtt - r).Abs() - e.rttvar) / 4
		e.srtt += (r - e.srtt) / 8
	}
	e.rto = min(e.srtt+max(granularity, 4*e.rttvar, cfg.RTOMin), cfg.rtoMax())
}

// backOff doubles the timeout (§5.5).
func (e *estimator) backOff(cfg *Config) {
	e.rto = min(2*e.rto, cfg.rtoMax())
	e.backoffs++
	e.backedOff = true
}

// updateMinRTT keeps the smallest round trip of the last minutes.
func (e *estimator) updateMinRTT(now clock.Instant, rtt time.Duration) {
	if e.min == 0 || rtt <= e.min || now.Sub(e.minAt) > minRTTWindow {
		e.min, e.minAt = rtt, now
	}
}
