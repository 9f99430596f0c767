//go:build !portable

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap"
)

// The private lab: the program runs itself again in a new network namespace, in which it makes the TAP. With the
// privilege (root), the process itself moves there by unshare(2) and execve(2) and keeps its pid. Otherwise it clones a
// child into a user namespace as well, in which the child is root, and waits for the child. The kernel removes the
// namespace and the TAP when the last process in them ends, even if it is killed.

// markName is the environment variable that marks the copy. Its value is the pid of the process that started the copy:
// the copy's own pid or its parent's. The copy removes the variable.
const markName = "SMOLSH_PRIVATE"

// reportFD is the descriptor of the pipe through which a cloned copy reports to its parent why it could not make its
// lab.
const reportFD = 3

// insidePrivate reports whether this process is the copy in the private lab's namespace. In a cloned copy, report is
// the pipe to the parent.
func insidePrivate() (inside bool, report *os.File) {
	mark, err := strconv.Atoi(os.Getenv(markName))
	os.Unsetenv(markName)
	switch {
	case err != nil:
		return false, nil
	case mark == os.Getpid():
		return true, nil
	case mark == os.Getppid():
		unix.CloseOnExec(reportFD)
		return true, os.NewFile(reportFD, "report")
	}
	return false, nil
}

// enterPrivate runs the program again in a new network namespace, in place of this process or as a child process. It returns why if
// it can do neither. If it started a child, it waits for the child's end and returns with ran set and the child's exit status.
func enterPrivate() (status int, ran bool, why *doctor.Obstacle) {
	if why = doctor.TUNObstacle(); why != nil {
		return 0, false, why
	}
	os.Setenv(markName, strconv.Itoa(os.Getpid()))
	defer os.Unsetenv(markName)
	if err := moveProcess(); err != unix.EPERM {
		return 0, false, doctor.NamespaceObstacle(err)
	}
	return cloneProcess()
}

// moveProcess replaces the process by a copy of itself in a new network namespace. It returns only on failure.
func moveProcess() error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, because a thread that is half in a new namespace must not be used again
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = syscall.Exec(self(), os.Args, os.Environ())
		}
		failed <- err
	}()
	return <-failed
}

// self returns the path of the program's file, or a link in /proc if that path no longer exists.
func self() string {
	if path, err := os.Executable(); err == nil && unix.Access(path, unix.X_OK) == nil {
		return path
	}
	return "/proc/self/exe"
}

// cloneProcess runs a copy of this process in a new user and a new network namespace and waits for its end. If ran is
// false, the copy could not start, for the reason why.
func cloneProcess() (status int, ran bool, why *doctor.Obstacle) {
	runtime.LockOSThread() // the copy is killed when the thread that started it ends
	report, theirs, err := os.Pipe()
	if err != nil {
		return 0, false, doctor.NamespaceObstacle(err)
	}
	defer report.Close()
	terminal := hasTerminal()
	cmd := &exec.Cmd{
		Path: self(), Args: os.Args, Env: os.Environ(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
			Pdeathsig:   unix.SIGKILL,
			Setpgid:     !terminal,
		},
	}
	signals := catchForCopy()
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		signal.Stop(signals)
		return 0, false, doctor.NamespaceObstacle(err)
	}
	go forward(signals, cmd.Process, terminal)
	said, _ := io.ReadAll(report)
	_ = cmd.Wait()
	if why = told(said); why != nil {
		signal.Stop(signals)
		return 0, false, why
	}
	return exitStatusOf(cmd.ProcessState), true, nil
}

// hasTerminal reports whether the process has a controlling terminal.
func hasTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// catchForCopy catches the signals that would end this process while it waits for its copy. A signal that this process
// ignores stays ignored, in the copy too.
func catchForCopy() chan os.Signal {
	c := make(chan os.Signal, 16)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c
}

// forward passes signals on to the copy. With a terminal, both processes are in one group, and the copy gets the
// keyboard's signals directly; only other signals are passed on. Without a terminal the copy has its own group, so that
// it gets each signal once, whichever process the signal was sent to.
func forward(signals chan os.Signal, child *os.Process, terminal bool) {
	for s := range signals {
		if terminal && (s == unix.SIGINT || s == unix.SIGQUIT) {
			continue
		}
		_ = child.Signal(s)
	}
}

// exitStatusOf returns the status that a shell would report for a process that ended.
func exitStatusOf(p *os.ProcessState) int {
	if ws, ok := p.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return p.ExitCode()
}

// insideObstacle returns the reason why the private lab can't be made in the namespace that the process has entered,
// nil if err is not about a device.
func insideObstacle(err error) *doctor.Obstacle {
	if !isDeviceError(err) {
		return nil
	}
	if errors.Is(err, tap.ErrPermission) || errors.Is(err, tap.ErrOwner) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return doctor.NamespaceObstacle(unix.EPERM)
	}
	return &doctor.Obstacle{Why: fmt.Sprintf("the TAP can't be made: %v", err), Cure: "smolsh --device sim asks for none"}
}
