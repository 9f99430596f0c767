package script

import (
	"fmt"
	"strings"
	"time"

	"smolsh/stack/clock"
)

// complainEvery is the time between two reports of failing handlers of a server. The limit is needed because a peer can
// make every handler fail.
const complainEvery = 10 * time.Second

// complaints limits the reports about a server's failing handlers. The first error of each kind is reported; further
// errors within complainEvery are counted.
type complaints struct {
	said map[string]bool // kinds of errors reported since at, by kindOf
	at   clock.Instant   // time of the first report
	held int             // errors counted since the last report
	last error           // last error counted
}

// maxComplaints is the number of kinds of errors reported in complainEvery. A peer could make any number of kinds,
// since errors may quote its data.
const maxComplaints = 4

// kindOf returns an error's text without digits, so that errors of different connections have one kind.
func kindOf(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}

// take reports whether to report err now. held is the number of errors counted before it.
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

// rest reports how many errors were counted since the last report. It is called when the server ends.
func (k *complaints) rest(s *Session, who string) {
	if k.held == 0 {
		return
	}
	s.out.flush()
	fmt.Fprintf(s.cfg.Stderr, "%s: %s failed, the last: %s\n", who, moreHandlers(k.held), s.firstLine(k.last))
	k.held = 0
}

// moreHandlers returns the text for n further handlers.
func moreHandlers(n int) string {
	if n == 1 {
		return "one more handler"
	}
	return fmt.Sprintf("%d more handlers", n)
}
