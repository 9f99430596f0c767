package autoconf

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Router is a default router (RFC 4861 §5.1).
type Router struct {
	Addr       netip.Addr // link-local, without a zone
	Preference wire.Preference
	Lifetime   time.Duration // remaining, or Infinite by a route information option for ::/0
}

// Prefix is an on-link prefix (RFC 4861 §5.1).
type Prefix struct {
	Prefix netip.Prefix  // masked
	Valid  time.Duration // remaining, or Infinite
}

// Route is a route to another prefix than ::/0 (RFC 4191 §2.3).
type Route struct {
	Prefix     netip.Prefix // masked
	Via        netip.Addr   // link-local, without a zone
	Preference wire.Preference
	Lifetime   time.Duration // remaining, or Infinite
}

// Address is an address that the interface has configured. The host knows whether the address is tentative.
type Address struct {
	Addr       netip.Addr
	Prefix     netip.Prefix // of 64 bits, masked
	Temporary  bool         // RFC 8981
	Deprecated bool         // RFC 4862 §5.5.4
	Preferred  time.Duration
	Valid      time.Duration // remaining, or Infinite, like Preferred
}

// Server is a DNS server that a router has advertised (RFC 8106 §5.1).
type Server struct {
	Addr     netip.Addr // without a zone; a link-local address is on the interface's link
	Router   netip.Addr
	Lifetime time.Duration // remaining, or Infinite
}

// Domain is a search domain that a router has advertised (RFC 8106 §5.2).
type Domain struct {
	Name     string // in lower case, without the final dot; unusual octets are written as \DDD
	Router   netip.Addr
	Lifetime time.Duration // remaining, or Infinite
}

// DNS is the servers and search domains for name resolution, in the order in which they were learnt. One that two routers have
// advertised occurs twice.
type DNS struct {
	Servers []Server
	Domains []Domain
}

// snapshot returns one value for each entry of a table that is alive, in the order of the table.
func snapshot[K comparable, V, T any](t *table[K, V], now clock.Instant, of func(K, V, time.Duration) T) (list []T) {
	for _, e := range t.entries {
		if !e.until.Due(now) {
			list = append(list, of(e.key, e.value, remaining(now, e.until)))
		}
	}
	return list
}

// Link returns the parameters of the link that routers have advertised.
func (s *State) Link() Link { return s.link }

// Routers returns the default routers, in the order in which they were learnt.
func (s *State) Routers(now clock.Instant) []Router {
	return snapshot(&s.routers, now, func(a netip.Addr, p wire.Preference, d time.Duration) Router { return Router{a, p, d} })
}

// Prefixes returns the on-link prefixes, in the order in which they were learnt.
func (s *State) Prefixes(now clock.Instant) []Prefix {
	return snapshot(&s.onLink, now, func(p netip.Prefix, _ struct{}, d time.Duration) Prefix { return Prefix{p, d} })
}

// Routes returns the routes other than those of default routers, in the order in which they were learnt.
func (s *State) Routes(now clock.Instant) []Route {
	return snapshot(&s.routes, now, func(k routeKey, p wire.Preference, d time.Duration) Route { return Route{k.dst, k.via, p, d} })
}

// Addresses returns the addresses: by prefix, the stable one before the temporary ones.
func (s *State) Addresses(now clock.Instant) (list []Address) {
	for a := range s.addresses {
		if !a.valid.Due(now) {
			list = append(list, Address{Addr: a.addr, Prefix: a.src.prefix, Temporary: a.temporary, Deprecated: a.preferred.Due(now),
				Preferred: remaining(now, a.preferred), Valid: remaining(now, a.valid)})
		}
	}
	return list
}

// DNS returns the DNS servers and search domains.
func (s *State) DNS(now clock.Instant) DNS {
	return DNS{
		Servers: snapshot(&s.servers, now, func(k serverKey, _ struct{}, d time.Duration) Server { return Server{k.addr, k.router, d} }),
		Domains: snapshot(&s.domains, now, func(k domainKey, _ struct{}, d time.Duration) Domain { return Domain{k.name, k.router, d} }),
	}
}
