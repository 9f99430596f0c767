//go:build linux && !portable

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// endless computes for minutes in one operation of the interpreter, which cannot be cancelled.
const endless = "print('begun')\nint('7' * 10000000)\n"

// gone waits for the end of the process, with a limit, and checks its status and that the terminal's mode is restored.
func (s *shellOnPTY) gone(status int, mode *unix.Termios) {
	s.t.Helper()
	kill := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	_ = s.cmd.Wait()
	if got := s.cmd.ProcessState.ExitCode(); got != status {
		s.t.Errorf("exit status %d, want %d: %q", got, status, s.out.String())
	}
	if now := s.mode(); now.Lflag != mode.Lflag || now.Iflag != mode.Iflag {
		s.t.Errorf("the terminal's mode is %x %x, and was %x %x", now.Lflag, now.Iflag, mode.Lflag, mode.Iflag)
	}
}

func (s *shellOnPTY) mode() *unix.Termios { return modeOf(s.t, s.tty) }

func modeOf(t *testing.T, tty *os.File) *unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// freshMode returns the mode of a terminal that no program has changed. The mode of the shell's own terminal would
// differ if the shell began to edit before the test read it.
func freshMode(t *testing.T) *unix.Termios {
	t.Helper()
	tty, child, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	defer child.Close()
	return modeOf(t, tty)
}

// TestSecondInterrupt: a second Ctrl-C, SIGTERM, or SIGQUIT without GOTRACEBACK, ends the shell whatever it runs, and restores the terminal.
func TestSecondInterrupt(t *testing.T) {
	path := smolsh(t)
	file := filepath.Join(t.TempDir(), "x.star")
	if err := os.WriteFile(file, []byte(endless), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, keys string }{
		{"compute", "run('" + file + "')\r"},
		{"command", "!trap '' INT; echo beg'un'; sleep 1000; sleep 1000\r"},
	} {
		for _, status := range []int{130, 143, 131} {
			if status == 131 && c.name == "command" {
				continue // to which the keyboard's quit is left
			}
			s := startShell(t, exec.Command(path, "--device", "sim"))
			mode := freshMode(t)
			s.expect("smolsh (virtual)> ")
			s.typed(c.keys)
			s.expect("begun\n")
			time.Sleep(100 * time.Millisecond) // until the long operation has begun
			if status == 130 {
				s.typed("\x03")
				time.Sleep(300 * time.Millisecond) // the pace of a user
				s.typed("\x03")
			} else if err := s.cmd.Process.Signal(syscall.Signal(status - 128)); err != nil {
				t.Fatal(err)
			}
			s.gone(status, mode)
		}
	}
}

