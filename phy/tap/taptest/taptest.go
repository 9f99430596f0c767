//go:build linux

// Package taptest makes network namespaces with TAP devices for tests, so that a test can have the kernel as its peer and does not
// touch the machine's network. It is for tests only.
package taptest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/ifconfig"
)

// Need skips the test if a requirement is missing. Its message names the requirement and how to get it. With CI=true
// the test fails instead.
func Need(t testing.TB, ok bool, what, get string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: %s", what, get)
	}
	t.Skipf("%s is missing: %s", what, get)
}

// NeedTools calls Need for programs, and names their Debian packages.
func NeedTools(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		_, err := exec.LookPath(tool)
		Need(t, err == nil, tool, "apt-get install iproute2 iputils-ping iputils-arping socat tshark python3 curl nginx-light ndisc6 radvd nftables tcpdump")
	}
}

// Namespace moves the calling goroutine permanently to a thread in a new network namespace with lo up. Programs that it
// starts and sockets that it opens are in the namespace; other goroutines are not.
func Namespace(t testing.TB) {
	t.Helper()
	Need(t, os.Geteuid() == 0, "root", "run the tests as root, or in a user namespace: unshare -Urn go test ./...")
	runtime.LockOSThread() // never unlocked: the thread, and so the namespace, ends with the goroutine
	err := unix.Unshare(unix.CLONE_NEWNET)
	Need(t, err == nil, "a network namespace", fmt.Sprintf("the machine must allow unshare(CLONE_NEWNET): %v", err))
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TAP makes a persistent TAP device in the namespace and brings it up. kernel is the addresses of the kernel's end, of
// either version of IP. The device is deleted with the namespace.
func TAP(t testing.TB, name string, kernel ...netip.Prefix) {
	t.Helper()
	link := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP}
	err := netlink.LinkAdd(link)
	Need(t, err == nil, "/dev/net/tun", fmt.Sprintf("it must be there and open to you (modprobe tun): %v", err))
	for _, fd := range link.Fds {
		fd.Close()
	}
	if err := ifconfig.Setup(name, kernel, 0); err != nil {
		t.Fatal(err)
	}
}

// Hurry shortens the kernel's timers, so that it recovers quickly from the losses and changes of a test. The shortest
// retransmission timeout becomes rtoMin, a SYN is retransmitted each second without back-off, and a wrong neighbour
// entry is detected in seconds instead of minutes.
func Hurry(t testing.TB, name string, kernel netip.Prefix, rtoMin time.Duration) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	_, subnet, err := net.ParseCIDR(kernel.Masked().String())
	if err != nil {
		t.Fatal(err)
	}
	route := netlink.Route{LinkIndex: link.Attrs().Index, Dst: subnet, Protocol: unix.RTPROT_KERNEL, RtoMin: int(rtoMin.Milliseconds()), RtoMinLock: true}
	family := "ipv6"
	if kernel.Addr().Is4() {
		route.Scope, route.Src, family = netlink.SCOPE_LINK, kernel.Addr().AsSlice(), "ipv4"
	} else {
		route.Priority = 256 // of the route that the kernel makes for its address
	}
	if err := netlink.RouteReplace(&route); err != nil {
		t.Fatal(err)
	}
	for file, value := range map[string]string{"base_reachable_time_ms": "1000", "delay_first_probe_time": "1"} {
		if err := os.WriteFile("/proc/sys/net/"+family+"/neigh/"+name+"/"+file, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	// With short timeouts the usual eight retransmissions of a closed socket are soon over, and the peer then waits for its FIN for ever.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_orphan_retries", []byte("30"), 0); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"tcp_syn_linear_timeouts", "tcp_syn_retries"} { // the first file exists since Linux 6.5
		if err := os.WriteFile("/proc/sys/net/ipv4/"+file, []byte("60"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
