//go:build linux && !portable

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap/taptest"
)

// attempt is a block of README.md's commands to try: as root or as the user, and as a server if it runs until the chapter ends.
type attempt struct {
	user, server bool
	lines        []string
}

// attempts reads README.md: the blocks after a line <!-- try: … -->, by chapter, in order.
func attempts(t *testing.T) (chapters []string, blocks map[string][]*attempt) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	try := regexp.MustCompile(`^<!-- try: (root|user)( server)? -->$`)
	blocks = map[string][]*attempt{}
	chapter, inside := "", false
	var next *attempt
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		m := try.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "#") && !inside:
			chapter = strings.TrimLeft(line, "# ")
		case m != nil:
			if len(blocks[chapter]) == 0 {
				chapters = append(chapters, chapter)
			}
			next = &attempt{user: m[1] == "user", server: m[2] != ""}
			blocks[chapter] = append(blocks[chapter], next)
		case strings.HasPrefix(line, "```"):
			if inside = !inside; !inside {
				next = nil
			}
		case inside && next != nil:
			next.lines = append(next.lines, line)
		}
	}
	return chapters, blocks
}

// TestREADME tries the commands of README.md's chapters about devices, each chapter on a simulated machine: a network namespace
// with eth0, which leads to 192.0.2.1, and a /dev/net/tun that is open to all. The user is nobody.
func TestREADME(t *testing.T) {
	taptest.NeedTools(t, "ip", "ping", "socat", "setpriv", "iptables", "setcap", "sysctl", "unshare")
	path := smolsh(t)
	chapters, blocks := attempts(t)
	if want := "A TAP of your own, A TUN: no link layer, Beside the kernel on a cable: raw, Without root, Internet access"; strings.Join(chapters, ", ") != want {
		t.Fatalf("chapters with commands to try: %q", chapters)
	}
	for _, chapter := range chapters {
		t.Run(chapter, func(t *testing.T) {
			t.Parallel()
			dir := machine(t, path)
			for i, b := range blocks[chapter] {
				afterServer := i > 0 && blocks[chapter][i-1].server
				for _, line := range b.lines {
					t.Log("$ " + line)
					if b.server {
						p := serve(t, asWho(dir, b.user, "exec "+line))
						for i == len(blocks[chapter])-1 && p.out.String() == "" { // no later block waits for this program
							carryOut(t, dir, false, "ping -c1 -W5 192.0.2.1", false)
						}
						continue
					}
					carryOut(t, dir, b.user, line, afterServer)
				}
			}
		})
	}
}

// machine moves the calling goroutine to a simulated machine, and returns a folder with the program and the examples.
func machine(t *testing.T, path string) string {
	t.Helper()
	taptest.Namespace(t)
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount("none", filepath.Dir(doctor.TUNPath), "tmpfs", 0, "")
	}
	if err == nil {
		err = unix.Mknod(doctor.TUNPath, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200)))
	}
	if err == nil {
		err = unix.Chmod(doctor.TUNPath, 0o666)
	}
	taptest.Need(t, err == nil, "a mount namespace with /dev/net/tun", "run the tests as root")
	space := taptest.NewSpace(t)
	taptest.Veth(t, "eth0", "192.0.2.50/24", space, "eth0", "192.0.2.1/24")
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run("", "cp", path, filepath.Join(dir, "smolsh")); err != nil {
		t.Fatal(out)
	}
	if err := copyDir("../../examples", filepath.Join(dir, "examples")); err != nil {
		t.Fatal(err)
	}
	if out, err := run("", "chmod", "-R", "a+rX", dir); err != nil {
		t.Fatal(out)
	}
	return dir
}

// asWho returns a shell command for a line of the README, as root or as nobody.
func asWho(dir string, user bool, line string) *exec.Cmd {
	args := []string{"sh", "-c", line}
	if user {
		args = append([]string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "USER=nobody", "HOME="+dir)
	return cmd
}

// serve runs a line until the test ends.
func serve(t *testing.T, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

// carryOut runs a line to its end. With afterServer it is retried until the server runs.
func carryOut(t *testing.T, dir string, user bool, line string, afterServer bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		out, err := asWho(dir, user, line).CombinedOutput()
		said := string(out)
		good := err == nil && (!strings.Contains(line, "ping.star") || strings.Contains(said, "4 sent, 4 received")) &&
			(!strings.Contains(line, "socat") || said == "gfedcba\n")
		if good {
			return
		}
		if !afterServer || time.Now().After(limit) {
			t.Fatalf("$ %s\n%s%v", line, tail(said), err)
		}
	}
}

// TestREADMEUndoes: the undo commands of the chapters work, so that no setting, device or rule of the chapter is left
// on the machine.
func TestREADMEUndoes(t *testing.T) {
	taptest.NeedTools(t, "ip", "iptables", "sysctl")
	path := smolsh(t)
	_, blocks := attempts(t)
	dir := machine(t, path)
	for _, b := range blocks["Internet access"] {
		for _, line := range b.lines {
			if !b.user {
				carryOut(t, dir, false, line, false)
			}
		}
	}
	links, err := netlink.LinkList()
	if err != nil || len(links) != 2 {
		t.Errorf("links %v, %v", links, err)
	}
	if out, _ := run("", "iptables", "-t", "nat", "-S"); strings.Contains(out, "MASQUERADE") {
		t.Errorf("still there: %s", out)
	}
	if got := doctor.Sysctl("net.ipv4.ip_forward"); got != "0" {
		t.Errorf("ip_forward is %s", got)
	}
}
