package stack

import (
	"bytes"
	"encoding/binary"
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

// dadProbes is the number of probes for an IPv6 address, DupAddrDetectTransmits of RFC 4862 §5.1. The first is sent after probeWait
// too (§5.4.2), and RetransTimer passes after each. If the link has returned one, the host sends loopedProbes more,
// MAX_MULTICAST_SOLICIT (RFC 7527 §4.1). It does so once, because a link that returns every packet would otherwise keep it probing
// for ever.
const (
	dadProbes    = 1
	loopedProbes = 3
)

// defendAddr defends our address a against the station hw, which uses a too. It announces a, at most once in
// defendInterval, because two defending hosts would otherwise answer each other for ever. RFC 5227 §2.4 (c) lets a host
// keep an address that was configured by hand, since other stations rely on it. RFC 4862 says nothing of
// such a conflict of IPv6.
func (h *Host) defendAddr(now clock.Instant, a netip.Addr, hw wire.HardwareAddr) {
	h.countConflict(a)
	i := h.net.localAddrs[a]
	if i.shared || !i.addresses.defended[a].Due(now) {
		return
	}
	if i.addresses.defended == nil {
		i.addresses.defended = make(map[netip.Addr]clock.Instant)
	}
	i.addresses.defended[a] = now.Add(defendInterval)
	i.announce(a)
	if a.Is4() {
		h.count(mib.ARPOutDefences)
	}
	h.raiseConflict(Event{Now: now, Iface: i, Addr: a, HW: hw, New: ConflictDefended})
}

func (h *Host) countConflict(a netip.Addr) {
	if a.Is4() {
		h.count(mib.ARPInConflicts)
	} else {
		h.count(mib.ICMP6InConflicts)
	}
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

	iface      *Iface
	prefix     netip.Prefix
	addr       netip.Addr // the address of prefix, with the zone that a link-local one needs
	origin     AddrOrigin
	deprecated bool      // the address is added as a deprecated one
	nonces     [][6]byte // of the solicitations, by which the host knows each again (RFC 7527 §4.1)
	looped     bool      // true if the link has returned a solicitation
	listening  bool      // true while the interface is in the address's solicited-node group for the probe
	timer      clock.Timer[*AddrProbe]
	probes     int // number of probes sent
	announced  int // number of announcements sent
	done       bool
	err        error
	by         wire.HardwareAddr
}

// ProbeAddr sends three ARP probes for an address within four to seven seconds (RFC 5227 §2.1). If no station answers,
// it adds the address as AddAddr does, and announces it twice (§2.3). For an IPv6 address it sends one solicitation, and adds
// the address a second later (RFC 4862 §5.4). Until then the host does not use the address, which is called tentative. An
// interface without neighbours adds the address at once. Errors: ErrExists and ErrInvalid as for AddAddr; ErrDown.
func (i *Iface) ProbeAddr(now clock.Instant, p netip.Prefix) (*AddrProbe, error) {
	return i.probeAddr(now, p, OriginManual)
}

// probeAddr is ProbeAddr for an address of any origin.
func (i *Iface) probeAddr(now clock.Instant, p netip.Prefix, origin AddrOrigin) (*AddrProbe, error) {
	if err := i.checkAddr(p); err != nil {
		return nil, err
	}
	c := &AddrProbe{iface: i, prefix: p, addr: i.ownScope(p.Addr()), origin: origin}
	c.timer.Value = c
	switch {
	case !i.up:
		return nil, ErrDown
	case i.addrProbe(c.addr) != nil:
		return nil, ErrExists
	case i.caps.Medium != phy.MediumEthernet || i.shared:
		c.assign(now)
		c.done = true
		return c, nil
	}
	if c.addr.Is6() {
		i.EnableIPv6(now)
		c.listen()
	}
	i.addresses.probes = append(i.addresses.probes, c)
	i.forgetDuplicate(c.addr)
	i.raiseAddr(now, c.addr, "", AddrTentative)
	i.host.workPending()
	i.host.net.addrProbes.Set(&c.timer, now.Add(i.host.randomBetween(0, probeWait)))
	return c, nil
}

// assign adds the address, and announces it.
func (c *AddrProbe) assign(now clock.Instant) {
	i := c.iface
	i.addAddr(now, c.prefix, c.origin)
	a := &i.addresses.list[len(i.addresses.list)-1]
	a.deprecated = c.deprecated
	before := ""
	if c.probes > 0 {
		before = AddrTentative
	}
	i.raiseAddr(now, c.addr, before, a.state())
	if c.addr.Is4() {
		i.announce(c.addr)
	} else {
		i.introduce(c.addr)
	}
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
	if c.listening {
		c.listening = false
		c.iface.leaveNode(c.addr)
	}
}

// addrProbe returns the AddrProbe for address a that is in progress, nil if there is none.
func (i *Iface) addrProbe(a netip.Addr) *AddrProbe {
	for _, c := range i.addresses.probes {
		if c.addr == a {
			return c
		}
	}
	return nil
}

// tentative reports whether an interface probes for the address a, which is not the host's yet.
func (n *netLayer) tentative(a netip.Addr) bool {
	return n.addrProbes.Len() > 0 && slices.ContainsFunc(n.ifaces, func(i *Iface) bool {
		c := i.addrProbe(a)
		return c != nil && !c.done
	})
}

// randomBetween returns a random duration between lo and hi, both included.
func (h *Host) randomBetween(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(h.rng.Int64N(int64(hi-lo)+1))
}

// tickAddrProbes sends the probes and announcements that are due at time now.
func (h *Host) tickAddrProbes(now clock.Instant) {
	for t := h.net.addrProbes.Pop(now); t != nil; t = h.net.addrProbes.Pop(now) {
		c := t.Value
		i := c.iface
		switch {
		case !c.done && c.probes < c.wanted():
			c.sendProbe(now)
			continue
		case !c.done:
			err := i.checkAddr(c.prefix)
			if err == nil {
				c.assign(now)
			}
			if c.finish(err); err != nil {
				c.stop()
				continue
			}
		case h.net.localAddrs[c.addr] == i:
			i.announce(c.addr)
		}
		if c.announced++; c.addr.Is4() && c.announced < announceNum && h.net.localAddrs[c.addr] == i {
			h.net.addrProbes.Set(&c.timer, now.Add(announceInterval))
		} else {
			c.stop()
		}
	}
}

// wanted returns the number of probes to be sent.
func (c *AddrProbe) wanted() int {
	switch {
	case c.addr.Is4():
		return probeNum
	case c.looped:
		return dadProbes + loopedProbes
	}
	return dadProbes
}

// newNonce returns the nonce of the next solicitation, six random octets.
func (c *AddrProbe) newNonce() (nonce [6]byte) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], c.iface.host.rng.Uint64())
	copy(nonce[:], b[:])
	c.nonces = append(c.nonces, nonce)
	return nonce
}

