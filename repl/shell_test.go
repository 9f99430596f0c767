package repl

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"smolsh/script"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
	"smolsh/stack/wire"
)

// TestMain makes the test's program also the shell that the tests drive through a terminal.
func TestMain(m *testing.M) {
	if kind := os.Getenv("SMOLSH_TEST_SHELL"); kind != "" {
		os.Exit(testShell(kind == "live"))
	}
	os.Exit(m.Run())
}

// testShell runs a shell on a lab of two hosts, with virtual or wall-clock time.
func testShell(wall bool) int {
	w := lab.NewWorld()
	l := lab.New(w, 1)
	host := func(name, addr string, last byte) *lab.Host {
		h, err := l.AddHost(lab.HostConfig{Name: name, MAC: wire.HardwareAddr{2, 0, 0, 0, 0, last}, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
		if err != nil {
			panic(err)
		}
		return h
	}
	local, peer := host("local", "192.168.69.1/24", 2), host("peer", "192.168.69.100/24", 0x64)
	if _, err := l.Link(local, peer, lab.LinkConfig{Delay: 100 * time.Microsecond}); err != nil {
		panic(err)
	}
	if err := script.Peer(peer); err != nil {
		panic(err)
	}
	var runner lab.Runner = lab.NewVirtual(w)
	if wall {
		var err error
		if runner, err = live.New(w); err != nil {
			panic(err)
		}
	}
	prompt := "virtual"
	if wall {
		prompt = "live"
	}
	sh := New(Config{Stdin: os.Stdin, Stdout: os.Stdout, Prompt: prompt, History: HistoryFile()})
	s := script.New(script.Config{Runner: runner, Lab: l, Local: local, Peer: peer, Seed: 1,
		Size: sh.size, Stdout: sh.Stdout(), Stderr: sh.Stderr(), Interactive: true, Heading: Heading, Terminal: true, ErrTerminal: true})
	if os.Getenv("SMOLSH_TEST_PANIC") != "" {
		runner.Do(func(clock.Instant) { peer.Observe(func(*stack.PacketEvent) { panic("enough") }) })
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	go func() {
		for range c {
			s.InterruptCall()
		}
	}()
	status := sh.Run(s)
	if err := s.Close(); err != nil {
		fmt.Println(err)
	}
	return status
}

// terminal is a shell on a pseudo-terminal, which has an emulated screen.
type terminal struct {
	t      *testing.T
	pty    *os.File
	cmd    *exec.Cmd
	prompt string
	mu     sync.Mutex
	more   sync.Cond
	screen *emulator
	bytes  []byte // all output so far
	over   bool
}

const (
	enter, tab, up, down, right, left = "\r", "\t", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
	home, end, del                    = "\x1b[1~", "\x1b[4~", "\x1b[3~"
	ctrlA, ctrlC, ctrlD, ctrlE, ctrlK = "\x01", "\x03", "\x04", "\x05", "\x0b"
	ctrlR, ctrlU, ctrlW               = "\x12", "\x15", "\x17"
)

// start starts a shell of the given kind, with additional environment, on a terminal of the given width, and waits for its prompt.
func start(t *testing.T, kind string, width int, env ...string) *terminal {
	t.Helper()
	return startSized(t, kind, width, 24, env...)
}

func startSized(t *testing.T, kind string, width, rows int, env ...string) *terminal {
	t.Helper()
	x := &terminal{t: t, screen: newEmulator(width), prompt: kind + "> "}
	x.more.L = &x.mu
	x.cmd = exec.Command(os.Args[0])
	races := filepath.Join(t.TempDir(), "race") // the race detector's report, if the test is built with it
	env = append(env, "GORACE=log_path="+races)
	x.cmd.Env = append([]string{"SMOLSH_TEST_SHELL=" + kind, "TERM=xterm", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	var err error
	if x.pty, err = pty.StartWithSize(x.cmd, &pty.Winsize{Rows: uint16(rows), Cols: uint16(width)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		x.cmd.Process.Kill()
		x.cmd.Wait()
		x.pty.Close()
		if found, _ := filepath.Glob(races + ".*"); len(found) > 0 {
			said, _ := os.ReadFile(found[0])
			t.Errorf("%s", said)
		}
	})
	go x.read()
	x.waitFor("the prompt", func(s string) bool { return lastLine(s) == strings.TrimRight(x.prompt, " ") })
	return x
}

func (x *terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := x.pty.Read(buf)
		x.mu.Lock()
		x.bytes = append(x.bytes, buf[:n]...)
		x.screen.write(buf[:n])
		x.over = err != nil
		x.more.Broadcast()
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

// patience is the time that any step may take on a busy machine.
const patience = 30 * time.Second

// waitFor waits until ok holds for the screen's text.
func (x *terminal) waitFor(what string, ok func(text string) bool) {
	x.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		x.mu.Lock()
		late = true
		x.more.Broadcast()
		x.mu.Unlock()
	})
	defer timer.Stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	for !ok(x.screen.text()) {
		if late || x.over {
			x.t.Fatalf("waiting for %s, the screen shows\n%s", what, x.screen.text())
		}
		x.more.Wait()
	}
}

// shows waits until the screen ends with a text.
func (x *terminal) shows(text string) {
	x.t.Helper()
	x.waitFor(fmt.Sprintf("%q", text), func(s string) bool { return strings.HasSuffix(s, text) })
}

// has waits until the screen contains a text.
func (x *terminal) has(text string) {
	x.t.Helper()
	x.waitFor(fmt.Sprintf("%q", text), func(s string) bool { return strings.Contains(s, text) })
}

func (x *terminal) keys(keys ...string) {
	x.t.Helper()
	if _, err := x.pty.WriteString(strings.Join(keys, "")); err != nil {
		x.t.Fatal(err)
	}
}

// clear forgets the screen, except for its last line.
func (x *terminal) clear() {
	x.mu.Lock()
	x.screen.forget()
	x.mu.Unlock()
}

// line types a line at an empty prompt, waits for the next prompt, and returns the output.
func (x *terminal) line(text string) string {
	x.t.Helper()
	x.clear()
	x.keys(text, enter)
	x.waitFor("the next prompt", func(s string) bool {
		return strings.Contains(s, "\n") && lastLine(s) == strings.TrimRight(x.prompt, " ")
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.screen.text()
	_, s, _ = strings.Cut(s[:strings.LastIndexByte(s, '\n')+1], "\n")
	return s
}

// exits waits until the shell ends, and checks its status.
func (x *terminal) exits(want int) {
	x.t.Helper()
	done := make(chan struct{})
	go func() {
		x.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		x.t.Fatalf("still there; the screen shows\n%s", x.screen.text())
	}
	if got := x.cmd.ProcessState.ExitCode(); got != want {
		x.t.Errorf("exit status %d, want %d", got, want)
	}
}
