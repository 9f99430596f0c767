package labtest

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// A watcher is the goroutine of a run that is outside the bubble, so that it goes on whatever the bubble does. It keeps the file of the capture up to
// date, ends the program if the bubble is stuck, and runs the reports of goroutines that panic.
type watcher struct {
	test     string
	seed     uint64
	limit    time.Duration // real time without a call after which the bubble is stuck; 0: none
	lab      atomic.Pointer[Lab]
	asked    chan func() // to be run outside the bubble
	answered chan struct{}
	done     chan struct{}
}

// flushEvery is the real time after which the frames captured so far are in the file.
const flushEvery = time.Second

// watch starts the watcher of a run. It must be called outside the bubble.
func watch(test string, seed uint64, limit time.Duration) *watcher {
	w := &watcher{test: test, seed: seed, limit: limit, asked: make(chan func()), answered: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

// stop ends the watcher.
func (w *watcher) stop() { close(w.done) }

// outside runs fn on the watcher's goroutine and waits for it. Meanwhile the bubble's time stands still.
func (w *watcher) outside(fn func()) {
	w.asked <- fn
	<-w.answered
}

func (w *watcher) run() {
	every := flushEvery
	if w.limit > 0 {
		every = min(every, max(w.limit/8, time.Millisecond))
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	last, since := uint64(0), time.Now()
	for {
		select {
		case <-w.done:
			return
		case fn := <-w.asked:
			fn()
			w.answered <- struct{}{}
			continue
		case <-tick.C:
		}
		l := w.lab.Load()
		if l != nil {
			l.writer.Flush() // an error shows when the capture ends
			if n := l.driver.Calls(); n != last {
				last, since = n, time.Now()
			}
		}
		if w.limit > 0 && time.Since(since) > w.limit {
			w.stuck(l)
		}
	}
}

// stuck ends the program with the report of a run whose bubble makes no calls.
func (w *watcher) stuck(l *Lab) {
	fmt.Fprintf(os.Stderr, "labtest: %s has made no call for %v of real time. ", w.test, w.limit)
	why := stuckReasons
	if l != nil && l.told.Load() {
		why = stuckAtEnd
	}
	fmt.Fprint(os.Stderr, why)
	if l == nil {
		fmt.Fprintf(os.Stderr, "repeat:  %s\n", repeatCommand(w.test, w.seed))
	} else {
		l.endedStuck = true
		l.lastWords("the run is stuck")
	}
	fmt.Fprintf(os.Stderr, "\n%s", stacksText(bubbleStacks("")))
	panic("labtest: " + w.test + " is stuck")
}

const stuckReasons = `A goroutine waits for a mutex, for a system call, or for a channel that was
made outside the bubble, and so stops its time. Or every goroutine waits for ever, while connections are kept alive. If a goroutine
computes, raise -lab.watchdog.
`

const stuckAtEnd = `The test function has returned, and goroutines have
not: a goroutine loops, or waits for a mutex, for a system call, or for a channel that was made outside the bubble.
`
