//go:build linux && !portable

package main

import (
	"os"
	"strings"
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

// TestKernelTablesLive runs testdata/script/proof/kernel.star on a private lab: the kernel's tables, a web server for the kernel's client,
// and a measurement towards the kernel.
func TestKernelTablesLive(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	out, err := run("", smolsh(t), "../../testdata/script/proof/kernel.star")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || lines[len(lines)-1] != "done" {
		t.Errorf("%v: %s", err, out)
	}
}
