//go:build linux

package tap

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/ifconfig"
)

// TestAddressesAreUsedAtOnce: after Setup the kernel has a local route for each of its IPv6 addresses, among them a
// link-local one, and probes for none of them.
func TestAddressesAreUsedAtOnce(t *testing.T) {
	for i := range 10 {
		for _, tun := range []bool{false, true} {
			name := "tap0"
			if tun {
				name = "tun0"
			}
			t.Run(name, func(t *testing.T) {
				inNamespace(t)
				open(t, name, Options{TUN: tun})
				if err := ifconfig.Setup(name, []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("fdaa::100/64"), netip.MustParsePrefix("fdbb::100/64")}, 0); err != nil {
					t.Fatal(err)
				}
				link, err := netlink.LinkByName(name)
				if err != nil {
					t.Fatal(err)
				}
				addrs, err := netlink.AddrList(link, netlink.FAMILY_V6)
				if err != nil {
					t.Fatal(err)
				}
				linkLocal := 0
				for _, a := range addrs {
					if a.IP.IsLinkLocalUnicast() {
						linkLocal++
					}
					if a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
						t.Errorf("round %d: %v is probed for", i, a)
					}
					to := net.IP(a.IP)
					routes, err := netlink.RouteGetWithOptions(to, &netlink.RouteGetOptions{OifIndex: link.Attrs().Index})
					if err != nil || len(routes) != 1 || routes[0].Type != unix.RTN_LOCAL {
						t.Errorf("round %d: packets for %v are not delivered: %+v, %v", i, a, routes, err)
					}
				}
				if len(addrs) != 3 || linkLocal != 1 {
					t.Errorf("round %d: addresses %v", i, addrs)
				}
			})
		}
	}
}
