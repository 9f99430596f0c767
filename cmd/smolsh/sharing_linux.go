//go:build !portable

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"smolsh/phy/netif"
	"smolsh/phy/portclaim"
	"smolsh/phy/raw"
	"smolsh/stack"
	"smolsh/stack/wire"
)

// share attaches the host to an interface of the kernel with the kernel's own addresses and routes there (--share-address). The
// TCP and UDP ports of the host's sockets are taken from the kernel.
func (o *options) share(l *shellLab, d device, dev *raw.Device) error {
	addrs, routes, err := dev.Kernel()
	if err != nil {
		return deviceError(err)
	}
	if o.noIPv6 {
		addrs = ofIPv4(addrs)
	}
	if !slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return !p.Addr().IsLinkLocalUnicast() }) {
		return deviceFault(d, netif.ErrNoAddress)
	}
	if l.claims == nil {
		claims, err := portclaim.New()
		if err != nil {
			return deviceFault(d, err)
		}
		l.claims = claims
		l.local.WatchPorts(func(proto wire.Protocol, port uint16, bound bool) error {
			return l.portChanged(claims, proto, port, bound)
		})
		if first, last, ok := portclaim.EphemeralRange(); ok {
			l.local.AvoidPorts(first, last)
		}
	}
	if err := l.claims.AddInterface(dev.Index()); err != nil {
		return deviceError(err)
	}
	port, err := l.local.AttachShared(dev, addrs...)
	if err != nil {
		return usageError("%v", err)
	}
	for _, r := range routes {
		l.addKernelRoute(port.Iface(), addrs, r)
	}
	return nil
}

// portChanged takes a port from the kernel, or gives it back.
func (l *shellLab) portChanged(claims *portclaim.Claims, proto wire.Protocol, port uint16, bound bool) error {
	if !bound {
		err := claims.Release(proto, port)
		if err != nil {
			l.notes.say("the kernel does not get a port back: %v", err)
		}
		return err
	}
	err := claims.Claim(proto, port)
	if errors.Is(err, portclaim.ErrInUse) {
		return fmt.Errorf("%w: %w (as root: ss -tulnp shows whose)", stack.ErrPortInUse, err)
	}
	return err
}

// addKernelRoute gives the host a route of the kernel. A gateway outside the networks of the addresses gets a route of its own, by
// which the host accepts it as a neighbour. The networks of the addresses, and routes that the host can't have, are left out.
func (l *shellLab) addKernelRoute(i *stack.Iface, addrs []netip.Prefix, r netif.Route) {
	if !r.Gateway.IsValid() && slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Masked() == r.Dst }) {
		return
	}
	near := func(p netip.Prefix) bool { return p.Contains(r.Gateway) }
	if r.Gateway.IsValid() && !r.Gateway.IsLinkLocalUnicast() && !slices.ContainsFunc(addrs, near) {
		_ = l.local.AddRoute(netip.PrefixFrom(r.Gateway, r.Gateway.BitLen()), netip.Addr{}, i)
	}
	_ = l.local.AddRoute(r.Dst, r.Gateway, i)
}
