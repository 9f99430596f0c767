// Package neigh is a host's neighbour cache for one link and one address family: the hardware address of each IP address, its
// state, and the requests to send. One implementation serves ARP and neighbour discovery (NDISC). The cache is a pure value: its owner
// handles packets, routes and queues, passes the time as an argument, and calls NextRequest when it can transmit.
//
// The states and timers are those of RFC 4861 §7.3, for both families. ARP's packets change an entry by Learn: RFC 826 says which
// packets do, and RFC 1122 §2.3.2 demands time-outs, at most one request per second, and pending packets. Neighbour discovery's
// packets change an entry by Heard (RFC 4861 §7.2.3) and Advertised (§7.2.5). Upper layers confirm an entry by Confirm (§7.3.1).
//
// A STALE entry to which a packet is sent becomes DELAY, and after Config.Delay PROBE. RFC 1122 §2.3.2.1 lets an ARP cache choose
// when it polls, so ARP uses DELAY too. The state FAILED is not in RFC 4861: the entry is kept so that its failure can be shown.
//
// The cache is bounded, and packets of others cannot evict a neighbour that the host uses: see evictIfFull. It is single-owner:
// one goroutine at a time may call it.
package neigh

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/stack/buf"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Classes of entries that may be evicted, in the order of eviction. Within a class the oldest entry is evicted first.
const (
	classFailed      = iota // has not answered
	classStaleUnused        // STALE, and never used
	classUnused             // learnt from the neighbour's own packets, never used
	classStale              // STALE, but used before
	numClasses
	classInUse = -1 // in use, being resolved, or set by hand
)

// Cache is the neighbour table of one interface. See New.
type Cache[W any] struct {
	// Watch, if set, is called for every change of an entry and gets the entry's previous state. It runs during the
	// change, so it must not call the cache.
	Watch func(e *Entry[W], from State, what Change)

	cfg        Config
	reachable  time.Duration // lifetime of a confirmation, see SetTimes
	entries    map[netip.Addr]*Entry[W]
	peak       int // largest size that entries has had, see buf.ShrinkMap
	timers     clock.Heap[*Entry[W]]
	ageing     clock.Heap[*Entry[W]] // ends of STALE entries that the neighbour's own messages have made, see Upkeep
	classes    [numClasses]list[W]
	owed       requests[W]
	incomplete int // entries in INCOMPLETE
	forReply   int // entries in incomplete that only packets of other hosts need
}

// New returns an empty cache.
func New[W any](cfg Config) *Cache[W] {
	cfg = cfg.WithDefaults()
	return &Cache[W]{cfg: cfg, reachable: cfg.Reachable, entries: make(map[netip.Addr]*Entry[W])}
}

// Config returns the configuration with its defaults filled in.
func (c *Cache[W]) Config() Config { return c.cfg }

// SetBounds changes Entries, Incomplete and Queue of the configuration. It removes no entry.
func (c *Cache[W]) SetBounds(entries, incomplete, queue int) {
	c.cfg.Entries, c.cfg.Incomplete, c.cfg.Queue = entries, incomplete, queue
}

// SetTimes changes the lifetime of later confirmations and the interval between requests: ReachableTime and RetransTimer, whose
// values router advertisements contain (RFC 4861 §6.3.4). Zero means unchanged. The caller bounds both, and randomises reachable
// (§6.3.2). STALE and FAILED entries are still kept for Config.Reachable, so that a router can't shorten that time.
func (c *Cache[W]) SetTimes(reachable, retrans time.Duration) {
	if reachable > 0 {
		c.reachable = reachable
	}
	if retrans > 0 {
		c.cfg.Interval = retrans
	}
}

// Unresolved returns the number of entries in INCOMPLETE.
func (c *Cache[W]) Unresolved() int { return c.incomplete }

// Len returns the number of entries.
func (c *Cache[W]) Len() int { return len(c.entries) }

// Get returns the entry of a, nil if there is none. It does not mark the entry as used.
func (c *Cache[W]) Get(a netip.Addr) *Entry[W] { return c.entries[a] }

// Resolve returns the entry of a for a packet to a, and creates the entry if necessary. If the entry is Usable, the
// caller may send at once, and a STALE entry becomes DELAY (RFC 4861 §7.3.3). Otherwise the caller keeps the packet in Pending or
// drops it. Resolve returns nil if there is no room for another entry.
//
// forReply is true for a packet that another host has caused. Such a packet does not mark the entry as used. Such packets may
// occupy at most half of the room for unresolved entries, and they evict no entry that was ever used. Therefore a scan of a whole
// prefix through a router (RFC 6583) can't harm the host's own neighbours.
func (c *Cache[W]) Resolve(now clock.Instant, a netip.Addr, forReply bool) *Entry[W] {
	e := c.entries[a]
	if e == nil {
		evictable := classStale
		if forReply {
			evictable = classUnused
		}
		if !c.mayResolve(forReply) || !c.evictIfFull(evictable) {
			return nil
		}
		e = c.add(now, a)
		c.startResolving(now, e, forReply)
		return e
	}
	switch e.State {
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
	default:
		if !forReply && !e.used {
			e.used = true
			c.classify(e)
		}
		c.Sent(now, e)
	}
	return e
}

