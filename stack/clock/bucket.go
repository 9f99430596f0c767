package clock

import "time"

// Bucket is a token bucket: it admits a burst of events, and then a fixed number per second. The zero value admits
// everything. It is not safe for use by several goroutines.
type Bucket struct {
	every  time.Duration // time per token; 0: no limit
	burst  int
	tokens int
	filled Instant
}

// NewBucket returns a full bucket for rate events per second. rate and burst are at least 1.
func NewBucket(rate, burst int) Bucket {
	return Bucket{every: max(1, time.Second/time.Duration(rate)), burst: burst, tokens: burst}
}

// Take reports whether an event may happen at time now. If it returns true, it counts the event. now must not decrease
// from call to call.
func (b *Bucket) Take(now Instant) bool {
	if b.every == 0 {
		return true
	}
	if fresh := now.Sub(b.filled) / b.every; fresh >= time.Duration(b.burst-b.tokens) {
		b.tokens, b.filled = b.burst, now
	} else {
		b.tokens += int(fresh)
		b.filled = b.filled.Add(fresh * b.every)
	}
	if b.tokens == 0 {
		return false
	}
	b.tokens--
	return true
}
