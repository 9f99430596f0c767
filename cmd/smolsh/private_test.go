//go:build linux && !portable

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap/taptest"
)

// These tests run the program without --device: it makes a namespace of its own, or runs without one.

// someone is a way to start smolsh: as root, or as an ordinary user with the test's /dev/net.
type someone struct {
	name  string
	start func(args ...string) *exec.Cmd
}

// asUser starts smolsh as nobody, in a mount namespace in which /dev/net/tun has the given mode, or is missing. The
// started process is smolsh itself; no shell runs in between.
func asUser(t *testing.T, path, mode string) someone {
	t.Helper()
	taptest.NeedTools(t, "unshare", "setpriv", "mount", "mknod")
	prepare := "mount -t tmpfs none /dev/net"
	if mode != "" {
		prepare += " && mknod -m " + mode + " /dev/net/tun c 10 200"
	}
	probe := prepare + " && exec setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn true"
	out, err := exec.Command("unshare", "-m", "sh", "-c", probe).CombinedOutput()
	taptest.Need(t, err == nil, "an ordinary user with namespaces",
		fmt.Sprintf("run the tests as root, where user namespaces are open (%v: %s)", err, out))
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := prepare + ` && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$0" "$@"`
	return someone{"user", func(args ...string) *exec.Cmd {
		cmd := exec.Command("unshare", append([]string{"-m", "sh", "-c", run, path}, args...)...)
		cmd.Dir = "/"
		return cmd
	}}
}

func everyone(t *testing.T) []someone {
	t.Helper()
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	path := smolsh(t)
	return []someone{
		{"root", func(args ...string) *exec.Cmd { return exec.Command(path, args...) }},
		asUser(t, path, "0666"),
	}
}

// TestPrivateLab runs lines on the private lab, as root and as an ordinary user, and checks both outputs and the exit status.
func TestPrivateLab(t *testing.T) {
	for _, who := range everyone(t) {
		for _, c := range []struct {
			args   []string
			stdin  string
			status int
			says   string // the whole output
		}{
			{[]string{"-c", `print(ping("192.168.69.100", count=1).received)`}, "", 0, `(?s)^56 octets from 192\.168\.69\.100: .*\n1\n$`},
			{[]string{"-c", `x`}, "", 1, `^undefined: x`},
			// A seed repeats packets, where there were any.
			{[]string{"-c", `1 +`}, "", 1, `^got end of file, want primary expression\n  <command>:1:4\n      1 \+\n$`},
			{[]string{"-c", `ping("192.168.69.100", count=1); 1 // 0`}, "", 1, `(?s)floored division.*\nsmolsh: the seed of the host local was drawn: --seed \d+ repeats it\.`},
			{[]string{"-c", `serve("tcp", 7, echo)`}, "", 0, `^server tcp \*:7\nsmolsh: server tcp \*:7 ends with the script, before anyone came: wait\(\) at the end keeps it\n$`},
			{nil, "serve('tcp', 7, echo); x = serve('udp', 7, echo)", 0, `smolsh: server tcp \*:7 and 1 more end with the script, before anyone came: wait\(\) at the end keeps them\n$`},
			{[]string{"-c", `s = serve("tcp", 7, echo); t = serve("udp", 7, echo); t.stop(); c = tcp.connect("192.168.69.1:7"); x = c.send("x"); print(c.recv())`}, "", 0, `^x\n$`},
			{[]string{"--device", "lab", "-c", "exit(3)"}, "", 3, `^$`},
			{[]string{"-c", "exit(130)"}, "", 130, `^$`},
			{[]string{"-c", "print(args)", "a", "b"}, "", 0, `^\["a", "b"\]\n$`},
			{nil, "print('read')", 0, `^read\n$`},
			{[]string{"--addr", "192.168.69.1/24", "--addr", "192.168.69.1/24", "-c", "1"}, "", 2, `^smolsh: .*already there\n$`},
			{[]string{"--mtu", "65522", "-c", "1"}, "", 2, `^smolsh: --mtu: a TAP takes packets of 65521 octets at most, not 65522\n$`},
			{[]string{"--mtu", "65521", "-c", "print(ifaces()[0].mtu)"}, "", 0, `^65521\n$`},
			{[]string{"--addr", "10.1.1.1/24", "-c", `print(tcp.connect("10.1.1.100:9"))`}, "", 1, `^tcp 10\.1\.1\.100:9: connection refused`},
			{[]string{"--addr", "10.1.1.1/24", "--kernel-addr", "10.1.1.9/24", "--kernel-addr", "fdbb::9/64", "-c",
				`print(tcp.connect("10.1.1.9:%d" % kernel.tcp.listen(0, addr="10.1.1.9").port).state, kernel.tcp.listen(80, addr="fdbb::9"))`},
				"", 0, `^ESTABLISHED kernel listener \[fdbb::9\]:80\n$`},
			{[]string{"-c", `print(kernel.udp.bind(7, addr="fdaa::100"), kernel.tcp.listen(80, addr="127.0.0.1"))`}, "", 0,
				`^kernel udp \[fdaa::100\]:7 kernel listener 127\.0\.0\.1:80\n$`},
		} {
			cmd := who.start(c.args...)
			cmd.Stdin = strings.NewReader(c.stdin)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != c.status {
				t.Errorf("%s: %q: exit status %d, want %d", who.name, c.args, got, c.status)
			}
			if !regexp.MustCompile(c.says).Match(out) {
				t.Errorf("%s: %q said %q, want %q", who.name, c.args, out, c.says)
			}
		}
	}
	if _, err := os.Stat("/sys/class/net/tap0"); err == nil {
		t.Error("tap0 is in the namespace that the tests were started in")
	}
}

