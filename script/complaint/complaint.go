// Package complaint limits the reports about the failing handlers of a server. A peer can make every handler of a
// server fail, by a reset for each connection, so the reports have to be bounded. The package only decides and counts:
// its caller writes the reports.
package complaint

import (
	"fmt"
	"strings"
	"time"

	"smolsh/stack/clock"
)

const (
	// every is the time, from the first report, during which further errors of a reported kind are counted and not
	// reported.
	every = 10 * time.Second
	// maxKinds is the number of kinds of errors that are reported within that time. It is small, since an error's text
	// may contain what a peer sent, and so be new each time.
	maxKinds = 4
)

// A Log counts the errors of one server's handlers. The zero Log is empty. Its methods are for one goroutine at a time.
type Log struct {
	said map[string]bool // kinds of errors, as kindOf returns them, that were reported since the time at
	at   clock.Instant   // time of the first of these reports
	held int             // number of errors counted since the last report
	last error           // last of the errors that held counts
}

// kindOf returns an error's text without its numbers, which differ from connection to connection.
func kindOf(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}

// Take records an error at time now. The result say is true if the caller must report it: the first error of its kind
// within ten seconds, for at most maxKinds kinds. held is then the number of errors that were counted since the last
// report; if say is false, held is 0.
func (l *Log) Take(now clock.Instant, err error) (say bool, held int) {
	if now.Sub(l.at) >= every || len(l.said) == 0 {
		l.said, l.at = map[string]bool{}, now
	}
	if kind := kindOf(err); !l.said[kind] && len(l.said) < maxKinds {
		held, l.held, l.last = l.held, 0, nil
		l.said[kind] = true
		return true, held
	}
	l.held++
	l.last = err
	return false, 0
}

// Rest returns the number of errors counted since the last report, and the last of these errors (nil if the number is
// 0), and resets both. The caller calls it when the server ends.
func (l *Log) Rest() (held int, last error) {
	held, last = l.held, l.last
	l.held, l.last = 0, nil
	return held, last
}

// Before returns the line that a caller writes after the report of an error. held is the number of errors counted
// before that error. If held is 0, Before returns "".
func Before(held int) string {
	if held == 0 {
		return ""
	}
	return "  and before it " + More(held) + " of the same server failed\n"
}

// More returns a text for n further handlers, such as "one more handler".
func More(n int) string {
	if n == 1 {
		return "one more handler"
	}
	return fmt.Sprintf("%d more handlers", n)
}
