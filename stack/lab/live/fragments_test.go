package live

import (
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// TestKernelFragments: we answer the kernel's long pings and return its long datagrams, in fragments in both
// directions. The kernel reassembles ours.
func TestKernelFragments(t *testing.T) {
	r, h, _ := onTAP(t)
	taptest.NeedTools(t, "ping")
	for _, size := range []string{"1473", "4000", "65507"} {
		out, err := exec.Command("ping", "-c3", "-i0.01", "-W5", "-s", size, "192.168.69.1").CombinedOutput()
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
		if u, err = h.BindUDP(netip.MustParseAddrPort("192.168.69.1:7")); err != nil {
			t.Fatal(err)
		}
		u.OnEvent = echo
	})
	c, err := net.Dial("udp", "192.168.69.1:7")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, 65536)
	for _, size := range []int{1472, 1473, 9000, 65507} {
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
		ok, made := counterOf(h.Host, "IpReasmOKs"), counterOf(h.Host, "IpFragOKs")
		if ok != 12 || made != 12 || counterOf(h.Host, "IpReasmFails") != 0 {
			t.Errorf("%d datagrams put together, %d sent in fragments, want 12 and 12", ok, made)
		}
	})
}
