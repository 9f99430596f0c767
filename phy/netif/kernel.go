//go:build linux

package netif

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Route is a route of the kernel by an interface.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr // the zero Addr for an on-link route
}

// Addrs returns the kernel's addresses on the interface that it uses now, those of IPv4 first: no tentative, duplicate or deprecated
// address of IPv6. A link-local address has no zone.
func (l *Link) Addrs() (addrs []netip.Prefix, err error) {
	link, err := l.handle.LinkByIndex(l.index)
	if err != nil {
		return nil, fmt.Errorf("%s: netlink: %w", l.Name, err)
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := l.handle.AddrList(link, family)
		if err != nil {
			return nil, fmt.Errorf("%s: netlink: %w", l.Name, err)
		}
		for _, a := range list {
			if p, ok := prefixOf(a.IPNet); ok && a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED|unix.IFA_F_DEPRECATED) == 0 {
				addrs = append(addrs, p)
			}
		}
	}
	return addrs, nil
}

// Routes returns the kernel's unicast routes of the main table by the interface, those of IPv4 first, and in each family the
// preferred ones first. Routes to link-local addresses are left out.
func (l *Link) Routes() (routes []Route, err error) {
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := l.handle.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if err != nil {
			return nil, fmt.Errorf("%s: netlink: %w", l.Name, err)
		}
		slices.SortStableFunc(list, func(a, b netlink.Route) int { return cmp.Compare(a.Priority, b.Priority) })
		for _, r := range list {
			hops := []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw, Via: r.Via}}
			if len(r.MultiPath) > 0 {
				hops = r.MultiPath
			}
			dst := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			if family == unix.AF_INET {
				dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			}
			if r.Dst != nil {
				var ok bool
				if dst, ok = prefixOf(r.Dst); !ok || dst.Addr().Is6() && dst.Addr().IsLinkLocalUnicast() {
					continue
				}
			}
			for _, hop := range hops {
				gw, _ := netip.AddrFromSlice(hop.Gw)
				if gw = gw.Unmap(); hop.LinkIndex == l.index && hop.Via == nil && !dst.Addr().IsMulticast() {
					routes = append(routes, Route{dst, gw})
				}
			}
		}
	}
	return routes, nil
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	a, ok := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), ones), ok
}
