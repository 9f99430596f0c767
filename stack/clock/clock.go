// Package clock is the core's time: a monotonic instant that is always an argument,
// a heap of deadlines, and a token bucket. Nothing here reads a clock.
package clock

import (
	"fmt"
	"math"
	"time"
)

// Instant is a point in time, in nanoseconds since the lab's start. It never decreases.
type Instant int64

// Never is later than every instant: the deadline of a timer that is not set.
const Never Instant = math.MaxInt64

// Add returns t+d. Never stays Never, and a larger sum becomes Never.
func (t Instant) Add(d time.Duration) Instant {
	if t == Never {
		return Never
	}
	s := t + Instant(d)
	if d > 0 && s < t {
		return Never
	}
	return s
}

// Sub returns t-u.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// Before reports whether t is earlier than u.
func (t Instant) Before(u Instant) bool { return t < u }

// Due reports whether the deadline t has been reached at time now.
func (t Instant) Due(now Instant) bool { return t <= now }

// Seconds returns the time since the lab's start in seconds.
func (t Instant) Seconds() float64 { return float64(t) / 1e9 }

// String returns seconds with microseconds, as traces have them: "12.345678".
func (t Instant) String() string {
	if t == Never {
		return "never"
	}
	return fmt.Sprintf("%d.%06d", t/1e9, t%1e9/1e3)
}
