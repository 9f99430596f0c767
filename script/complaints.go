package script

import (
	"fmt"
	"strings"
	"time"

	"smolsh/stack/clock"
)

// complainEvery is how often a server says that its handlers fail. A peer can make each of them fail.
const complainEvery = 10 * time.Second

// complaints are the errors of a server's handlers: the first of each kind is said, those of the next seconds are
// counted.
type complaints struct {
	said map[string]bool // kinds, by kindOf, since at
	at   clock.Instant   // when the first of them was said
	held int             // those counted since
	last error           // of them
}

// maxComplaints is how many kinds of errors are said at a time: a peer may have its words in them.
const maxComplaints = 4

// kindOf returns an error's text without its numbers, which tell one connection's from another's.
func kindOf(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}

// take reports whether an error is to be said now, and how many were counted before it.
func (k *complaints) take(now clock.Instant, err error) (say bool, held int) {
	if now.Sub(k.at) >= complainEvery || len(k.said) == 0 {
		k.said, k.at = map[string]bool{}, now
	}
	if kind := kindOf(err); !k.said[kind] && len(k.said) < maxComplaints {
		held, k.held, k.last = k.held, 0, nil
		k.said[kind] = true
		return true, held
	}
	k.held++
	k.last = err
	return false, 0
}

// rest says how many errors were counted since the last message, when the server ends.
func (k *complaints) rest(s *Session, who string) {
	if k.held == 0 {
		return
	}
	s.out.flush()
	fmt.Fprintf(s.cfg.Stderr, "%s: %s failed, the last: %s\n", who, moreHandlers(k.held), s.firstLine(k.last))
	k.held = 0
}

// moreHandlers returns the words for n further handlers.
func moreHandlers(n int) string {
	if n == 1 {
		return "one more handler"
	}
	return fmt.Sprintf("%d more handlers", n)
}
