//go:build linux && !portable

package doctor

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/phy/netif"
	"smolsh/phy/raw"
	"smolsh/phy/tap"
	"smolsh/phy/unixport"
)

func TestNamespaceObstacle(t *testing.T) {
	for _, c := range []struct {
		err      error
		settings map[string]string
		want     string
	}{
		{unix.EPERM, nil, "no network namespace may be made by you, so this is a virtual lab (run it as root; a container needs CAP_SYS_ADMIN)"},
		{unix.ENOSPC, map[string]string{"user.max_user_namespaces": "0"},
			"no network namespace may be made by you: user.max_user_namespaces is 0, so this is a virtual lab (as root: sysctl user.max_user_namespaces=10000)"},
		{fmt.Errorf("fork/exec x: %w", unix.EPERM), map[string]string{"kernel.unprivileged_userns_clone": "0"},
			"no network namespace may be made by you: kernel.unprivileged_userns_clone is 0, so this is a virtual lab (as root: sysctl kernel.unprivileged_userns_clone=1)"},
		{unix.EPERM, map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1", "user.max_user_namespaces": "5"},
			"no network namespace may be made by you: kernel.apparmor_restrict_unprivileged_userns is 1, so this is a virtual lab (as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0)"},
		{unix.EINVAL, nil, "the kernel has no network namespaces, so this is a virtual lab (it needs CONFIG_NET_NS and CONFIG_USER_NS)"},
	} {
		got := namespaceObstacle(c.err, func(name string) string { return c.settings[name] }).Virtual()
		if got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// TestExplain checks that each cause's text is complete: no placeholder is left over.
func TestExplain(t *testing.T) {
	words := []string{"addr", "A", "host", "H", "peer", "P", "chain", "C", "match", "M", "switch", "S", "filter", "F", "ignore", "I"}
	for _, c := range causes {
		err := c.err
		switch err {
		case unixport.ErrVersion, unixport.ErrMTU, unixport.ErrUser, unixport.ErrFull:
			err = &unixport.Error{Err: c.err, Ours: 1, Theirs: 0}
		}
		o := Explain(Device{"tap", "nosuch0"}, fmt.Errorf("wrapped: %w", err), words...)
		if o == nil || strings.ContainsAny(o.Why+o.Cure, "{}") {
			t.Errorf("%v: %v", c.err, o)
		}
	}
	for _, c := range []struct {
		d    Device
		err  error
		want string
	}{
		{Device{"raw", "eth9"}, netif.ErrNotFound, "there is no interface eth9 (ip -br link shows which there are)"},
		{Device{"tun", "lo"}, tap.ErrKind, "lo is a device, not a tun (smolsh --device raw:lo)"},
		{Device{"raw", "tun3"}, raw.ErrKind, "tun3 carries no Ethernet frames (as root: ip -br link shows which interfaces do)"},
		{Device{"switch", "/s"}, &unixport.Error{Err: unixport.ErrMTU, Ours: 1500, Theirs: 9000},
			"/s: the switch has an MTU of 9000, not 1500 (leave --mtu out, or smolsh switch --mtu 1500 /s)"},
	} {
		if o := Explain(c.d, c.err); o == nil || o.Text() != c.want {
			t.Errorf("%v of %v: %v, want %q", c.err, c.d, o, c.want)
		}
	}
	if o := Explain(Device{"tap", "tap0"}, errors.New("unheard of")); o != nil {
		t.Errorf("an unknown error: %v", o)
	}
}

// TestLinkObstacle tests both reasons why a link carries no frames.
func TestLinkObstacle(t *testing.T) {
	for _, c := range []struct {
		state netif.State
		want  string
	}{
		{netif.State{Up: true, Carrier: true}, ""},
		{netif.State{}, "e0: the link is down (as root: ip link set e0 up)"},
		{netif.State{Up: true}, "e0: no carrier (what is at the other end is down, or not plugged in)"},
	} {
		got := ""
		if o := linkObstacle("e0", c.state); o != nil {
			got = o.Text()
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.state, got, c.want)
		}
	}
}

// TestCheckup runs the checks with a program that only prints given output: the verdicts about the lab and about a switch, the
// order of the lines, and the result.
func TestCheckup(t *testing.T) {
	for _, c := range []struct {
		says, err string // the program's two outputs
		bad       *Obstacle
		ok        bool
		want      string // the last lines
	}{
		{says: "kernel 1", want: "ok    private lab     192.168.69.1 and the kernel at 192.168.69.100 answer each other\n" +
			"ok    private lab     fdaa::1 and the kernel at fdaa::100 answer each other\nok    /s              a switch\n", ok: true},
		{says: "kernel 1", bad: &Obstacle{"/s: gone", "serve it"}, want: "FAIL  /s              gone\n                      serve it\n"},
		{says: "peer 1", err: "smolsh: no namespace, so this is a virtual lab (run it as root)",
			want: "FAIL  private lab     no namespace\n                      run it as root\nok    /s              a switch\n"},
		{says: "kernel 0", want: "FAIL  private lab     the kernel's end does not answer \n" +
			"                      smolsh --trace -c 'ping(\"192.168.69.100\")' shows what passes\nok    /s              a switch\n"},
	} {
		checkup := Checkup{Private: true, Devices: []Device{{"switch", "/s"}},
			Program: func(...string) *exec.Cmd {
				return exec.Command("sh", "-c", `echo "$0"; echo "$1" >&2`, c.says, c.err)
			},
			Switch: func(d Device) Verdict { return Verdict{Subject: d.Name, Good: "a switch", Bad: c.bad} },
		}
		var b strings.Builder
		ok := checkup.Run(&b)
		machine := strings.Contains(b.String(), "FAIL  /dev/net/tun") || strings.Contains(b.String(), "FAIL  namespaces")
		if ok != (c.ok && !machine) || !strings.HasSuffix(b.String(), c.want) {
			t.Errorf("%q: ok is %v, and the end is to be\n%s\nof\n%s", c.says, ok, c.want, b.String())
		}
	}
}
