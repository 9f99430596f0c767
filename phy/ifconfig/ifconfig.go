//go:build linux

// Package ifconfig configures the kernel's end of a TAP, a TUN or a virtual cable: its addresses, its MTU and its state.
package ifconfig

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Setup configures the kernel's interface called name, in the calling thread's network namespace. It sets an MTU in
// octets (0: unchanged), adds addresses, and brings the interface up. Addresses that the interface has already stay.
// The IPv6 addresses, also the link-local one, can be used when Setup returns, since the kernel does not probe for
// duplicates (RFC 4862 §5.4). If the interface has no carrier yet, they can be used soon after it has one. It needs
// CAP_NET_ADMIN.
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
	dad := "/proc/sys/net/ipv6/conf/" + name + "/accept_dad"
	_ = os.WriteFile(dad, []byte("0"), 0) // for the link-local address; fails if the kernel has no IPv6
	for _, a := range addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{
			IP:   a.Addr().AsSlice(),
			Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen()),
		}}
		if a.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		err := netlink.AddrReplace(link, addr)
		if a.Addr().Is6() && errors.Is(err, unix.EACCES) {
			return fmt.Errorf("%s: address %v: the kernel's end speaks no IPv6 (as root: sysctl net.ipv6.conf.%s.disable_ipv6=0): %w", name, a, name, err)
		}
		if err != nil {
			return fmt.Errorf("%s: address %v: %w", name, a, err)
		}
	}
	if err := SetUp(name, true); err != nil {
		return err
	}
	return awaitLocal(name)
}

// awaitLocal waits until the kernel delivers packets for the IPv6 addresses of an interface with carrier. It adds their
// local routes from a work queue, and drops packets that arrive before. The limit only guards against a hang.
func awaitLocal(name string) error {
	for range 1000 {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if link.Attrs().RawFlags&unix.IFF_LOWER_UP == 0 {
			return nil
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_V6)
		if err != nil || len(addrs) == 0 {
			return nil // the kernel has no IPv6, or the interface uses none
		}
		routes, err := netlink.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{LinkIndex: link.Attrs().Index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL},
			netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if err != nil {
			return fmt.Errorf("%s: local routes: %w", name, err)
		}
		if !slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			return !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Dst != nil && r.Dst.IP.Equal(a.IP) })
		}) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil
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
