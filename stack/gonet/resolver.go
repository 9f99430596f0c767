package gonet

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"smolsh/stack/clock"
)

// A Resolver finds the addresses of names: those of the lab's hosts, in all their families, localhost, and, if the Net has DNS servers,
// those that the servers know. Its methods have the contract of net.Resolver's.
type Resolver struct{ net *Net }

// Resolver returns the Net's resolver.
func (n *Net) Resolver() *Resolver { return &Resolver{n} }

// LookupHost returns the addresses of a name as text, in the order in which they should be tried.
func (r *Resolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	var list []string
	for _, a := range addrs {
		list = append(list, a.String())
	}
	return list, err
}

// LookupIPAddr is LookupHost with the addresses as net.IPAddr, whose IP has 16 octets.
func (r *Resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	var list []net.IPAddr
	for _, a := range addrs {
		list = append(list, net.IPAddr{IP: net.IP(a.AsSlice()).To16(), Zone: a.Zone()})
	}
	return list, err
}

// LookupNetIP returns the addresses of a name of one network, ip, ip4 or ip6, in the order in which they should be tried (RFC 6724 §6).
// Errors: *net.DNSError, which errors.Is matches with the context's error if that was the cause; *net.AddrError for a literal of the other
// family; net.UnknownNetworkError; that of Fail. Deviates: a literal of IPv4 is not IPv4-mapped, as with package net.
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	family := 0
	switch network {
	case "ip":
	case "ip4":
		family = 4
	case "ip6":
		family = 6
	default:
		return nil, net.UnknownNetworkError(network)
	}
	addrs, err := r.lookup(ctx, family, host)
	if err == nil && len(addrs) == 0 {
		err = notFound(host)
		if _, e := netip.ParseAddr(host); e == nil {
			err = noSuitable(host)
		}
	}
	return addrs, err
}

// LookupAddr returns the names of the lab's hosts that have an address.
func (r *Resolver) LookupAddr(_ context.Context, addr string) ([]string, error) {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: "unrecognized address", Name: addr}
	}
	if err := r.net.failure(); err != nil {
		return nil, err
	}
	a = a.Unmap().WithZone("")
	var names []string
	r.net.do("names of "+addr, func(clock.Instant) {
		for _, h := range r.net.host.Lab().Hosts() {
			if slices.ContainsFunc(h.Addrs(), func(p netip.Prefix) bool { return p.Addr() == a }) {
				names = append(names, h.Name())
			}
		}
	})
	if len(names) == 0 {
		return nil, notFound(addr)
	}
	return names, nil
}

func notFound(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// lookup returns the addresses of a name or literal of a family, 0 for both. The list is empty if the name has none of that family.
func (r *Resolver) lookup(ctx context.Context, family int, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return only([]netip.Addr{a.Unmap()}, family), nil
	}
	if err := contextError(ctx.Err()); err != nil {
		_, late := err.(timeoutError)
		return nil, &net.DNSError{UnwrapErr: err, Err: err.Error(), Name: host, IsTimeout: late, IsTemporary: late}
	}
	if err := r.net.failure(); err != nil {
		return nil, err
	}
	if host == "" {
		return nil, notFound(host)
	}
	if isLocalhost(host) {
		return only([]netip.Addr{loopback(false), loopback(true)}, family), nil
	}
	addrs := r.ofHost(host)
	if addrs == nil {
		if len(r.net.servers) == 0 {
			return nil, notFound(host)
		}
		var err error
		if addrs, err = r.ask(ctx, family, host); err != nil {
			return nil, err
		}
	}
	addrs = only(addrs, family)
	r.net.do("sort addresses of "+host, func(clock.Instant) { addrs = r.net.host.SortDestinations(addrs) })
	return addrs, nil
}

// isLocalhost reports whether a name is localhost or below it: those are the host itself, whatever the servers say (RFC 6761 §6.3).
func isLocalhost(host string) bool {
	host = "." + strings.TrimSuffix(strings.ToLower(host), ".")
	return strings.HasSuffix(host, ".localhost")
}

// only returns the addresses of a family.
func only(addrs []netip.Addr, family int) (list []netip.Addr) {
	for _, a := range addrs {
		if fits(a, family) {
			list = append(list, a)
		}
	}
	return list
}

// ofHost returns the addresses of the lab's host with a name, whose case does not matter; nil if there is none. Link-local addresses are
// left out, because they need the zone of an interface.
func (r *Resolver) ofHost(name string) (addrs []netip.Addr) {
	name = strings.TrimSuffix(name, ".")
	r.net.do("host "+name, func(clock.Instant) {
		for _, h := range r.net.host.Lab().Hosts() {
			if !strings.EqualFold(h.Name(), name) {
				continue
			}
			addrs = make([]netip.Addr, 0, 2)
			for _, p := range h.Addrs() {
				if !p.Addr().IsLinkLocalUnicast() && !p.Addr().IsLoopback() {
					addrs = append(addrs, p.Addr())
				}
			}
			return
		}
	})
	return addrs
}
