package task

import "runtime/debug"

// Computation is a running interpreter. *starlark.Thread implements it.
type Computation interface {
	Cancel(reason string) // makes it stop soon, with an error; any goroutine may call it
	Uncancel()            // lets it run again
}

// Host is the host that a call concerns.
type Host interface {
	World() *World       // the world in which the host is
	OutOfService() error // why the host serves no more, nil while it does; called on the world's owner
}

// Task is one thread of a script. Its fields are the baton holder's, unless a comment says otherwise.
type Task struct {
	ID   int    // counted from 0, the main task's
	Name string // of the task, for tables and error messages

	s           *Scheduler
	computation Computation   // guarded by Scheduler.mu
	baton       chan struct{} // buffered; the task runs after it has received from it

	queued  bool   // true while the task is in the ready list; guarded by Scheduler.mu
	waiting string // names the event that the task waits for; empty while it runs or is ready
	in      *World // in which it waits; nil if it waits for another task
	about   Host   // of the call that the task makes; nil if the call concerns no host
	reach   Reach  // of the wait for another task or a server; nil outside such a wait
	cause   error  // why each wait ends at once: canceled, interrupted, deadlocked, the script's exit

	done    bool
	failure error // with which the task ended
}

// Reach reports whether a wait for other tasks or servers depends on the time of w. of reports that of a task.
type Reach func(w *World, of func(*Task) bool) bool

// New makes a task that does not run yet. The first one is the main task: it holds the baton, and Go is never called on
// it.
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

// SetComputation makes c the interpreter that Cancel and an interrupt stop.
func (t *Task) SetComputation(c Computation) {
	t.s.mu.Lock()
	t.computation = c
	t.s.mu.Unlock()
}

// Go starts the task: it calls run when the baton comes to it, and then ended, after Done has become true. Both run with
// the baton. The task does not call run if the task was canceled before.
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

// Err returns why the task has to end, nil while it may go on. After that error every wait of the task returns it at
// once.
func (t *Task) Err() error { return t.cause }

// Waiting names the event that the task waits for, "" if it does not wait.
func (t *Task) Waiting() string { return t.waiting }

// SetAbout makes h, which may be nil, the host of the call that the task makes, and returns the host before. A wait in
// the host's world ends when the host is out of service.
func (t *Task) SetAbout(h Host) (before Host) {
	before, t.about = t.about, h
	return before
}

// Cancel ends the waits of the task, and its computation, with err. It does nothing to a task that has ended or has to.
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

// Revive lets a task that had to end go on, and returns why it had to.
func (t *Task) Revive() (cause error) {
	cause, t.cause = t.cause, nil
	if t.computation != nil {
		t.computation.Uncancel()
	}
	return cause
}

// Wake puts the task at the end of the ready list, if it is not in the list. Any goroutine may call it.
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