// netns returns the network namespace of a process, "" if the process does not exist.
func netns(pid string) string {
	s, _ := os.Readlink("/proc/" + pid + "/ns/net")
	return s
}

// inNetns returns the processes in a network namespace.
func inNetns(ns string) (pids []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		if pid := filepath.Base(d); netns(pid) == ns {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestPrivateLabEnds ends the program in every way. The status is right, and no process stays in its namespace, which is therefore
// removed with its TAP.
func TestPrivateLabEnds(t *testing.T) {
	for _, who := range everyone(t) {
		for _, c := range []struct {
			sig    syscall.Signal
			status int
		}{{unix.SIGINT, 130}, {unix.SIGTERM, 143}, {unix.SIGQUIT, 131}, {unix.SIGKILL, -1}} {
			cmd := who.start("-c", `print("up"); sleep(3600)`)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal, even if the tests have one
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
				t.Fatalf("%s: %v", who.name, err)
			}
			pid := fmt.Sprint(cmd.Process.Pid)
			inside := pid // as root the process itself moves; otherwise its child is in the namespace
			if who.name != "root" {
				children, _ := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
				for _, task := range mustGlob(t, "/proc/"+pid+"/task/*/children") {
					b, _ := os.ReadFile(task)
					children = append(children, b...)
				}
				if len(strings.Fields(string(children))) == 0 {
					t.Fatalf("%s: no child", who.name)
				}
				inside = strings.Fields(string(children))[0]
			}
			ns := netns(inside)
			if ns == "" || ns == netns("self") {
				t.Errorf("%s: process %s is in the namespace %q, this one in %q", who.name, inside, ns, netns("self"))
			}
			devices, _ := os.ReadFile("/proc/" + inside + "/net/dev")
			if !strings.Contains(string(devices), "tap0:") {
				t.Errorf("%s: no tap0 there: %s", who.name, devices)
			}
			_ = cmd.Process.Signal(c.sig)
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.status {
				t.Errorf("%s: %v: exit status %d, want %d", who.name, c.sig, got, c.status)
			}
			for try := 0; len(inNetns(ns)) > 0; try++ { // a killed parent's child dies a moment later
				if time.Sleep(10 * time.Millisecond); try == 1000 {
					t.Fatalf("%s: %v left processes %v behind", who.name, c.sig, inNetns(ns))
				}
			}
		}
	}
}

func mustGlob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestNoPrivateLab: if the machine allows no private lab, the program uses the virtual lab. A script prints a line about it on
// standard error, and the shell's banner has the same line.
func TestNoPrivateLab(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0, "root", "run the tests as root")
	path := smolsh(t)
	for _, c := range []struct{ mode, line string }{
		{"0600", "/dev/net/tun may not be opened by you, so this is a virtual lab (as root: chmod 0666 /dev/net/tun)"},
		{"", "/dev/net/tun is not there, so this is a virtual lab (as root: modprobe tun; a container must be given it)"},
	} {
		who := asUser(t, path, c.mode)
		cmd := who.start("--kernel-addr", "192.168.69.7/24", "-c", `print(peer.addr, tcp.connect("192.168.69.7:7").state)`)
		out, err := cmd.CombinedOutput()
		if want := "smolsh: " + c.line + "\n192.168.69.7 ESTABLISHED\n"; err != nil || string(out) != want {
			t.Errorf("%v: said %q, want %q", err, out, want)
		}
		insisting, _, _ := strings.Cut(c.line, ", so")
		for _, args := range [][]string{{"--device", "lab", "-c", "1"}, {"bench", "--short", "--no-peers", "--run", "echo"}} {
			cmd := who.start(args...)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != 3 || !strings.Contains(string(out), insisting+" (as root: ") {
				t.Errorf("%q: status %d, and said %q", args, got, out)
			}
		}
		s := startShell(t, who.start())
		s.expect("smolsh 0.1   help() for help, Ctrl-D to leave\n" +
			"time stands still while nothing waits; !cmd is in this machine's own network\n" + c.line + "\n" +
			"you     192.168.69.1/24    02:00:00:00:00:02   link to peer, mtu 1500\n" +
			"you     fdaa::1/64\n" +
			"peer    192.168.69.100/24  answers ping, echo (7), http (8000)\n" +
			"peer    fdaa::100/64\n")
		s.end(0)
	}
}

