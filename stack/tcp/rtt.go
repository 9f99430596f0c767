package tcp

import (
	"time"

	"smolsh/stack/clock"
)

// granularity is G of RFC 6298 §2.3, the granularity of the timers.
const granularity = time.Millisecond

// rtoAfterLostSYN is the RTO after a handshake whose SYN was retransmitted (RFC 6298 §5.7).
const rtoAfterLostSYN = 3 * time.Second

// estimator computes the retransmission timeout (RFC 6298 §2).
type estimator struct {
	srtt, rttvar time.Duration
	rto          time.Duration
	min          time.Duration // smallest recent round trip of a segment sent once; 0 if unknown
	minAt        clock.Instant
	backedOff    bool  // true while rto is longer than the samples require
	backoffs     int32 // timeouts since the last ACK of new data
}

// rtoMax returns the longest timeout: RTOMax (RFC 6298 §2.5), or RTOMin if that is longer.
func (c *Config) rtoMax() time.Duration { return max(c.RTOMax, c.RTOMin) }

// sample enters the round trip of a segment that was sent once (RFC 6298 §2.2, §2.3), and ends the back-off. Deviates
// from §2.4, which requires an RTO of at least 1 s: here the variance term has a minimum. On a long steady path RTTVAR
// shrinks to nothing, and with RTO = SRTT any ACK that is a little late would cause a timeout.
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

// backOff doubles the timeout (RFC 6298 §5.5).
func (e *estimator) backOff(cfg *Config) {
	e.rto = min(2*e.rto, cfg.rtoMax())
	e.backoffs++
	e.backedOff = true
}

// smallest returns the smallest round trip that is known, 0 if none is. While only the handshake has been measured, SRTT is it; and
// an average is never less than the smallest of its samples.
func (e *estimator) smallest() time.Duration {
	if e.min == 0 {
		return e.srtt
	}
	return min(e.min, e.srtt)
}

// updateMinRTT keeps the smallest round trip of the last minutes: RACK's of segments with data (RFC 8985 §6.2 step 1), or without
// SACK every sample.
func (e *estimator) updateMinRTT(now clock.Instant, rtt time.Duration) {
	if e.min == 0 || rtt <= e.min || now.Sub(e.minAt) > minRTTWindow {
		e.min, e.minAt = rtt, now
	}
}