// reads waits until the terminal sends signals, as it does while a command runs.
func (s *shellOnPTY) reads(signals bool) {
	s.t.Helper()
	for range 2000 {
		if s.mode().Lflag&unix.ISIG != 0 == signals {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("the terminal's mode does not change: %q", s.out.String())
}

// TestInterruptsThatAreHonoured: two Ctrl-Cs at once end a call that can be cancelled, and the shell stays. The same holds for two
// that each end a call.
func TestInterruptsThatAreHonoured(t *testing.T) {
	s := startShell(t, exec.Command(smolsh(t), "--device", "sim"))
	s.expect("smolsh (virtual)> ")
	for _, line := range []string{"while True: pass\r\r", `every("1s", lambda: 0).join()` + "\r", "!sleep 1000\r"} {
		s.typed(line)
		s.reads(true)
		time.Sleep(50 * time.Millisecond)
		s.typed("\x03\x03")
		s.expect("smolsh (virtual)> ")
	}
	s.typed("6 * 7\r")
	s.expect("42\n")
	s.end(0)
}

// TestInterruptSpins: the first Ctrl-C ends a handler that computes and never waits, whether the typed line waits for it or the prompt waits
// for the next line. The shell stays, and runs the typed lines.
func TestInterruptSpins(t *testing.T) {
	s := startShell(t, exec.Command(smolsh(t), "--device", "sim"))
	s.expect("smolsh (virtual)> ")
	s.typed("def spin(): print('be' + 'gun'); [0 for x in range(1 << 40)]\r\r")
	s.expect("smolsh (virtual)> ")
	for _, line := range []string{"t = spawn(spin); sleep(1); 6 * 7\r", "t = after(0, spin); 6 * 7\r"} {
		s.typed(line)
		s.expect("begun\n")
		time.Sleep(300 * time.Millisecond)
		s.typed("\x03")
		s.expect("interrupted\n")
		s.typed("6 * 7\r")
		s.expect("42\n")
		s.expect("smolsh (virtual)> ")
	}
	s.typed("1 + 1\r")
	s.expect("2\n")
	s.end(0)
}

// TestBackgroundCommandsEnd: background processes of a command end with the shell, however it ends.
func TestBackgroundCommandsEnd(t *testing.T) {
	path := smolsh(t)
	for _, c := range []struct {
		how    string
		status int
	}{{"\x04", 0}, {"exit(3)\r", 3}, {"TERM", 143}, {"HUP", 129}} {
		s := startShell(t, exec.Command(path, "--device", "sim"))
		s.expect("smolsh (virtual)> ")
		s.typed("!(trap '' TERM HUP; setsid sleep 1000) & echo =p''id=$!=\r")
		s.expect("=pid=")
		s.expect("=")
		out := s.out.String()
		_, rest, _ := strings.Cut(out, "=pid=")
		number, _, _ := strings.Cut(rest, "=")
		pid, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("no pid in %q", out)
		}
		s.expect("smolsh (virtual)> ")
		if sig := unix.SignalNum("SIG" + c.how); sig != 0 {
			_ = s.cmd.Process.Signal(sig)
		} else {
			s.typed(c.how)
		}
		kill := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
		_ = s.cmd.Wait()
		kill.Stop()
		if got := s.cmd.ProcessState.ExitCode(); got != c.status {
			t.Errorf("%q: exit status %d: %q", c.how, got, s.out.String())
		}
		for range 500 {
			if ended(pid) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if !ended(pid) {
			t.Errorf("%q: the command is still there", c.how)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// TestBackgroundOutput: the output of a command in the background appears in whole lines above the line that is being
// typed, and can't move the cursor.
func TestBackgroundOutput(t *testing.T) {
	s := startShell(t, exec.Command(smolsh(t), "--device", "sim"))
	s.expect("smolsh (virtual)> ")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s.typed("!(read x; echo o'n'e; printf tw; printf 'o\\033[2J\\n'; echo l'ast' >&2) <" + fifo + " & echo 'beg'un\r")
	s.expect("begun\n")
	s.expect("smolsh (virtual)> ")
	s.typed("40 + 2")
	s.expect("40 + 2")
	if err := os.WriteFile(fifo, []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.expect("one\n")
	s.expect(`two\x1b[2J` + "\n")
	s.expect("last\n")
	s.expect("smolsh (virtual)> 40 + 2")
	s.typed("\r")
	s.expect("42\n")
	s.end(0)
}

// programs starts one program that ignores every signal that a program may ignore, one that has left its group and closed its
// outputs, and waits for a third. It prints the number of the first process; the others write theirs to files.
const programs = `
p = sh("trap '' TERM HUP INT; echo x; sleep 1000; sleep 1000", background=True)
while not p.out: sh("sleep 0.01")
print(p.pid)
sh("setsid sh -c 'echo $$ >daemon; exec sleep 1000 >/dev/null 2>&1' &")
sh("echo $$ >foreground; trap '' TERM HUP INT; sleep 1000; sleep 1000")
`

// TestProgramsEndWithTheScript: the programs of sh() end with the script or the test, whichever signal ends that. After SIGKILL
// the kernel ends those that smolsh has started itself.
func TestProgramsEndWithTheScript(t *testing.T) {
	path := smolsh(t)
	for _, verb := range []string{"", "test"} {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL} {
			dir := t.TempDir()
			args := []string{"--device", "sim", "-c", programs}
			if verb == "test" {
				text := "def test_a():\n    " + strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(programs, "print(", `sh("cat >>pids", input=str(`)), "\n", "\n    ")
				text = strings.Replace(text, "p.pid)", `p.pid) + "\n")`, 1)
				if err := os.WriteFile(filepath.Join(dir, "x.star"), []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				args = []string{"test", "x.star"}
			}
			cmd := exec.Command(path, args...)
			out, err := os.Create(filepath.Join(dir, "said"))
			if err != nil {
				t.Fatal(err)
			}
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var pids []int
			for range 2000 {
				pids = nil
				for _, name := range []string{"foreground", "pids", "said", "daemon"} {
					b, _ := os.ReadFile(filepath.Join(dir, name))
					for _, w := range strings.Fields(string(b)) {
						if pid, err := strconv.Atoi(w); err == nil {
							pids = append(pids, pid)
						}
					}
				}
				if len(pids) == 3 {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if len(pids) != 3 {
				b, _ := os.ReadFile(filepath.Join(dir, "said"))
				t.Errorf("%s %v: the programs are %v: %s", verb, sig, pids, b)
			}
			kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
			_ = cmd.Process.Signal(sig)
			_ = cmd.Wait()
			kill.Stop()
			out.Close()
			if got := cmd.ProcessState.ExitCode(); sig != syscall.SIGKILL && got != 128+int(sig) {
				b, _ := os.ReadFile(filepath.Join(dir, "said"))
				t.Errorf("%s %v: exit status %d: %s", verb, sig, got, b)
			}
			for i, pid := range pids {
				defer unix.Kill(-pid, syscall.SIGKILL) // ends the processes of its group that are left after SIGKILL
				if sig == syscall.SIGKILL && i == 2 {
					continue // its parent was not smolsh
				}
				for range 500 {
					if ended(pid) {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				if !ended(pid) {
					t.Errorf("%s %v: program %d of %v is left", verb, sig, pid, pids)
					_ = unix.Kill(pid, syscall.SIGKILL)
				}
			}
		}
	}
}

// ended reports whether a process is gone, or a zombie.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z")
}

// TestScriptEndsWhileItComputes: a second interrupt, or SIGTERM, ends a script while it computes.
func TestScriptEndsWhileItComputes(t *testing.T) {
	path := smolsh(t)
	for _, status := range []int{130, 143} {
		cmd := exec.Command(path, "--device", "sim", "-c", endless)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		var said bytes.Buffer
		for buf := make([]byte, 64); !strings.Contains(said.String(), "begun"); {
			n, err := out.Read(buf)
			if said.Write(buf[:n]); err != nil {
				t.Fatalf("%v after %q", err, said.String())
			}
		}
		time.Sleep(100 * time.Millisecond) // until the long operation has begun
		if status == 143 {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		} else {
			_ = cmd.Process.Signal(syscall.SIGINT)
			time.Sleep(100 * time.Millisecond)
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
		_ = cmd.Wait()
		kill.Stop()
		if got := cmd.ProcessState.ExitCode(); got != status {
			t.Errorf("exit status %d, want %d", got, status)
		}
	}
}

// TestPeersOctetsOnATerminal: a peer's control characters are escaped on a terminal, and unchanged in a pipe.
func TestPeersOctetsOnATerminal(t *testing.T) {
	path := smolsh(t)
	const line = `peer.serve("tcp", 99, lambda c: c.send("\x1b[2Jx")); print(tcp.connect("192.168.69.100:99").recv())`
	piped, err := exec.Command(path, "--device", "sim", "-c", line).Output()
	if err != nil || !strings.Contains(string(piped), "\x1b[2Jx\n") {
		t.Errorf("a pipe has %q: %v", piped, err)
	}
	s := startShell(t, exec.Command(path, "--device", "sim", "-c", line))
	s.expect(`\x1b[2Jx` + "\n")
	if got := s.out.String(); strings.Contains(got, "\x1b[2J") {
		t.Errorf("the terminal has %q", got)
	}
}