// TestPrograms: a program that a script runs is in the lab's namespace, and reaches the script's servers and tasks,
// which continue to run.
func TestPrograms(t *testing.T) {
	taptest.NeedTools(t, "curl", "ip", "pgrep")
	const script = `
def answer(c):
    c.recv_until(b"\r\n\r\n")
    c.send("HTTP/1.0 200 OK\r\n\r\nafter " + str(ticks[0] > 3))
srv = serve("tcp", 8000, answer)
ticks = [0]
def tick(): ticks[0] += 1
ticker = every("1ms", tick)
assert.contains(sh("ip -o addr show tap0").out, "192.168.69.100/24")
sh("sleep 0.1")
print(sh(["curl", "-s", "http://192.168.69.1:8000/"]).out)
p = sh("sleep 1000", background=True)
t = spawn(sh, "sleep 1357; sleep 1000")
while sh("pgrep -fx 'sleep 1357'", check=False).status: sleep("10ms")
t.cancel()
print(catch(t.join).error, p.status)
sh("! pgrep -fx 'sleep 1357'")
def early(): assert.fails(lambda: p.wait(timeout="50ms"), "timed out")
early()
`
	for _, who := range everyone(t) {
		out, err := who.start("-c", script).CombinedOutput()
		if want := "after True\ncanceled None\n"; err != nil || string(out) != want {
			t.Errorf("%s: said %q, want %q: %v", who.name, out, want, err)
		}
	}
}

