// Package command runs programs of the operating system, and ends the processes that they leave behind. A Command is a
// command line of the prompt, on the terminal of the process; the caller runs one at a time. A Program is a program
// that a script runs. It belongs to a Set, and has pipes in place of a terminal.
package command

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrInterrupted is the error of a command that was interrupted before it had a process.
var ErrInterrupted = errors.New("interrupted")

// Missing is the exit status of a command that could not be started, as shells have it.
const Missing = 127

// A Command is a command line. The keyboard interrupts its processes directly, because they are in the terminal's
// foreground group, unless the interrupt precedes the process or is reported only afterwards. Interrupt is for these
// two cases.
type Command struct {
	cmd  *exec.Cmd
	said func() // waits until the goroutines of Lines have printed the output

	mu          sync.Mutex
	interrupted bool
	started     time.Time
}

// New returns a command line of the system's shell that has not started.
func New(line string) *Command {
	cmd := shell(line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return &Command{cmd: cmd, said: func() {}}
}

// Apart gives a command that has not started a process group of its own. It is for a line whose processes are all in the background:
// the keyboard's interrupt, which is for the group in the foreground, does not reach them.
func (c *Command) Apart() { separate(c.cmd) }

// running is the number of commands that Run runs.
var running atomic.Int32

// Running reports whether a command runs in the foreground.
func Running() bool { return running.Load() > 0 }

// Run runs the command to its end. Meanwhile the keyboard's quit (SIGQUIT) is the command's alone, as with system(3).
// Any goroutine may call it, but only one call is allowed.
func (c *Command) Run() error {
	running.Add(1)
	defer running.Add(-1)
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	defer reap()
	defer signal.Stop(quit)
	defer func() { c.said() }()
	if err := c.start(); err != nil {
		return err
	}
	return Wait(c.cmd)
}

func (c *Command) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted {
		return ErrInterrupted
	}
	err := Start(c.cmd)
	c.started = time.Now()
	return err
}

// soon is the time after the start within which a reported interrupt may have been sent before the process existed.
const soon = 100 * time.Millisecond

// Interrupt keeps the command from starting, or passes the interrupt on to a command that has just started. Any goroutine
// may call it.
func (c *Command) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	if c.cmd.Process != nil && time.Since(c.started) < soon {
		_ = c.cmd.Process.Signal(syscall.SIGINT) // an error means that the process has ended
	}
}

// Status returns the exit status for an error of Run, as shells have it: 128 and the signal's number if a signal ended the
// command. ran is false if the command could not be started.
func Status(err error) (status int, ran bool) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, true
	case errors.Is(err, ErrInterrupted):
		return 128 + int(syscall.SIGINT), true
	case !errors.As(err, &exit):
		return Missing, false
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), true
	}
	return exit.ExitCode(), true
}
