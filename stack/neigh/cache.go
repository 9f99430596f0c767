// Package neigh is a host's neighbour cache for one link: the hardware address of each IP address, its state, and the requests to
// send. It is a pure value: its owner handles ARP packets, routes and queues, passes the time as an argument, and calls
// NextRequest when it can transmit.
//
// Sources: RFC 826 (which packets update an entry), RFC 1122 §2.3.2 (time-outs, unicast polls, at most one request per second,
// one or more packets saved per neighbour), RFC 4861 §7.3 (the names of the states). Left out: confirmation by upper layers, and
// DELAY.
//
// The cache is bounded, and packets of others cannot evict a neighbour that the host uses: see evictIfFull. It is single-owner:
// one goroutine at a time may call it.
package neigh

import (
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Classes of entries that may be evicted, in the order of eviction. Within a class the oldest entry is evicted first.
const (
	classFailed      = iota // has not answered
	classStaleUnused        // not confirmed for a lifetime, and never used
	classUnused             // learnt from the neighbour's own packets, never used
	classStale              // used before, but not confirmed for a lifetime
	numClasses
	classInUse = -1 // in use, being resolved, or set by hand
)

// Cache is the neighbour table of one interface. See New.
type Cache[W any] struct {
	// Watch, if set, is called for every change of an entry and gets the entry's previous state. It runs during the
	// change, so it must not call the cache.
	Watch func(e *Entry[W], from State, what Change)

	cfg        Config
	entries    map[netip.Addr]*Entry[W]
	timers     clock.Heap[*Entry[W]]
	classes    [numClasses]list[W]
	owed       requests[W]
	incomplete int // entries in INCOMPLETE
	forReply   int // entries in incomplete that only packets of other hosts need
}

// New returns an empty cache.
func New[W any](cfg Config) *Cache[W] {
	return &Cache[W]{cfg: cfg.WithDefaults(), entries: make(map[netip.Addr]*Entry[W])}
}

// Config returns the configuration with its defaults filled in.
func (c *Cache[W]) Config() Config { return c.cfg }

// SetBounds changes Entries, Incomplete and Queue of the configuration. It removes no entry.
func (c *Cache[W]) SetBounds(entries, incomplete, queue int) {
	c.cfg.Entries, c.cfg.Incomplete, c.cfg.Queue = entries, incomplete, queue
}

// Unresolved returns the number of entries in INCOMPLETE.
func (c *Cache[W]) Unresolved() int { return c.incomplete }

// Len returns the number of entries.
func (c *Cache[W]) Len() int { return len(c.entries) }

// Get returns the entry of a, nil if there is none. It does not mark the entry as used.
func (c *Cache[W]) Get(a netip.Addr) *Entry[W] { return c.entries[a] }

// Resolve returns the entry of a for a packet to a, and creates the entry if necessary. If the entry is Usable, the
// caller may send at once; otherwise it keeps the packet in Pending or drops it. Resolve returns nil if there is no
// room for another entry. forReply is true for a packet that another host has caused. Such a packet does not mark the
// entry as used, and such packets may occupy at most half of the room for unresolved entries.
func (c *Cache[W]) Resolve(now clock.Instant, a netip.Addr, forReply bool) *Entry[W] {
	e := c.entries[a]
	if e == nil {
		if !c.mayResolve(forReply) || !c.evictIfFull() {
			return nil
		}
		e = c.add(now, a)
		c.startResolving(now, e, forReply)
		return e
	}
	switch e.State {
	case Reachable:
		if !forReply && !e.used {
			e.used = true
			c.classify(e)
		}
	case Stale:
		e.used = e.used || !forReply
		e.Probes = 0
		c.setState(e, Probe)
		c.oweRequest(now, e)
	case Probe:
		e.used = e.used || !forReply
	case Incomplete:
		if e.forReply && !forReply {
			e.forReply, e.used = false, true
			c.forReply--
		}
	case Failed:
		if !c.mayResolve(forReply) {
			return nil
		}
		c.startResolving(now, e, forReply)
	}
	return e
}

func (c *Cache[W]) mayResolve(forReply bool) bool {
	return c.incomplete < c.cfg.Incomplete && (!forReply || c.forReply < (c.cfg.Incomplete+1)/2)
}

// startResolving makes e INCOMPLETE.
func (c *Cache[W]) startResolving(now clock.Instant, e *Entry[W], forReply bool) {
	e.Since, e.Probes = now, 0
	e.used, e.forReply = !forReply, forReply
	c.setState(e, Incomplete)
	c.oweRequest(now, e)
}

// oweRequest queues a request for e. If the interval since the last request has not passed, it sets a timer instead.
func (c *Cache[W]) oweRequest(now clock.Instant, e *Entry[W]) {
	if at := e.lastRequest.Add(c.cfg.Interval); e.requested && now.Before(at) {
		c.timers.Set(&e.timer, at)
		return
	}
	c.timers.Stop(&e.timer)
	c.owed.push(e)
}

// Learned is the effect of an ARP packet on the cache.
type Learned uint8

// The results of Learn.
const (
	Ignored  Learned = iota // the packet was not for us and there is no entry, or the entry is PERMANENT
	Updated                 // an entry was confirmed or changed
	Created                 // an entry was made
	Resolved                // an INCOMPLETE or FAILED entry was answered: pending packets may be sent
	Full                    // there was no room for a new entry
)

// Learn records that a has the hardware address hw, from a packet that the caller has validated. It updates an existing
// entry (RFC 826's Merge_flag), and creates one if the packet was for us.
func (c *Cache[W]) Learn(now clock.Instant, a netip.Addr, hw wire.HardwareAddr, forUs bool) (*Entry[W], Learned) {
	e, what := c.entries[a], Updated
	switch {
	case e == nil && !forUs:
		return nil, Ignored
	case e == nil:
		if !c.evictIfFull() {
			return nil, Full
		}
		e, what = c.add(now, a), Created
	case e.State == Permanent:
		return e, Ignored
	case !e.Usable():
		what = Resolved
		e.used = e.used && e.State == Incomplete
	case e.State == Stale:
		e.used = false // a STALE entry was not used for a lifetime
	}
	moved := e.State == Reachable && e.HW != hw && !e.fresh
	e.HW, e.Since, e.Probes = hw, now, 0
	c.setState(e, Reachable)
	if moved && c.Watch != nil {
		c.Watch(e, Reachable, Changed)
	}
	c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
	return e, what
}

// Doubt makes a REACHABLE entry STALE. The next packet is still sent to its hardware address, and the neighbour is then
// polled. The entry is removed if no answer arrives. e may be nil.
func (c *Cache[W]) Doubt(now clock.Instant, e *Entry[W]) {
	if e == nil || e.State != Reachable {
		return
	}
	c.setState(e, Stale)
	c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
}

// SetPermanent creates or replaces the entry of a as PERMANENT. It returns nil if there is no room. The packets pending
// in the entry may then be sent.
func (c *Cache[W]) SetPermanent(now clock.Instant, a netip.Addr, hw wire.HardwareAddr) *Entry[W] {
	e := c.entries[a]
	if e == nil {
		if !c.evictIfFull() {
			return nil
		}
		e = c.add(now, a)
	}
	e.HW, e.Since, e.Probes = hw, now, 0
	c.setState(e, Permanent)
	c.timers.Stop(&e.timer)
	return e
}

// Delete removes the entry of a and returns it with its pending packets, nil if there is none.
func (c *Cache[W]) Delete(a netip.Addr) *Entry[W] {
	e := c.entries[a]
	if e != nil {
		c.remove(e)
	}
	return e
}

// NextRequest returns the address a that the next request asks for, and the request's destination hw. The destination
// is the neighbour's own hardware address for a unicast poll (RFC 1122 §2.3.2.1 (2)), otherwise the broadcast address.
// The request counts as sent at time now. ok is false if there is no request to send.
func (c *Cache[W]) NextRequest(now clock.Instant) (a netip.Addr, hw wire.HardwareAddr, ok bool) {
	e := c.owed.pop()
	if e == nil {
		return a, hw, false
	}
	e.Probes++
	e.requested, e.lastRequest = true, now
	c.timers.Set(&e.timer, now.Add(c.cfg.Interval))
	if e.State == Probe {
		return e.Addr, e.HW, true
	}
	return e.Addr, wire.Broadcast, true
}

// Owes reports whether NextRequest would return a request.
func (c *Cache[W]) Owes() bool { return c.owed.first != nil }

// Deadline returns the instant at which Expire must be called next.
func (c *Cache[W]) Deadline() clock.Instant { return c.timers.Next() }

// Expire runs the timers that are due at time now and returns the first entry that has failed: an INCOMPLETE entry
// whose last request was not answered. The caller drops the entry's pending packets, and calls Expire until it returns
// nil.
func (c *Cache[W]) Expire(now clock.Instant) *Entry[W] {
	for {
		t := c.timers.Pop(now)
		if t == nil {
			return nil
		}
		e := t.Value
		switch e.State {
		case Incomplete:
			if e.Probes < c.cfg.Probes {
				c.owed.push(e)
				continue
			}
			e.Since = now
			c.setState(e, Failed)
			c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
			return e
		case Probe:
			if e.Probes < c.cfg.Probes {
				c.owed.push(e)
				continue
			}
			c.remove(e) // the next packet then causes a broadcast request
		case Reachable:
			c.setState(e, Stale)
			c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
		default:
			c.remove(e)
		}
	}
}

// Entries returns every entry, in the order of addresses.
func (c *Cache[W]) Entries() []*Entry[W] {
	all := make([]*Entry[W], 0, len(c.entries))
	for _, e := range c.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Entry[W]) int { return a.Addr.Compare(b.Addr) })
	return all
}

