package script

import "time"

// Await calls fn, which blocks on something outside the session, such as a terminal, and uses no Starlark value. A live
// lab's tasks run meanwhile; a virtual lab does not advance. If a task calls exit(), Await calls stop, which must make
// fn return soon. stop may be nil.
func (s *Session) Await(fn, stop func()) {
	s.tasks.AwaitInput(fn, stop, func() bool { return s.ending.exit != nil })
}

// Ended reports whether a task called exit() while the prompt waited. code is the exit status.
func (s *Session) Ended() (code int, ended bool) {
	if s.ending.exit == nil {
		return 0, false
	}
	return s.ending.exit.code, true
}

// Begin forgets an interrupt that was meant for the previous statement. The goroutine that reads input calls it inside
// Await, just before the keyboard can interrupt again.
func (s *Session) Begin() { s.tasks.Request(s.tasks.Begin, beginWait) }

// beginWait is the time that Begin waits for a script that computes.
const beginWait = 200 * time.Millisecond
