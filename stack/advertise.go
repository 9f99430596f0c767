package stack

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// Constants of a router (RFC 4861 §10), and its bounds.
const (
	firstInterval   = 16 * time.Second       // MAX_INITIAL_RTR_ADVERT_INTERVAL
	firstAdverts    = 3                      // MAX_INITIAL_RTR_ADVERTISEMENTS
	minAdvertGap    = 3 * time.Second        // MIN_DELAY_BETWEEN_RAS
	maxAnswerDelay  = 500 * time.Millisecond // MAX_RA_DELAY_TIME
	maxAdvertised   = 16                     // prefixes in an advertisement, withdrawn ones included
	maxAdvertsOfDNS = 4                      // DNS servers in an advertisement
	maxRouterTime   = 65535 * time.Second    // longest MaxInterval and Lifetime (RFC 8319 §4)
)

// NoLifetime as a lifetime of an Advertising is a lifetime of 0, since there a zero field means the default.
const NoLifetime time.Duration = -1

// Advertising is what a router advertises on an interface (RFC 4861 §6.2.1). A zero field means the default. Times out of range
// become the nearest that is allowed.
type Advertising struct {
	MaxInterval time.Duration // longest time between two advertisements to all nodes, 4 s to 65,535 s: 600 s; see minInterval
	Lifetime    time.Duration // for which hosts use the router by default, MaxInterval to 65,535 s: three times MaxInterval
	NoDefault   bool          // the router is no default router (a lifetime of 0)
	Preference  wire.Preference
	Valid       time.Duration // valid lifetime of prefixes: 30 days; NoLifetime withdraws them
	Preferred   time.Duration // preferred lifetime of prefixes, at most Valid: 7 days; NoLifetime deprecates their addresses
	MTU         int           // octets, 1280 to the interface's MTU; no MTU option by default
	HopLimit    uint8         // 64; hosts of this package ignore one below 32
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
	a.MaxInterval = min(max(a.MaxInterval, 4*time.Second), maxRouterTime)
	def(&a.Lifetime, 3*a.MaxInterval)
	a.Lifetime = min(max(a.Lifetime, a.MaxInterval), maxRouterTime)
	def(&a.Valid, 30*24*time.Hour)
	def(&a.Preferred, 7*24*time.Hour)
	a.Preferred = min(a.Preferred, a.Valid)
	a.DNS = slices.Clone(a.DNS)
	if a.HopLimit == 0 {
		a.HopLimit = replyTTL
	}
	return a
}

// minInterval returns the shortest time between two periodic advertisements: a third of MaxInterval, or three quarters of one below 9 s
// (RFC 4861 §6.2.1, MinRtrAdvInterval).
func (a *Advertising) minInterval() time.Duration {
	if a.MaxInterval < 9*time.Second {
		return max(minAdvertGap, a.MaxInterval*3/4)
	}
	return a.MaxInterval / 3
}

