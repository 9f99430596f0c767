package script

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
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
// leaves in the background live until EndCommands, after AdoptCommands. In a shell, a line that starts some has a pipe in
// place of the terminal as its outputs, so that what they write later stands in lines above the line being typed.
func (s *Session) Shell(line string) int {
	s.out.flush()
	if s.cfg.NoFiles {
		fmt.Fprintf(s.cfg.Stderr, "!%s: %s\n", line, errNoFiles)
		return shellMissing
	}
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	said := func() {}
	if s.cfg.Interactive && startsInBackground(line) {
		said = s.lines(cmd)
	}
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	run := &running{cmd: cmd}
	early, restore := s.tasks.Divert(run.interrupt)
	if early { // the command answers for an interrupt that preceded its process
		run.interrupt()
	}
	var err error
	s.Await(func() { err = run.run(); said() }, nil)
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
	err := startOwn(r.cmd)
	r.started = time.Now()
	r.mu.Unlock()
	if err != nil {
		return err
	}
	defer disown(r.cmd.Process.Pid)
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

// startsInBackground reports whether a line of the system's shell has the operator & outside quotes.
func startsInBackground(line string) bool {
	var quote byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '&' && i+1 < len(line) && (line[i+1] == '&' || line[i+1] == '>'):
			i++ // && and bash's &>
		case c == '&' && (i == 0 || !strings.ContainsRune("<>|", rune(line[i-1]))):
			return true
		}
	}
	return false
}

// maxCommandLine is the most octets of a line of a background process that are held until its end.
const maxCommandLine = 4096

// lines gives a command a pipe as its outputs, and prints each line that comes through it. The caller calls said when the
// command has ended: it waits for the rest of the output, unless processes in the background have the pipe.
func (s *Session) lines(cmd *exec.Cmd) (said func()) {
	r, w, err := os.Pipe()
	if err != nil {
		return func() {} // it keeps the terminal
	}
	cmd.Stdout, cmd.Stderr = w, w
	ended := make(chan struct{})
	task.Background(func() {
		defer r.Close()
		in := bufio.NewReaderSize(r, maxCommandLine)
		for {
			line, err := in.ReadSlice('\n')
			if text := strings.TrimRight(string(line), "\r\n"); len(line) > 0 {
				s.out.offer([]byte(s.clean(text)))
			}
			if err != nil && err != bufio.ErrBufferFull {
				return
			}
		}
	}, func() { close(ended) })
	return func() {
		w.Close()
		select {
		case <-ended:
		case <-time.After(outputSettle):
		}
	}
}
