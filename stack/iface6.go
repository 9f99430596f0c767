package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/addrsel"
	"smolsh/stack/autoconf"
	"smolsh/stack/clock"
	"smolsh/stack/mld"
	"smolsh/stack/route"
	"smolsh/stack/wire"
)

// ipv6State is the IPv6 state of an interface.
type ipv6State struct {
	conf      *autoconf.State // routers, prefixes, addresses and parameters from router advertisements
	linkLocal netip.Addr      // with its zone; zero until the address is not tentative any more
	mld       *mld.Listener   // nil while the interface is down
	changes   []groupChange   // memberships to be reported, not yet known to mld
	solicits  solicits
	router    *advertiser   // nil unless the interface advertises itself as a router
	link      autoconf.Link // parameters of the link from router advertisements
	running   bool          // true from start6 to stop6
	ticked    clock.Instant // time of the last tick6
	redraw    clock.Instant // time from which an advertisement makes the host draw its ReachableTime again
}

// EnableIPv6 makes the interface speak IPv6: it makes a link-local address, and asks for routers (RFC 4862 §5.3, RFC 4861
// §6.3.7). An interface whose MTU is below 1280 octets does not speak IPv6 until that changes (RFC 8200 §5).
func (i *Iface) EnableIPv6(now clock.Instant) {
	if i.v6 != nil {
		return
	}
	h := i.host
	cfg := autoconf.Config{Iface: i.name, MAC: i.mac, Temporary: h.cfg.TemporaryAddrs, Rand: h.rng}
	binary.BigEndian.PutUint64(cfg.Secret[:], h.secret[0])
	binary.BigEndian.PutUint64(cfg.Secret[8:], h.secret[1])
	i.v6 = &ipv6State{conf: autoconf.New(cfg.Bounded(h.limits.Advertised))}
	i.settle6(now)
}

// settle6 starts or stops IPv6 after a change of the interface's state or MTU.
func (i *Iface) settle6(now clock.Instant) {
	should := i.shouldRun6()
	if i.v6 == nil || should == i.v6.running {
		return
	}
	i.host.net.epoch++
	if should {
		i.start6(now)
	} else {
		i.stop6(now)
	}
	i.host.allConnsChanged(now)
}

// mtuChanged is called when the interface's MTU may have changed. Tick starts or stops IPv6, but its routes end at once.
func (i *Iface) mtuChanged() {
	if i.v6 != nil && i.v6.running != i.shouldRun6() {
		i.host.net.epoch++
		i.host.workPending()
	}
}

// shouldRun6 reports whether the host makes addresses, looks for routers and reports groups on the interface: it can send packets of
// IPv6 to a link, and the kernel does not do these things there.
func (i *Iface) shouldRun6() bool { return i.up && !i.loop && !i.shared && i.speaksIPv6() }

// IPv6 reports whether the interface speaks IPv6.
func (i *Iface) IPv6() bool { return i.speaksIPv6() }

func (i *Iface) speaksIPv6() bool { return i.v6 != nil && i.MTU() >= wire.MinMTU6 }

// LinkLocal returns the interface's own link-local address with its zone, the zero Addr while it has none.
func (i *Iface) LinkLocal() netip.Addr {
	if i.v6 == nil {
		return netip.Addr{}
	}
	return i.v6.linkLocal
}

// start6 is called when the interface can send packets. It reports the groups, probes for a link-local address unless the interface
// has one, and asks for routers.
func (i *Iface) start6(now clock.Instant) {
	v := i.v6
	v.running, v.changes = true, nil
	if i.hasNeighbors() {
		v.mld = mld.New(mld.Config{Rand: i.host.rng})
		for m := range i.groups.list.all {
			if !m.silent {
				i.reportMLD(m.group, true)
			}
		}
	}
	if i.host.net.forwarding {
		i.need(wire.AllRouters6)
	}
	if !v.linkLocal.IsValid() {
		i.tryLinkLocal(now, v.conf.LinkLocal(0))
	}
	i.reconfigure(now)
	i.startRouter(now)
	i.startSolicits(now)
}

// stop6 is called when the interface can't send packets any more. An interface that is switched off forgets the routers'
// advertisements. An interface whose link is down keeps them until their lifetimes end, and keeps its connections, because the link is
// most often the same afterwards. start6 then asks for routers.
func (i *Iface) stop6(now clock.Instant) {
	v := i.v6
	if i.host.net.forwarding {
		i.unneed(wire.AllRouters6)
	}
	v.running, v.mld, v.changes, v.solicits = false, nil, nil, solicits{}
	i.stopRouter()
	i.cancelAddrProbes(now, ipv6)
	i.host.net.forgetRedirects(func(r route.Route) bool { return r.Out == int(i.index) })
	if i.off || !i.linkDown {
		i.forgetRouters(now)
	}
}

// reconfigure probes for addresses from routers' prefixes that the interface could not probe for while its link was down.
func (i *Iface) reconfigure(now clock.Instant) {
	for _, a := range i.v6.conf.Addresses(now) {
		if i.host.net.localAddrs[a.Addr] == nil && i.addrProbe(a.Addr) == nil {
			i.configure(now, autoconf.Change{Addr: a.Addr, Prefix: a.Prefix, Temporary: a.Temporary, Deprecated: a.Deprecated})
		}
	}
}

