package script

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Bounds limit what a session's tasks compute. A task that exceeds one is canceled with a *BoundError.
type Bounds struct {
	Steps uint64 // largest sum of the computation steps of all tasks; 0 for no limit
	// Running is called at least every few hundred steps with the position of the statement that runs. It may be nil.
	Running func(at syntax.Position)
}

// BoundError is the cause of a task that was canceled because it exceeded a bound.
type BoundError struct{ What string }

// Error names the bound.
func (e *BoundError) Error() string { return e.What }

const (
	// maxDepth is the largest number of open calls in one task. Each takes about two kilobytes of the Go stack, and a
	// full Go stack ends the process.
	maxDepth = 10_000
	// stepsBetweenChecks is the largest number of steps between two checks of a task's bounds. It is small, so that the
	// open calls exceed maxDepth only by a few, and large enough for the checks to cost little. A task that has
	// computed little is checked more often, so that Bounds.Running is called with a recent position of a short test, too.
	stepsBetweenChecks = 256
	// checkedSteps is the number of a task's first steps after each of which the bounds are checked.
	checkedSteps = 64
)

// limitThread makes the task's interpreter check the bounds.
func (t *taskValue) limitThread() {
	t.thread.OnMaxSteps = t.checkBounds
	t.thread.SetMaxExecutionSteps(1)
}

// checkBounds stops the task's interpreter if too many calls are open. It cancels all tasks if their steps together
// exceed Bounds.Steps.
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

// Where returns the position of the statement that runs. Another goroutine calls it if the running task does not react
// to an interrupt. That task is inside a builtin, so its open calls do not change meanwhile. ok is false if there is no
// position.
func (s *Session) Where() (at syntax.Position, ok bool) {
	defer func() {
		if recover() != nil { // the open calls changed nevertheless
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

// unwound lets the task continue after catch() has caught the error of too deep a recursion.
func (t *taskValue) unwound() {
	if t.tooDeep {
		t.tooDeep = false
		t.thread.Uncancel()
	}
}

// stopped is the text that the interpreter's error has in front of the reason of the stop.
const stopped = "Starlark computation cancelled: "

const (
	// deepCalls is the number of open calls from which on a backtrace leaves out the calls in its middle.
	deepCalls = 20
	// shownCalls is the number of calls that such a backtrace lists at each of its two ends.
	shownCalls = 3
)

// eachCall calls show with the open calls of a backtrace, the innermost first. If there are deepCalls or more, it
// leaves out the calls in the middle, and calls omitted with their number.
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
