package stack

import (
	"net/netip"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// Constants of a router (RFC 4861 §10).
const (
	firstInterval   = 16 * time.Second       // MAX_INITIAL_RTR_ADVERT_INTERVAL
	firstAdverts    = 3                      // MAX_INITIAL_RTR_ADVERTISEMENTS
	minAdvertGap    = 3 * time.Second        // MIN_DELAY_BETWEEN_RAS
	maxAnswerDelay  = 500 * time.Millisecond // MAX_RA_DELAY_TIME
	maxAdvertised   = 16                     // prefixes in an advertisement
	maxAdvertsOfDNS = 4                      // DNS servers in an advertisement
)

// NoLifetime as a lifetime of an Advertising is a lifetime of 0, since there a zero field means the default.
const NoLifetime time.Duration = -1

// Advertising is what a router advertises on an interface (RFC 4861 §6.2.1). A zero field means the default.
type Advertising struct {
	MaxInterval time.Duration // longest time between two advertisements to all nodes: 600 s; the shortest is a third
	Lifetime    time.Duration // for which hosts use the router by default: three times MaxInterval, at most 9000 s
	NoDefault   bool          // the router is no default router (a lifetime of 0)
	Preference  wire.Preference
	Valid       time.Duration // valid lifetime of prefixes: 30 days; NoLifetime withdraws them
	Preferred   time.Duration // preferred lifetime of prefixes: 7 days; NoLifetime deprecates their addresses
	MTU         int           // octets; no MTU option by default
	HopLimit    uint8         // 64
	Managed     bool          // addresses by DHCPv6
	Other       bool          // other configuration by DHCPv6
	DNS         []netip.Addr  // DNS servers, at most four; each must be an IPv6 address
}

func (a Advertising) withDefaults() Advertising {
	def := func(d *time.Duration, normal time.Duration) {
		switch {
		case *d == 0:
			*d = normal
		case *d < 0:
			*d = 0
		}
	}
	def(&a.MaxInterval, 600*time.Second)
	a.MaxInterval = min(max(a.MaxInterval, 4*time.Second), 1800*time.Second)
	def(&a.Lifetime, 3*a.MaxInterval)
	a.Lifetime = min(a.Lifetime, 9000*time.Second)
	def(&a.Valid, 30*24*time.Hour)
	def(&a.Preferred, 7*24*time.Hour)
	a.Preferred = min(a.Preferred, a.Valid)
	if a.HopLimit == 0 {
		a.HopLimit = replyTTL
	}
	return a
}

// advertiser is the state of an interface on which the host advertises itself as a router.
type advertiser struct {
	cfg     Advertising
	next    clock.Instant // of the next advertisement
	last    clock.Instant // of the last advertisement
	sent    int           // advertisements, up to firstAdverts
	answers bool          // the next advertisement answers a solicitation
	anySent bool
}

// at returns the time of the next advertisement that the network waits for: one of the first, or one that was solicited.
func (a *advertiser) at() clock.Instant {
	if a == nil || a.sent >= firstAdverts && !a.answers {
		return clock.Never
	}
	return a.next
}

// upkeep returns the time of the next advertisement of any kind.
func (a *advertiser) upkeep() clock.Instant {
	if a == nil {
		return clock.Never
	}
	return a.next
}

// Advertise makes the host advertise itself as a router of IPv6 on the interface, with the prefixes of the addresses that were added
// there by hand. It turns forwarding on. A nil cfg ends that; hosts on the link then forget the router (RFC 4861 §6.2.5).
// ErrInvalid: a DNS server that is no IPv6 address, or too many.
func (i *Iface) Advertise(now clock.Instant, cfg *Advertising) error {
	if cfg == nil {
		i.stopAdvertising(now)
		return nil
	}
	if len(cfg.DNS) > maxAdvertsOfDNS {
		return ErrInvalid
	}
	for _, a := range cfg.DNS {
		if !a.Is6() || !unicast(a) {
			return ErrInvalid
		}
	}
	i.EnableIPv6(now)
	i.host.SetForwarding(now, true)
	i.v6.router = &advertiser{cfg: cfg.withDefaults()}
	i.startRouter(now)
	return nil
}

// startRouter begins to advertise, soon after the interface can send packets.
func (i *Iface) startRouter(now clock.Instant) {
	if a := i.v6.router; a != nil && i.up {
		*a = advertiser{cfg: a.cfg, next: now.Add(i.host.randomBetween(0, maxSolicitDelay))}
		i.host.workPending()
	}
}

// stopRouter is called when the interface can't send packets any more.
func (i *Iface) stopRouter() {
	if a := i.v6.router; a != nil {
		a.next, a.sent, a.answers = clock.Never, firstAdverts, false
	}
}

// stopAdvertising sends a last advertisement with a lifetime of 0.
func (i *Iface) stopAdvertising(now clock.Instant) {
	if i.v6 == nil || i.v6.router == nil {
		return
	}
	a := i.v6.router
	a.cfg.NoDefault = true
	i.sendRouterAdvertisement(now)
	i.v6.router = nil
}

// tickRouter sends the advertisement that is due.
func (i *Iface) tickRouter(now clock.Instant) {
	a := i.v6.router
	if a == nil || !a.next.Due(now) {
		return
	}
	if !i.v6.linkLocal.IsValid() { // still tentative, or there is none: assigned starts the router again
		a.next = clock.Never
		return
	}
	i.sendRouterAdvertisement(now)
	a.answers, a.last, a.anySent = false, now, true
	wait := i.host.randomBetween(a.cfg.MaxInterval/3, a.cfg.MaxInterval)
	if a.sent++; a.sent < firstAdverts {
		wait = min(wait, firstInterval)
	}
	a.sent = min(a.sent, firstAdverts)
	a.next = now.Add(wait)
}

// receiveRouterSolicitation answers a router solicitation by an advertisement to all nodes, after a random time and at most once in
// minAdvertGap (RFC 4861 §6.2.6).
func (h *Host) receiveRouterSolicitation(now clock.Instant, p *packet) Verdict {
	i := p.iface
	options, err := wire.ParseRouterSolicitation(p.header6(), p.payload, false)
	if err != nil {
		return dropped(drop.Of(err))
	}
	hw, ok, r := i.linkAddr(options, wire.NDSourceLinkAddr)
	if r != drop.None {
		return dropped(r)
	}
	a := i.v6.router
	if a == nil {
		return h.overhearND()
	}
	if ok && !p.src.IsUnspecified() {
		if e := h.heard(now, i, p.src, hw); e != nil {
			i.neigh[ipv6].SetRouter(e, false)
		}
	}
	at := now.Add(h.randomBetween(0, maxAnswerDelay))
	if a.anySent {
		at = max(at, a.last.Add(minAdvertGap))
	}
	if at < a.next || !a.answers && a.sent >= firstAdverts {
		a.next = min(a.next, at)
	}
	a.answers = true
	h.workPending()
	v := answered(RouterAdvertisement)
	v.Proto = wire.ProtocolICMPv6
	return v
}

// sendRouterAdvertisement sends an advertisement to all nodes (RFC 4861 §6.2.3).
func (i *Iface) sendRouterAdvertisement(now clock.Instant) {
	a, src := i.v6.router, i.v6.linkLocal
	if !src.IsValid() || !i.up {
		return
	}
	f := i.host.frames.get(wire.MinMTU6)
	n := wire.RouterAdvertisementLen
	b := f.Tail()[:wire.MinMTU6]
	n += wire.PutNDLinkAddr(b[n:], wire.NDSourceLinkAddr, i.mac)
	if a.cfg.MTU >= wire.MinMTU6 {
		n += wire.PutNDMTU(b[n:], uint32(a.cfg.MTU))
	}
	for _, p := range i.advertisedPrefixes() {
		info := wire.PrefixInfo{
			Prefix: p, OnLink: true, Autonomous: p.Bits() == 64,
			ValidLifetime: seconds(a.cfg.Valid), Preferred: seconds(a.cfg.Preferred),
		}
		n += info.Put(b[n:])
	}
	lifetime := a.cfg.Lifetime
	if a.cfg.NoDefault {
		lifetime = 0
	}
	if len(a.cfg.DNS) > 0 {
		n += wire.PutNDDNSServers(b[n:], seconds(a.cfg.Lifetime), a.cfg.DNS...)
	}
	m := wire.RouterAdvertisement{
		HopLimit: a.cfg.HopLimit, Managed: a.cfg.Managed, Other: a.cfg.Other, Preference: a.cfg.Preference,
		RouterLifetime: uint16(lifetime / time.Second),
	}
	m.Put(f.Extend(n), src, wire.AllNodes6)
	i.putNDHeader(f, src, wire.AllNodes6)
	i.host.count(mib.ICMP6OutRouterAdvertisements)
	i.queueReply(f, wire.GroupMAC(wire.AllNodes6))
}

// seconds returns a lifetime as in an option; all ones stand for infinity.
func seconds(d time.Duration) uint32 { return uint32(min(d/time.Second, 1<<32-1)) }

// advertisedPrefixes returns the on-link prefixes of the addresses that were added by hand, without the link-local one.
func (i *Iface) advertisedPrefixes() (list []netip.Prefix) {
	for k := range i.addresses.list {
		n := &i.addresses.list[k]
		p := n.Masked()
		if n.addr.Is4() || !n.connects() || len(list) == maxAdvertised {
			continue
		}
		known := false
		for _, q := range list {
			known = known || p == q
		}
		if !known {
			list = append(list, p)
		}
	}
	return list
}

// roleChanged is called when the host has become a router, or has ceased to be one. A router is a member of the group of all
// routers, and forgets what other routers have advertised.
func (i *Iface) roleChanged(now clock.Instant) {
	v := i.v6
	if v == nil || i.loop || !i.up {
		return
	}
	if i.host.net.forwarding {
		i.need(wire.AllRouters6)
		v.conf.Flush(now)
		i.applyAutoconf(now)
	} else {
		i.unneed(wire.AllRouters6)
		i.stopAdvertising(now)
	}
	i.startSolicits(now)
}
