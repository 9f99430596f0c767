//go:build !portable

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

// Adopt makes this process the parent of the processes that commands leave behind, so that End finds them. After Adopt,
// End ends every descendant of this process, also those that no command has started.
func Adopt() {
	if !adopted.Swap(true) {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // on an error the processes stay children of init
	}
}

// adopted is true after Adopt.
var adopted atomic.Bool

// A process is an entry of the system's table of processes.
type process struct {
	pid, parent int
	dead        bool // true for a zombie, whose parent has not read its exit status
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
			continue // the process has ended in the meantime
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

// own holds the processes for which Wait will be called. reap does not touch them.
var own = struct {
	starting sync.RWMutex // read-locked while a process is started and is not in pids yet
	mu       sync.Mutex
	pids     map[int]struct{}
}{pids: map[int]struct{}{}}

// Start starts a process for which the caller must call Wait. reap does not touch the process. Any goroutine may call
// it.
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

// disown removes a process from own after Wait.
func disown(pid int) {
	own.mu.Lock()
	delete(own.pids, pid)
	own.mu.Unlock()
}

// reap reads the exit status of adopted processes that have ended, so that they don't stay zombies. While a command is
// being started it does nothing. Any goroutine may call it.
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

// killMarked kills the processes that a program has left behind. It repeats this until none is left, since a process
// may start another one meanwhile.
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

// childAttr returns the attributes of a program's process. The process has no terminal, so it receives no signals from
// the keyboard and can't ask the user. The system kills it when this process is killed.
func childAttr() (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}, nil
}

// awaitExit returns when a child has ended. The child stays a zombie, so that its number is not reused.
func awaitExit(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// await waits for the program's end and reads its exit status. It returns with p.mu locked.
func (p *Program) await() {
	awaitExit(p.pid)
	p.mu.Lock()
	_ = p.cmd.Wait() // the error is ignored, since ProcessState holds the exit status
}

// signalGroup sends a signal to a process group.
func signalGroup(group int, sig syscall.Signal) { _ = unix.Kill(-group, sig) }

// endPatience is the time that a process has to end after SIGTERM, before SIGKILL.
const endPatience = 300 * time.Millisecond

// End ends the processes that commands and programs have left running: it sends SIGTERM, and SIGKILL to those that do
// not end. Without Adopt it does nothing. Any goroutine may call it.
func End() {
	if !adopted.Load() {
		return
	}
	defer reap()
	me := os.Getpid()
	endProcesses(func() []int { return descendants(me) })
}

// endMarked ends the processes that marked returns: it sends SIGTERM, then SIGKILL to those that have not ended.
func endMarked(mark string) { endProcesses(func() []int { return marked(mark) }) }

// endProcesses ends the processes that find returns. It sends them SIGTERM, and SIGKILL if they have not ended after
// endPatience.
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
