// Package neigh is a host's knowledge of its neighbours on one link: which hardware address an IP
// address has, how sure that is, and when to ask. It is a pure value: ARP packets, routes and queues are
// its owner's, time is an argument, and requests are pulled by whoever transmits.
//
// Sources: RFC 826 (what teaches), RFC 1122 §2.3.2 (time-outs, unicast polls, at most one request a
// second, keeping what waits), RFC 4861 §7.3 (the names of the states). Left out: confirmation by the
// layers above, and DELAY.
//
// The cache is bounded, and what others send cannot push out a neighbour that we use: see evict. It is
// single-owner: one goroutine at a time may call it.
package neigh

import (
	"net/netip"
	"slices"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// The classes an entry may be evicted from, in this order; within a class the oldest goes first.
const (
	classFailed      = iota // did not answer
	classStaleUnused        // not confirmed for a lifetime, and never used
	classUnused             // learnt from the neighbour's own packets, never used
	classStale              // used once, not confirmed for a lifetime
	numClasses
	classInUse = -1 // in use, being resolved, or set by hand
)

// Cache is the neighbour table of one interface. See New.
type Cache[W any] struct {
	// Watch, when set, is told of every change of an entry, from its state before. It is called in the
	// middle of the change: it takes note and must not call the cache.
	Watch func(e *Entry[W], from State, what Change)

	cfg        Config
	entries    map[netip.Addr]*Entry[W]
	timers     clock.Heap[*Entry[W]]
	classes    [numClasses]list[W]
	owed       requests[W]
	incomplete int // entries in INCOMPLETE
	forReply   int // those of them that somebody else's packets made
}

// New returns an empty cache.
func New[W any](cfg Config) *Cache[W] {
	return &Cache[W]{cfg: cfg.WithDefaults(), entries: make(map[netip.Addr]*Entry[W])}
}

// Config is the configuration with its defaults filled in.
func (c *Cache[W]) Config() Config { return c.cfg }

// SetBounds changes Config's Entries, Incomplete and Queue. What is above them already stays.
func (c *Cache[W]) SetBounds(entries, incomplete, queue int) {
	c.cfg.Entries, c.cfg.Incomplete, c.cfg.Queue = entries, incomplete, queue
}

// Unresolved is the number of entries in INCOMPLETE.
func (c *Cache[W]) Unresolved() int { return c.incomplete }

// Len is the number of entries.
func (c *Cache[W]) Len() int { return len(c.entries) }

// Get is the entry of a, nil when there is none. It counts as no use.
func (c *Cache[W]) Get(a netip.Addr) *Entry[W] { return c.entries[a] }

// Resolve is what a sender to a asks. An entry that is Usable may be sent to at once; for one that is
// not the caller waits in Waiting, or gives up. nil means that there is no room for another. provoked
// says that the packet only answers somebody else's: it then neither marks the entry as used nor may it
// take more than half the room of the unresolved.
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

// oweRequest owes a request for e, now or as soon as the interval since the last one is over.
func (c *Cache[W]) oweRequest(now clock.Instant, e *Entry[W]) {
	if at := e.lastRequest.Add(c.cfg.Interval); e.requested && now.Before(at) {
		c.timers.Set(&e.timer, at)
		return
	}
	c.timers.Stop(&e.timer)
	c.owed.push(e)
}

// Learned is what an ARP packet did to the cache.
type Learned uint8

// What Learn reports.
const (
	Ignored  Learned = iota // no such entry, and none was asked for; or a PERMANENT one
	Updated                 // an entry was confirmed or changed
	Created                 // an entry was made
	Resolved                // an INCOMPLETE or FAILED entry has its answer: what waits may go
	Full                    // there was no room for a new entry
)

// Learn takes in that a has the hardware address hw, by a packet that the caller has found valid. As in
// RFC 826, an entry that exists is updated; create says that the packet was meant for us, so that a new
// one may be made.
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
		e.used = false // nobody has used it for a lifetime
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

// Doubt makes a REACHABLE entry STALE: the next packet is still sent to its hardware address, which is polled, and
// forgotten if no answer comes. e may be nil.
func (c *Cache[W]) Doubt(now clock.Instant, e *Entry[W]) {
	if e == nil || e.State != Reachable {
		return
	}
	c.setState(e, Stale)
	c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
}

// SetPermanent makes or replaces the entry of a by hand; nil means that there is no room. What waits in
// an entry that had no answer may go.
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

// Delete takes the entry of a out and returns it, for what waits in it; nil when there is none.
func (c *Cache[W]) Delete(a netip.Addr) *Entry[W] {
	e := c.entries[a]
	if e != nil {
		c.remove(e)
	}
	return e
}

// NextRequest is the next address to ask for and where: hw is the neighbour's own address for a unicast
// poll, the broadcast address otherwise. The request counts as sent at now.
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

// Owes reports whether NextRequest has one.
func (c *Cache[W]) Owes() bool { return c.owed.first != nil }

// Deadline is when Expire next has something to do.
func (c *Cache[W]) Deadline() clock.Instant { return c.timers.Next() }

// Expire runs what is due at now and returns the first entry that thereby failed: INCOMPLETE after its
// last request. Call it until it returns nil, and give up what waits in each.
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
			c.remove(e) // the next sender asks by broadcast
		case Reachable:
			c.setState(e, Stale)
			c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
		default:
			c.remove(e)
		}
	}
}

// Entries is every entry, by address.
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
	c.changeState(e, Failed) // leaves the counts of the unresolved right
	if c.Watch != nil {
		c.Watch(e, from, Removed)
	}
	e.in.remove(e)
	c.timers.Stop(&e.timer)
	delete(c.entries, e.Addr)
}

// setState moves e to s and tells of it.
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

// changeState moves e to s and keeps the counts, the request queue and the eviction classes in step.
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

// evictIfFull makes room for one more entry, by evicting one where it must and may.
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
