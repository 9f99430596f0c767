package topology

import (
	"fmt"
	"net/netip"
	"slices"

	"smolsh/stack/lab"
)

// SetGateway makes a the gateway of its family. The error says why it can't be the host's: it is on no network of the
// host's addresses, or the family has a gateway already. A link-local address of IPv6 is on the network of every host that speaks
// IPv6. The caller has set cfg.Addrs and cfg.IPv6.
func SetGateway(cfg *lab.HostConfig, a netip.Addr) error {
	of := &cfg.Gateway
	if a.Is6() {
		of = &cfg.Gateway6
	}
	switch {
	case of.IsValid():
		return fmt.Errorf("the gateways %v and %v are of one family", *of, a)
	case !reaches(cfg, a):
		return fmt.Errorf("the gateway %v is on no network of host %s", a, cfg.Name)
	}
	*of = a
	return nil
}

// SetGatewayHost makes the host called name the gateway of each family in which one of its addresses is on a network of the
// host's. It is an error if there is none.
func SetGatewayHost(cfg *lab.HostConfig, name string, addrs []netip.Prefix) error {
	found := false
	for _, is4 := range [...]bool{true, false} {
		i := slices.IndexFunc(addrs, func(p netip.Prefix) bool {
			a := p.Addr()
			return a.Is4() == is4 && !a.IsLinkLocalUnicast() && reaches(cfg, a)
		})
		if i < 0 {
			continue
		}
		if err := SetGateway(cfg, addrs[i].Addr()); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return fmt.Errorf("the gateway %s has no address on a network of host %s", name, cfg.Name)
	}
	return nil
}

// reaches reports whether the host has the address a as a neighbour.
func reaches(cfg *lab.HostConfig, a netip.Addr) bool {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return speaksIPv6(cfg)
	}
	return slices.ContainsFunc(cfg.Addrs, func(p netip.Prefix) bool { return p.Masked().Contains(a) })
}

// speaksIPv6 reports whether the host speaks IPv6 on an interface.
func speaksIPv6(cfg *lab.HostConfig) bool {
	return cfg.IPv6 == lab.IPv6On || cfg.IPv6 == lab.IPv6Default && len(cfg.Addrs) == 0 || cfg.Advertise != nil ||
		slices.ContainsFunc(cfg.Addrs, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// ForwardsByDefault reports whether a host of these addresses is a router unless its configuration says otherwise: it has several of
// one family.
func ForwardsByDefault(addrs []netip.Prefix) bool {
	count := map[bool]int{}
	for _, p := range addrs {
		if count[p.Addr().Is4()]++; count[p.Addr().Is4()] > 1 {
			return true
		}
	}
	return false
}

// Check returns an error if the configuration contradicts itself.
func Check(cfg *lab.HostConfig) error {
	switch {
	case cfg.Advertise == nil:
		return nil
	case !cfg.Forward:
		return fmt.Errorf("a host that advertises itself as a router forwards: forward is to be true, or left out")
	case cfg.IPv6 == lab.IPv6Off:
		return fmt.Errorf("a host that advertises itself as a router speaks IPv6: ipv6 is to be true, or left out")
	}
	return nil
}
