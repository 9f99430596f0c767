package script

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// shellMissing is the exit status of a command that could not be started, as shells have it.
const shellMissing = 127

// Shell runs a command line of the system's shell on the process's own terminal, in its network
// namespace, and returns its exit status (128 and the signal's number where one ended it). A live lab's
// stack and tasks go on meanwhile. The keyboard's interrupt and quit are the command's alone: they
// reach the processes of the terminal's group, and this one lets them pass, as system(3) does.
func (s *Session) Shell(line string) int {
	s.out.flush()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	s.shelling.Store(true)
	var err error
	s.Await(func() { err = cmd.Run() }, nil)
	s.shelling.Store(false)
	signal.Stop(quit)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		fmt.Fprintf(s.cfg.Stderr, "%s: %v\n", line, err)
		return shellMissing
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return exit.ExitCode()
}
