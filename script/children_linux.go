package script

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// AdoptCommands makes this process the parent of processes that commands leave behind, so that EndCommands finds them.
// A program may call it only if it starts no other processes, since every descendant then counts as a command's.
func AdoptCommands() {
	if !adopted.Swap(true) {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // without this kernel feature init adopts the processes
	}
}

// adopted is true after AdoptCommands.
var adopted atomic.Bool

// process is one process in the system's table.
type process struct {
	pid, parent int
	dead        bool // true if it has ended and its parent has not reaped it
}

// processes returns the system's table of processes.
func processes() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var list []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // the process has ended since
		}
		// The name in parentheses may contain any character. State and parent follow the last parenthesis.
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(f) < 2 {
			continue
		}
		parent, _ := strconv.Atoi(f[1])
		list = append(list, process{pid, parent, f[0] == "Z"})
	}
	return list
}

// descendants returns the running processes that the process of has started, directly or indirectly.
func descendants(of int) []int {
	list := processes()
	var found []int
	ours := map[int]bool{of: true}
	for grew := true; grew; {
		grew = false
		for _, p := range list {
			if ours[p.parent] && !ours[p.pid] {
				ours[p.pid], grew = true, true
				if !p.dead {
					found = append(found, p.pid)
				}
			}
		}
	}
	return found
}

// reap reads the exit status of adopted processes that have ended, so that they leave the system's table. It must not
// be called while a command runs.
func reap() {
	if !adopted.Load() {
		return
	}
	me := os.Getpid()
	for _, p := range processes() {
		if p.parent == me && p.dead {
			var ws unix.WaitStatus
			_, _ = unix.Wait4(p.pid, &ws, unix.WNOHANG, nil)
		}
	}
}

// endPatience is how long a process may take to end after SIGTERM.
const endPatience = 300 * time.Millisecond

// EndCommands ends the processes that commands have left running: it sends SIGTERM, and SIGKILL to those that remain.
// Without AdoptCommands it does nothing. Any goroutine may call it.
func EndCommands() {
	if !adopted.Load() {
		return
	}
	defer reap()
	me := os.Getpid()
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		for until := time.Now().Add(endPatience); ; time.Sleep(5 * time.Millisecond) {
			left := descendants(me)
			if len(left) == 0 {
				return
			}
			for _, pid := range left {
				_ = unix.Kill(pid, sig)
				if sig == unix.SIGTERM {
					_ = unix.Kill(pid, unix.SIGCONT) // a stopped process does not receive SIGTERM otherwise
				}
			}
			if time.Now().After(until) {
				break
			}
		}
	}
}
