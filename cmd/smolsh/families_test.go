//go:build linux && !portable

package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap/taptest"
)

// TestFamiliesLive runs testdata/script/proof/families.star on a private lab: sockets of both families, with the kernel at the other end.
func TestFamiliesLive(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	if out, err := run("", smolsh(t), "../../testdata/script/proof/families.star"); err != nil || out != "done\n" {
		t.Errorf("%v: %s", err, out)
	}
}
