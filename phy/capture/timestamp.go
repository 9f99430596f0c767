package capture

import (
	"math"
	"math/bits"
	"time"
)

const (
	nanosPerSecond = 1_000_000_000
	maxSeconds     = math.MaxInt64 / nanosPerSecond // largest number of whole seconds before or after 1970 that nanoseconds in 64 bits can express
)

// timeUnit is an interface's unit of time: units per second (if_tsresol) and an offset in seconds (if_tsoffset).
type timeUnit struct {
	binary   bool  // true if the units per second are a power of 2, false for a power of 10
	exponent uint8 // exponent of that power, at most 127
	offset   int64 // offset to add to the time, in seconds
}

var (
	microseconds = timeUnit{exponent: 6}
	nanoseconds  = timeUnit{exponent: 9}
)

// newTimeUnit reads the octet of an if_tsresol option.
func newTimeUnit(tsresol byte) timeUnit {
	return timeUnit{binary: tsresol&0x80 != 0, exponent: tsresol & 0x7f}
}

// at returns the time after count units since 1970. It rounds down to a nanosecond. If nanoseconds in 64 bits can't
// express the time (before 1677 or after 2262), at returns the nearest second that they can express, and false.
func (u timeUnit) at(count uint64) (t time.Time, ok bool) {
	seconds, nanos := u.split(count)
	past := false // true if the sum with a negative offset lies before 1970
	if u.offset >= 0 {
		var carry uint64
		if seconds, carry = bits.Add64(seconds, uint64(u.offset), 0); carry != 0 {
			seconds = math.MaxUint64
		}
	} else if back := -uint64(u.offset); seconds >= back {
		seconds -= back
	} else {
		seconds, past = back-seconds, true
	}
	switch {
	case past && seconds > maxSeconds:
		return time.Unix(-maxSeconds, 0).UTC(), false
	case past:
		return time.Unix(-int64(seconds), int64(nanos)).UTC(), true
	case seconds >= maxSeconds:
		return time.Unix(maxSeconds, 0).UTC(), seconds == maxSeconds && nanos == 0
	}
	return time.Unix(int64(seconds), int64(nanos)).UTC(), true
}

// split returns the whole seconds of a count, and the remainder in whole nanoseconds.
func (u timeUnit) split(count uint64) (seconds, nanos uint64) {
	switch {
	case u.binary && u.exponent < 64:
		hi, lo := bits.Mul64(count&(1<<u.exponent-1), nanosPerSecond)
		return count >> u.exponent, hi<<(64-u.exponent) | lo>>u.exponent
	case u.binary:
		hi, _ := bits.Mul64(count, nanosPerSecond)
		return 0, hi >> (u.exponent - 64)
	case u.exponent <= 9:
		per := powerOfTen(u.exponent)
		return count / per, count % per * powerOfTen(9-u.exponent)
	case u.exponent <= 9+19:
		total := count / powerOfTen(u.exponent-9)
		return total / nanosPerSecond, total % nanosPerSecond
	}
	return 0, 0
}

// powerOfTen returns 10 to the power n, which must be at most 19.
func powerOfTen(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
