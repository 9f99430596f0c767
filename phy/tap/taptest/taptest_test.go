//go:build linux

package taptest

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// TestBothVersionsOfIP: a TAP and a pair of Ethernet interfaces have addresses of both versions of IP, and Hurry
// shortens the kernel's timers for each.
func TestBothVersionsOfIP(t *testing.T) {
	Namespace(t)
	s := NewSpace(t)
	for _, addr := range []string{"10.9.0.1/24", "fdaa::1/64"} {
		prefix := netip.MustParsePrefix(addr)
		peer := prefix.Addr().Next()
		name := "near" + map[bool]string{true: "4", false: "6"}[peer.Is4()]
		Veth(t, name, addr, s, "far", netip.PrefixFrom(peer, prefix.Bits()).String())
		Hurry(t, name, prefix, 20*time.Millisecond)
		var ln net.Listener
		var err error
		s.Do(func() { ln, err = net.Listen("tcp", netip.AddrPortFrom(peer, 7).String()) })
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		ln.Close()
		link, err := netlink.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		family := netlink.FAMILY_V6
		if peer.Is4() {
			family = netlink.FAMILY_V4
		}
		routes, err := netlink.RouteList(link, family)
		found := 0
		for _, r := range routes {
			if r.Dst != nil && r.Dst.String() == prefix.Masked().String() {
				if found++; r.RtoMin != 20 {
					t.Errorf("the route %v has RtoMin %d", r, r.RtoMin)
				}
			}
		}
		if err != nil || found != 1 {
			t.Errorf("routes %v, %v", routes, err)
		}
		s.Do(func() {
			if link, err = netlink.LinkByName("far"); err == nil {
				err = netlink.LinkDel(link)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	TAP(t, "tap0", netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("fdaa::1/64"))
	Hurry(t, "tap0", netip.MustParsePrefix("fdaa::1/64"), 20*time.Millisecond)
	if b, err := os.ReadFile("/proc/sys/net/ipv6/neigh/tap0/base_reachable_time_ms"); err != nil || string(b) != "1000\n" {
		t.Errorf("reachable time %q, %v", b, err)
	}
}
