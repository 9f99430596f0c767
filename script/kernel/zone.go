package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// scoped returns ap with a zone if its address is of link-local scope and has none: the zone like of the other end, or else the only
// interface of the system that speaks IPv6 (RFC 4007 §6). The error names the addresses that the caller may mean.
func scoped(ap netip.AddrPort, like string) (netip.AddrPort, error) {
	a := ap.Addr()
	if !a.Is6() || a.Zone() != "" || !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() {
		return ap, nil
	}
	if like != "" {
		return inZoneOf(ap, []string{like})
	}
	return inZoneOf(ap, linkLocalZones())
}

// inZoneOf returns ap with the only zone of a list.
func inZoneOf(ap netip.AddrPort, zones []string) (netip.AddrPort, error) {
	a := ap.Addr()
	switch len(zones) {
	case 0:
		return ap, errors.New("no interface of the system speaks IPv6")
	case 1:
		return netip.AddrPortFrom(a.WithZone(zones[0]), ap.Port()), nil
	}
	ways := make([]string, len(zones))
	for k, z := range zones {
		ways[k] = a.WithZone(z).String()
	}
	return ap, fmt.Errorf("link-local address without its zone: write %s", strings.Join(ways, " or "))
}

// linkLocalZones returns the names of the system's interfaces that are up and have a link-local address.
func linkLocalZones() (names []string) {
	ifaces, _ := net.Interfaces()
	for _, i := range ifaces {
		addrs, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() == nil && n.IP.IsLinkLocalUnicast() {
				names = append(names, i.Name)
				break
			}
		}
	}
	return names
}

// HasAddr reports whether the system's interface with a name has the address a. It is false if there is no such interface.
func HasAddr(name string, a netip.Addr) bool {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return false
	}
	addrs, _ := i.Addrs()
	return slices.ContainsFunc(addrs, func(x net.Addr) bool {
		n, ok := x.(*net.IPNet)
		return ok && n.IP.Equal(a.AsSlice())
	})
}