// sent reports whether a solicitation of c had the nonce.
func (c *AddrProbe) sent(nonce []byte) bool {
	return slices.ContainsFunc(c.nonces, func(n [6]byte) bool { return bytes.Equal(n[:], nonce) })
}

// listen makes the interface receive packets to the address's solicited-node group, where other stations' probes and the answers to
// ours are sent. It does so before the first probe, and reports the group only with that (RFC 4862 §5.4.2).
func (c *AddrProbe) listen() {
	if i := c.iface; i.hasNeighbors() {
		c.listening = true
		i.overhearGroup(wire.SolicitedNode(c.addr))
	}
}

// sendProbe sends a probe and sets the time of the next step. The interface reports the solicited-node group of an IPv6 address
// first, so that switches forward the group's packets to it (RFC 4862 §5.4.2).
func (c *AddrProbe) sendProbe(now clock.Instant) {
	i, h := c.iface, c.iface.host
	c.probes++
	if c.addr.Is6() {
		i.reportGroup(wire.SolicitedNode(c.addr))
		i.solicitTentative(c)
		h.net.addrProbes.Set(&c.timer, now.Add(i.neigh[ipv6].Config().Interval))
		return
	}
	i.probe(c.addr)
	wait := announceWait
	if c.probes < probeNum {
		wait = h.randomBetween(probeMin, probeMax)
	}
	h.net.addrProbes.Set(&c.timer, now.Add(wait))
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
	c.abandon(now, a.SenderHW)
	return true
}

// abandon stops probing because the station hw uses the address.
func (c *AddrProbe) abandon(now clock.Instant, hw wire.HardwareAddr) {
	i := c.iface
	i.host.countConflict(c.addr)
	c.by = hw
	c.stop()
	c.finish(ErrInUse)
	i.keepDuplicate(now, c)
	i.host.raiseConflict(Event{Now: now, Iface: i, Addr: c.addr, HW: hw, New: ConflictAbandoned})
	i.abandoned(now, c)
}

// probe sends an ARP probe for a (RFC 5227 §2.1.1).
func (i *Iface) probe(a netip.Addr) {
	q := wire.ARP{Op: wire.ARPRequest, SenderHW: i.mac, SenderIP: netip.IPv4Unspecified(), TargetIP: a}
	i.broadcastRequest(&q)
}

// announce sends an ARP announcement of a (RFC 5227 §2.3), or an unsolicited neighbour advertisement (RFC 4861 §7.2.6).
// The kernel has announced the addresses of a shared interface.
func (i *Iface) announce(a netip.Addr) {
	if i.shared {
		return
	}
	if a.Is6() {
		i.advertise(a)
		return
	}
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

// cancelAddrProbes ends all probes and announcements of a family on an interface that is going down.
func (i *Iface) cancelAddrProbes(now clock.Instant, f family) {
	for _, c := range slices.Clone(i.addresses.probes) {
		if familyOf(c.addr) != f {
			continue
		}
		if c.stop(); !c.done {
			c.finish(ErrDown)
			i.raiseAddr(now, c.addr, AddrTentative, "")
		}
	}
	i.addresses.duplicates = nil
}
