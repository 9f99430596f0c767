package autoconf

import (
	"cmp"
	"net/netip"
	"slices"

	"smolsh/stack/wire"
)

// defaultRoute is ::/0, the route through a default router.
var defaultRoute = netip.PrefixFrom(netip.IPv6Unspecified(), 0)

// routeKey identifies a route: two routers may advertise the same prefix.
type routeKey struct {
	dst netip.Prefix // masked
	via netip.Addr
}

// reserved reports whether all addresses of a masked prefix are link-local, multicast, loopback, IPv4-mapped or unspecified. No
// router has such a prefix to advertise (RFC 4861 §6.3.4, RFC 4291 §2.4, RFC 4291 §2.5.5.2).
func reserved(p netip.Prefix) bool {
	a, n := p.Addr(), p.Bits()
	return a.IsLinkLocalUnicast() && n >= 10 || a.IsMulticast() && n >= 8 || a.Is4In6() && n >= 96 ||
		(a.IsLoopback() || a.IsUnspecified()) && n == 128
}

// defaultRouter returns the lifetime in seconds and the preference with which an advertisement makes its sender a default router.
// A route information option for ::/0 overrides the header's values (RFC 4191 §3.1).
func defaultRouter(m *wire.RouterAdvertisement, o wire.NDOptions) (lifetime uint32, preference wire.Preference) {
	lifetime, preference = uint32(m.RouterLifetime), m.Preference
	for option, rest, ok := o.Next(); ok; option, rest, ok = rest.Next() {
		if r, ok := option.RouteInfo(); ok && r.Prefix.Bits() == 0 {
			lifetime, preference = r.Lifetime, r.Preference
		}
	}
	return lifetime, preference
}

// learnRouter adds, updates or removes the sender of an advertisement in the list of default routers (RFC 4861 §6.3.4).
func (s *State) learnRouter(from netip.Addr, m *wire.RouterAdvertisement, o wire.NDOptions) {
	lifetime, preference := defaultRouter(m, o)
	if lifetime != 0 && s.routers.full(from) && !s.evictRouter(preference) {
		s.refused.Routers++
		return
	}
	s.routers.learn(s.now, from, preference, lifetime)
}

// evictRouter removes a default router in favour of one with a preference: the router of the lowest preference, and among those
// the one whose lifetime ends first. It returns false if no router has a lower preference.
func (s *State) evictRouter(preference wire.Preference) bool {
	type router = entry[netip.Addr, wire.Preference]
	worst := slices.MinFunc(s.routers.entries, func(a, b router) int {
		return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.until, b.until))
	})
	if worst.value >= preference {
		return false
	}
	s.routers.remove(func(a netip.Addr) bool { return a == worst.key })
	s.refused.Evicted++
	return true
}

// learnRoute processes a route information option (RFC 4191 §2.3). learnRouter has processed one for ::/0.
func (s *State) learnRoute(from netip.Addr, r wire.RouteInfo) {
	dst := r.Prefix.Masked()
	switch {
	case dst.Bits() == 0:
	case reserved(dst):
		s.refused.BadPrefix++
	case !s.routes.learn(s.now, routeKey{dst, from}, r.Preference, r.Lifetime):
		s.refused.Routes++
	}
}

// learnPrefix processes a prefix information option: it makes a prefix on-link, or removes the prefix, and configures addresses.
// The two flags are independent (RFC 4861 §6.3.4). A prefix without the on-link flag says nothing about links (RFC 5942 §4).
func (s *State) learnPrefix(p *wire.PrefixInfo) {
	prefix := p.Prefix.Masked()
	if reserved(prefix) {
		s.refused.BadPrefix++
		return
	}
	if p.OnLink && !s.onLink.learn(s.now, prefix, struct{}{}, p.ValidLifetime) {
		s.refused.Prefixes++
	}
	if p.Autonomous {
		s.learnSource(prefix, p)
	}
}
