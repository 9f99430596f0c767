package scenario

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.starlark.net/syntax"

	"smolsh/phy/fault"
	"smolsh/script"
)

// A request asks a worker to collect a file's tests or to run one of them, or to interrupt the current request.
type request struct {
	Interrupt bool
	Path      string
	Name      string // printed name of the test; "" collects
	Index     int    // of the case among those of its global
	Seed      uint64
	Plan      *fault.Plan
	Capture   string // file for every packet; "" for none
}

// A reply is a worker's answer to a request.
type reply struct {
	Collection script.Collection
	Outcome    outcome
	Last       bool // true if the worker ends after this reply, because its state may affect another test
}

// Serve runs a worker. It reads requests and sends a reply to each, until requests ends. It calls running repeatedly
// with the position of the statement that runs, so that the runner knows the position if the worker dies.
func (c *Config) Serve(requests io.Reader, replies io.Writer, running func(at syntax.Position)) error {
	if c.Memory > 0 {
		debug.SetMemoryLimit(c.Memory)
		debug.SetMaxStack(maxStack)
	}
	w := &server{c: c, bounds: script.Bounds{Steps: c.Steps, Running: running}}
	todo := make(chan request)
	go func() {
		defer close(todo)
		for in := gob.NewDecoder(requests); ; {
			var r request
			if in.Decode(&r) != nil {
				w.interrupt() // the runner has ended
				return
			}
			if r.Interrupt {
				w.interrupt()
				continue
			}
			todo <- r
		}
	}()
	out := gob.NewEncoder(replies)
	for r := range todo {
		a := w.answer(r)
		if err := out.Encode(a); err != nil || a.Last {
			return err
		}
	}
	return nil
}

// maxStack bounds the Go stack of a worker's goroutines, in octets. The depth of calls is bounded well below that; a value that is
// nested without end still overflows it when it is printed.
const maxStack = 256 << 20

// server is the state of a worker.
type server struct {
	c      *Config
	bounds script.Bounds
	shared script.Shared
	idle   int // number of goroutines before the first request

	mu   sync.Mutex
	stop chan struct{} // closed to interrupt the current request; nil between requests
}

// interrupt interrupts the current request, if there is one.
func (w *server) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		close(w.stop)
		w.stop = nil
	}
}

// extraGoroutines is the number of goroutines that a worker may have between requests in addition to those at its
// start. A worker with more ends.
const extraGoroutines = 16

// answer carries out a request and returns the reply.
func (w *server) answer(r request) (a reply) {
	stop := make(chan struct{})
	w.mu.Lock()
	w.stop = stop
	w.mu.Unlock()
	if w.idle == 0 {
		w.idle = runtime.NumGoroutine()
	}
	w.once(r, stop, &a)
	w.mu.Lock()
	w.stop = nil
	w.mu.Unlock()
	o := &a.Outcome
	if o.Failure != nil {
		o.Failure.Message = shortened(o.Failure.Message)
	}
	a.Last = o.Crashed || runtime.NumGoroutine() > w.idle+extraGoroutines
	if !a.Last && w.c.Memory > 0 && heapInUse() > uint64(w.c.Memory)/4 {
		runtime.GC() // so that the memory of this test does not count against the next one
	}
	return a
}

// maxMessage and maxLines bound the text of a failure, in octets and lines.
const (
	maxMessage = 4 << 10
	maxLines   = 30
)

func shortened(s string) string {
	short := s[:min(len(s), maxMessage)]
	if lines := strings.SplitAfterN(short, "\n", maxLines+1); len(lines) > maxLines {
		short = strings.TrimSuffix(strings.Join(lines[:maxLines], ""), "\n")
	}
	if len(short) == len(s) {
		return s
	}
	return fmt.Sprintf("%s… (%d octets more)", strings.ToValidUTF8(short, ""), len(s)-len(short))
}

func (c *Config) tooMuchTime() string {
	return fmt.Sprintf("not ended after %v by the clock on the wall (--timeout)", c.Timeout)
}

