//go:build linux && !portable

package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"smolsh/phy/tap/taptest"
)

// TestSchedulerLive runs testdata/script/proof/scheduler.star on a TAP. The kernel's host has a web server. The
// script's output is the same as on a virtual lab, where testdata/cli/scheduler.txtar runs it.
func TestSchedulerLive(t *testing.T) {
	taptest.NeedTools(t, "python3")
	namespace(t)
	web := exec.Command("python3", "-m", "http.server", "8000", "--bind", kernel, "--directory", t.TempDir())
	if err := web.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = web.Process.Kill(); _ = web.Wait() })
	path := smolsh(t)
	const ready = `
def up():
    return catch(http.get, "http://192.168.69.100:8000/", timeout="1s").error == None
local.lab.run_until(lambda: up() or sleep("50ms"), within="20s")`
	if out, err := run("", path, "--device", "tap:tap0", "-c", ready); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	start := time.Now()
	out, err := run("", path, "--device", "tap:tap0", "../../testdata/script/proof/scheduler.star", kernel+":8000")
	want := `[200, 200] ["main goes on", "one starts", "two starts"]
tcp 192.168.69.100:8000: timed out
canceled True []
HTTP/1.0 
deadlock: nothing left to happen
  task 0 main waits for task 5 lambda
  task 5 lambda waits for task 6 lambda
  task 6 lambda waits for task 5 lambda
`
	if !strings.HasPrefix(out, want) {
		t.Errorf("%v: said\n%s\nwant\n%s", err, out, want)
	}
	if took := time.Since(start); took < 70*time.Millisecond {
		t.Errorf("it took %v: less than its waits", took)
	}
}
