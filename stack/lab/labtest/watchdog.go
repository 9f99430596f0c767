package labtest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"smolsh/stack/gonet"
)

// watch ends the program with the stacks of the bubble's goroutines if the driver's program makes no call for so much real time, until
// stop is called. It must be called outside the bubble. A limit of 0 watches nothing.
func watch(test string, seed uint64, limit time.Duration, driver *atomic.Pointer[gonet.Driver]) (stop func()) {
	if limit <= 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(max(limit/8, time.Millisecond))
		defer tick.Stop()
		last, since := uint64(0), time.Now()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if d := driver.Load(); d != nil && d.Calls() != last {
				last, since = d.Calls(), time.Now()
			}
			if time.Since(since) > limit {
				fmt.Fprintf(os.Stderr, stuck, test, limit, repeatCommand(test, seed), bubbleStacks())
				panic("labtest: " + test + " is stuck")
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

const stuck = `labtest: %s has made no call for %v of real time. A goroutine waits for a mutex, for a system call, or for a channel that was
made outside the bubble, and so stops its time. Or every goroutine waits for ever, while connections are kept alive. If a goroutine
computes, raise -lab.watchdog.
repeat: %s

%s`

// bubbleStacks returns the stacks of all goroutines in bubbles.
func bubbleStacks() []byte {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var out []byte
	for g := range bytes.SplitSeq(buf, []byte("\n\n")) {
		head, _, _ := bytes.Cut(g, []byte("\n"))
		if bytes.Contains(head, []byte("synctest bubble")) {
			out = append(append(out, g...), "\n\n"...)
		}
	}
	return out
}
