package task

import (
	"sync/atomic"
	"time"
)

// request is a function that another goroutine wants to run with the baton.
type request struct {
	fn    func()
	taken atomic.Bool // set by the baton's holder, or by the requesting goroutine when it gives up
	done  chan struct{}
}

// Request runs fn with the baton, while the main task is inside AwaitInput or waits. fn may use values of the tasks but
// must not wait. A panic in fn ends only the request. If a computing task keeps the baton for longer than limit,
// Request returns false and fn does not run. Any goroutine that is not a task's may call Request.
func (s *Scheduler) Request(fn func(), limit time.Duration) bool {
	r := &request{fn: fn, done: make(chan struct{})}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	s.signal()
	select {
	case <-r.done:
		return true
	case <-time.After(limit):
	}
	if r.taken.CompareAndSwap(false, true) {
		return false
	}
	<-r.done
	return true
}

// run calls the request's function.
func (r *request) run() {
	defer close(r.done)
	defer func() { _ = recover() }()
	r.fn()
}

// answer runs the requests of other goroutines. The caller holds the baton.
func (s *Scheduler) answer() {
	s.mu.Lock()
	list := s.requests
	s.requests = nil
	s.mu.Unlock()
	for _, r := range list {
		if r.taken.CompareAndSwap(false, true) {
			r.run()
		}
	}
}