// TestPrivateBackground: a command in the background of the private lab ends with the shell.
func TestPrivateBackground(t *testing.T) {
	for _, who := range everyone(t) {
		for _, keys := range []string{"\x04", "exit(7)\r", "HUP"} {
			s := startShell(t, who.start())
			s.expect("smolsh> ")
			s.typed("!sleep 300 & setsid sleep 300 & echo =p''id=$!=\r")
			s.expect("=pid=")
			s.expect("=\n")
			_, rest, _ := strings.Cut(s.out.String(), "=pid=")
			number, _, _ := strings.Cut(rest, "=")
			last, err := strconv.Atoi(number)
			if err != nil {
				t.Fatalf("no pid in %q", s.out.String())
			}
			s.expect("smolsh> ")
			if keys == "HUP" {
				_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGHUP) // as the kernel does where a terminal is closed
			} else {
				s.typed(keys)
			}
			kill := time.AfterFunc(20*time.Second, func() { _ = s.cmd.Process.Kill() })
			_ = s.cmd.Wait()
			kill.Stop()
			for range 500 {
				if ended(last) {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if !ended(last) {
				t.Errorf("%s, %q: the command is still there", who.name, keys)
				_ = syscall.Kill(last, syscall.SIGKILL)
			}
		}
	}
}

// shellOnPTY is a shell at a terminal.
type shellOnPTY struct {
	t   *testing.T
	cmd *exec.Cmd
	tty *os.File
	out lockedBuffer
	got int // length of the output that was already expected
}

func startShell(t *testing.T, cmd *exec.Cmd) *shellOnPTY {
	t.Helper()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TERM=xterm", "NO_COLOR=1", "HOME=/nonexistent"}
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	s := &shellOnPTY{t: t, cmd: cmd, tty: tty}
	go func() { _, _ = io.Copy(&s.out, tty) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); tty.Close() })
	return s
}

// expect waits until text appears in the output, after the text expected before. The limit only guards against a hang.
func (s *shellOnPTY) expect(text string) {
	s.t.Helper()
	for try := 0; try < 2000; try++ {
		said := strings.ReplaceAll(s.out.String(), "\r\n", "\n")
		if i := strings.Index(said[min(s.got, len(said)):], text); i >= 0 {
			s.got += i + len(text)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("%q was not said: %q", text, s.out.String())
}

func (s *shellOnPTY) typed(text string) {
	s.t.Helper()
	if _, err := s.tty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// end ends the shell and checks its status.
func (s *shellOnPTY) end(status int) {
	s.t.Helper()
	s.expect("> ")
	s.typed("\x04")
	_ = s.cmd.Wait()
	if got := s.cmd.ProcessState.ExitCode(); got != status {
		s.t.Errorf("exit status %d, want %d: %q", got, status, s.out.String())
	}
}

// TestPrivateShell runs the shell on the private lab: its banner, commands in its namespace, the keyboard's interrupt.
func TestPrivateShell(t *testing.T) {
	taptest.NeedTools(t, "ping", "ip")
	for _, who := range everyone(t) {
		s := startShell(t, who.start())
		s.expect("smolsh 0.1   help() for help, Ctrl-D to leave\n" +
			"you     192.168.69.1/24    02:00:00:00:00:02   tap0, mtu 1500\n" +
			"you     fdaa::1/64\n" +
			"kernel  192.168.69.100/24  in a namespace of its own: try !ping -c1 192.168.69.1\n" +
			"kernel  fdaa::100/64\n")
		s.expect("smolsh> ")
		s.typed("!ping -c1 192.168.69.1\r")
		s.expect("1 packets transmitted, 1 received, 0% packet loss")
		s.expect("smolsh> ")
		s.typed("!ping -c1 fdaa::1\r")
		s.expect("1 packets transmitted, 1 received, 0% packet loss")
		s.expect("smolsh> ")
		s.typed("!ip -o addr show tap0 | wc -l; env | grep -c SMOLSH\r")
		s.expect("3\n0\n") // three addresses: IPv4, IPv6 and link-local; the mark variable is removed
		s.expect("smolsh> ")
		s.typed("!echo begun; sleep 1000; echo not said\r")
		s.expect("begun\n")
		s.typed("\x03")
		s.expect("smolsh> ")
		s.typed("tcp.listen(80).accept()\r")
		s.expect("accept()\n")
		time.Sleep(50 * time.Millisecond) // until the command waits
		s.typed("\x03")
		s.expect("smolsh> ")
		s.typed("2 * 3 * 7\r")
		s.expect("42\n")
		s.end(0)
	}
}
