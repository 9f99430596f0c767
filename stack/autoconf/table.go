package autoconf

import (
	"math"
	"slices"
	"time"

	"smolsh/stack/clock"
)

// Infinite is a remaining lifetime that does not end.
const Infinite time.Duration = math.MaxInt64

// forever is the lifetime in seconds that does not end (RFC 4861 §4.6.2, RFC 4191 §2.3, RFC 8106 §5.1).
const forever = math.MaxUint32

// until returns the end of a lifetime in seconds that begins now.
func until(now clock.Instant, seconds uint32) clock.Instant {
	if seconds == forever {
		return clock.Never
	}
	return now.Add(time.Duration(seconds) * time.Second)
}

// remaining returns the time from now to the end of a lifetime, 0 if it has ended.
func remaining(now, end clock.Instant) time.Duration {
	if end == clock.Never {
		return Infinite
	}
	return max(0, end.Sub(now))
}

// entry is one value of a table and the end of its lifetime.
type entry[K comparable, V any] struct {
	key   K
	value V
	until clock.Instant
}

// table is a bounded list of values with lifetimes, in the order in which they were learnt.
type table[K comparable, V any] struct {
	entries []entry[K, V]
	most    int
}

// index returns the position of key, -1 if the table does not have it.
func (t *table[K, V]) index(key K) int {
	return slices.IndexFunc(t.entries, func(e entry[K, V]) bool { return e.key == key })
}

// full reports whether key is new and the table has no room for it.
func (t *table[K, V]) full(key K) bool { return len(t.entries) >= t.most && t.index(key) < 0 }

// learn adds or replaces a value with a lifetime in seconds. A lifetime of 0 removes the value. learn returns false if the table
// is full.
func (t *table[K, V]) learn(now clock.Instant, key K, value V, lifetime uint32) bool {
	i := t.index(key)
	switch {
	case lifetime == 0:
		if i >= 0 {
			t.entries = slices.Delete(t.entries, i, i+1)
		}
	case i >= 0:
		t.entries[i].value, t.entries[i].until = value, until(now, lifetime)
	case len(t.entries) >= t.most:
		return false
	default:
		t.entries = append(t.entries, entry[K, V]{key, value, until(now, lifetime)})
	}
	return true
}

// remove removes the values for whose key match returns true.
func (t *table[K, V]) remove(match func(K) bool) {
	t.entries = slices.DeleteFunc(t.entries, func(e entry[K, V]) bool { return match(e.key) })
}

// expire removes the values whose lifetime has ended.
func (t *table[K, V]) expire(now clock.Instant) {
	t.entries = slices.DeleteFunc(t.entries, func(e entry[K, V]) bool { return e.until.Due(now) })
}

// next returns the earliest end of a lifetime.
func (t *table[K, V]) next() clock.Instant {
	first := clock.Never
	for i := range t.entries {
		first = min(first, t.entries[i].until)
	}
	return first
}
