//go:build linux && !portable

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"smolsh/phy/tap/taptest"
)

const linkScript = `
serve("tcp", 7, echo)
on("link", lambda e: print("%s %s -> %s mtu %d, table %s %d" % (e.dev, e.old, e.new, e.mtu, ifaces()[0].state, ifaces()[0].mtu)))
print("ready")
wait()
`

// ip runs ip(8) in the calling goroutine's namespace.
func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := run("", "ip", strings.Fields(args)...); err != nil {
		t.Fatalf("ip %s: %s", args, out)
	}
}

// line sends a line over a connection and reads it back.
func line(t *testing.T, c net.Conn, r *bufio.Reader, text string) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintln(c, text)
	if got, err := r.ReadString('\n'); err != nil || got != text+"\n" {
		t.Fatalf("%s: got %q: %v", text, got, err)
	}
}

// changes alters a device: it sets its MTU, takes its link down and up, and finally deletes it. Each change is reported
// and shown in the table, and a connection survives all but the last. The deletion is reported in one line and leaves
// no work.
func changes(t *testing.T, p *program, dev string, do func(func()), cable func(up string)) {
	t.Helper()
	p.said("ready")
	c := dial(t, 7)
	defer c.Close()
	r := bufio.NewReader(c)
	line(t, c, r, "at first")
	do(func() { ip(t, "link set "+dev+" mtu 1300") })
	p.said(dev + ` UP -> UP mtu 1300, table UP 1300\n`)
	p.said(`smolsh: ` + dev + `: the MTU is 1300 now\n`)
	line(t, c, r, strings.Repeat("longer than the MTU ", 200))
	do(func() { ip(t, "link set "+dev+" down") })
	p.said(dev + ` UP -> NO-CARRIER mtu 1300, table NO-CARRIER 1300\n`)
	p.said(`smolsh: ` + dev + `: the link is down \(as root: ip link set ` + dev + ` up\)\n`)
	do(func() { ip(t, "link set "+dev+" up") })
	p.said(dev + ` NO-CARRIER -> UP mtu 1300, table UP 1300\n`)
	p.said(`smolsh: ` + dev + `: the link is up again\n`)
	line(t, c, r, "after the link was down")
	if cable != nil {
		cable("down")
		p.said(`smolsh: ` + dev + `: no carrier \(what is at the other end is down, or not plugged in\)\n`)
		cable("up")
		p.said(`(?s)up again\n.*no carrier.*up again\n`)
		line(t, c, r, "after the cable was out")
	}
	do(func() { ip(t, "link del "+dev) })
	p.said(`smolsh: ` + dev + ` is out of service: ` + dev + `: the device was deleted: device: closed\n`)
	p.said(dev + ` UP -> DOWN mtu 1300, table DOWN 1300\n|` + dev + ` NO-CARRIER -> DOWN`)
	before := ticks(t, p)
	time.Sleep(500 * time.Millisecond)
	if n := ticks(t, p) - before; n > 20 {
		t.Errorf("half a second without a device cost %d hundredths of a second", n)
	}
	p.stop()
	if n := strings.Count(p.out.String(), "out of service"); n != 1 {
		t.Errorf("that the device was deleted is said %d times:\n%s", n, p.out.String())
	}
}

// ticks returns the CPU time of the program, in hundredths of a second (proc_pid_stat(5)).
func ticks(t *testing.T, p *program) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return user + system
}

func TestTAPChangesUnderUs(t *testing.T) {
	taptest.NeedTools(t, "ip")
	namespace(t)
	taptest.Hurry(t, "tap0", netip.MustParsePrefix(kernel+"/24"), 20*time.Millisecond)
	changes(t, start(t, writeScript(t, linkScript)), "tap0", here, nil)
}

func TestInterfaceChangesUnderUs(t *testing.T) {
	taptest.NeedTools(t, "ip")
	taptest.Namespace(t)
	space := taptest.NewSpace(t)
	taptest.Veth(t, "veth0", kernel+"/24", space, "veth1", "")
	p := startIn(t, space.Do, "--device", "raw:veth1", "--addr", ours+"/24", writeScript(t, linkScript))
	changes(t, p, "veth1", space.Do, func(up string) { ip(t, "link set veth0 "+up) })
}

// TestLinkDownAtFirst starts the program on a TAP that is down. The program reports this at once with a remedy, and the
// remedy works.
func TestLinkDownAtFirst(t *testing.T) {
	taptest.NeedTools(t, "ip")
	namespace(t)
	ip(t, "link set tap0 down")
	p := start(t, "-c", `serve("tcp", 7, echo); print(ifaces()[0].state); wait()`)
	p.said(`smolsh: tap0: the link is down \(as root: ip link set tap0 up\)\n`)
	p.said(`NO-CARRIER\n`)
	ip(t, "link set tap0 up")
	p.said(`smolsh: tap0: the link is up again\n`)
	c := dial(t, 7)
	defer c.Close()
	line(t, c, bufio.NewReader(c), "at last")
}

// TestMTUOfAnExistingDevice: a device that is there keeps its MTU, and --mtu says so if it is to be larger.
func TestMTUOfAnExistingDevice(t *testing.T) {
	taptest.NeedTools(t, "ip")
	namespace(t)
	path := smolsh(t)
	for _, device := range []string{"tap:tap0", "raw:tap0"} {
		out, err := run("", path, "--device", device, "--mtu", "9000", "-c", "1")
		if want := "smolsh: --mtu: tap0 has an MTU of 1500, not 9000 (as root: ip link set tap0 mtu 9000)\n"; err == nil || out != want {
			t.Errorf("%s: %v: said %q, want %q", device, err, out, want)
		}
	}
	ip(t, "link set tap0 mtu 9000")
	if out, err := run("", path, "--device", "tap:tap0", "--mtu", "9000", "-c", "print(ifaces()[0].mtu)"); err != nil || out != "9000\n" {
		t.Errorf("%v: said %q", err, out)
	}
}

// sysctlSet changes a setting of the calling goroutine's namespace.
func sysctlSet(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}
