package neigh

import (
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Learned is the effect of a packet on the cache.
type Learned uint8

// The results of Learn, Heard and Advertised.
const (
	Ignored   Learned = iota // the packet may not create or change the entry
	Updated                  // an entry was confirmed, or its state or address has changed
	Created                  // an entry was made
	Resolved                 // an INCOMPLETE or FAILED entry got its address: pending packets may be sent, and Sent called
	Full                     // there was no room for a new entry
	Unchanged                // the packet agrees with the entry, and has changed neither its state nor its address
)

// Learn records that a has the hardware address hw, from an ARP packet that the caller has validated. It updates an existing
// entry (RFC 826's Merge_flag), and creates one if the packet was for us. The entry becomes REACHABLE, unless it is PERMANENT.
func (c *Cache[W]) Learn(now clock.Instant, a netip.Addr, hw wire.HardwareAddr, forUs bool) (*Entry[W], Learned) {
	e, what := c.entries[a], Updated
	switch {
	case e == nil && !forUs:
		return nil, Ignored
	case e == nil:
		if !c.evictIfFull(classStale) {
			return nil, Full
		}
		e, what = c.add(now, a), Created
	case e.State == Permanent:
		return e, Ignored
	case !e.Usable():
		what = Resolved
		e.used = e.used && e.State == Incomplete
	case e.State == Stale:
		e.used = false // no packet was sent since the entry became STALE
	}
	c.confirm(now, e, hw)
	return e, what
}

// Heard records that a has the hardware address hw, from the link-layer address option of a neighbour solicitation, router
// solicitation, router advertisement or redirect that the caller has validated (RFC 4861 §7.2.3, §6.2.6, §6.3.4, §8.3). Such a
// packet does not prove that the neighbour can be reached. A new entry, one with another address and an INCOMPLETE one become STALE.
// The result is Unchanged if the entry has the address already, and Ignored if the entry is PERMANENT.
func (c *Cache[W]) Heard(now clock.Instant, a netip.Addr, hw wire.HardwareAddr) (*Entry[W], Learned) {
	e, what := c.entries[a], Updated
	switch {
	case e == nil:
		if !c.evictIfFull(classStale) {
			return nil, Full
		}
		e, what = c.add(now, a), Created
	case e.State == Permanent:
		return e, Ignored
	case !e.Usable():
		what = Resolved
		e.used = e.used && e.State == Incomplete
	case e.HW == hw:
		return e, Unchanged
	}
	c.unconfirm(now, e, hw)
	if !e.used {
		c.ageing.Set(&e.age, e.timer.At())
		c.timers.Stop(&e.timer)
	}
	return e, what
}

// Advertisement has the flags of a neighbour advertisement (RFC 4861 §4.4).
type Advertisement struct{ Router, Solicited, Override bool }

// Advertised updates the entry of a from a neighbour advertisement that the caller has validated (RFC 4861 §7.2.5). hw is the
// target link-layer address, valid if hasHW is true. Advertised never creates an entry. A FAILED entry counts as none, because
// RFC 4861 §7.3.3 deletes it. Advertised also ignores an advertisement without an address for an INCOMPLETE entry: §7.2.5 demands that, where the
// table of appendix C updates IsRouter.
//
// If Demoted is true in the returned entry, the caller must remove the neighbour from its default routers (§7.2.5). The router
// flag of a PERMANENT entry may change, but not the entry's state or address.
func (c *Cache[W]) Advertised(now clock.Instant, a netip.Addr, hw wire.HardwareAddr, hasHW bool, adv Advertisement) (*Entry[W], Learned) {
	e := c.entries[a]
	if e == nil || e.State == Failed {
		return nil, Ignored
	}
	e.Demoted = false
	differs := hasHW && e.Usable() && hw != e.HW
	switch {
	case e.State == Incomplete && !hasHW, differs && e.State == Permanent:
		return e, Ignored
	case differs && !adv.Override: // case I
		if e.State != Reachable {
			return e, Ignored
		}
		c.Doubt(now, e)
		return e, Updated
	case !hasHW:
		hw = e.HW
	}
	what := Updated
	switch { // case II
	case e.State == Permanent:
		what = Unchanged
	case e.State == Incomplete:
		what = Resolved
		if !adv.Solicited {
			c.unconfirm(now, e, hw)
			break
		}
		c.confirm(now, e, hw)
	case adv.Solicited:
		e.used = e.used && e.State != Stale
		c.confirm(now, e, hw)
	case differs:
		c.unconfirm(now, e, hw)
	default:
		what = Unchanged
	}
	c.SetRouter(e, adv.Router)
	return e, what
}

// SetRouter sets Router of e, after a router solicitation (false), a router advertisement (true) or a redirect to a router (true):
// RFC 4861 §6.2.6, §6.3.4, §8.3. It also sets Demoted.
func (c *Cache[W]) SetRouter(e *Entry[W], router bool) {
	e.Demoted = e.Router && !router
	e.Router = router
}

// Confirm records that an upper layer makes forward progress with the neighbour a (RFC 4861 §7.3.1). A Usable entry becomes
// REACHABLE with a new lifetime, and polls that are owed to it are cancelled. Confirm ignores other entries and PERMANENT ones. For a
// REACHABLE entry it costs one look-up, because the timer is moved only when it is due.
func (c *Cache[W]) Confirm(now clock.Instant, a netip.Addr) {
	e := c.entries[a]
	switch {
	case e == nil || !e.Usable() || e.State == Permanent:
	case e.State == Reachable:
		c.extend(now, e)
	default:
		c.confirm(now, e, e.HW)
	}
}

// Doubt makes a REACHABLE entry STALE. The next packet is still sent to its hardware address, and the neighbour is
// polled after DELAY. The entry is removed if no answer arrives. e may be nil.
func (c *Cache[W]) Doubt(now clock.Instant, e *Entry[W]) {
	if e != nil && e.State == Reachable {
		c.unconfirm(now, e, e.HW)
	}
}

// confirm makes e REACHABLE with the hardware address hw.
func (c *Cache[W]) confirm(now clock.Instant, e *Entry[W], hw wire.HardwareAddr) {
	from := e.State
	e.Probes = 0
	c.setStateHW(e, Reachable, hw)
	if from != Reachable {
		c.timers.Stop(&e.timer)
	}
	c.extend(now, e)
}

// extend starts a new lifetime of the REACHABLE entry e. It sets an earlier deadline at once. Expire sets a later one when the timer is
// due, since most confirmations only make the deadline later.
func (c *Cache[W]) extend(now clock.Instant, e *Entry[W]) {
	e.Since, e.until = now, now.Add(c.reachable)
	if e.until < e.timer.At() {
		c.timers.Set(&e.timer, e.until)
	}
}

// unconfirm makes e STALE with the hardware address hw.
func (c *Cache[W]) unconfirm(now clock.Instant, e *Entry[W], hw wire.HardwareAddr) {
	e.Probes = 0
	c.setStateHW(e, Stale, hw)
	c.ageing.Stop(&e.age)
	c.timers.Set(&e.timer, now.Add(c.cfg.Reachable))
}