func (c *Cache[W]) add(now clock.Instant, a netip.Addr) *Entry[W] {
	e := &Entry[W]{Addr: a, Since: now, State: Reachable, fresh: true}
	e.timer.Value = e
	c.entries[a] = e
	return e
}

func (c *Cache[W]) remove(e *Entry[W]) {
	from := e.State
	c.changeState(e, Failed) // also updates the counts of unresolved entries
	if c.Watch != nil {
		c.Watch(e, from, Removed)
	}
	e.in.remove(e)
	c.timers.Stop(&e.timer)
	delete(c.entries, e.Addr)
}

// setState moves e to s and reports the change to Watch.
func (c *Cache[W]) setState(e *Entry[W], s State) {
	from, fresh := e.State, e.fresh
	e.fresh = false
	c.changeState(e, s)
	switch {
	case c.Watch == nil:
	case fresh:
		c.Watch(e, from, Added)
	case from != s:
		c.Watch(e, from, Changed)
	}
}

// changeState moves e to s and updates the counts, the request queue and the eviction classes.
func (c *Cache[W]) changeState(e *Entry[W], s State) {
	if e.State == Incomplete {
		c.incomplete--
		if e.forReply {
			c.forReply--
		}
	}
	c.owed.remove(e)
	e.State = s
	if s == Incomplete {
		c.incomplete++
		if e.forReply {
			c.forReply++
		}
	} else {
		e.forReply = false
	}
	c.classify(e)
}

func (c *Cache[W]) classify(e *Entry[W]) {
	class := classInUse
	switch {
	case e.State == Failed:
		class = classFailed
	case e.State == Stale && e.used:
		class = classStale
	case e.State == Stale:
		class = classStaleUnused
	case (e.State == Reachable || e.State == Probe) && !e.used:
		class = classUnused
	}
	if e.in != nil {
		e.in.remove(e)
	}
	if class != classInUse {
		c.classes[class].push(e)
	}
}

// evictIfFull evicts an entry if the cache is full, and reports whether there is room for one more. It never evicts an
// entry that is in use, being resolved, or set by hand.
func (c *Cache[W]) evictIfFull() bool {
	if len(c.entries) < c.cfg.Entries {
		return true
	}
	for i := range c.classes {
		if e := c.classes[i].first; e != nil {
			c.remove(e)
			return true
		}
	}
	return false
}
