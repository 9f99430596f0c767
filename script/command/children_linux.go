package command

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Adopt makes the processes that commands leave behind this process's children, so that End finds them. End ends every
// descendant from then on, also one that no command has started.
func Adopt() {
	if !adopted.Swap(true) {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // without this kernel feature init adopts the processes
	}
}

// adopted is true after Adopt.
var adopted atomic.Bool

// A process is an entry of the system's table of processes.
type process struct {
	pid, parent int
	dead        bool // true if it has ended and its parent has not asked how
}

// processes reads /proc and returns all processes of the system, nil if /proc can't be read.
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

// own has the processes that are awaited by their numbers, which reap leaves alone.
var own = struct {
	starting sync.RWMutex // held for reading while a process is started and not in pids yet
	mu       sync.Mutex
	pids     map[int]struct{}
}{pids: map[int]struct{}{}}

// Start starts a process whose end the caller awaits by Wait. Reaping leaves that process alone. Any goroutine may call it.
func Start(cmd *exec.Cmd) error {
	own.starting.RLock()
	defer own.starting.RUnlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	own.mu.Lock()
	own.pids[cmd.Process.Pid] = struct{}{}
	own.mu.Unlock()
	return nil
}

// Wait waits for the end of a process that Start has started, as cmd.Wait does.
func Wait(cmd *exec.Cmd) error {
	defer disown(cmd.Process.Pid)
	return cmd.Wait()
}

// disown forgets a process that has ended and was awaited.
func disown(pid int) {
	own.mu.Lock()
	delete(own.pids, pid)
	own.mu.Unlock()
}

// reap asks how adopted processes have ended, so that they don't stay in the system's table. While a command is being
// started it does nothing. Any goroutine may call it.
func reap() {
	if !adopted.Load() || !own.starting.TryLock() {
		return
	}
	defer own.starting.Unlock()
	var first unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &first, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil || first.Signo == 0 {
		return // no child has ended
	}
	me := os.Getpid()
	own.mu.Lock()
	defer own.mu.Unlock()
	for _, p := range processes() {
		if _, ours := own.pids[p.pid]; p.parent == me && p.dead && !ours {
			var ws unix.WaitStatus
			_, _ = unix.Wait4(p.pid, &ws, unix.WNOHANG, nil)
		}
	}
}

// marked returns the descendants of this process that have the mark in their environment, and the descendants of those.
func marked(mark string) []int {
	me := os.Getpid()
	list := processes()
	var found []int
	has := map[int]bool{}
	seen := map[int]bool{me: true}
	for grew := true; grew; {
		grew = false
		for _, p := range list {
			if !seen[p.parent] || seen[p.pid] {
				continue
			}
			seen[p.pid], grew = true, true
			if has[p.pid] = has[p.parent] || !p.dead && hasMark(p.pid, mark); has[p.pid] && !p.dead {
				found = append(found, p.pid)
			}
		}
	}
	return found
}

// hasMark reports whether the mark is in the environment of a process.
func hasMark(pid int, mark string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(b, []byte(mark))
}

// signalMarked sends a signal to the processes that a program has left behind.
func signalMarked(mark string, sig syscall.Signal) {
	for _, pid := range marked(mark) {
		_ = unix.Kill(pid, sig)
	}
}

// killMarked kills the processes that a program has left behind, also those that start while it looks.
func killMarked(mark string) {
	for range 20 {
		left := marked(mark)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
}

// childAttr returns the attributes of a program's process: it has no terminal, so that neither a key nor a question meets
// it, and it ends when this process is killed.
func childAttr() (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}, nil
}

// awaitExit returns when a child has ended, and leaves it in the system's table.
func awaitExit(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// signalGroup sends a signal to a process group.
func signalGroup(group int, sig syscall.Signal) { _ = unix.Kill(-group, sig) }

// endPatience is how long a process may take to end after SIGTERM.
const endPatience = 300 * time.Millisecond

// End ends the processes that commands and programs have left running: it asks them to end, and kills those that don't. Without
// Adopt it does nothing. Any goroutine may call it.
func End() {
	if !adopted.Load() {
		return
	}
	defer reap()
	me := os.Getpid()
	endProcesses(func() []int { return descendants(me) })
}

// endMarked ends the processes with a mark, as End ends all.
func endMarked(mark string) { endProcesses(func() []int { return marked(mark) }) }

// endProcesses ends the processes that find returns. They are sent SIGTERM, and SIGKILL if they are left after endPatience.
func endProcesses(find func() []int) {
	asked := map[int]bool{}
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		for until := time.Now().Add(endPatience); ; time.Sleep(5 * time.Millisecond) {
			left := find()
			if len(left) == 0 {
				return
			}
			for _, pid := range left {
				if sig == unix.SIGKILL || !asked[pid] {
					_ = unix.Kill(pid, sig)
				}
				if !asked[pid] {
					asked[pid] = true
					_ = unix.Kill(pid, unix.SIGCONT) // a stopped process does not receive SIGTERM otherwise
				}
			}
			if time.Now().After(until) {
				break
			}
		}
	}
}

// EndOf ends the programs that another process has started by its Sets, and the processes that those have left behind. That process
// was a child of this one and has ended, perhaps before it could end them. Without Adopt, EndOf does nothing. Any goroutine may call
// it.
func EndOf(pid int) {
	if !adopted.Load() {
		return
	}
	defer reap()
	endMarked(markOf(pid))
}