// once opens a session for a request, and collects or runs the test in it.
func (w *server) once(r request, stop <-chan struct{}, a *reply) {
	o := &a.Outcome
	start := time.Now()
	printed := &tail{}
	crash := make(chan *script.Failure, 1)
	crashed := func(v any, stack []byte) {
		select {
		case crash <- &script.Failure{Message: fmt.Sprintf("panic: %v\n%s", v, firstFrames(stack))}:
		default:
		}
	}
	bounds := w.bounds
	if r.Name == "" {
		bounds.Steps = 0 // which are a test's: where a file alone exceeds them, each of its tests fails, by its name
	}
	s, release, err := w.c.Open(Setup{Seed: r.Seed, Output: printed, Crashed: crashed, Plan: r.Plan, Bounds: &bounds, Shared: &w.shared})
	if err != nil {
		o.Failure = &script.Failure{Message: err.Error()}
		return
	}
	if r.Capture != "" {
		if err := s.Capture(r.Capture); err != nil {
			o.CaptureErr = err.Error()
		}
	}
	done := make(chan script.TestResult, 1)
	go func() {
		defer guard(crashed)
		if r.Name == "" {
			var fail *script.Failure
			a.Collection, fail = s.CollectTests(r.Path)
			done <- script.TestResult{Failure: fail}
			return
		}
		done <- s.RunTest(r.Path, r.Name, r.Index)
	}()
	w.c.watch(s, o, done, crash, stop)
	o.Took = time.Since(start)
	if o.Crashed {
		o.Output = printed.end()
		return // the session must not be used any more
	}
	o.Simulated = time.Duration(s.Now())
	o.Programs = s.RanPrograms()
	if o.Failure != nil {
		o.Packets = s.LastPackets(lastPackets, false)
	}
	if r.Plan != nil {
		o.Troubles, o.Touched = s.FaultReports(), s.LastPackets(lastPackets, true)
	}
	switch err := s.Close(); {
	case err == nil || errors.Is(err, os.ErrClosed):
	case r.Capture != "": // of which every error of a file is
		o.CaptureErr = err.Error()
	case o.Failure == nil:
		o.Failure = &script.Failure{Message: err.Error()}
	}
	release()
	if o.Failure != nil {
		o.Output = printed.end()
	}
	o.Took = time.Since(start)
}

// watch waits until the test has ended or crashed, and stores the result in o. It interrupts the test if the test
// exceeds a bound or stop is closed. If the test then does not end within grace, watch returns, and o.Crashed is set.
func (c *Config) watch(s *script.Session, o *outcome, done <-chan script.TestResult, crash <-chan *script.Failure, stop <-chan struct{}) {
	limit := time.NewTimer(c.Timeout)
	defer limit.Stop()
	memory := c.memoryTicker()
	defer memory.Stop()
	var last <-chan time.Time
	bound := "" // message about the bound that the test exceeded
	exceeded := func(what string, grace time.Duration) {
		if bound == "" {
			bound = what
			last = time.After(grace)
			s.Interrupt()
		}
	}
	fatal := func(what string) { // the test does not end, so the worker has to end
		o.Failure, o.Hung, o.Crashed = &script.Failure{Message: what}, true, true
		o.Failure.File, o.Failure.Line = whereSoon(s)
	}
	over := 0 // number of consecutive measurements of too much memory
	for {
		select {
		case r := <-done:
			o.Failure, o.Skipped, o.Expected, o.Why = r.Failure, r.Skipped, r.Expected, r.Why
			if bound != "" {
				if o.Failure == nil {
					o.Failure = &script.Failure{}
				}
				o.Failure.Message, o.Hung, o.Skipped, o.Expected = bound, true, false, false
			}
			return
		case o.Failure = <-crash:
			o.Crashed = true
			return
		case <-limit.C:
			exceeded(c.tooMuchTime(), grace)
		case <-memory.C:
			in := heapInUse()
			if in <= uint64(c.Memory) {
				over = 0
				continue
			}
			over++
			if in > 4*uint64(c.Memory) && c.ExitFull != nil {
				c.ExitFull("", 0) // without the position, since the garbage collector may soon stop every goroutine for seconds
			}
			if in > uint64(c.Memory)/2*3 {
				fatal(c.tooMuchMemory())
				if c.ExitFull != nil {
					c.ExitFull(o.Failure.File, o.Failure.Line)
				}
				return
			}
			if over == memoryPatience {
				exceeded(c.tooMuchMemory(), grace)
			}
		case <-stop:
			stop, o.Interrupted = nil, true
			last = time.After(grace)
			s.Interrupt()
		case <-last:
			if bound == "" {
				bound = "interrupted, and not ended since"
			} else {
				bound += ", nor when it was interrupted"
			}
			fatal(bound)
			return
		}
	}
}

// whereSoon returns the position of the statement that runs. If the process is so busy with its memory that the
// position is not found within 100 ms, file is "".
func whereSoon(s *script.Session) (file string, line int) {
	found := make(chan syntax.Position, 1)
	go func() {
		if at, ok := s.Where(); ok {
			found <- at
		}
	}()
	select {
	case at := <-found:
		return at.Filename(), int(at.Line)
	case <-time.After(100 * time.Millisecond):
		return "", 0
	}
}
