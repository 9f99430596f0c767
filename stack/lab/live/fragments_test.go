//go:build linux

package live

import (
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// TestKernelFragments: we answer the kernel's long pings and return its long datagrams, in fragments in both
// directions. The kernel reassembles ours.
func TestKernelFragments(t *testing.T) {
	for _, at := range []struct {
		ours, kernel netip.Prefix
		most         int // octets of the longest datagram that both ends accept
	}{{ourAddr, kernelAddr, 65507}, {ourAddr6, kernelAddr6, 65487}} {
		t.Run(at.ours.String(), func(t *testing.T) { // runs in a goroutine of its own, which stays in a namespace
			fragmentsBetween(t, at.ours, at.kernel, at.most)
		})
	}
}

func fragmentsBetween(t *testing.T, ours, kernel netip.Prefix, most int) {
	r, h, p := onTAPBetween(t, tap.Options{}, 1, lab.HostConfig{Addrs: []netip.Prefix{ours}}, kernel)
	taptest.NeedTools(t, "ping")
	us := ours.Addr().String()
	var whole int // octets of the longest datagram in one packet
	r.Do(func(clock.Instant) { whole = p.Iface().MTU() - 28 })
	if ours.Addr().Is6() {
		whole -= 20
	}
	for _, size := range []string{strconv.Itoa(whole + 1), "4000", strconv.Itoa(most)} {
		out, err := exec.Command("ping", "-c3", "-i0.2", "-W5", "-s", size, us).CombinedOutput()
		if err != nil || !strings.Contains(string(out), " 0% packet loss") {
			t.Errorf("ping -s %s: %v\n%s", size, err, out)
		}
	}
	var u *stack.UDPConn
	echo := func(now clock.Instant) {
		buf := make([]byte, 65536)
		for n, from, _ := u.Recv(buf); n >= 0; n, from, _ = u.Recv(buf) {
			if err := u.Send(now, buf[:n], from); err != nil {
				t.Errorf("sending %d octets back: %v", n, err)
			}
		}
	}
	r.Do(func(clock.Instant) {
		var err error
		if u, err = h.BindUDP(netip.AddrPortFrom(ours.Addr(), 7)); err != nil {
			t.Fatal(err)
		}
		u.OnEvent = echo
	})
	c, err := net.Dial("udp", net.JoinHostPort(us, "7"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 65536)
	for _, size := range []int{whole, whole + 1, 9000, most} {
		want := strings.Repeat("smolsh, ", size/8+1)[:size]
		if _, err := c.Write([]byte(want)); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("of %d octets %d came back: %v", size, n, err)
		}
	}
	r.Do(func(clock.Instant) {
		group := "Ip"
		if ours.Addr().Is6() {
			group = "Ip6"
		}
		ok, made := counterOf(h.Host, group+"ReasmOKs"), counterOf(h.Host, group+"FragOKs")
		if ok != 12 || made != 12 || counterOf(h.Host, group+"ReasmFails") != 0 {
			t.Errorf("%d datagrams put together, %d sent in fragments, want 12 and 12", ok, made)
		}
	})
}
