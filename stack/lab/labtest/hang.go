package labtest

import (
	"strings"
	"time"

	"smolsh/stack/clock"
)

// errHung is the error of calls of a run that hangs.
const errHung = endedError("the run hangs, so labtest has ended this call")

// progress recognises a run that hangs while connections are kept alive, so that time goes on for ever. The Driver's goroutine calls it
// when every other goroutine of the bubble waits.
type progress struct {
	calls    uint64        // Driver.Calls at the last look
	since    time.Time     // time at which calls has changed
	patience time.Duration // time without a change after which the goroutines are looked at
}

// note looks whether the program has made a call since the last time.
func (p *progress) note(l *Lab) {
	now := time.Now()
	if n := l.driver.Calls(); n != p.calls || p.since.IsZero() {
		*p = progress{calls: n, since: now, patience: *withinFlag}
		return
	}
	if *withinFlag <= 0 || now.Sub(p.since) <= p.patience {
		return
	}
	p.patience *= 2 // if the program only sleeps, for instance
	if waiting := waitingCalls(bubbleStacks(bubbleNumber())); waiting != nil {
		l.driver.Post(func(now clock.Instant) { l.hang(now, waiting) })
	}
}

// waitingCalls returns the goroutines that wait in a call of gonet. It returns none if a goroutine sleeps, since that one goes on by itself.
func waitingCalls(all []goroutine) (waiting []goroutine) {
	for _, g := range all {
		switch {
		case strings.Contains(g.text, "gonet.(*Driver).run("):
		case strings.HasPrefix(g.state, "sleep"):
			return nil
		case strings.Contains(g.text, "\nsmolsh/stack/gonet."):
			waiting = append(waiting, g)
		}
	}
	return waiting
}

// hang fails the test with its report, and ends the calls of all programs. The caller is the owner.
func (l *Lab) hang(now clock.Instant, waiting []goroutine) {
	if l.reported.Swap(true) {
		return
	}
	text := l.finalReport("the run hangs")
	l.t.Errorf("no program has made a call for %v of the lab's time (-lab.within), and these calls wait, which now fail:\n\n%s%s", *withinFlag, stacksText(waiting), text)
	for _, h := range l.hostList() {
		h.stopProgram(errHung)
		h.host.AbortAll(now)
	}
}
