package fault

import (
	"time"

	"smolsh/stack/clock"
)

// line is the state of one direction of a rule that delays frames: when its transmission at the rule's rate ends, and
// when each delayed frame is released.
type line struct {
	free clock.Instant   // time at which every frame so far has been sent
	held []clock.Instant // release times, as a heap with the earliest first
}

// full reports whether the line holds limit frames.
func (l *line) full(now clock.Instant, limit int) bool {
	for len(l.held) > 0 && l.held[0] <= now {
		last := len(l.held) - 1
		l.held[0] = l.held[last]
		l.held = l.held[:last]
		l.sink()
	}
	return len(l.held) >= limit
}

// send returns the time at which the last bit of a frame has been sent. The frame arrives at time at, has the given
// number of octets, and is sent at rate bits per second. It rounds up to a nanosecond.
func (l *line) send(at clock.Instant, octets int, rate uint64) clock.Instant {
	work := uint64(octets) * 8 * uint64(time.Second)
	takes := work / rate
	if work%rate != 0 {
		takes++
	}
	l.free = max(l.free, at).Add(time.Duration(takes))
	return l.free
}

// hold records a frame that is delayed until the given instant.
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

// sink restores the heap's order from its first entry down.
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
