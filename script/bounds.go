package script

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Bounds limit what a session's tasks compute. A task that exceeds one is canceled with a *BoundError.
type Bounds struct {
	Steps uint64 // computation steps of all tasks together; 0 for no limit
	// Running is called at most every few hundred steps with the position of the statement that runs. It may be nil.
	Running func(at syntax.Position)
}

// BoundError is the cause of a task that was canceled because it exceeded a bound.
type BoundError struct{ What string }

// Error names the bound.
func (e *BoundError) Error() string { return e.What }

const (
	// maxDepth is the number of calls that may be open in one task. Each takes about two kilobytes of the Go stack, and a
	// full Go stack ends the process.
	maxDepth = 10_000
	// stepsBetweenChecks is how many steps at most pass between two checks of a task's bounds: so few that the open calls can't
	// exceed maxDepth by many, and so many that the checks cost nothing. A task that has computed little is checked more often, so
	// that Running knows its statement closely.
	stepsBetweenChecks = 256
	// checkedSteps is how many of a task's steps are checked one by one.
	checkedSteps = 64
)

// limitThread makes the task's interpreter check the bounds.
func (t *taskValue) limitThread() {
	t.thread.OnMaxSteps = t.checkBounds
	t.thread.SetMaxExecutionSteps(1)
}

// checkBounds stops the task's interpreter if too many calls are open, and cancels every task if they have computed too much.
func (t *taskValue) checkBounds(thread *starlark.Thread) {
	next := min(max(1, thread.Steps/checkedSteps), stepsBetweenChecks)
	thread.SetMaxExecutionSteps(thread.Steps + next)
	if thread.CallStackDepth() > maxDepth {
		t.tooDeep = true
		thread.Cancel(fmt.Sprintf("recursion: more than %d calls are open", maxDepth))
		return
	}
	b := t.s.cfg.Bounds
	if b == nil {
		return
	}
	t.s.steps += next
	if b.Steps > 0 && t.s.steps > b.Steps {
		what := fmt.Sprintf("more computation steps than %d (--steps)", b.Steps)
		if t != t.s.main {
			what += fmt.Sprintf(", in task %d (%s) at %v", t.ID, t.Name, thread.CallFrame(0).Pos)
		}
		t.s.tasks.CancelAll(&BoundError{what})
	}
	if b.Running != nil {
		b.Running(thread.CallFrame(0).Pos)
	}
}

// Where returns the position of the statement that runs. It is for a session whose running task does not react to an interrupt: that
// task is inside a builtin, so its open calls do not change while another goroutine reads them. ok is false if there is no position.
func (s *Session) Where() (at syntax.Position, ok bool) {
	defer func() {
		if recover() != nil { // the task moved after all
			ok = false
		}
	}()
	thread, ok := s.tasks.Running().(*starlark.Thread)
	if !ok {
		return at, false
	}
	for _, f := range slices.Backward(thread.CallStack()) {
		if f.Pos.Filename() != "<builtin>" {
			return f.Pos, true
		}
	}
	return at, false
}

// unwound lets the task go on after catch() has caught the error of a recursion that was stopped.
func (t *taskValue) unwound() {
	if t.tooDeep {
		t.tooDeep = false
		t.thread.Uncancel()
	}
}

// stopped is the interpreter's text in front of the reason for which it was stopped.
const stopped = "Starlark computation cancelled: "

const (
	// deepCalls is the number of open calls from which on a backtrace leaves out those in the middle.
	deepCalls = 20
	// shownCalls is how many of them it then lists at each of its ends.
	shownCalls = 3
)

// eachCall calls show with the open calls of a backtrace, the innermost first. Of a deep recursion it leaves the middle out and
// calls omitted with the number of its calls.
func eachCall(stack starlark.CallStack, show func(f starlark.CallFrame), omitted func(n int)) {
	for i := 0; i < len(stack); i++ {
		if i == shownCalls && len(stack) > deepCalls {
			omitted(len(stack) - 2*shownCalls)
			i = len(stack) - shownCalls
		}
		if f := stack.At(i); f.Pos.Filename() != "<builtin>" {
			show(f)
		}
	}
}
