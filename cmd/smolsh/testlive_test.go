//go:build linux && !portable

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"smolsh/phy/tap/taptest"
)

const liveTests = `
def test_kernel():
    l = kernel.tcp.listen(80)
    c = tcp.connect("192.168.69.100:80")
    c.send("hello")
    assert.eq(l.accept().recv(), "hello")

def test_kernel_again():
    kernel.tcp.listen(80)

def test_fails():
    assert.eq(ping("192.168.69.100", count=1).received, 2)
`

// TestTestLive: live tests run beside the kernel. Each test has its own TAP. A failure leaves the capture of the failed
// run itself.
func TestTestLive(t *testing.T) {
	for _, who := range everyone(t) {
		folder := t.TempDir()
		if err := os.Chmod(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(folder, "live.star")
		if err := os.WriteFile(file, []byte(liveTests), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := who.start("test", "--live", file)
		cmd.Env = append(os.Environ(), "TEST_UNDECLARED_OUTPUTS_DIR="+folder)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != 1 {
			t.Errorf("%s: exit status %d, want 1", who.name, got)
		}
		for _, says := range []string{
			`ok    live\.star  test_kernel  `, `ok    live\.star  test_kernel_again  `, `FAIL  live\.star  test_fails  `,
			`live\.star:12: assert\.eq: got 1, want 2\n`, `tap0 <  192\.168\.69\.100 > 192\.168\.69\.1: ICMP echo reply`,
			`again:  smolsh test --live --run test_fails --seed 1 `, `2 passed, 1 failed`,
		} {
			if !regexp.MustCompile(says).Match(out) {
				t.Errorf("%s: said %s\nwant %s", who.name, out, says)
			}
		}
		left, _ := filepath.Glob(filepath.Join(folder, "*.pcapng"))
		if len(left) != 1 || filepath.Base(left[0]) != "live.test_fails.seed1.pcapng" {
			t.Errorf("%s: left %v", who.name, left)
		}
	}
}

// TestServerUnderTest: the live tests of Python's server, and the example, print the lines of the server's log.
func TestServerUnderTest(t *testing.T) {
	taptest.NeedTools(t, "python3", "ss")
	underTest(t, `(?s)\n6 passed, 0 failed `, "test", "--live", "../../examples/live/http_server.star")
	underTest(t, `^after the reset: 200\n192\.168\.69\.1 - - .*"GET / HTTP/1\.1" 200 -\n$`, "../../examples/server_under_test.star")
}

// TestNginxUnderTest: the same of nginx.
func TestNginxUnderTest(t *testing.T) {
	taptest.NeedTools(t, "nginx", "ss")
	underTest(t, `(?s)\n6 passed, 0 failed `, "test", "--live", "../../examples/live/nginx.star")
}

// TestHandheldLive: TCP ends that are moved by hand make their moves against the kernel, in both families.
func TestHandheldLive(t *testing.T) {
	underTest(t, `(?s)\n10 passed, 0 failed `, "test", "--live", "../../examples/live/handheld.star")
}

// underTest runs smolsh on the private lab as root, because another user need not be able to run this user's python3.
func underTest(t *testing.T, says string, args ...string) {
	t.Helper()
	root := everyone(t)[0]
	cmd := root.start(args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir(), "TEST_UNDECLARED_OUTPUTS_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !regexp.MustCompile(says).Match(out) {
		t.Errorf("%v: %v: said %s\nwant %s", args, err, out, says)
	}
}

// TestTestInterrupted: Ctrl-C ends a run with status 130 and reports the tests so far. On a terminal, the runner shows
// the progress in a line, which it removes at the end.
func TestTestInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "long.star")
	text := "def test_a():\n    pass\ndef test_b():\n    pass\ndef test_long():\n    while True:\n        sleep(1)\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(smolsh(t), "test", "--jobs", "1", file)
	cmd.Env = append(os.Environ(), "TERM=xterm")
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	var said strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(said.String(), "2 of 3") {
		n, err := tty.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, said.String())
		}
		said.Write(buf[:n])
	}
	time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() }) // in case the program does not end
	_ = cmd.Process.Signal(syscall.SIGINT)
	for {
		n, err := tty.Read(buf)
		said.Write(buf[:n])
		if err != nil {
			break
		}
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("exit status %d, want 130", got)
	}
	if want := regexp.MustCompile(`2 of 3 .*\r\x1b\[KSTOP +long\.star +test_long .*\r\n +interrupted while it ran\r\n(?s:.*)2 passed, 0 failed, 1 interrupted   .* interrupted, 0 not run\r\n$`); !want.MatchString(said.String()) {
		t.Errorf("said %q", said.String())
	}
}
