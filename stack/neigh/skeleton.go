// Package neigh (skeleton).
package neigh

import "time"

// Config of a cache.
type Config struct {
	Reachable time.Duration // how long an entry lives: 60 s
	Interval  time.Duration // between requests for one address: 1 s
	Probes    int           // requests before giving up: 3
	Entries   int           // bound of the cache
	Queue     int           // datagrams that wait per neighbour
}
