package task

import (
	"errors"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// Errors that end a wait before its event. A script can't catch ErrCanceled and ErrInterrupted.
var (
	ErrCanceled    = errors.New("canceled")
	ErrInterrupted = errors.New("interrupted")
	ErrTimedOut    = errors.New("timed out")
)

// Forever as a timeout means no timeout.
const Forever = time.Duration(-1)

// Park passes the baton on, and returns when the baton is back, after Wake. The text what names the awaited event. The
// world in is the one in which the task waits, nil if it waits for other tasks.
func (t *Task) Park(in *World, what string) {
	t.waiting, t.in = what, in
	if in != nil {
		in.waiting++
	}
	if n := t.s.next(); n != t {
		n.baton <- struct{}{}
		<-t.baton
	}
	if in != nil {
		in.waiting--
	}
	t.waiting, t.in = "", nil
}

// Do runs fn on the world's owner.
func (t *Task) Do(w *World, fn func(now clock.Instant)) { t.s.Do(w, fn) }

// Await runs try on the world's owner, and again each time sig fires, until try returns true. A negative timeout means
// no timeout; sig may be nil. The error is ErrTimedOut, the reason why the host of the call is out of service, or Err.
func (t *Task) Await(w *World, what string, sig *stack.Signal, timeout time.Duration, try func(now clock.Instant) bool) error {
	if t.cause != nil {
		return t.cause
	}
	var (
		ev         *lab.Event
		done, late bool
		broken     error
		deadline   = clock.Never
		first      = true
		waiter     = stack.Waiter{Wake: t.Wake}
	)
	release := func(clock.Instant) {
		if sig != nil {
			sig.Cancel(&waiter)
		}
		if ev != nil {
			ev.Stop()
		}
	}
	attempt := func(now clock.Instant) {
		if first && timeout >= 0 {
			deadline = now.Add(timeout)
		}
		first = false
		if h := t.about; h != nil && h.World() == w {
			broken = h.OutOfService()
		}
		done = broken != nil || try(now)
		late = deadline.Due(now)
		if done || late {
			release(now)
			return
		}
		if sig != nil {
			sig.Cancel(&waiter)
			sig.Wait(&waiter)
		}
		if ev == nil && deadline != clock.Never {
			ev = w.World().At(deadline, func(clock.Instant) { t.Wake() })
		}
	}
	for {
		t.Do(w, attempt)
		if done {
			return broken
		}
		if late {
			return ErrTimedOut
		}
		t.Park(w, what)
		if t.cause != nil {
			t.Do(w, release)
			return t.cause
		}
	}
}

// Until waits for other tasks or servers. It tests cond now, and again after each Changed and each end of a task. The
// error is the reason why the host of the call is out of service, or Err.
func (t *Task) Until(what string, cond func() bool) error {
	for {
		if t.cause != nil {
			return t.cause
		}
		if cond() {
			return nil
		}
		if h := t.about; h != nil {
			var broken error
			t.Do(h.World(), func(clock.Instant) { broken = h.OutOfService() })
			if broken != nil {
				return broken
			}
		}
		t.s.conds = append(t.s.conds, t)
		t.Park(nil, what)
	}
}

// UntilWithin waits like Until, with a timeout in the time of w; a negative timeout means none. reach reports on which
// worlds the wait depends.
func (t *Task) UntilWithin(w *World, timeout time.Duration, what string, reach Reach, cond func() bool) error {
	t.reach = reach
	defer func() { t.reach = nil }()
	if timeout < 0 {
		return t.Until(what, cond)
	}
	return t.Await(w, what, nil, timeout, func(clock.Instant) bool {
		if cond() {
			return true
		}
		t.s.conds = append(t.s.conds, t)
		return false
	})
}

// Sleep waits for d in world w.
func (t *Task) Sleep(w *World, d time.Duration) error {
	err := t.Await(w, "sleep", nil, max(d, 0), func(clock.Instant) bool { return false })
	if err == ErrTimedOut {
		return nil
	}
	return err
}

// Yield waits until every task that is ready has run.
func (t *Task) Yield() error {
	t.Wake()
	t.Park(nil, "its turn")
	return t.cause
}

// AwaitEvent waits for the next event of a virtual world, or for Wake.
func (t *Task) AwaitEvent(w *World, what string) error {
	w.steppers = append(w.steppers, t)
	t.Park(w, what)
	return t.cause
}
