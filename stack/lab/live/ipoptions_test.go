//go:build linux

package live

import (
	"os/exec"
	"regexp"
	"testing"

	"smolsh/phy/tap/taptest"
)

// TestKernelIPOptions: the replies to the kernel's pings with IP options have our address and time in the options, and
// the kernel finds no error in them.
func TestKernelIPOptions(t *testing.T) {
	onTAP(t)
	taptest.NeedTools(t, "ping")
	for name, c := range map[string]struct {
		args []string
		want string // a part of ping's output
	}{
		"record route":           {[]string{"-R"}, `RR:\s+192\.168\.69\.100\s+192\.168\.69\.1\s+192\.168\.69\.100\s`},
		"timestamps":             {[]string{"-T", "tsonly"}, `TS:\s+\d+ absolute\s+-?\d+ absolute not-standard\s`},
		"timestamps, addresses":  {[]string{"-T", "tsandaddr"}, `TS:\s+192\.168\.69\.100\s+\d+ absolute\s+192\.168\.69\.1\s+-?\d+ absolute not-standard\s`},
		"timestamps, ours asked": {[]string{"-T", "tsprespec", "192.168.69.100", "192.168.69.1"}, `TS:\s+192\.168\.69\.100\s+\d+ absolute\s+192\.168\.69\.1\s+-?\d+ absolute not-standard\s`},
	} {
		args := append(append([]string{"-n", "-c1", "-W5"}, c.args...), "192.168.69.1")
		out, err := exec.Command("ping", args...).CombinedOutput() // runs in this thread's namespace, and so not in a subtest
		if err != nil || !regexp.MustCompile(c.want).Match(out) {
			t.Errorf("%s: ping %v: %v\n%s", name, args, err, out)
		}
	}
}
