package script

import (
	"errors"
	"fmt"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"smolsh/script/complaint"
	"smolsh/script/suggest"
	"smolsh/script/task"
)

// taskValue is a task as scripts see it. It has the task's interpreter and host. Only the goroutine that holds the
// baton reads or changes it.
type taskValue struct {
	*task.Task
	s      *Session
	host   *hostValue // host of ping(), tcp, … in this task, where no host is named
	thread *starlark.Thread

	tooDeep bool // true from the stop of a recursion until catch() has caught its error
	result  starlark.Value
	joiners int                              // number of tasks that wait for the end of this task
	counted map[*hostValue]map[string]uint64 // counters when the task last asked for increments
	server  *complaint.Log                   // errors of the server whose handler the task runs; nil for other tasks
}

func (v *taskValue) String() string {
	state := "running"
	if v.Done() {
		state = "done"
	} else if w := v.Waiting(); w != "" {
		state = "waiting for " + w
	}
	return fmt.Sprintf("task %d %s, %s", v.ID, v.Name, state)
}
func (v *taskValue) Type() string          { return "task" }
func (v *taskValue) Freeze()               {}
func (v *taskValue) Truth() starlark.Bool  { return true }
func (v *taskValue) Hash() (uint32, error) { return uint32(v.ID), nil }

// Attr returns a field or a method of the task.
func (v *taskValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "id":
		return num(v.ID), nil
	case "name":
		return starlark.String(v.Name), nil
	case "done":
		return starlark.Bool(v.Done()), nil
	case "result":
		if v.result == nil {
			return starlark.None, nil
		}
		return v.result, nil
	case "error":
		if v.Failure() == nil {
			return starlark.None, nil
		}
		v.s.noticed(v.Failure())
		return starlark.String(v.s.unbound(v.Failure().Error())), nil
	}
	return suggest.Attr(v, name, v.s.member("task", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *taskValue) AttrNames() []string {
	return append([]string{"done", "error", "id", "name", "result"}, v.s.reg.Members["task"]...)
}

// newScheduler makes the scheduler of a session.
func (s *Session) newScheduler() *task.Scheduler {
	tasks := task.NewScheduler(s.home)
	tasks.Foreground, tasks.Crashed = s.cfg.Interactive, s.cfg.Crashed
	tasks.Bound.Limit = maxTasks
	tasks.Poked = func() {
		s.reportPanics()
		s.reapServers()
	}
	tasks.Spinning = func(t *task.Task) {
		s.out.Flush()
		fmt.Fprintf(s.cfg.Stderr, "task %d (%s) computes without waiting: Ctrl-C interrupts it\n", t.ID, t.Name)
	}
	tasks.Servers = func() []string {
		var lines []string
		for _, v := range s.servers.list {
			lines = append(lines, v.waits())
		}
		return lines
	}
	return tasks
}

// newTask makes a task that does not run yet.
func (s *Session) newTask(name string, h *hostValue) *taskValue {
	t := &taskValue{Task: s.tasks.New(name), s: s, host: h}
	t.newThread()
	return t
}

// newThread gives the task a new interpreter.
func (t *taskValue) newThread() {
	t.thread = &starlark.Thread{Name: t.Name, Print: t.s.print, Load: t.s.load}
	t.thread.SetLocal("task", t)
	startime.SetNow(t.thread, func() (time.Time, error) {
		return time.Unix(0, int64(t.world().Now())).UTC(), nil
	})
	t.limitThread()
	t.SetComputation(t.thread)
}

// world returns the world in which the task's time passes.
func (t *taskValue) world() *task.World { return t.host.w }

// spawn queues a new task that runs fn when the caller next waits.
func (s *Session) spawn(name string, h *hostValue, fn func(t *taskValue) (starlark.Value, error)) *taskValue {
	t := s.newTask(name, h)
	t.Go(func() error {
		return t.safely(func() (err error) {
			t.result, err = fn(t)
			return err
		})
	}, t.ended)
	return t
}

// ended is called when a task has ended. It reports the task's error unless another task joins the task. An exit ends
// the session.
func (t *taskValue) ended() {
	var exit *exitError
	err := t.Failure()
	switch {
	case err == nil || t.Err() != nil:
	case errors.As(err, &exit):
		t.s.end(exit)
	case t.joiners == 0:
		t.s.reportTask(t)
	}
}

// untilWithin calls UntilWithin with the world in which the task's time passes.
func (t *taskValue) untilWithin(timeout time.Duration, what string, reach task.Reach, cond func() bool) error {
	return t.UntilWithin(t.world(), timeout, what, reach, cond)
}

// concern makes h, which may be nil, the host of the running call, and returns the previous host.
func (t *taskValue) concern(h *hostValue) (before task.Host) {
	if h == nil {
		return t.SetAbout(nil)
	}
	return t.SetAbout(h)
}

// Interrupt ends the waiting calls of every task, as Ctrl-C does. In a shell it ends only those of the typed statement.
// Any goroutine may call it.
func (s *Session) Interrupt() { s.tasks.Interrupt() }

// InterruptCall is the first Ctrl-C: it ends a call of ping(), sniff() and the like, which then prints or returns its results so far, and the
// statement or script continues. In a shell, where a background task computes, it interrupts only that task. It interrupts any other call, and
// a statement or script that has continued so before, as Interrupt does. Any goroutine may call it.
func (s *Session) InterruptCall() { s.tasks.InterruptCall() }

// InterruptSpinning interrupts the task that computes, if that is not the typed statement's, and reports whether there is one. Any
// goroutine may call it.
func (s *Session) InterruptSpinning() bool { return s.tasks.InterruptSpinning() }

// Resumed reports whether the statement or script has continued after the last interrupt. Any goroutine may call it.
func (s *Session) Resumed() bool { return s.tasks.Resumed() }

// interrupted ends a call that has err as its error. If the call was interrupted, interrupted calls show, which prints
// the call's results so far, nil for none. keep is true if the call shall return them; otherwise its error is err.
func (c *call) interrupted(err error, show func()) (keep bool) {
	if err != task.ErrInterrupted {
		return false
	}
	if c.s.cfg.Terminal {
		c.s.out.Print("") // the terminal has shown ^C
	}
	if show != nil {
		show()
	}
	return c.t.Resume()
}

// Interrupting reports whether an interrupted statement or command is still running. Any goroutine may call it.
func (s *Session) Interrupting() bool { return s.tasks.Interrupting() }
