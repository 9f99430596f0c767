package script

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"smolsh/script/task"
)

// shellMissing is the exit status of a command that could not be started, as shells have it.
const shellMissing = 127

// Shell runs a command line of the system's shell on the process's own terminal, in its network
// namespace, and returns its exit status (128 and the signal's number where one ended it). A live lab's
// stack and tasks go on meanwhile. The keyboard's interrupt and quit are the command's alone: they
// reach the processes of the terminal's group, and this one lets them pass, as system(3) does. Processes that it
// leaves in the background live until EndCommands, after AdoptCommands. The files of captures that go on have every packet so far
// when it begins.
func (s *Session) Shell(line string) int {
	s.out.flush()
	if s.cfg.NoFiles {
		fmt.Fprintf(s.cfg.Stderr, "!%s: %s\n", line, errNoFiles)
		return shellMissing
	}
	s.flushCaptures()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	run := &running{cmd: cmd}
	early, restore := s.tasks.Divert(run.interrupt)
	if early { // the command answers for an interrupt that preceded its process
		run.interrupt()
	}
	var err error
	s.Await(func() { err = run.run() }, nil)
	restore()
	s.tasks.InterruptOver()
	signal.Stop(quit)
	reap()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case err == task.ErrInterrupted:
		return 128 + int(syscall.SIGINT)
	case !errors.As(err, &exit):
		fmt.Fprintf(s.cfg.Stderr, "%s: %v\n", line, err)
		return shellMissing
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return exit.ExitCode()
}

// running is a command of the operating system. The keyboard interrupts its process directly, unless the interrupt
// precedes the process or is reported only afterwards. An interrupt within soon of the start is passed on.
type running struct {
	cmd *exec.Cmd

	mu          sync.Mutex
	interrupted bool
	started     time.Time
}

const soon = 100 * time.Millisecond

func (r *running) run() error {
	r.mu.Lock()
	if r.interrupted {
		r.mu.Unlock()
		return task.ErrInterrupted
	}
	err := r.cmd.Start()
	r.started = time.Now()
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.cmd.Wait()
}

// interrupt is the keyboard's; any goroutine may call it.
func (r *running) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupted = true
	if r.cmd.Process != nil && time.Since(r.started) < soon {
		_ = r.cmd.Process.Signal(syscall.SIGINT) // one that has ended has no use for it
	}
}
