package stack

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// Constants of RFC 5227 §1.1.
const (
	probeWait        = time.Second      // the first probe is sent after a random time up to this
	probeNum         = 3                // number of probes
	probeMin         = time.Second      // minimum time between two probes
	probeMax         = 2 * time.Second  // maximum time between two probes
	announceWait     = 2 * time.Second  // time from the last probe to the first announcement
	announceNum      = 2                // number of announcements
	announceInterval = 2 * time.Second  // time between two announcements
	defendInterval   = 10 * time.Second // minimum time between two defences of one address
)

// defendAddr defends our address a against the station hw, which uses a too. It announces a, at most once in
// defendInterval, because two defending hosts would otherwise answer each other for ever. RFC 5227 §2.4 (c) lets a host
// keep an address that was configured by hand, since other stations rely on it.
func (h *Host) defendAddr(now clock.Instant, a netip.Addr, hw wire.HardwareAddr) {
	h.count(mib.ARPInConflicts)
	i := h.net.localAddrs[a]
	if !i.addresses.defended[a].Due(now) {
		return
	}
	if i.addresses.defended == nil {
		i.addresses.defended = make(map[netip.Addr]clock.Instant)
	}
	i.addresses.defended[a] = now.Add(defendInterval)
	i.announce(a)
	h.count(mib.ARPOutDefences)
	h.raiseConflict(Event{Now: now, Iface: i, Addr: a, HW: hw, New: ConflictDefended})
}

func (h *Host) raiseConflict(ev Event) {
	ev.Kind, ev.Host = EventConflict, h
	h.raise(ev)
	if h.watch.onConflict != nil {
		h.watch.onConflict(ev)
	}
}

// How the host reacted to an address conflict: values of Event.New in an EventConflict.
const (
	ConflictDefended  = "defended"  // the host kept the address and announced it; reported once in ten seconds per address
	ConflictAbandoned = "abandoned" // the host was probing for the address and did not take it
)

// AddrProbe is an address for which an interface probes, and which it adds unless another station uses the address. See
// ProbeAddr.
type AddrProbe struct {
	Signal Signal // fired when probing has finished

	iface     *Iface
	prefix    netip.Prefix
	timer     clock.Timer[*AddrProbe]
	probes    int // number of probes sent
	announced int // number of announcements sent
	done      bool
	err       error
	by        wire.HardwareAddr
}

// ProbeAddr sends three ARP probes for an address within four to seven seconds (RFC 5227 §2.1). If no station answers,
// it adds the address as AddAddr does, and announces it twice (§2.3). Until then the host does not use the address. An
// interface without neighbours adds the address at once. Errors: ErrExists and ErrInvalid as for AddAddr; ErrDown.
func (i *Iface) ProbeAddr(now clock.Instant, p netip.Prefix) (*AddrProbe, error) {
	if err := i.checkAddr(p); err != nil {
		return nil, err
	}
	c := &AddrProbe{iface: i, prefix: p}
	c.timer.Value = c
	switch {
	case !i.up:
		return nil, ErrDown
	case i.addrProbe(p.Addr()) != nil:
		return nil, ErrExists
	case i.caps.Medium != phy.MediumEthernet:
		c.done = true
		return c, i.AddAddr(now, p)
	}
	i.addresses.probes = append(i.addresses.probes, c)
	i.host.workPending()
	i.host.net.addrProbes.Set(&c.timer, now.Add(i.host.randomBetween(0, probeWait)))
	return c, nil
}

// Done reports whether probing has finished. err is nil if the interface has the address now. With ErrInUse, the result
// by is the hardware address of the station that uses the address. Other errors: ErrDown, and ErrClosed after Cancel.
func (c *AddrProbe) Done() (done bool, by wire.HardwareAddr, err error) { return c.done, c.by, c.err }

// Cancel ends probing unless the interface has the address already.
func (c *AddrProbe) Cancel() {
	if !c.done {
		c.finish(ErrClosed)
		c.stop()
	}
}

func (c *AddrProbe) finish(err error) {
	c.done, c.err = true, err
	c.Signal.Fire()
}

