//go:build unix && (!linux || portable)

package command

import (
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Other Unix systems than Linux neither tell a process which others descend from it, nor end a program when its parent
// is killed. There this package knows processes by the process groups that Start has made. Three cases differ from
// Linux: a process that left its group is not ended, programs continue after this process was killed, and so do the
// programs of a worker that was killed.

// groups holds the process groups that Start has made, until they have no process.
var groups = struct {
	mu    sync.Mutex
	marks map[int]string // marks in the environment of the group's first process, by the group's number
}{marks: map[int]string{}}

// adopted is true after Adopt.
var adopted atomic.Bool

// Adopt allows End to end the process groups that Start has made.
func Adopt() { adopted.Store(true) }

// Start starts a process for which the caller must call Wait. Any goroutine may call it.
func Start(cmd *exec.Cmd) error {
	groups.mu.Lock()
	defer groups.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	if a := cmd.SysProcAttr; a != nil && (a.Setsid || a.Setpgid) {
		groups.marks[cmd.Process.Pid] = marksIn(cmd.Env)
	}
	return nil
}

// marksIn returns the marks in an environment, "" if it has none.
func marksIn(env []string) (marks string) {
	for _, v := range env {
		if m, ok := strings.CutPrefix(v, markVariable+"="); ok {
			marks = m // the last one holds
		}
	}
	return marks
}

// Wait waits for the end of a process that Start has started, as cmd.Wait does.
func Wait(cmd *exec.Cmd) error {
	defer disown(cmd.Process.Pid)
	return cmd.Wait()
}

// await waits for the program's end and reads its exit status. It returns with p.mu locked. A signal that Signal or Stop sends at this
// moment may find a group without a process, which is no error.
func (p *Program) await() {
	_ = p.cmd.Wait() // the error is ignored, since ProcessState holds the exit status
	p.mu.Lock()
}

// disown is called after Wait. It removes groups without a process, so that no signal reaches a later group of the same number.
func disown(int) { marked("") }

// reap does nothing, because the system's first process adopts the processes that a program leaves behind.
func reap() {}

// marked returns the groups of processes that were started with the mark, and removes the groups that have no process.
func marked(mark string) (found []int) {
	groups.mu.Lock()
	defer groups.mu.Unlock()
	for group, marks := range groups.marks {
		switch {
		case unix.Kill(-group, 0) == unix.ESRCH:
			delete(groups.marks, group)
		case strings.Contains(marks, mark):
			found = append(found, group)
		}
	}
	return found
}

// childAttr returns the attributes of a program's process. The process has no terminal, so it receives no signals from
// the keyboard and can't ask the user.
func childAttr() (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{Setsid: true}, nil }

// signalGroup sends a signal to a process group.
func signalGroup(group int, sig syscall.Signal) { _ = unix.Kill(-group, sig) }

// signalMarked sends a signal to the processes that a program has left behind in its group.
func signalMarked(mark string, sig syscall.Signal) {
	for _, group := range marked(mark) {
		signalGroup(group, sig)
	}
}

// killMarked kills the processes that a program has left behind in its group.
func killMarked(mark string) { signalMarked(mark, unix.SIGKILL) }

// endPatience is the time that a process has to end after SIGTERM, before SIGKILL.
const endPatience = 300 * time.Millisecond

// endMarked ends the groups that marked returns: it sends SIGTERM, and SIGKILL if they have not ended after endPatience. SIGCONT
// follows SIGTERM, because a stopped process does not receive SIGTERM otherwise.
func endMarked(mark string) {
	signalMarked(mark, unix.SIGTERM)
	signalMarked(mark, unix.SIGCONT)
	for until := time.Now().Add(endPatience); len(marked(mark)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			killMarked(mark)
			return
		}
	}
}

// End ends the process groups that commands and programs have left: it sends SIGTERM, and SIGKILL to those that do not
// end. Without Adopt it does nothing. Any goroutine may call it.
func End() {
	if adopted.Load() {
		endMarked("")
	}
}

// EndOf does nothing, because only the other process knew the groups of its programs.
func EndOf(int) {}
