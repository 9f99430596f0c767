package autoconf

import (
	"math/rand/v2"

	"smolsh/stack/wire"
)

// Config configures the State of one interface. Bounds of zero take the defaults.
type Config struct {
	// Secret is the key of the stable interface identifiers (RFC 7217 §5). The identifiers stay the same as long as Secret, Iface
	// and MAC do.
	Secret [16]byte
	// Iface is the interface's name. It may be empty if MAC alone identifies the interface.
	Iface string
	// MAC is the interface's hardware address. It may be zero if Iface alone identifies the interface.
	MAC wire.HardwareAddr
	// Temporary makes temporary addresses besides the stable ones (RFC 8981). Rand must then be set.
	Temporary bool
	// Rand draws the identifiers of temporary addresses, and the times of their replacement. The State does not share it with
	// another goroutine.
	Rand *rand.Rand

	// Routers is the largest number of default routers: 16.
	Routers int
	// Prefixes is the largest number of on-link prefixes: 32.
	Prefixes int
	// Addresses is the largest number of addresses, temporary ones included: 32. With Temporary, each prefix has room for five
	// addresses, so that 32 is room for six prefixes.
	Addresses int
	// Routes is the largest number of routes to other prefixes than ::/0: 32.
	Routes int
	// Servers is the largest number of DNS servers: 8. A server that two routers advertise counts twice.
	Servers int
	// Domains is the largest number of search domains: 8. A domain that two routers advertise counts twice.
	Domains int
}

// WithDefaults returns the configuration with every bound of zero filled in.
func (c Config) WithDefaults() Config {
	for _, bound := range []struct {
		n      *int
		normal int
	}{{&c.Routers, 16}, {&c.Prefixes, 32}, {&c.Addresses, 32}, {&c.Routes, 32}, {&c.Servers, 8}, {&c.Domains, 8}} {
		if *bound.n <= 0 {
			*bound.n = bound.normal
		}
	}
	return c
}

// Bounded returns the configuration with the bounds that follow from one number: n prefixes, addresses and routes, half as many default
// routers, and a quarter of DNS servers and domains. The defaults are those of 32.
func (c Config) Bounded(n int) Config {
	c.Prefixes, c.Addresses, c.Routes = n, n, n
	c.Routers, c.Servers, c.Domains = (n+1)/2, (n+3)/4, (n+3)/4
	return c
}

// sources returns the largest number of prefixes from which addresses are configured.
func (c *Config) sources() int {
	if c.Temporary {
		return max(1, c.Addresses/addressesPerPrefix)
	}
	return c.Addresses
}

// Refusals counts what the State has not accepted. Each refused option counts once in each advertisement.
type Refusals struct {
	Routers   uint64 // default routers for which there was no room
	Evicted   uint64 // default routers that a router of higher preference has replaced
	Prefixes  uint64 // on-link prefixes for which there was no room
	Addresses uint64 // prefixes without room for their address, and temporary addresses without room
	Routes    uint64 // routes for which there was no room
	Servers   uint64 // DNS servers for which there was no room
	Domains   uint64 // search domains for which there was no room

	BadOption   uint64 // options whose content contradicts their type
	BadPrefix   uint64 // prefixes, routes and servers in link-local, multicast, loopback or IPv4-mapped space
	BadLifetime uint64 // autonomous prefixes with a preferred lifetime above the valid one (RFC 4862 §5.5.3 (c))
	BadLength   uint64 // autonomous prefixes of another length than 64 (RFC 4862 §5.5.3 (d))
	BadMTU      uint64 // MTUs below 1280 (RFC 4861 §6.3.4), or above the interface's (RFC 2464 §2)
	BadHopLimit uint64 // hop limits below 32
	BadTimer    uint64 // reachable times above an hour, and retransmission timers outside 0.1 s to 60 s
	TwoHourRule uint64 // valid lifetimes that the two-hour rule has replaced (RFC 4862 §5.5.3 (e))
	Duplicate   uint64 // addresses that the State gave up because each candidate was a duplicate (RFC 7217 §6)
}

// NoRoom returns the number of refusals for want of room.
func (r *Refusals) NoRoom() uint64 {
	return r.Routers + r.Prefixes + r.Addresses + r.Routes + r.Servers + r.Domains
}
