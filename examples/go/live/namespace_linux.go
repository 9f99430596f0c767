package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
)

// mark is the environment variable of the copy of the program that runs in the new namespace. Its value is the pid of the copy's parent,
// and whether the copy is in a new user namespace too.
const mark = "LIVE_EXAMPLE_INSIDE"

// inside reports whether this process is the copy.
func inside() bool {
	var parent int
	var kind string
	n, _ := fmt.Sscan(os.Getenv(mark), &parent, &kind)
	return n == 2 && parent == os.Getppid()
}

// enterCommand returns the beginning of a command in the copy's namespace.
func enterCommand() string {
	var parent int
	var kind string
	fmt.Sscan(os.Getenv(mark), &parent, &kind)
	if kind == "user" {
		return fmt.Sprintf("nsenter -t %d -U -n --preserve-credentials ", os.Getpid())
	}
	return fmt.Sprintf("nsenter -t %d -n ", os.Getpid())
}

// runInside runs a copy of the program in a new network namespace, waits for its end, and returns its exit status. Unless the process may make
// such a namespace, the copy gets a user namespace too, in which it is root.
func runInside() int {
	runtime.LockOSThread() // the copy is killed when the thread that started it ends
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	cmd, err := start("net", &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET})
	if errors.Is(err, syscall.EPERM) {
		cmd, err = start("user", &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "live: no network namespace can be made:", err)
		fmt.Fprintln(os.Stderr, "live: run it as root, or with -device and a TAP of yours")
		return 3
	}
	go func() {
		for s := range signals { // a terminal sends Ctrl-C to the copy as well, which a second one does not harm
			cmd.Process.Signal(s)
		}
	}()
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

func start(kind string, attr *syscall.SysProcAttr) (*exec.Cmd, error) {
	attr.Pdeathsig = syscall.SIGKILL
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Env: append(os.Environ(), mark+"="+strconv.Itoa(os.Getpid())+" "+kind), SysProcAttr: attr,
	}
	return cmd, cmd.Start()
}
