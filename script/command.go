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

// shellMissing is the exit status of a command that can't be started, as in shells.
const shellMissing = 127

// Shell runs a command line with /bin/sh on the process's own terminal and in its network namespace. It returns the
// exit status, which is 128 plus the signal's number if a signal ended the command. A live lab's stack and tasks run
// meanwhile. Ctrl-C and Ctrl-\ signal the whole group of the terminal; only the command obeys them, and this process
// ignores them, as in system(3). Background processes of the command live until EndCommands, after AdoptCommands.
func (s *Session) Shell(line string) int {
	s.out.flush()
	if s.cfg.NoFiles {
		fmt.Fprintf(s.cfg.Stderr, "!%s: %s\n", line, errNoFiles)
		return shellMissing
	}
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	run := &running{cmd: cmd}
	early, restore := s.tasks.Divert(run.interrupt)
	if early { // the interrupt came before the command's process was started, and ends the command
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

// running is a command of the operating system. The terminal sends an interrupt to its process directly. An interrupt
// before the process exists can't reach it, so run does not start the process. One that is reported shortly after the
// start may have missed the process too, so interrupt sends it again.
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

// interrupt is called for a keyboard interrupt. Any goroutine may call it.
func (r *running) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupted = true
	if r.cmd.Process != nil && time.Since(r.started) < soon {
		_ = r.cmd.Process.Signal(syscall.SIGINT) // fails if the process has ended, which is no fault
	}
}
