// Package complaint limits how often a server reports that its handlers fail. A peer can make every handler of a server
// fail, by a reset for each connection, so the reports have to be bounded. The package only decides and counts: its
// caller writes the reports.
package complaint

import (
	"fmt"
	"strings"
	"time"

	"smolsh/stack/clock"
)

const (
	// every is how long an error of the same kind is counted and not reported.
	every = 10 * time.Second
	// maxKinds is how many kinds of errors are reported within that time: an error may contain a peer's words.
	maxKinds = 4
)

// A Log is the account of one server's errors. The zero Log is empty. Its methods are for one goroutine at a time.
type Log struct {
	said map[string]bool // kinds, by kindOf, reported since at
	at   clock.Instant   // of the first of these reports
	held int             // number of errors counted since the last report
	last error           // of those counted
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

// Take records an error at the time now. It reports whether the caller is to report the error, and if so, the number of
// errors that were counted since the report before. It reports the first error of each kind, and counts the errors of
// the same kind in the ten seconds after the first report.
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

// Rest returns the number of errors counted since the last report and the last of these errors, and resets both. It is
// for the server's end.
func (l *Log) Rest() (held int, last error) {
	held, last = l.held, l.last
	l.held, l.last = 0, nil
	return held, last
}

// Before returns the line that follows the report of an error: held is the number of errors counted before it. It returns
// "" for 0.
func Before(held int) string {
	if held == 0 {
		return ""
	}
	return "  and before it " + More(held) + " of the same server failed\n"
}

// More returns the words for n further handlers.
func More(n int) string {
	if n == 1 {
		return "one more handler"
	}
	return fmt.Sprintf("%d more handlers", n)
}