// advertiser is the state of an interface on which the host advertises itself as a router.
type advertiser struct {
	cfg       Advertising
	next      clock.Instant  // of the next advertisement; Never while the interface has no link-local address, or is down
	earliest  clock.Instant  // the next advertisement is not sent before
	sent      int            // advertisements since the last change, up to firstAdverts
	answers   bool           // the next advertisement answers a solicitation
	withdrawn []netip.Prefix // prefixes that the first advertisements after the last change withdraw
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
// ErrInvalid: the interface has no neighbours or is shared with the kernel, an MTU that the link can't have, a DNS server that is no IPv6 address, or too many.
func (i *Iface) Advertise(now clock.Instant, cfg *Advertising) error {
	if cfg == nil {
		i.stopAdvertising(now)
		return nil
	}
	if i.loop || i.shared || !i.hasNeighbors() || len(cfg.DNS) > maxAdvertsOfDNS || cfg.MTU != 0 && (cfg.MTU < wire.MinMTU6 || cfg.MTU > i.MTU()) {
		return ErrInvalid
	}
	for _, a := range cfg.DNS {
		if !a.Is6() || !unicast(a) {
			return ErrInvalid
		}
	}
	i.EnableIPv6(now)
	i.host.SetForwarding(now, true)
	a := &advertiser{cfg: cfg.withDefaults(), next: clock.Never}
	if old := i.v6.router; old != nil {
		a.earliest = old.earliest
	}
	i.v6.router = a
	i.startRouter(now)
	return nil
}

// startRouter begins to advertise when the interface can send packets, and again when what is advertised has changed (RFC 4861
// §6.2.4).
func (i *Iface) startRouter(now clock.Instant) {
	if a := i.v6.router; a != nil && i.v6.running && i.v6.linkLocal.IsValid() {
		a.sent, a.answers = 0, false
		a.next = max(now.Add(i.host.randomBetween(0, maxSolicitDelay)), a.earliest)
		i.host.workPending()
	}
}

// stopRouter is called when the interface can't send packets any more.
func (i *Iface) stopRouter() {
	if a := i.v6.router; a != nil {
		a.next, a.answers, a.withdrawn = clock.Never, false, nil
	}
}

// withdraw makes the next advertisements withdraw a prefix of which the interface has lost the last address. Hosts would use the
// prefix until its lifetime ends otherwise (RFC 9096 §3.5).
func (i *Iface) withdraw(p netip.Prefix) {
	if a := i.v6.router; a != nil && len(a.withdrawn) < maxAdvertised && !slices.Contains(a.withdrawn, p) {
		a.withdrawn = append(a.withdrawn, p)
	}
}

// stopAdvertising sends a last advertisement with a lifetime of 0.
func (i *Iface) stopAdvertising(now clock.Instant) {
	if i.v6 == nil || i.v6.router == nil {
		return
	}
	i.v6.router.cfg.NoDefault = true
	i.sendRouterAdvertisement(now)
	i.v6.router = nil
}

// tickRouter sends the advertisement that is due.
func (i *Iface) tickRouter(now clock.Instant) {
	a := i.v6.router
	if a == nil || !a.next.Due(now) {
		return
	}
	i.sendRouterAdvertisement(now)
	a.answers, a.earliest = false, now.Add(minAdvertGap)
	wait := i.host.randomBetween(a.cfg.minInterval(), a.cfg.MaxInterval)
	if a.sent = min(a.sent+1, firstAdverts); a.sent < firstAdverts {
		wait = min(wait, firstInterval)
	} else {
		a.withdrawn = nil
	}
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
	if a == nil || a.next == clock.Never {
		return h.overhearND()
	}
	if ok && !p.src.IsUnspecified() {
		if e := h.heard(now, i, p.src, hw); e != nil {
			i.neigh[ipv6].SetRouter(e, false)
		}
	}
	if at := max(now, a.earliest).Add(h.randomBetween(0, maxAnswerDelay)); !a.answers {
		a.answers, a.next = true, min(a.next, at)
	}
	h.workPending()
	v := answered(RouterAdvertisement)
	v.Proto = wire.ProtocolICMPv6
	return v
}

// sendRouterAdvertisement sends an advertisement to all nodes (RFC 4861 §6.2.3).
func (i *Iface) sendRouterAdvertisement(now clock.Instant) {
	a, src := i.v6.router, i.v6.linkLocal
	if !src.IsValid() || !i.v6.running {
		return
	}
	f := i.host.frames.get(wire.MinMTU6)
	n := wire.RouterAdvertisementLen
	b := f.Tail()[:wire.MinMTU6]
	n += wire.PutNDLinkAddr(b[n:], wire.NDSourceLinkAddr, i.mac)
	if a.cfg.MTU >= wire.MinMTU6 {
		n += wire.PutNDMTU(b[n:], uint32(a.cfg.MTU))
	}
	prefixes := i.advertisedPrefixes()
	for k, p := range append(prefixes, a.withdrawn...) {
		info := wire.PrefixInfo{Prefix: p, OnLink: true, Autonomous: p.Bits() == 64}
		if k < len(prefixes) {
			info.ValidLifetime, info.Preferred = seconds(a.cfg.Valid), seconds(a.cfg.Preferred)
		} else if slices.Contains(prefixes, p) || k >= maxAdvertised {
			continue
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
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// roleChanged is called when the host has become a router, or has ceased to be one. A router is a member of the group of all
// routers, and forgets what other routers have advertised.
func (i *Iface) roleChanged(now clock.Instant) {
	if i.v6 == nil {
		return
	}
	if !i.host.net.forwarding {
		i.stopAdvertising(now)
	}
	if !i.v6.running {
		return // start6 and stop6 look at the role
	}
	if i.host.net.forwarding {
		i.need(wire.AllRouters6)
		i.forgetRouters(now)
	} else {
		i.unneed(wire.AllRouters6)
	}
	i.startSolicits(now)
}
