package stack

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/stack/autoconf"
	"smolsh/stack/clock"
)

// The states of an address: values of AddrInfo.State, and of Event.Old and Event.New in an EventAddress (RFC 4862 §2).
const (
	AddrTentative  = "tentative"  // the interface probes for it, and does not use it yet
	AddrPreferred  = "preferred"  // it may be the source of any packet
	AddrDeprecated = "deprecated" // it is valid, but not for new connections
	AddrDuplicate  = "duplicate"  // another station had it when the interface probed for it
)

// maxDuplicates is the number of duplicate addresses that an interface remembers for its table. A further one replaces the oldest.
const maxDuplicates = 8

// AddrInfo is one row of the address table.
type AddrInfo struct {
	Prefix           netip.Prefix // the address without a zone, and the length of its subnet's prefix
	Addr             netip.Addr   // with the zone that a link-local address needs
	Dev              string
	Scope            string // host, link or global (RFC 4007 §4)
	Origin           AddrOrigin
	State            string
	Preferred, Valid time.Duration // remaining lifetimes; negative: they do not end
}

// AddrInfos returns the addresses of all interfaces, without the hidden ones.
func (h *Host) AddrInfos(now clock.Instant) (infos []AddrInfo) {
	for _, i := range h.net.ifaces {
		if !i.hidden {
			infos = append(infos, i.AddrInfos(now)...)
		}
	}
	return infos
}

// AddrInfos returns the interface's addresses in the order in which they were added, then the tentative ones, then the
// last eight that were found to be duplicates.
func (i *Iface) AddrInfos(now clock.Instant) (infos []AddrInfo) {
	var lifetimes []autoconf.Address
	if i.v6 != nil {
		lifetimes = i.v6.conf.Addresses(now)
	}
	add := func(p netip.Prefix, origin AddrOrigin, state string) {
		info := AddrInfo{
			Prefix: p, Addr: i.ownScope(p.Addr()), Dev: i.name, Scope: scopeName(p.Addr()), Origin: origin, State: state,
			Preferred: -1, Valid: -1,
		}
		for _, a := range lifetimes {
			if a.Addr == p.Addr() && origin != OriginManual {
				info.Preferred, info.Valid = untilEnd(a.Preferred), untilEnd(a.Valid)
			}
		}
		infos = append(infos, info)
	}
	for k := range i.addresses.list {
		a := &i.addresses.list[k]
		add(a.Prefix, a.origin, a.state())
	}
	for _, c := range i.addresses.probes {
		if !c.done {
			add(c.prefix, c.origin, AddrTentative)
		}
	}
	for _, d := range i.addresses.duplicates {
		add(d.Prefix, d.origin, AddrDuplicate)
	}
	return infos
}

// untilEnd returns a remaining lifetime, negative if it does not end.
func untilEnd(d time.Duration) time.Duration {
	if d == autoconf.Infinite {
		return -1
	}
	return d
}

// state returns the address's state in the table.
func (n *ifaceAddr) state() string {
	if n.deprecated {
		return AddrDeprecated
	}
	return AddrPreferred
}

// scopeName returns the name of a unicast address's scope. A unique local address is of global scope (RFC 4193 §3.3).
func scopeName(a netip.Addr) string {
	switch {
	case a.IsLoopback():
		return "host"
	case a.IsLinkLocalUnicast():
		return "link"
	}
	return "global"
}

// keepDuplicate remembers for the table that another station has the address for which c has probed.
func (i *Iface) keepDuplicate(now clock.Instant, c *AddrProbe) {
	i.forgetDuplicate(c.addr)
	if list := &i.addresses.duplicates; len(*list) >= maxDuplicates {
		*list = slices.Delete(*list, 0, 1)
	}
	i.addresses.duplicates = append(i.addresses.duplicates, ifaceAddr{Prefix: c.prefix, addr: c.addr, origin: c.origin})
	i.raiseAddr(now, c.addr, AddrTentative, AddrDuplicate)
}

