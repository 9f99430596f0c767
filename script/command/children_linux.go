package command

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Adopt makes the processes that commands leave behind this process's children, so that End finds them. It is for a program
// that starts no other processes: every descendant counts as a command's from then on.
func Adopt() {
	if !adopted.Swap(true) {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // without this kernel feature init adopts the processes
	}
}

// adopted is true after Adopt.
var adopted atomic.Bool

// A process is a line of the system's table of processes.
type process struct {
	pid, parent int
	dead        bool // true if it has ended and its parent has not asked how
}

// processes returns the table.
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

// descendants returns the processes that a process has started, directly or not, and that have not ended.
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

// reap asks how adopted processes have ended, so that they don't stay in the system's table. The caller must not call it
// while a command runs.
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

// End ends the processes that commands have left running: it asks them to end, and kills those that don't. Without Adopt it
// does nothing. Any goroutine may call it.
func End() {
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