// stop ends the probes and announcements of c.
func (c *AddrProbe) stop() {
	c.iface.host.net.addrProbes.Stop(&c.timer)
	c.iface.addresses.probes = slices.DeleteFunc(c.iface.addresses.probes, func(o *AddrProbe) bool { return o == c })
}

// addrProbe returns the AddrProbe for address a that is in progress, nil if there is none.
func (i *Iface) addrProbe(a netip.Addr) *AddrProbe {
	for _, c := range i.addresses.probes {
		if c.prefix.Addr() == a {
			return c
		}
	}
	return nil
}

// randomBetween returns a random duration between lo and hi, both included.
func (h *Host) randomBetween(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(h.rng.Int64N(int64(hi-lo)+1))
}

// tickAddrProbes sends the probes and announcements that are due at time now.
func (h *Host) tickAddrProbes(now clock.Instant) {
	for t := h.net.addrProbes.Pop(now); t != nil; t = h.net.addrProbes.Pop(now) {
		c := t.Value
		i, a := c.iface, c.prefix.Addr()
		switch {
		case !c.done && c.probes < probeNum:
			i.probe(a)
			wait := announceWait
			if c.probes++; c.probes < probeNum {
				wait = h.randomBetween(probeMin, probeMax)
			}
			h.net.addrProbes.Set(&c.timer, now.Add(wait))
			continue
		case !c.done:
			err := i.AddAddr(now, c.prefix) // AddAddr also announces the address
			if c.finish(err); err != nil {
				c.stop()
				continue
			}
		case h.net.localAddrs[a] == i:
			i.announce(a)
		}
		if c.announced++; c.announced < announceNum && h.net.localAddrs[a] == i {
			h.net.addrProbes.Set(&c.timer, now.Add(announceInterval))
		} else {
			c.stop()
		}
	}
}

// abandonIfInUse stops probing for an address if the ARP packet a shows that another station uses it, or probes for it
// too (RFC 5227 §2.1.1). It reports whether it stopped probing.
func (i *Iface) abandonIfInUse(now clock.Instant, a *wire.ARP) bool {
	owner := a.SenderIP
	if a.Op == wire.ARPRequest && a.SenderIP.IsUnspecified() {
		owner = a.TargetIP
	}
	c := i.addrProbe(owner)
	if c == nil || c.done || a.SenderHW == i.mac {
		return false
	}
	i.host.count(mib.ARPInConflicts)
	c.by = a.SenderHW
	c.stop()
	c.finish(ErrInUse)
	i.host.raiseConflict(Event{Now: now, Iface: i, Addr: owner, HW: a.SenderHW, New: ConflictAbandoned})
	return true
}

// probe sends an ARP probe for a (RFC 5227 §2.1.1).
func (i *Iface) probe(a netip.Addr) {
	q := wire.ARP{Op: wire.ARPRequest, SenderHW: i.mac, SenderIP: netip.IPv4Unspecified(), TargetIP: a}
	i.broadcastRequest(&q)
}

// announce sends an ARP announcement of a (RFC 5227 §2.3).
func (i *Iface) announce(a netip.Addr) {
	q := wire.ARP{Op: wire.ARPRequest, SenderHW: i.mac, SenderIP: a, TargetIP: a}
	i.broadcastRequest(&q)
}

// broadcastRequest queues the ARP request q as a broadcast if the interface is up, has neighbours, and its queue has
// room.
func (i *Iface) broadcastRequest(q *wire.ARP) {
	if i.caps.Medium != phy.MediumEthernet || !i.up {
		return
	}
	i.host.workPending()
	f := i.host.frames.get(wire.ARPLen)
	i.putARP(f, q, wire.Broadcast)
	if !i.out.replies.push(f, i.host.limits.ReplyQueue) {
		i.host.countRefused(limitReplyQueue)
		i.host.frames.put(f)
		return
	}
	i.host.count(mib.ARPOutRequests)
}

// cancelAddrProbes ends all probes and announcements of an interface that is going down.
func (i *Iface) cancelAddrProbes() {
	for _, c := range slices.Clone(i.addresses.probes) {
		if c.stop(); !c.done {
			c.finish(ErrDown)
		}
	}
}
