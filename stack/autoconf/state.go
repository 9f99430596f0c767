// Package autoconf is what one interface of a host knows from router advertisements, and the addresses that the interface
// configures from them. A State is a pure value: its owner parses and checks the messages, sends solicitations, detects duplicates
// of addresses, and passes the time as an argument. The owner reads Changes after each call, and calls Expire at Deadline.
//
// Sources: RFC 4861 §6.3 (default routers, prefixes, parameters), RFC 4862 §5.5 (addresses), RFC 4191 (preferences and routes),
// RFC 5942 (an address makes no prefix on-link), RFC 7217 (stable interface identifiers), RFC 8106 (DNS), RFC 8981 (temporary
// addresses). Left out: the sending of solicitations, and the choice among routers by reachability, which the owner does; and
// RFC 6724 rule 5.5, which needs the routers of each prefix.
//
// Every table is bounded, and each refusal counts in Refusals. An advertisement evicts no entry that is alive, except that a router
// of higher preference replaces one of lower preference. A State is single-owner: one goroutine at a time may call it.
package autoconf

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// State is what one interface knows from router advertisements. See New. The times that its methods receive must not decrease.
type State struct {
	cfg      Config
	now      clock.Instant // of the last call that had a time
	next     clock.Instant // see Deadline
	refused  Refusals
	link     Link
	maxMTU   int // see SetMaxMTU
	routers  table[netip.Addr, wire.Preference]
	routes   table[routeKey, wire.Preference]
	onLink   table[netip.Prefix, struct{}]
	servers  table[serverKey, struct{}]
	domains  table[domainKey, struct{}]
	sources  []source
	noMore   bool // true after too many duplicates among temporary addresses (RFC 8981 §3.4)
	told     told
	outdated bool // true if Changes may have something to report
}

// New returns the State of an interface that has heard no router. It panics if cfg has Temporary without Rand.
func New(cfg Config) *State {
	if cfg.Temporary && cfg.Rand == nil {
		panic("autoconf: temporary addresses without a random generator")
	}
	s := &State{cfg: cfg.WithDefaults()}
	s.reset()
	return s
}

// reset removes everything that the interface has learnt.
func (s *State) reset() {
	s.next, s.noMore, s.link = clock.Never, false, Link{}
	s.sources, s.routers.entries, s.routes.entries, s.onLink.entries, s.servers.entries, s.domains.entries = nil, nil, nil, nil, nil, nil
	s.bound()
}

// bound sets the bounds of the tables.
func (s *State) bound() {
	s.routers.most, s.routes.most, s.onLink.most = s.cfg.Routers, s.cfg.Routes, s.cfg.Prefixes
	s.servers.most, s.domains.most = s.cfg.Servers, s.cfg.Domains
}

// SetBounds changes the bounds to those of Config.Bounded. Entries beyond a lower bound stay.
func (s *State) SetBounds(n int) {
	s.cfg = s.cfg.Bounded(n)
	s.bound()
}

// Used returns the greatest share of a bound that is used, as a part of n in SetBounds.
func (s *State) Used() int {
	return max(len(s.onLink.entries), s.numAddresses(), len(s.routes.entries), 2*len(s.routers.entries),
		4*len(s.servers.entries), 4*len(s.domains.entries))
}

// Config returns the configuration with its defaults filled in.
func (s *State) Config() Config { return s.cfg }

// Refusals returns the counts of what the State has not accepted since New.
func (s *State) Refusals() Refusals { return s.refused }

// Advertisement processes a router advertisement that wire.ParseRouterAdvertisement has checked (RFC 4861 §6.3.4). from is the
// router's link-local address. The State keeps no part of the packet.
func (s *State) Advertisement(now clock.Instant, from netip.Addr, m *wire.RouterAdvertisement, o wire.NDOptions) {
	s.Expire(now)
	from = from.WithZone("")
	s.learnRouter(from, m, o)
	s.learnTimers(m)
	for option, rest, ok := o.Next(); ok; option, rest, ok = rest.Next() {
		if !s.learnOption(from, option) {
			s.refused.BadOption++
		}
	}
	s.update(now)
}

// learnOption processes one option of an advertisement. It returns false if the content contradicts the option's type.
func (s *State) learnOption(from netip.Addr, option wire.NDOption) (ok bool) {
	switch option.Type {
	case wire.NDPrefix:
		var p wire.PrefixInfo
		if p, ok = option.PrefixInfo(); ok {
			s.learnPrefix(&p)
		}
	case wire.NDRoute:
		var r wire.RouteInfo
		if r, ok = option.RouteInfo(); ok {
			s.learnRoute(from, r)
		}
	case wire.NDMTU:
		var mtu uint32
		if mtu, ok = option.MTU(); ok {
			s.learnMTU(mtu)
		}
	case wire.NDDNSServers:
		var servers wire.AddrList
		var lifetime uint32
		if servers, lifetime, ok = option.DNSServers(); ok {
			s.learnServers(from, servers, lifetime)
		}
	case wire.NDDNSSearch:
		var names wire.DomainNames
		var lifetime uint32
		if names, lifetime, ok = option.DNSSearch(); ok {
			s.learnDomains(from, names, lifetime)
		}
	default:
		return true // an option of another kind, or one that the host does not know
	}
	return ok
}

// Deadline returns the instant at which Expire must be called next. It is later than the time of the last call.
func (s *State) Deadline() clock.Instant { return s.next }

// Expire removes each entry whose lifetime has ended, deprecates addresses, and makes the successors of temporary addresses. The
// owner may call it at any time.
func (s *State) Expire(now clock.Instant) {
	s.now = max(s.now, now)
	if s.next.Due(now) {
		s.update(now)
	}
}

// update brings everything up to time now after a change, and computes the next deadline.
func (s *State) update(now clock.Instant) {
	s.now, s.outdated = max(s.now, now), true
	s.routers.expire(now)
	s.routes.expire(now)
	s.onLink.expire(now)
	s.servers.expire(now)
	s.domains.expire(now)
	s.expireSources(now)
	s.makeTemporaries(now)
	s.next = min(s.routers.next(), s.routes.next(), s.onLink.next(), s.servers.next(), s.domains.next(), s.nextOfSources(now))
}

// RouterGone removes a neighbour that has stopped being a router: its IsRouter flag has changed from true to false (RFC 4861
// §7.2.5). The routes through the neighbour are removed as well, since it forwards no packets. Its DNS servers and prefixes stay.
func (s *State) RouterGone(now clock.Instant, from netip.Addr) {
	s.Expire(now)
	from = from.WithZone("")
	s.routers.remove(func(a netip.Addr) bool { return a == from })
	s.routes.remove(func(k routeKey) bool { return k.via == from })
	s.update(now)
}

// Flush removes everything that the interface has learnt, since the interface is down or may be on another link. Changes then
// reports the removals. The stable address of a prefix is the same when the prefix is advertised again.
func (s *State) Flush(now clock.Instant) {
	s.reset()
	s.update(now)
}
