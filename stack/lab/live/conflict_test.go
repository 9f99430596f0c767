//go:build linux

package live

import (
	"errors"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// TestConflictWithKernel: the kernel answers a probe for its own address, so that we do not take the address. An
// address that the kernel does not have becomes ours. When the kernel announces our address, we announce it at once and
// keep it (RFC 5227).
func TestConflictWithKernel(t *testing.T) {
	t.Parallel() // the test mostly waits
	taptest.NeedTools(t, "ip", "arping")
	r, h, p := onTAP(t)
	decided := make(chan error, 2)
	probe := func(a string) {
		var c *stack.AddrProbe
		r.Do(func(now clock.Instant) {
			var err error
			if c, err = p.Iface().ProbeAddr(now, netip.MustParsePrefix(a)); err != nil {
				decided <- err
				return
			}
			c.Signal.Wait(&stack.Waiter{Wake: func() {
				_, _, err := c.Done()
				decided <- err
			}})
		})
	}
	probe("192.168.69.100/24")
	select {
	case err := <-decided:
		if !errors.Is(err, stack.ErrInUse) {
			t.Errorf("the kernel's address: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was decided about the kernel's address")
	}
	probe("192.168.69.50/24")
	select {
	case err := <-decided:
		if err != nil {
			t.Errorf("a free address: %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was decided about a free address")
	}
	if out, err := exec.Command("ping", "-c1", "-W5", "192.168.69.50").CombinedOutput(); err != nil {
		t.Errorf("ping: %v\n%s", err, out)
	}

	heard := make(chan stack.Event, 8)
	r.Do(func(clock.Instant) { h.WatchConflicts(func(ev stack.Event) { heard <- ev }) })
	for _, line := range [][]string{
		{"ip", "addr", "add", "192.168.69.1/32", "dev", "tap0"},
		{"arping", "-U", "-c", "3", "-w", "4", "-I", "tap0", "192.168.69.1"},
	} {
		if out, err := exec.Command(line[0], line[1:]...).CombinedOutput(); err != nil && line[0] == "ip" {
			t.Fatalf("%v: %v\n%s", line, err, out)
		}
	}
	select {
	case ev := <-heard:
		if ev.Addr != ours || ev.New != stack.ConflictDefended {
			t.Errorf("told of %+v", ev)
		}
	default:
		t.Error("nobody told of the conflict")
	}
	counts := map[string]uint64{}
	r.Do(func(clock.Instant) {
		for _, c := range h.CounterInfos() {
			counts[c.Name] = c.Value
		}
		if len(p.Iface().Addrs()) != 2 || p.Iface().Addrs()[0].Addr() != ours {
			t.Errorf("our addresses are %v", p.Iface().Addrs())
		}
	})
	if counts["ArpInConflicts"] < 3 || counts["ArpOutDefences"] != 1 {
		t.Errorf("%d conflicts, %d defences", counts["ArpInConflicts"], counts["ArpOutDefences"])
	}
	standing(t, r, h)
}
