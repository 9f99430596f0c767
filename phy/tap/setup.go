//go:build linux

package tap

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Setup configures the kernel's interface called name, in the calling thread's network namespace. It sets an MTU in
// octets (0: unchanged), adds addresses, and brings the interface up. Addresses that the interface has already stay.
// IPv6 addresses can be used at once, without duplicate address detection. It needs CAP_NET_ADMIN.
func Setup(name string, addrs []netip.Prefix, mtu int) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if mtu > 0 {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("%s: MTU %d: %w", name, mtu, err)
		}
	}
	for _, a := range addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{
			IP:   a.Addr().AsSlice(),
			Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen()),
		}}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("%s: address %v: %w", name, a, err)
		}
	}
	return SetUp(name, true)
}

// SetUp brings the kernel's interface called name up or down. It needs CAP_NET_ADMIN.
func SetUp(name string, up bool) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	set, word := netlink.LinkSetUp, "up"
	if !up {
		set, word = netlink.LinkSetDown, "down"
	}
	if err := set(link); err != nil {
		return fmt.Errorf("%s: bringing it %s: %w", name, word, err)
	}
	return nil
}
