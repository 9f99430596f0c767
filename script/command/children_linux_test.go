//go:build !portable

package command

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// End ends every process that commands have left behind: also a process that ignores SIGTERM, one that is stopped, and
// one whose parent has ended.
func TestEnd(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no table of processes: mount /proc")
	}
	Adopt()
	if status, _ := Status(New("sleep 3600 & sh -c 'trap \"\" TERM; sleep 3600' & (sh -c 'sleep 3600 & kill -STOP $!') &").Run()); status != 0 {
		t.Fatalf("status %d", status)
	}
	if n := len(descendants(os.Getpid())); n == 0 {
		t.Fatal("no process is left behind")
	}
	End()
	for _, pid := range descendants(os.Getpid()) {
		t.Errorf("process %d is left", pid)
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	for _, p := range processes() {
		if p.parent == os.Getpid() {
			t.Errorf("process %d has not been asked how it ended", p.pid)
		}
	}
}

// reap reaps adopted processes, and leaves the processes of Start to Wait.
func TestReap(t *testing.T) {
	Adopt()
	cmd := exec.Command("sh", "-c", "exit 7")
	if err := Start(cmd); err != nil {
		t.Fatal(err)
	}
	awaitExit(cmd.Process.Pid)
	reap()
	_ = Wait(cmd)
	if got := exitStatus(cmd.ProcessState); got != 7 {
		t.Errorf("status %d, want 7", got)
	}
}
