package main

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"smolsh/repl"
	"smolsh/script"
	"smolsh/script/command"
)

const (
	// twice is the longest time between two Ctrl-Cs that together end the program.
	twice = 2 * time.Second
	// honour is the time that the running call has to end after the second Ctrl-C. It is not 0, since a user may type
	// both at once.
	honour = 200 * time.Millisecond
	// parting is the time that the program has to end by itself after SIGTERM or SIGHUP.
	parting = time.Second
)

// endings ends the program by signals. It first cancels the running call, and exits if the call continues. It has its
// own goroutine, because the call may compute or block for ever.
type endings struct {
	s     *script.Session
	shell *repl.Shell  // nil for a script
	got   atomic.Int32 // the last signal
	last  time.Time    // time of the last Ctrl-C
	exit  func(status int)
}

// endingSignals returns the signals that end the program: SIGTERM, SIGHUP, which a terminal sends when it is closed, and SIGQUIT. A
// signal that the program's parent ignores, as nohup does SIGHUP, is left out. With GOTRACEBACK set, SIGQUIT is Go's: it prints every
// goroutine's stack.
func endingSignals() []os.Signal {
	list := []os.Signal{syscall.SIGTERM}
	if os.Getenv("GOTRACEBACK") == "" && !signal.Ignored(syscall.SIGQUIT) {
		list = append(list, syscall.SIGQUIT)
	}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// signalStatus returns the exit status of a program that a signal has ended.
func signalStatus(sig os.Signal) int { return 128 + int(sig.(syscall.Signal)) }

// watchSignals makes Ctrl-C end a call that keeps its results, after which the statement or script continues, or else every
// waiting call. A second Ctrl-C ends those, and the program if the first had no effect.
// SIGTERM, SIGHUP and SIGQUIT end the program at any time. The result is the number of the last signal, 0 before the first.
func watchSignals(s *script.Session, shell *repl.Shell) *atomic.Int32 {
	e := &endings{s: s, shell: shell, exit: os.Exit}
	c := make(chan os.Signal, 2)
	signal.Notify(c, append(endingSignals(), os.Interrupt)...)
	go func() {
		for sig := range c {
			e.take(sig, time.Now())
		}
	}()
	return &e.got
}

func (e *endings) take(sig os.Signal, now time.Time) {
	if sig == syscall.SIGQUIT && command.Running() {
		return // the keyboard's, which is for the command
	}
	e.got.Store(int32(sig.(syscall.Signal)))
	if sig != os.Interrupt {
		time.AfterFunc(parting, func() { e.end(signalStatus(sig)) })
		e.s.Interrupt()
		return
	}
	again := !e.last.IsZero() && (e.shell == nil && !e.s.Resumed() || e.shell != nil && now.Sub(e.last) < twice && e.s.Interrupting())
	e.last = now
	if again && e.inVain() {
		e.end(statusInterrupt)
		return
	}
	e.s.InterruptCall()
}

// inVain reports whether the running call continues after the first Ctrl-C. In the shell it waits for honour first.
func (e *endings) inVain() bool {
	for range honour / (10 * time.Millisecond) {
		if e.shell == nil || !e.s.Interrupting() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return e.shell == nil || e.s.Interrupting()
}

// end ends the program at once.
func (e *endings) end(status int) {
	if e.shell != nil {
		e.shell.Leave(status) // the shell may continue when its command has ended
	}
	command.End()
	if e.shell != nil {
		e.shell.Restore()
	}
	e.exit(status)
}
