//go:build linux

package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/script/command"
)

// TestSh runs programs that succeed, that fail, and that misbehave.
func TestSh(t *testing.T) {
	want(t, `
p = sh("echo out; echo err >&2")
assert.eq([p.out, p.err, p.status], [b"out\n", b"err\n", 0])
assert.eq(sh(["printf", "%s|", "a b", "$HOME", "*"]).out, "a b|$HOME|*|")
assert.eq(sh("cat", input=b"\x00\xff\n").out, b"\x00\xff\n")
assert.eq(sh("cat").out, b"")
assert.eq(sh("").status, 0)
assert.eq(sh("exit 3", check=False).status, 3)
assert.eq(sh("kill -9 $$", check=False).status, 137)
assert.eq(sh("tty", check=False).out, b"not a tty\n")
assert.eq(sh("exec 3</dev/tty", check=False).status, 2)

assert.fails(lambda: sh("echo a; echo b >&2; echo c >&2; exit 3"), "^sh echo a; .*: status 3\n  b\n  c$")
assert.fails(lambda: sh("echo only out; exit 1"), ": status 1\n  only out$")
assert.fails(lambda: sh("seq 20 >&2; false"), "status 1\n  11\n  12\n  13\n  14\n  15\n  16\n  17\n  18\n  19\n  20$")
assert.fails(lambda: sh("printf '\\377\\033[2J' >&2; false"), "status 1\n  \uFFFD\x1b")
assert.fails(lambda: sh("kill -TERM $$"), "status 143 \\(terminated\\)$")
assert.fails(lambda: sh("no-such-program"), "status 127\n  .*not found$")
assert.eq(sh("no-such-program", check=False).status, 127)
assert.fails(lambda: sh(["no-such-program"], check=False), "^sh no-such-program: command not found$")
assert.fails(lambda: sh(["/etc/passwd"], check=False), "^sh /etc/passwd: permission denied$")
assert.fails(lambda: sh(["/etc/passwd"], background=True), "^sh /etc/passwd: permission denied$")
assert.fails(lambda: sh(["true", "x" * (4 << 20)]), "^sh true x*…: argument list too long$")
assert.fails(lambda: sh("a\x00b"), "it has an octet 0$")
assert.fails(lambda: sh(["true", "a\x00b"]), "it has an octet 0$")
assert.fails(lambda: sh([]), "it names no program$")
assert.fails(lambda: sh(["true", 1]), "a string or a list of strings, got list")

# It stops reading its input, never reads it, or ends before.
big = "x" * (4 << 20)
assert.eq(len(sh("cat", input=big).out), 4 << 20)
assert.eq(sh("head -c 3", input=big).out, "xxx")
assert.eq(sh("exec <&-; echo closed", input=big).out, "closed\n")
assert.eq(sh("true", input=big).status, 0)

# It leaves a process behind that has its outputs.
assert.eq(sh("sleep 1000 & echo begun").out, "begun\n")
assert.eq(sh("(trap '' PIPE; while :; do echo on; sleep 0.1; done) & echo begun >&2").err, "begun\n")

# It writes without end, or does not end.
assert.fails(lambda: sh("yes"), "^sh yes: it wrote more than 64 MiB\n  y")
assert.fails(lambda: sh("yes >&2", background=True).wait(), "it wrote more than 64 MiB")
assert.fails(lambda: sh("trap '' TERM INT HUP; echo so far >&2; sleep 1000; sleep 1000", timeout="200ms"), ": timed out\n  so far$")
`, "")
}

// TestShInTheBackground reads the state of a program that runs in the background.
func TestShInTheBackground(t *testing.T) {
	want(t, `
p = sh("echo begun; read x; echo got $x >&2; exit 5", input="line\n", background=True)
assert.eq(p.wait(), 5)
assert.eq([p.out, p.err, p.status], [b"begun\n", b"got line\n", 5])
assert.eq(p.wait(), 5)
p.kill()

p = sh("trap 'echo told; exit 7' TERM; echo ready; while :; do sleep 0.01; done", background=True)
while not p.out: p2 = sh("sleep 0.01")
assert.eq([p.out, p.status, type(p.pid)], [b"ready\n", None, "int"])
assert.fails(lambda: p.wait(timeout="10ms"), "^program.wait trap .*: timed out$")
assert.true("running" in str(p))
p.kill()
assert.eq([p.wait(), p.out], [7, b"ready\ntold\n"])

p = sh("sleep 1000 & sleep 1000", background=True)
p.kill("sigkill")
assert.eq(p.wait(), 137)
p = sh(["sleep", "1000"], background=True, timeout="50ms")
assert.fails(p.wait, "^sh sleep 1000: timed out$")
assert.eq(p.status, 137)
assert.fails(lambda: p.kill("TREM"), 'signal is a name such as "TERM" or a number from 1 to 64, got "TREM"')
assert.fails(lambda: p.kill(0), "signal is a name")
assert.fails(lambda: p.kill(1.5), "signal is a name")

# At its end a process of its own has the outputs still: what that writes belongs to it.
p = sh("(sleep 0.3; echo late) & echo soon", background=True)
p.wait()
assert.eq(p.out, "soon\n")
while p.out != b"soon\nlate\n": sh("sleep 0.01")
assert.eq(now(), 0.0)
`, "")
}

