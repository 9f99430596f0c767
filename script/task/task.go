package task

import (
	"runtime/debug"
	"sync/atomic"
)

// Computation is a running interpreter. *starlark.Thread implements it.
type Computation interface {
	Cancel(reason string) // makes the computation end soon with an error; any goroutine may call it
	Uncancel()            // allows the computation again
}

// Host is the host that a call concerns.
type Host interface {
	World() *World       // world that contains the host
	OutOfService() error // reason why the host is out of service, nil while it is in service; called on the world's owner
}

// Task is one thread of a script. Only the holder of the baton uses its fields, unless a comment says otherwise.
type Task struct {
	ID   int    // number from 0, which is the main task's
	Name string // task's name in tables and error messages

	s           *Scheduler
	computation Computation   // guarded by Scheduler.mu
	baton       chan struct{} // buffered; the task runs after it has received from it

	queued  bool   // true while the task is in the ready list; guarded by Scheduler.mu
	waiting string // names the event that the task waits for; empty while it runs or is ready
	in      *World // world in which the task waits; nil if it waits for another task
	about   Host   // host of the task's current call; nil if there is none
	reach   Reach  // worlds on which the wait depends, if the task waits for another task or a server; otherwise nil
	cause   error  // reason why each wait ends at once: canceled, interrupted, deadlock, exit of the script

	keeping atomic.Bool // true inside a call that keeps its results when it is interrupted

	done    bool
	failure error // error with which the task ended
}

// Reach reports whether a wait for other tasks or servers depends on the time of w. The function of returns that for a
// task.
type Reach func(w *World, of func(*Task) bool) bool

// New makes a task that does not run yet. The first one is the main task: it holds the baton, and Go must not be called
// on it.
func (s *Scheduler) New(name string) *Task {
	t := &Task{ID: s.nextID, Name: name, s: s, baton: make(chan struct{}, 1)}
	s.nextID++
	s.mu.Lock()
	s.tasks = append(s.tasks, t)
	s.mu.Unlock()
	if s.main == nil {
		s.main = t
		s.holder.Store(t)
	}
	return t
}

// SetComputation sets the interpreter that Cancel and an interrupt stop.
func (t *Task) SetComputation(c Computation) {
	t.s.mu.Lock()
	t.computation = c
	t.s.mu.Unlock()
}

// Go starts the task. When the task gets the baton, it calls run. After run has returned, Done becomes true, and the
// task calls ended. Both functions run with the baton. If the task was canceled before it got the baton, it does not
// call run.
func (t *Task) Go(run func() error, ended func()) {
	Background(func() {
		<-t.baton
		if t.s.Crashed != nil {
			defer t.s.crashed()
		}
		if t.failure = t.cause; t.cause == nil {
			t.failure = run()
		}
		t.finish(ended)
		t.s.next().baton <- struct{}{}
	}, func() {})
	t.Wake()
}

// finish records the task's end and wakes the tasks that wait for it.
func (t *Task) finish(ended func()) {
	s := t.s
	t.done = true
	if t.cause == nil && t.failure != nil && s.interrupted.Load() && !s.Foreground {
		t.cause = ErrInterrupted // the interrupt stopped its computation
	}
	if t.cause != nil {
		t.failure = t.cause
	}
	s.mu.Lock()
	for i, u := range s.tasks {
		if u == t {
			s.tasks = append(s.tasks[:i], s.tasks[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	ended()
	s.Changed()
}

// crashed reports a panic of the scheduler itself.
func (s *Scheduler) crashed() {
	if v := recover(); v != nil {
		s.Crashed(v, debug.Stack())
	}
}

// Done reports whether the task has ended.
func (t *Task) Done() bool { return t.done }

// Failure returns the error with which the task ended, nil if it ended well or has not ended.
func (t *Task) Failure() error { return t.failure }

// Err returns the reason why the task has to end, nil while it may continue. From then on every wait of the task
// returns that error at once.
func (t *Task) Err() error { return t.cause }

// Waiting returns the name of the event for which the task waits, "" if it does not wait.
func (t *Task) Waiting() string { return t.waiting }

// SetAbout makes h, which may be nil, the host of the task's current call, and returns the previous host. A wait in the
// host's world ends when the host is taken out of service.
func (t *Task) SetAbout(h Host) (before Host) {
	before, t.about = t.about, h
	return before
}

// Cancel ends the waits and the computation of the task with err. It does nothing if the task has ended or is ending.
func (t *Task) Cancel(err error) {
	if t.done || t.cause != nil {
		return
	}
	t.cause = err
	t.s.mu.Lock()
	c := t.computation
	t.s.mu.Unlock()
	if c != nil {
		c.Cancel(err.Error())
	}
	t.Wake()
}

// Revive lets a task that had to end continue, and returns the reason why it had to end.
func (t *Task) Revive() (cause error) {
	cause, t.cause = t.cause, nil
	if t.computation != nil {
		t.computation.Uncancel()
	}
	return cause
}

// Wake appends the task to the ready list, unless it is in the list. Any goroutine may call it.
func (t *Task) Wake() {
	s := t.s
	s.mu.Lock()
	if !t.queued {
		t.queued = true
		s.ready = append(s.ready, t)
	}
	s.mu.Unlock()
	s.signal()
}
