package tcp

import "time"

// granularity is G of RFC 6298: how fine the timers are.
const granularity = time.Millisecond

// rtoAfterLostSYN is what the timer restarts from when the SYN itself was lost (RFC 6298 §5.7).
const rtoAfterLostSYN = 3 * time.Second

// estimator keeps the retransmission timeout (RFC 6298).
type estimator struct {
	srtt, rttvar time.Duration
	rto          time.Duration
	min, max     time.Duration
	backoffs     int // consecutive timeouts since the last acknowledgement of something new
}

func (e *estimator) init(cfg *Config) {
	e.setBounds(cfg)
	e.rto = min(cfg.RTOInitial, e.max)
}

func (e *estimator) setBounds(cfg *Config) { e.min, e.max = cfg.RTOMin, max(cfg.RTOMax, cfg.RTOMin) }

// sample takes in the round trip of a segment that was sent once (§2.2, §2.3); it ends the back-off.
func (e *estimator) sample(r time.Duration) {
	if e.srtt == 0 {
		e.srtt, e.rttvar = max(r, 1), r/2
	} else {
		e.rttvar += ((e.srtt - r).Abs() - e.rttvar) / 4
		e.srtt += (r - e.srtt) / 8
	}
	e.rto = min(max(e.srtt+max(granularity, 4*e.rttvar), e.min), e.max)
}

// backOff doubles the timeout (§5.5).
func (e *estimator) backOff() {
	e.rto = min(2*e.rto, e.max)
	e.backoffs++
}
