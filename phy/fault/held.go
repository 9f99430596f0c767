package fault

import (
	"time"

	"smolsh/stack/clock"
)

// line is one direction of a rule that holds frames back: what it is sending at its rate, and when each
// frame that it holds goes on.
type line struct {
	free clock.Instant   // when everything that was taken will have been sent
	held []clock.Instant // a heap, the earliest first
}

// full reports whether the line holds as many frames as it may.
func (l *line) full(now clock.Instant, limit int) bool {
	for len(l.held) > 0 && l.held[0] <= now {
		last := len(l.held) - 1
		l.held[0] = l.held[last]
		l.held = l.held[:last]
		l.sink()
	}
	return len(l.held) >= limit
}

// send returns when the last bit of a frame of so many octets, that comes at the given instant, has been sent
// at rate bits per second; never earlier than that.
func (l *line) send(at clock.Instant, octets int, rate uint64) clock.Instant {
	work := uint64(octets) * 8 * uint64(time.Second)
	takes := work / rate
	if work%rate != 0 {
		takes++
	}
	l.free = max(l.free, at).Add(time.Duration(takes))
	return l.free
}

// hold keeps account of a frame until it goes on.
func (l *line) hold(until clock.Instant) {
	l.held = append(l.held, until)
	for i := len(l.held) - 1; i > 0; {
		up := (i - 1) / 2
		if l.held[up] <= l.held[i] {
			break
		}
		l.held[i], l.held[up] = l.held[up], l.held[i]
		i = up
	}
}

// sink brings the heap in order below its first entry.
func (l *line) sink() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(l.held); child++ {
			if l.held[child] < l.held[least] {
				least = child
			}
		}
		if least == i {
			return
		}
		l.held[i], l.held[least] = l.held[least], l.held[i]
		i = least
	}
}
