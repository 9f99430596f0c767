package script

import (
	"sync/atomic"
	"time"
)

// request is a request from another goroutine to whoever has the baton.
type request struct {
	fn    func()
	taken atomic.Bool // by the baton's holder, or by who asked and gave up
	done  chan struct{}
}

// Await calls fn, which blocks on something outside the session such as a terminal and touches no
// Starlark value. A live lab's tasks run meanwhile; a virtual lab stands still. Where the session has to
// end first, for a task called exit(), stop is called, which must make fn return soon; it may be nil.
func (s *Session) Await(fn, stop func()) {
	if s.home.Virtual() {
		_ = s.main.yield() // so that handlers see the last events of the typed statement
		done := make(chan struct{})
		background(fn, func() { close(done) })
		for {
			select {
			case <-done:
				return
			case <-s.wake:
				s.answer()
			}
		}
	}
	var over atomic.Bool
	background(fn, func() {
		over.Store(true)
		s.makeReady(s.main)
	})
	for !over.Load() {
		s.main.park(s.home, "input")
		if s.exit != nil && stop != nil && !over.Load() {
			stop()
			stop = nil
		}
	}
}

// Ended reports whether a task called exit() while the prompt waited, and with which status.
func (s *Session) Ended() (code int, ended bool) {
	if s.exit == nil {
		return 0, false
	}
	return s.exit.code, true
}

// Begin forgets an interrupt from before the next statement, which the interrupt does not concern. The goroutine that
// reads calls it inside Await, just before the keyboard can interrupt again.
func (s *Session) Begin() { s.request(s.begin, beginWait) }

// beginWait is how long Begin waits for a computing script.
const beginWait = 200 * time.Millisecond

// request runs fn, which may touch Starlark values but not wait, with the baton while the session is inside
// Await. Any goroutine but those of tasks may call it. It reports false where a computing script kept the
// baton for longer than the limit; fn is not run then.
func (s *Session) request(fn func(), limit time.Duration) bool {
	a := &request{fn: fn, done: make(chan struct{})}
	s.mu.Lock()
	s.requests = append(s.requests, a)
	s.mu.Unlock()
	s.signal()
	select {
	case <-a.done:
		return true
	case <-time.After(limit):
	}
	if a.taken.CompareAndSwap(false, true) {
		return false
	}
	<-a.done
	return true
}

// run calls the request's function. A panic in it, such as one in completion, ends the request alone.
func (a *request) run() {
	defer close(a.done)
	defer func() { _ = recover() }()
	a.fn()
}

// answer runs what other goroutines have asked for; with the baton.
func (s *sched) answer() {
	s.mu.Lock()
	asks := s.requests
	s.requests = nil
	s.mu.Unlock()
	for _, a := range asks {
		if a.taken.CompareAndSwap(false, true) {
			a.run()
		}
	}
}
