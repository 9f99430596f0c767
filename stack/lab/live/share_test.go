//go:build linux

package live

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"smolsh/phy/fault"
	"smolsh/phy/tap/taptest"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// joins adds a host that shares the device of the port.
func joins(t *testing.T, r lab.Runner, p *lab.Port, name, addr string) (h *lab.Host) {
	t.Helper()
	r.Do(func(clock.Instant) {
		var s *lab.Switch
		var err error
		if h, err = p.Host().Lab().AddHost(lab.HostConfig{Name: name, Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}}); err == nil {
			if s, err = p.Share(); err == nil {
				_, err = s.Attach(h, lab.LinkConfig{Offload: true})
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return h
}

// between sends data from one host of ours to another and returns the hash of the received data.
func between(t *testing.T, r lab.Runner, from, to *lab.Host, addr string, data []byte) (sum [32]byte) {
	t.Helper()
	x := &transfer{order: bothClose, data: data, hash: sha256.New(), done: make(chan error, 2), buf: make([]byte, 64<<10)}
	y := &transfer{order: bothClose, expect: len(data), hash: sha256.New(), done: make(chan error, 2), buf: make([]byte, 64<<10)}
	at := netip.AddrPortFrom(netip.MustParseAddr(addr), 80)
	r.Do(func(now clock.Instant) {
		ln, err := to.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 80), 4, tcp.Config{})
		if err == nil {
			ln.OnEvent = func(now clock.Instant) {
				if c := ln.Accept(); c != nil {
					y.c, c.OnEvent = c, y.step
					ln.Close(now)
					y.step(now)
				}
			}
			if x.c, err = from.DialTCP(now, netip.AddrPort{}, at, tcp.Config{}); err == nil {
				x.c.OnEvent = x.step
			}
		}
		if err != nil {
			t.Error(err)
			x.done <- err
			y.done <- err
		}
	})
	for _, z := range []*transfer{x, y} {
		if err := <-z.done; err != nil {
			t.Errorf("%v", err)
		}
	}
	y.hash.Sum(sum[:0])
	return sum
}

// TestHostsShareATAP: hosts of ours share a TAP. A connection survives the moment at which the second host joins. The
// kernel reaches every host at its own address. The hosts reach the kernel and each other, with super-segments.
func TestHostsShareATAP(t *testing.T) {
	taptest.NeedTools(t, "ping", "ip")
	r, us, p := onTAP(t)
	data := make([]byte, 8<<20)
	rand.NewChaCha8([32]byte{7}).Read(data)
	want := sha256.Sum256(data)

	finish := exchange(t, r, us, tcp.Config{}, kernelAddr.Addr(), data, true, weClose) // in progress when the second host joins
	b := joins(t, r, p, "b", "192.168.69.2/24")
	if sum, err := finish(); err != nil || sum != want {
		t.Errorf("the connection from before: %v, hashes equal %v", err, sum == want)
	}
	c := joins(t, r, p, "c", "192.168.69.3/24")
	hosts := []*lab.Host{us, b, c}
	for i := range hosts {
		if out, err := exec.Command("ping", "-c", "5", "-i", "0.01", "-W", "2", fmt.Sprintf("192.168.69.%d", i+1)).CombinedOutput(); err != nil {
			t.Errorf("host %d: %v\n%s", i+1, err, out)
		}
	}
	for _, h := range hosts[:2] {
		for _, weSend := range []bool{true, false} {
			sum, err := exchange(t, r, h, tcp.Config{}, kernelAddr.Addr(), data, weSend, weClose)()
			if err != nil || sum != want {
				t.Errorf("%s, we send %v: %v, hashes equal %v", h.Name(), weSend, err, sum == want)
			}
		}
	}
	if between(t, r, us, b, "192.168.69.2", data) != want || between(t, r, c, us, "192.168.69.1", data) != want {
		t.Error("between hosts: the hashes differ")
	}

	out, err := exec.Command("ip", "neigh", "show", "dev", "tap0").Output()
	if err != nil {
		t.Fatal(err)
	}
	r.Do(func(now clock.Instant) {
		seen := map[string]bool{}
		for i, h := range hosts {
			mac := h.Ports()[0].Iface().MAC().String()
			if line := fmt.Sprintf("192.168.69.%d lladdr %s", i+1, mac); seen[mac] || !strings.Contains(string(out), line) {
				t.Errorf("the kernel's neighbours lack %q:\n%s", line, out)
			}
			seen[mac] = true
		}
		ports, _ := r.World().Devices()
		if len(ports) != 1 || ports[0].Device().Name() != "tap0" {
			t.Errorf("devices %v", ports)
		}
		if st := ports[0].(*lab.SwitchPort).Stats(); st.Dropped() != 0 {
			t.Errorf("dropped on the way to the TAP: %v", st.Drops)
		}
		if err := r.World().Conservation(); err != nil {
			t.Error(err)
		}
	})
}

// TestFaultsStayWithTheirHost: a fault rule on the interface of the TAP's first host applies to that host only.
func TestFaultsStayWithTheirHost(t *testing.T) {
	taptest.NeedTools(t, "ping")
	r, us, p := onTAP(t)
	rule := &fault.Rule{Dir: fault.RX, Loss: 1}
	r.Do(func(clock.Instant) { p.Faults().Add(rule) })
	b := joins(t, r, p, "b", "192.168.69.2/24")
	if out, err := exec.Command("ping", "-c", "3", "-i", "0.01", "-W", "2", "192.168.69.2").CombinedOutput(); err != nil {
		t.Errorf("the other host: %v\n%s", err, out)
	}
	if out, err := exec.Command("ping", "-c", "1", "-W", "1", "192.168.69.1").CombinedOutput(); err == nil {
		t.Errorf("what the rule drops was answered:\n%s", out)
	}
	r.Do(func(clock.Instant) {
		if rule.Hits == 0 || us.Ports()[0].Faults() != p.Faults() || !b.Ports()[0].Faults().Empty() {
			t.Errorf("%d hits, %d rules at the other host", rule.Hits, len(b.Ports()[0].Faults().Rules()))
		}
		p.Faults().Remove(rule)
	})
	if out, err := exec.Command("ping", "-c", "3", "-i", "0.01", "-W", "2", "192.168.69.1").CombinedOutput(); err != nil {
		t.Errorf("without the rule: %v\n%s", err, out)
	}
}

// TestASharedTAPChangesAndGoes: the hosts on a shared TAP adopt its MTU. After the TAP has been deleted they still
// reach each other.
func TestASharedTAPChangesAndGoes(t *testing.T) {
	taptest.NeedTools(t, "ip")
	r, us, p := onTAP(t)
	gone := make(chan error, 2)
	r.Do(func(clock.Instant) {
		r.World().OnSwitchError = func(_ *lab.SwitchPort, err error) { gone <- err }
	})
	b := joins(t, r, p, "b", "192.168.69.2/24")
	mtus := func() (got [2]int) {
		r.Do(func(clock.Instant) { got = [2]int{p.Iface().MTU(), b.Ports()[0].Iface().MTU()} })
		return got
	}
	if got := mtus(); got != [2]int{1500, 1500} {
		t.Errorf("MTUs %v", got)
	}
	if out, err := exec.Command("ip", "link", "set", "tap0", "mtu", "1400").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 500 {
		if mtus() == [2]int{1400, 1400} {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := mtus(); got != [2]int{1400, 1400} {
		t.Errorf("MTUs %v after the change, want 1400", got)
	}
	if out, err := exec.Command("ip", "link", "del", "tap0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := <-gone; err == nil {
		t.Error("told of no error")
	}
	data := make([]byte, 1<<20)
	if between(t, r, us, b, "192.168.69.2", data) != sha256.Sum256(data) {
		t.Error("between the hosts: the hashes differ")
	}
}