// hasNeighbors reports whether stations of the link have hardware addresses.
func (i *Iface) hasNeighbors() bool { return i.caps.Medium == phy.MediumEthernet }

// tryLinkLocal probes for a link-local address, which the interface then has.
func (i *Iface) tryLinkLocal(now clock.Instant, a netip.Addr) {
	_, _ = i.probeAddr(now, netip.PrefixFrom(a, 64), OriginLinkLocal)
}

// addrChanged is called when the interface has got or lost the address a. Its first link-local address is the source of its
// router advertisements and of its MLD reports. A router advertises the prefixes of its addresses.
func (i *Iface) addrChanged(now clock.Instant, a netip.Addr) {
	v := i.v6
	if v == nil || a.Is4() {
		return
	}
	if had := v.linkLocal; had == (netip.Addr{}) || i.host.net.localAddrs[had] != i {
		v.linkLocal = netip.Addr{}
		for k := range i.addresses.list {
			if a := i.addresses.list[k].addr; needsZone(a) {
				v.linkLocal = a
				break
			}
		}
		switch {
		case !v.linkLocal.IsValid():
			i.stopRouter()
		case v.mld != nil:
			v.mld.Restart(now) // RFC 3590 §4: what was reported from :: may have been ignored
		}
	}
	i.startRouter(now)
}

// abandoned is called when another station uses an address for which the interface has probed. It tries another one of the same
// kind (RFC 7217 §6).
func (i *Iface) abandoned(now clock.Instant, c *AddrProbe) {
	switch c.origin {
	case OriginLinkLocal:
		if next, ok := i.v6.conf.Conflict(now, c.prefix.Addr()); ok {
			i.tryLinkLocal(now, next)
		}
	case OriginAutoconf, OriginTemporary:
		_, _ = i.v6.conf.Conflict(now, c.prefix.Addr())
		i.applyAutoconf(now)
	}
}

// joinNode makes the interface a member of the solicited-node group of its address a (RFC 4861 §7.2.1), and leaveNode ends that.
func (i *Iface) joinNode(a netip.Addr) {
	if a.Is6() && !i.loop && i.hasNeighbors() {
		i.need(wire.SolicitedNode(a))
	}
}

func (i *Iface) leaveNode(a netip.Addr) {
	if a.Is6() && !i.loop {
		i.unneed(wire.SolicitedNode(a))
	}
}

// hopLimit returns the default of a packet's TTL, or of its hop limit, which a router may have advertised (RFC 4861 §6.3.4).
func (i *Iface) hopLimit(f family) uint8 {
	if f == ipv6 && i.v6 != nil && i.v6.link.HopLimit != 0 {
		return i.v6.link.HopLimit
	}
	return replyTTL
}

// deadline6 returns the time at which tick6 must be called.
func (i *Iface) deadline6() clock.Instant {
	v := i.v6
	if v == nil {
		return clock.Never
	}
	if v.running != i.shouldRun6() {
		return 0
	}
	at := min(v.solicits.at(), v.router.at())
	if v.mld != nil {
		if due := v.mld.Deadline(); !due.Due(v.ticked) { // Transmit sends what is due
			at = min(at, due)
		}
	}
	return at
}

// tick6 runs the timers that are due.
func (i *Iface) tick6(now clock.Instant) {
	v := i.v6
	if v == nil {
		return
	}
	v.ticked = now
	i.settle6(now)
	if i.owesReports(now) {
		i.host.workPending()
	}
	i.tickSolicits(now)
	i.tickRouter(now)
	if v.conf.Deadline().Due(now) {
		v.conf.Expire(now)
		i.applyAutoconf(now)
	}
}

// source6 returns the source of packets to dst by the next hop p (RFC 6724 §5).
func (n *netLayer) source6(p hop, dst netip.Addr) (netip.Addr, bool) {
	if c := &n.chosen; c.epoch == n.epoch && c.dst == dst && c.iface == p.iface {
		return c.src, c.src.IsValid()
	}
	n.candidates = n.candidates[:0]
	for _, i := range n.ifaces {
		if !i.loop {
			n.addCandidates(i, i == p.iface || p.iface == n.loop)
		}
	}
	n.chosen = chosenSource{iface: p.iface, dst: dst, epoch: n.epoch}
	if k, ok := n.policy.Source(dst, n.candidates); ok {
		n.chosen.src = n.candidates[k].Addr
	}
	return n.chosen.src, n.chosen.src.IsValid()
}

// addCandidates adds the addresses of i to the candidates. outgoing is true if packets leave by i.
func (n *netLayer) addCandidates(i *Iface, outgoing bool) {
	for k := range i.addresses.list {
		if a := &i.addresses.list[k]; a.addr.Is6() {
			n.candidates = append(n.candidates, addrsel.Candidate{
				Addr: a.addr, PrefixLen: a.Bits(), Deprecated: a.deprecated, Temporary: a.origin == OriginTemporary, Outgoing: outgoing,
			})
		}
	}
}

// chosenSource is the last result of source6, valid while the epoch is that of the network layer.
type chosenSource struct {
	iface    *Iface
	dst, src netip.Addr
	epoch    uint32
}