// Sent records that the caller has sent packets to the hardware address of e without Resolve: those that were pending. A STALE
// entry becomes DELAY (RFC 4861 §7.3.3). Other states do not change.
func (c *Cache[W]) Sent(now clock.Instant, e *Entry[W]) {
	if e.State == Stale {
		e.Probes = 0
		c.setState(e, Delay)
		c.timers.Set(&e.timer, now.Add(c.cfg.Delay))
	}
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

// SetPermanent creates or replaces the entry of a as PERMANENT. It returns nil if there is no room. The packets pending
// in the entry may then be sent.
func (c *Cache[W]) SetPermanent(now clock.Instant, a netip.Addr, hw wire.HardwareAddr) *Entry[W] {
	e := c.entries[a]
	if e == nil {
		if !c.evictIfFull(classStale) {
			return nil
		}
		e = c.add(now, a)
	}
	e.Since, e.Probes = now, 0
	c.setStateHW(e, Permanent, hw)
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
// is the neighbour's own hardware address for a unicast poll (RFC 1122 §2.3.2.1 (2), RFC 4861 §7.3.3), otherwise the broadcast
// address, which stands for the solicited-node group in neighbour discovery. The request counts as sent at time now. ok is false if there is no request to send.
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

// Upkeep returns the instant at which Expire must be called to remove an entry that only the neighbour's own messages have made. The
// periodic advertisements of a router make such an entry again and again, so its end is no event that anybody waits for.
func (c *Cache[W]) Upkeep() clock.Instant { return c.ageing.Next() }

// Expire runs the timers that are due at time now and returns the first entry that has failed: an INCOMPLETE entry, or a router's in
// PROBE, whose last request was not answered. The caller drops the entry's pending packets, and calls Expire until it returns nil.
func (c *Cache[W]) Expire(now clock.Instant) *Entry[W] {
	for {
		t := c.timers.Pop(now)
		if t == nil {
			t = c.ageing.Pop(now)
		}
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
			c.fail(now, e)
			return e
		case Probe:
			if e.Probes < c.cfg.Probes {
				c.owed.push(e)
				continue
			}
			if e.Router { // the host chooses another router before it asks for this one again (RFC 4861 §6.3.6)
				c.fail(now, e)
				return e
			}
			c.remove(e) // the next packet then causes a broadcast request
		case Delay:
			c.setState(e, Probe)
			c.oweRequest(now, e)
		case Reachable:
			if now.Before(e.until) { // confirmed since the timer was set
				c.timers.Set(&e.timer, e.until)
				continue
			}
			c.Doubt(now, e)
		default:
			c.remove(e)
		}
	}
}

// fail makes e FAILED.
func (c *Cache[W]) fail(now clock.Instant, e *Entry[W]) {
	e.Since = now
	c.setState(e, Failed)
	c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
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
	e.timer.Value, e.age.Value = e, e
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
	c.entries = buf.ShrinkMap(c.entries, &c.peak)
}

// setState moves e to s and reports the change to Watch.
func (c *Cache[W]) setState(e *Entry[W], s State) { c.setStateHW(e, s, e.HW) }

// setStateHW moves e to s with the hardware address hw, and reports the change to Watch.
func (c *Cache[W]) setStateHW(e *Entry[W], s State, hw wire.HardwareAddr) {
	from, fresh, moved := e.State, e.fresh, e.Usable() && e.HW != hw
	e.fresh, e.HW = false, hw
	c.changeState(e, s)
	switch {
	case c.Watch == nil:
	case fresh:
		c.Watch(e, from, Added)
	case from != s || moved:
		c.Watch(e, from, Changed)
	}
}

// changeState moves e to s and updates the counts, the request queue and the eviction classes.
func (c *Cache[W]) changeState(e *Entry[W], s State) {
	if s != Stale {
		c.ageing.Stop(&e.age)
	}
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
	case (e.State == Reachable || e.State == Delay || e.State == Probe) && !e.used:
		class = classUnused
	}
	if e.in != nil {
		e.in.remove(e)
	}
	if class != classInUse {
		c.classes[class].push(e)
	}
}

// evictIfFull evicts an entry if the cache is full, and reports whether there is room for one more. It evicts entries of the
// classes up to last. It never evicts an entry that is in use, being resolved, or set by hand.
func (c *Cache[W]) evictIfFull(last int) bool {
	if len(c.entries) < c.cfg.Entries {
		return true
	}
	for i := range c.classes[:last+1] {
		if e := c.classes[i].first; e != nil {
			c.remove(e)
			return true
		}
	}
	return false
}