// pids returns the process numbers that a script has printed. The script prints one per line.
func (s *testSession) pids(t *testing.T) (list []int) {
	t.Helper()
	s.Flush()
	for _, w := range strings.Fields(s.out.String()) {
		n, err := strconv.Atoi(w)
		if err != nil {
			t.Fatalf("printed %q", s.out.String())
		}
		list = append(list, n)
	}
	return list
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// wantGone waits until processes have ended, and fails the test if one has not. The time limit only guards against a
// hang.
func wantGone(t *testing.T, what string, list ...int) {
	t.Helper()
	for _, pid := range list {
		for range 2000 {
			if !alive(pid) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if alive(pid) {
			t.Errorf("%s: process %d is left", what, pid)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// daemon is a command that leaves behind a process in a session of its own, which ignores SIGTERM, SIGHUP and SIGINT,
// has closed its outputs, and has printed its number.
const daemon = `(trap '' TERM HUP INT; echo $(setsid sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' &)) `

// A timeout ends the whole group of the program, and the processes that have left the group.
func TestShTimeoutEndsTheGroup(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	if err := s.RunCommand(`catch(lambda: sh("setsid sh -c 'echo $$ >a; sleep 1000' & sh -c 'echo $$ >b; sleep 1000' & while ! [ -s a -a -s b ]; do sleep 0.01; done; sleep 1000", timeout="2s"))`); err != nil {
		t.Fatal(s.err.String())
	}
	for _, name := range []string{"a", "b"} {
		b, err := os.ReadFile(name)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil || pid == 0 {
			t.Fatalf("%s has %q: %v", name, b, err)
		}
		wantGone(t, name, pid)
	}
}

// The end of a session ends its programs and their daemons, and not those of another session.
func TestShEndsWithTheSession(t *testing.T) {
	a, b := newSim(t, 1), newSim(t, 1)
	for _, s := range []*testSession{a, b} {
		if err := s.RunSource("test.star", `
p = sh(["sh", "-c", "trap '' TERM; echo x; sleep 1000; sleep 1000"], background=True)
while not p.out: sh("sleep 0.01")
print(p.pid)
q = sh("""`+daemon+`""")
print(str(q.out).strip())
print(str(sh("env -i sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!'").out).strip())
`); err != nil {
			t.Fatal(s.err.String())
		}
	}
	ofA, ofB := a.pids(t), b.pids(t)
	for _, pid := range append(ofA[:2:2], ofB...) {
		if !alive(pid) {
			t.Errorf("process %d of %v %v has ended too early", pid, ofA, ofB)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "the first session", ofA[:2]...)
	for _, pid := range ofB {
		if !alive(pid) {
			t.Errorf("process %d of the other session has ended with the first", pid)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "the other session", ofB[:2]...)
	command.End() // ends also the processes without an environment
	wantGone(t, "the process", ofA[2], ofB[2])
}

// waits is a live runner that sleeps while its world has no event.
type waits struct{ onWall }

func (r waits) Idle(wake <-chan struct{}) bool {
	if !r.Runner.Idle(wake) {
		<-wake
	}
	return true
}

// An interrupt ends the program that a task waits for, and the session continues. The clock is the simulated one or the
// wall clock.
func TestShInterrupted(t *testing.T) {
	for _, wall := range []bool{false, true} {
		for _, call := range []string{
			`sh("echo $$ >pid; trap '' INT TERM; sleep 1000; sleep 1000")`,
			`p = sh("echo $$ >begun; sleep 1000", background=True); write_file("pid", str(p.pid)); p.wait()`, // sh() has returned
		} {
			t.Chdir(t.TempDir())
			s := newSim(t, 1)
			if wall {
				s.home.Runner, s.virt = waits{onWall{s.home.Runner}}, nil
			}
			done := make(chan error, 1)
			go func() { done <- s.RunCommand(call) }()
			pid := 0
			for range 2000 {
				b, _ := os.ReadFile("pid")
				if pid, _ = strconv.Atoi(strings.TrimSpace(string(b))); pid != 0 {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			s.Interrupt()
			select {
			case err := <-done:
				if got := status(err); got != 130 {
					t.Errorf("%s: exit status %d: %s", call, got, s.err.String())
				}
			case <-time.After(30 * time.Second):
				t.Fatalf("%s: not ended by the interrupt", call)
			}
			if strings.Contains(call, "background") {
				if !alive(pid) {
					t.Errorf("%s: the interrupt of a wait ended the program", call)
				}
			} else {
				wantGone(t, call, pid)
			}
			if err := s.RunCommand(`assert.eq(sh("echo on").out, "on\n")`); err != nil {
				t.Errorf("afterwards: %s", s.err.String())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			wantGone(t, call+" after the end", pid)
		}
	}
}

// descriptors returns the number of open file descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// children returns how many children of this process run, and how many are zombies.
func children(t *testing.T) (running, zombies int) {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b), ") ")
		switch f := strings.Fields(rest); {
		case len(f) < 2 || f[1] != strconv.Itoa(os.Getpid()):
		case f[0] == "Z":
			zombies++
		default:
			running++
		}
	}
	return running, zombies
}

// TestShLeaksNothing runs programs of each kind repeatedly. Only the daemons of the last programs stay, and no file
// descriptor.
func TestShLeaksNothing(t *testing.T) {
	s := newSim(t, 1)
	round := `
def round(n):
    for _ in range(n):
        sh(["true"])
        sh("cat", input="x" * 100000)
        catch(lambda: sh(["no-such-program"], input="x"))
        sh("true", input="x" * 1000000)
        p = sh(["sleep", "1000"], background=True)
        p.kill("KILL"); p.wait()
        sh("(sh -c 'exit 0' &) ; exit 0")
`
	if err := s.RunSource("test.star", round+"round(3)"); err != nil {
		t.Fatal(s.err.String())
	}
	files := descriptors(t)
	if err := s.RunSource("test.star", round+`round(200)
for _ in range(5): sh("exec 3<&0; (sleep 1000 <&3 >/dev/null 2>&1 &)", input="x" * 1000000)
`); err != nil {
		t.Fatal(s.err.String())
	}
	if n, _ := children(t); n < 5 {
		t.Errorf("%d of 5 daemons are left", n)
	}
	left := func() string {
		n, dead := children(t)
		if live := s.programs.Len(); live > 0 || descriptors(t) > files || n+dead > 5 {
			return fmt.Sprintf("%d programs, %d descriptors before and %d after, %d children", live, files, descriptors(t), n+dead)
		}
		return ""
	}
	for range 1000 {
		if left() == "" {
			break
		}
		if err := s.RunCommand(`_ = sh("true")`); err != nil {
			t.Fatal(s.err.String())
		}
	}
	if said := left(); said != "" {
		t.Error(said)
	}
}

// The number of programs at a time is bounded.
func TestShBound(t *testing.T) {
	s := newSim(t, 1)
	if err := s.RunSource("test.star", `
def many():
    return [sh(["sleep", "1000"], background=True) for _ in range(1000)]
assert.fails(many, "^sh: 256 programs run already$")
`); err != nil {
		t.Fatal(s.err.String())
	}
}

// A session without files runs no program.
func TestShNoFiles(t *testing.T) {
	s := newSim(t, 1)
	s.cfg.NoFiles = true
	if got := status(s.RunCommand(`sh("touch made")`)); got != 1 || !strings.Contains(s.err.String(), "sh: "+errNoFiles) {
		t.Errorf("exit status %d: %s", got, s.err.String())
	}
	if s.RanPrograms() {
		t.Error("the session has run a program")
	}
}

// The prompt shows the output of a program.
func TestShDisplay(t *testing.T) {
	s := newSim(t, 1)
	s.cfg.Terminal = true
	if err := s.RunCommand(`sh("printf 'a\\033[2J\\nb\\n'"); sh("echo c; exit 4", check=False); sh("true")`); err != nil {
		t.Fatal(s.err.String())
	}
	s.Flush()
	if got, want := s.out.String(), "a\\x1b[2J\nb\nc\nstatus 4\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// A program reads every packet so far in the file of a capture that goes on.
func TestShReadsACapture(t *testing.T) {
	t.Chdir(t.TempDir())
	want(t, `
c = capture("x.pcapng")
tcp.connect("192.168.69.100:7")
n = len(sh("cat x.pcapng").out)
tcp.connect("192.168.69.100:7")
p = sh("cat x.pcapng", background=True)
p.wait()
assert.gt(len(p.out), n)
c.stop()
assert.eq(p.out, read_file("x.pcapng"))
`, "")
}
