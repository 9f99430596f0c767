package labtest

import (
	"flag"
	"fmt"
	"os"
	"time"

	"smolsh/stack/clock"
)

// finalReport returns the report of a run that has failed, and completes its capture. The caller is the owner, or nothing else runs in the bubble.
func (l *Lab) finalReport(why string) string {
	text := l.report(why)
	l.lastHits = l.hits()
	if err := l.closeCapture(); err != nil {
		text += fmt.Sprintf("\ncapture %s: %v", l.captured, err)
	}
	return text
}

// closeCapture completes the capture, once. The caller is the owner.
func (l *Lab) closeCapture() error {
	if l.captureClosed {
		return nil
	}
	l.captureClosed = true
	return l.stopCapture()
}

// patienceForTurn is the real time for which lastReport waits for the end of a turn.
const patienceForTurn = time.Second

// lastReport returns the report of a run in which the owner may not answer any more, outside the bubble.
func (l *Lab) lastReport(why string) (text string) {
	for began := time.Now(); time.Since(began) < patienceForTurn; time.Sleep(time.Millisecond) {
		if l.driver.Inspect(func(clock.Instant) { text = l.finalReport(why) }) {
			return text
		}
	}
	l.writer.Flush()
	return l.reportHead(why, "") + "\nThe network is in the midst of a turn, so its hosts can't be shown: a function given to Lab.Do may wait."
}

// lastWords prints the report of a run that ends the program, because testing drops the log of a bubble in which something panics. With the flag
// -lab.shrink it then looks for fewer faults. The caller is outside the bubble.
func (l *Lab) lastWords(why string) {
	if l.reported.Swap(true) {
		return
	}
	fmt.Fprintf(os.Stderr, "labtest: %s\n", l.lastReport(why))
	if *shrinkFlag > 0 && *keepFlags == "" {
		l.shrink(*shrinkFlag, func(format string, args ...any) { fmt.Fprintf(os.Stderr, "labtest: "+format+"\n", args...) })
	}
}

// guard is deferred by a goroutine of the bubble, whose panic ends the program. It prints the run's report first.
func (l *Lab) guard(who string) {
	if v := recover(); v != nil {
		l.dying.Store(true)
		l.watcher.outside(func() { l.lastWords(fmt.Sprintf("%s panicked (%v)", who, v)) })
		panic(v)
	}
}

// fuzzing reports whether the test program fuzzes, and so goes on after a panic.
func fuzzing() bool {
	f := flag.Lookup("test.fuzz")
	return f != nil && f.Value.String() != ""
}