// forgetDuplicate is called when the interface probes for the address again, or has it.
func (i *Iface) forgetDuplicate(a netip.Addr) {
	i.addresses.duplicates = slices.DeleteFunc(i.addresses.duplicates, func(d ifaceAddr) bool { return d.addr == a })
}

// raiseAddr reports that an address of the interface has changed its state. A state of "" is that of an address which the
// interface does not have.
func (i *Iface) raiseAddr(now clock.Instant, a netip.Addr, from, to string) {
	if len(i.host.watch.listeners) > 0 {
		i.host.raise(Event{Kind: EventAddress, Now: now, Iface: i, Addr: a, Old: from, New: to})
	}
}

// RouterInfo is one row of the table of default routers that have advertised themselves (RFC 4861 §6.3.4).
type RouterInfo struct {
	Addr       netip.Addr // with its zone
	Dev        string
	Preference string        // low, medium or high (RFC 4191 §2.1)
	State      string        // of its entry in the neighbour table, "" for none
	Expires    time.Duration // remaining; negative: never
}

// RouterInfos returns the default routers by interface, in the order in which they were learnt.
func (h *Host) RouterInfos(now clock.Instant) (infos []RouterInfo) {
	h.eachConf(func(i *Iface, conf *autoconf.State) {
		for _, r := range conf.Routers(now) {
			info := RouterInfo{
				Addr: i.ownScope(r.Addr), Dev: i.name, Preference: preferenceName(int8(r.Preference)), Expires: untilEnd(r.Lifetime),
			}
			if e := i.neigh[ipv6].Get(info.Addr); e != nil {
				info.State = e.State.String()
			}
			infos = append(infos, info)
		}
	})
	return infos
}

// PrefixInfo is one row of the table of prefixes that routers have advertised to be on a link (RFC 4861 §6.3.4).
type PrefixInfo struct {
	Prefix  netip.Prefix
	Dev     string
	Expires time.Duration // remaining; negative: never
}

// PrefixInfos returns the advertised on-link prefixes by interface, in the order in which they were learnt.
func (h *Host) PrefixInfos(now clock.Instant) (infos []PrefixInfo) {
	h.eachConf(func(i *Iface, conf *autoconf.State) {
		for _, p := range conf.Prefixes(now) {
			infos = append(infos, PrefixInfo{Prefix: p.Prefix, Dev: i.name, Expires: untilEnd(p.Valid)})
		}
	})
	return infos
}

// DNSInfo is one row of the table of what routers have advertised for name resolution (RFC 8106 §5).
type DNSInfo struct {
	Server  netip.Addr // with the zone that a link-local address needs; zero for a search domain
	Domain  string     // a search domain; "" for a server
	Dev     string
	Router  netip.Addr    // the router that has advertised it, with its zone
	Expires time.Duration // remaining; negative: never
}

// DNSInfos returns for each interface the DNS servers and then the search domains, in the order in which they were learnt. One that
// two routers have advertised has two rows.
func (h *Host) DNSInfos(now clock.Instant) (infos []DNSInfo) {
	h.eachConf(func(i *Iface, conf *autoconf.State) {
		dns := conf.DNS(now)
		for _, s := range dns.Servers {
			infos = append(infos, DNSInfo{Server: i.ownScope(s.Addr), Dev: i.name, Router: i.ownScope(s.Router), Expires: untilEnd(s.Lifetime)})
		}
		for _, d := range dns.Domains {
			infos = append(infos, DNSInfo{Domain: d.Name, Dev: i.name, Router: i.ownScope(d.Router), Expires: untilEnd(d.Lifetime)})
		}
	})
	return infos
}

// eachConf calls fn with each interface that speaks IPv6, and what routers have advertised on it.
func (h *Host) eachConf(fn func(i *Iface, conf *autoconf.State)) {
	for _, i := range h.net.ifaces {
		if i.v6 != nil && !i.hidden {
			fn(i, i.v6.conf)
		}
	}
}

// preferenceName returns the name of a route's preference.
func preferenceName(p int8) string {
	switch {
	case p < 0:
		return "low"
	case p > 0:
		return "high"
	}
	return "medium"
}
