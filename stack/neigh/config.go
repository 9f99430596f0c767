package neigh

import "time"

// Config configures a cache. Zero fields take the defaults, which suit ARP. See NDISC for neighbour discovery.
type Config struct {
	// Reachable is the time for which a confirmed entry stays REACHABLE, and for which an unused STALE entry is kept;
	// the default is 60 s. SetTimes changes the first.
	Reachable time.Duration
	// Delay is the time that an upper layer has to confirm an entry before it is polled: 5 s, DELAY_FIRST_PROBE_TIME of
	// RFC 4861 §10.
	Delay time.Duration
	// Interval is the shortest time between two requests for one address: 1 s (RFC 1122 §2.3.2.1).
	Interval time.Duration
	// Probes is the number of requests before resolution fails: 3.
	Probes int
	// Entries is the largest number of entries: 1024.
	Entries int
	// Incomplete is the largest number of INCOMPLETE entries: a quarter of Entries. Entries that only packets of other
	// hosts need may be half of them.
	Incomplete int
	// Queue is the number of datagrams that may be pending for one neighbour: 16. The cache only stores the number; its owner
	// enforces it.
	Queue int
}

// NDISC returns c with the times and the number of requests of neighbour discovery (RFC 4861 §10): REACHABLE_TIME 30 s,
// RETRANS_TIMER 1 s, DELAY_FIRST_PROBE_TIME 5 s, and 3 for both MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT. The bounds of c do
// not change.
func NDISC(c Config) Config {
	c.Reachable, c.Interval, c.Delay, c.Probes = 30*time.Second, time.Second, 5*time.Second, 3
	return c
}

// WithDefaults returns the configuration with every zero field filled in.
func (c Config) WithDefaults() Config {
	if c.Reachable <= 0 {
		c.Reachable = 60 * time.Second
	}
	if c.Delay <= 0 {
		c.Delay = 5 * time.Second
	}
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	if c.Probes <= 0 {
		c.Probes = 3
	}
	if c.Entries <= 0 {
		c.Entries = 1024
	}
	if c.Incomplete <= 0 {
		c.Incomplete = max(1, c.Entries/4)
	}
	if c.Queue <= 0 {
		c.Queue = 16
	}
	return c
}
