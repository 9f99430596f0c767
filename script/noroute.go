package script

import (
	"fmt"
	"net/netip"
	"slices"

	"smolsh/stack"
	"smolsh/stack/lab"
)

// withoutRoute adds to the error of a host that has no route to a the reason: an interface that does not carry packets, or the call
// that makes a route. It returns err unchanged if the host has a route, because then a router has sent the error. Only the owner calls it.
func withoutRoute(h *lab.Host, a netip.Addr, err error) error {
	if a.IsLoopback() || h.Reaches(a) {
		return err
	}
	infos := h.RouteInfos()
	if i := notCarrying(h, a, infos); i != nil {
		if i.State == "DOWN" {
			return fmt.Errorf("%w (%s is down: ifaces()[%q].up())", err, i.Name, i.Name)
		}
		return fmt.Errorf("%w (%s has no carrier: it has no link, or the link is down)", err, i.Name)
	}
	if !a.IsGlobalUnicast() {
		return err
	}
	if len(h.IfaceInfos()) == 0 {
		return fmt.Errorf("%w (the host has no link: l.link(host, other) or switch.attach(host))", err)
	}
	family, example := "IPv4", "10.0.0.1/24"
	if a.Is6() {
		family, example = "IPv6", "fd00::1/64"
	}
	for _, r := range infos {
		if r.Dst.Bits() == 0 && r.Dst.Addr().Is4() == a.Is4() {
			return err
		}
	}
	own := func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() && p.Addr().IsGlobalUnicast() }
	if !slices.ContainsFunc(h.Addrs(), own) {
		return fmt.Errorf("%w (no address of %s: ifaces()[0].add_addr(%q))", err, family, example)
	}
	return fmt.Errorf("%w (no default route of %s: routes.add(\"default\", \"…\") with a router's %s address)", err, family, family)
}

// notCarrying returns the interface that prevents a host from reaching a, because it is switched off or its link is down: that of the
// zone of a, else that of the first route to a, else the first one if no interface carries packets. It returns nil if there is none.
func notCarrying(h *lab.Host, a netip.Addr, routes []stack.RouteInfo) *stack.IfaceInfo {
	ifaces := h.IfaceInfos()
	down := func(name string) *stack.IfaceInfo {
		k := slices.IndexFunc(ifaces, func(i stack.IfaceInfo) bool { return i.Name == name && !i.Up })
		if k < 0 {
			return nil
		}
		return &ifaces[k]
	}
	if a.Zone() != "" {
		return down(a.Zone())
	}
	for _, r := range routes {
		if r.Dst.Contains(a) {
			return down(r.Dev)
		}
	}
	if len(ifaces) == 0 || slices.ContainsFunc(ifaces, func(i stack.IfaceInfo) bool { return i.Up }) {
		return nil
	}
	return &ifaces[0]
}
