package task

import (
	"sync/atomic"
	"time"

	"smolsh/stack/crash"
)

// Background runs fn and, after it, the function then, on another goroutine. fn must not use values of the tasks.
func Background(fn, then func()) {
	go func() {
		fn()
		then()
	}()
}

// quietly runs fn and returns its panic, nil if fn returned. It is for goroutines that have no caller to panic in.
func quietly(fn func()) (p *crash.Panic) {
	defer func() {
		if v := recover(); v != nil {
			p = crash.Caught(v)
		}
	}()
	fn()
	return nil
}

// Outside runs fn, which blocks on the operating system and uses no values of the tasks, while other tasks run. If the
// task has to end first, Outside calls stop, which must make fn return soon, and returns Err. The home world must be
// live.
func (t *Task) Outside(what string, fn, stop func()) error {
	if t.cause != nil {
		return t.cause
	}
	var done atomic.Bool
	var panicked *crash.Panic
	Background(func() { panicked = quietly(fn) }, func() {
		done.Store(true)
		t.Wake()
	})
	stopped := false
	for !done.Load() {
		t.Park(t.s.home, what)
		if t.cause != nil && !stopped {
			stopped = true
			stop()
		}
	}
	if panicked != nil {
		panic(panicked)
	}
	if stopped {
		return t.cause
	}
	return nil
}

// asideHold is the time for which Aside keeps the baton. Most operations on files take less.
const asideHold = 20 * time.Millisecond

// Aside runs fn, which may block on the operating system and uses no values of the tasks, on another goroutine. If the
// task has to end first, Aside returns Err while fn continues, so the caller must not read variables that fn sets. The
// time of a virtual home world does not advance meanwhile. In a live one, other tasks run if fn takes long.
func (t *Task) Aside(what string, fn func()) error {
	if t.cause != nil {
		return t.cause
	}
	var panicked *crash.Panic
	var over atomic.Bool
	done := make(chan struct{})
	Background(func() { panicked = quietly(fn) }, func() {
		over.Store(true)
		close(done)
		t.s.signal()
	})
	soon := time.NewTimer(asideHold)
	defer soon.Stop()
	select {
	case <-done:
	case <-soon.C:
		Background(func() { <-done }, t.Wake)
	}
	for !over.Load() {
		if t.s.home.Virtual() {
			<-t.s.wake
			t.s.answer()
			t.s.DeliverInterrupt()
		} else {
			t.Park(t.s.home, what)
		}
		if t.cause != nil && !over.Load() {
			return t.cause
		}
	}
	if panicked != nil {
		panic(panicked)
	}
	return nil
}

// AwaitInput makes the main task wait while fn runs. fn blocks on something such as a terminal and uses no values of
// the tasks. In a live home world other tasks run meanwhile; the time of a virtual one does not advance. When ended
// returns true, AwaitInput calls stop, once, which must make fn return soon. stop may be nil.
func (s *Scheduler) AwaitInput(fn, stop func(), ended func() bool) {
	if s.home.Virtual() {
		_ = s.main.Yield() // handlers then process the last events of the preceding statement
		done := make(chan struct{})
		Background(fn, func() { close(done) })
		for {
			select {
			case <-done:
				return
			case <-s.wake:
				s.answer()
				if stop != nil && ended() {
					stop()
					stop = nil
				}
			}
		}
	}
	var over atomic.Bool
	Background(fn, func() {
		over.Store(true)
		s.main.Wake()
	})
	for !over.Load() {
		s.main.Park(s.home, "input")
		if stop != nil && ended() && !over.Load() {
			stop()
			stop = nil
		}
	}
}
