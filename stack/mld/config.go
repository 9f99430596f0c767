package mld

import (
	"math/rand/v2"
	"time"
)

// MaxSources is the largest number of sources that a listener records for a group's response. If queries ask for more, the response
// reports the whole group. A record of so many sources fits in a report on every IPv6 link.
const MaxSources = 64

// MinRoom is the least room for a message that Next accepts, in octets: the least MTU of IPv6, 1280, less the IPv6 header and the
// hop-by-hop options with the router alert (RFC 3810 §5.2.15).
const MinRoom = 1280 - 40 - 8

const (
	queryResponseInterval = 10 * time.Second       // RFC 3810 §9.3: its default
	unsolicitedInterval   = time.Second            // RFC 3810 §9.11: time within which a change is reported again
	unsolicitedIntervalV1 = 10 * time.Second       // RFC 2710 §7.10: the same in version 1
	minDelay              = time.Millisecond       // for a Maximum Response Delay of 0, as no response may be immediate (RFC 3810 §6.3)
	generalGap            = time.Second            // least time between the starts of two responses to general queries
	groupGap              = 100 * time.Millisecond // least time between two responses for one group
)

// Config configures a listener. Zero fields take the defaults.
type Config struct {
	// Rand is the source of random delays. It must be set.
	Rand *rand.Rand
	// Robustness is the Robustness Variable while no querier has given another one, 2 to 7: 2 (RFC 3810 §9.1). A change is reported
	// so many times.
	Robustness int
	// QueryInterval is the Query Interval while no querier has given another one: 125 s (RFC 3810 §9.2).
	QueryInterval time.Duration
	// Left is the number of groups that may be left while their change is still to be reported: 1024. Beyond it, the listener forgets
	// the group that was left first.
	Left int
	// OnlyV2 makes the listener answer queries of version 1 by reports of version 2 (RFC 9777 §8.2.1).
	OnlyV2 bool
}

// withDefaults returns the configuration with every zero field filled in.
func (c Config) withDefaults() Config {
	if c.Robustness <= 0 {
		c.Robustness = 2
	}
	c.Robustness = min(max(c.Robustness, 2), 7)
	if c.QueryInterval <= 0 {
		c.QueryInterval = 125 * time.Second
	}
	if c.Left <= 0 {
		c.Left = 1024
	}
	return c
}
