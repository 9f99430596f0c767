//go:build linux

package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"smolsh/phy/tap/taptest"
)

// asProgram is the environment variable with which the test's own binary is the program.
const asProgram = "LIVE_EXAMPLE_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns the command that runs the program.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// TestLive runs the program without a device, and types what it says. The kernel is curl's network, in the program's namespace.
func TestLive(t *testing.T) {
	taptest.NeedTools(t, "curl", "nsenter")
	taptest.Need(t, os.Geteuid() == 0, "root", "run the tests as root, with the tun module loaded")
	t.Run("root", func(t *testing.T) { fetch(t, program(t), "you are 192.168.69.100:", "you are [fdaa::100]:") })
	t.Run("tls", func(t *testing.T) { fetch(t, program(t, "-tls"), "you are 192.168.69.100:", "you are [fdaa::100]:") })
	if _, err := net.InterfaceByName("tap0"); err == nil {
		t.Error("tap0 is in the namespace in which the test was started")
	}
}

// TestLiveUser is TestLive for an ordinary user, with a /dev/net/tun that anyone may open.
func TestLiveUser(t *testing.T) {
	taptest.NeedTools(t, "curl", "nsenter", "unshare", "setpriv", "mount", "mknod")
	prepare := "mount -t tmpfs none /dev/net && mknod -m 0666 /dev/net/tun c 10 200"
	const user = " && exec setpriv --reuid 65534 --regid 65534 --clear-groups "
	out, err := exec.Command("unshare", "-m", "sh", "-c", prepare+user+"unshare -Urn true").CombinedOutput()
	taptest.Need(t, err == nil, "an ordinary user with namespaces", "run the tests as root, where user namespaces are open ("+string(out)+")")
	cmd := program(t)
	path := cmd.Path
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // of the folder in which go test has built the binary
			t.Fatal(err)
		}
	}
	unshare := exec.Command("unshare", "-m", "sh", "-c", prepare+user+`"$0"`, path)
	unshare.Env, unshare.Dir = cmd.Env, "/"
	fetch(t, unshare, "you are 192.168.69.100:", "you are [fdaa::100]:")
}

// TestLiveDevice names a TAP that exists, and one that does not.
func TestLiveDevice(t *testing.T) {
	taptest.NeedTools(t, "curl", "ip")
	taptest.Namespace(t)
	taptest.TAP(t, "tap7", kernels...)
	for _, device := range []string{"tap7", "tap8"} {
		fetch(t, program(t, "-device", device), "you are 192.168.69.100:", "you are [fdaa::100]:")
		if _, err := net.InterfaceByName(device); (err == nil) != (device == "tap7") {
			t.Errorf("after the end of the program: %s, %v", device, err)
		}
		if device == "tap7" {
			if out, err := exec.Command("ip", "link", "del", "tap7").CombinedOutput(); err != nil {
				t.Fatalf("%s", out)
			}
		}
	}
}

// fetch starts the program, runs each command that it prints, expects the beginnings of their answers, and ends the program by SIGINT.
func fetch(t *testing.T, cmd *exec.Cmd, want ...string) {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(out)
	var commands []string
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		if strings.Contains(lines.Text(), "curl") {
			commands = append(commands, lines.Text())
		}
	}
	if len(commands) != len(want) {
		t.Fatalf("the program printed the commands %q", commands)
	}
	for k, c := range commands {
		answer, err := exec.Command("sh", "-c", strings.Replace(c, "curl ", "curl --silent --show-error --max-time 30 ", 1)).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(answer), want[k]) {
			t.Errorf("%s: %q, %v", c, answer, err)
		}
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "GET / from ") {
			t.Errorf("the program said %q", lines.Text())
		}
	}
	cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v", err)
	}
}
