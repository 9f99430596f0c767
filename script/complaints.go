package script

import (
	"fmt"
	"time"

	"smolsh/stack/clock"
)

// complainEvery is how often a server says that its handlers fail. A peer can make each of them fail.
const complainEvery = 10 * time.Second

// complaints are the errors of a server's handlers: the first is said, those of the next seconds are counted.
type complaints struct {
	said bool
	at   clock.Instant // when the last one was said
	held int           // those counted since
	last error         // of them
}

// take reports whether an error is to be said now, and how many were counted before it.
func (k *complaints) take(now clock.Instant, err error) (say bool, held int) {
	if k.said && now.Sub(k.at) < complainEvery {
		k.held++
		k.last = err
		return false, 0
	}
	held = k.held
	k.said, k.at, k.held, k.last = true, now, 0, nil
	return true, held
}

// rest says how many were counted and not said, at the end.
func (k *complaints) rest(s *Session, who string) {
	if k.held == 0 {
		return
	}
	s.out.flush()
	fmt.Fprintf(s.cfg.Stderr, "%s: %s failed, the last: %s\n", who, moreHandlers(k.held), s.firstLine(k.last))
	k.held = 0
}

// moreHandlers is a number of further handlers.
func moreHandlers(n int) string {
	if n == 1 {
		return "one more handler"
	}
	return fmt.Sprintf("%d more handlers", n)
}
