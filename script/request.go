package script

import "time"

// Await calls fn, which blocks on something outside the session such as a terminal and touches no
// Starlark value. A live lab's tasks run meanwhile; a virtual lab stands still. Where the session has to
// end first, for a task called exit(), stop is called, which must make fn return soon; it may be nil.
func (s *Session) Await(fn, stop func()) {
	s.tasks.AwaitInput(fn, stop, func() bool { return s.ending.exit != nil })
}

// Ended reports whether a task called exit() while the prompt waited, and with which status.
func (s *Session) Ended() (code int, ended bool) {
	if s.ending.exit == nil {
		return 0, false
	}
	return s.ending.exit.code, true
}

// Begin forgets an interrupt from before the next statement, which the interrupt does not concern. The goroutine that
// reads calls it inside Await, just before the keyboard can interrupt again.
func (s *Session) Begin() { s.tasks.Request(s.tasks.Begin, beginWait) }

// beginWait is how long Begin waits for a computing script.
const beginWait = 200 * time.Millisecond
