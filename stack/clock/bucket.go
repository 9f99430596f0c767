package clock

import "time"

// Bucket is a token bucket: at first as many events as the burst, and then so many a second. The zero value lets
// everything through. It is not safe for use by several goroutines.
type Bucket struct {
	every  time.Duration // per token; 0: no limit
	burst  int
	tokens int
	filled Instant
}

// NewBucket is a full bucket for rate events a second, both 1 or more.
func NewBucket(rate, burst int) Bucket {
	return Bucket{every: max(1, time.Second/time.Duration(rate)), burst: burst, tokens: burst}
}

// Take reports whether an event may happen at now, and counts it if so. Instants must not go back.
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
