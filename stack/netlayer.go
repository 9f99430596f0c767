package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/addrsel"
	"smolsh/stack/clock"
	"smolsh/stack/pmtu"
	"smolsh/stack/route"
)

// netLayer is the host's network layer: interfaces, addresses, routes, and the path MTUs that it has learnt.
type netLayer struct {
	ifaces      []*Iface
	loop        *Iface                // interface by which the host reaches its own addresses; nil if there is none
	zones       map[string]*Iface     // the interfaces by name; the first of several with one name
	localAddrs  map[netip.Addr]*Iface // every address of the host
	routes      route.Table
	gateways    map[netip.Addr]int // number of learned routes by gateway
	redirects   []route.Route      // routes of redirects, oldest first
	policy      addrsel.Policy
	found       foundHop            // last result of lookup
	lastLabel   labelCache          // last flow label of a packet without ports
	chosen      chosenSource        // last result of source6
	candidates  []addrsel.Candidate // argument of source6's last choice, for reuse
	epoch       uint32              // incremented when routes, addresses or interfaces change, which makes cached routes invalid
	paths       pmtu.Table
	forwarding  bool
	fragmentIDs [256]uint32            // counters of identification
	addrProbes  clock.Heap[*AddrProbe] // timers of address probes
}

func (n *netLayer) init() {
	n.zones, n.localAddrs = make(map[string]*Iface), make(map[netip.Addr]*Iface)
	n.gateways = make(map[netip.Addr]int)
	n.policy = addrsel.DefaultPolicy()
	n.epoch = 1
}

// hop is the next hop of a packet: the neighbour next on the link of iface, or all stations on that link if broadcast
// is set.
type hop struct {
	iface     *Iface
	next      netip.Addr
	broadcast bool
}

// foundHop is the last result of lookup, valid while the epoch is that of the network layer.
type foundHop struct {
	dst   netip.Addr
	hop   hop
	epoch uint32
}

// strip returns a group without its zone, which has chosen the interface.
func (p *hop) strip(dst netip.Addr) netip.Addr {
	if dst.IsMulticast() {
		return dst.WithZone("")
	}
	return dst
}

// lookup returns the next hop to dst. An address of the host itself is reached by the loop, any other by the route with
// the longest prefix. ok is false if there is no route. Most packets have the destination of the packet before, so lookup keeps its
// last result, unless the choice among learned gateways depends on the state of neighbours.
func (n *netLayer) lookup(dst netip.Addr) (p hop, ok bool) {
	if n.found.epoch == n.epoch && n.found.dst == dst {
		return n.found.hop, true
	}
	if p, ok = n.search(dst); ok && len(n.gateways) == 0 {
		n.found = foundHop{dst, p, n.epoch}
	}
	return p, ok
}

// search is lookup without the last result.
func (n *netLayer) search(dst netip.Addr) (hop, bool) {
	if dst.IsLoopback() || n.localAddrs[dst] != nil {
		if n.loop == nil || !n.loop.up {
			return hop{}, false
		}
		return hop{iface: n.loop, next: dst}, true
	}
	if dst == limitedBroadcast {
		for _, i := range n.ifaces {
			if i.up && !i.loop {
				return hop{iface: i, next: dst, broadcast: true}, true
			}
		}
		return hop{}, false
	}
	if !unicast(dst) {
		return hop{}, false
	}
	if needsZone(dst) {
		if i := n.inZone(dst); i != nil && i.up && i.speaksIPv6() {
			return hop{iface: i, next: dst}, true
		}
		return hop{}, false
	}
	r := n.routes.Choose(dst, n.reachable)
	if r == nil {
		return hop{}, false
	}
	i := n.ifaces[r.Out]
	if dst.Is6() && !i.speaksIPv6() {
		return hop{}, false
	}
	if r.Gateway.IsValid() {
		return hop{iface: i, next: r.Gateway}, true
	}
	return hop{iface: i, next: dst, broadcast: i.isBroadcast(dst)}, true
}

// source returns the local address for packets to dst by the next hop p (RFC 1122 §3.3.4.3). An IPv4 address is preferably on the
// subnet of the next hop; an IPv6 address is chosen by RFC 6724. It returns false if the host has no suitable address.
func (n *netLayer) source(p hop, dst netip.Addr) (netip.Addr, bool) {
	if p.iface == n.loop && !dst.IsMulticast() {
		return dst, true
	}
	if familyOf(dst) == ipv6 {
		return n.source6(p, dst)
	}
	if a, ok := p.iface.sourceTo(p.next); ok {
		return a, true
	}
	if a, ok := p.iface.first(ipv4); ok {
		return a, true
	}
	for _, i := range n.ifaces { // an interface without an address uses the address of another interface
		if a, ok := i.first(ipv4); ok && !i.loop {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// isNeighbor reports whether a host with the address a can be on the link of i: a is in a subnet of the interface, or
// an on-link route to a leads to i.
func (n *netLayer) isNeighbor(i *Iface, a netip.Addr) bool {
	if i.onLink(a) {
		return true
	}
	r := n.routes.OnLink(a)
	return r != nil && n.ifaces[r.Out] == i
}

// connect adds the connected route to a subnet of i, and disconnect removes it.
func (n *netLayer) connect(i *Iface, subnet netip.Prefix) {
	if i.loop {
		return // the host's own addresses need no routes
	}
	if n.routes.Connected(subnet, int(i.index)) {
		return
	}
	n.routes.Add(route.Route{Dst: subnet, Out: int(i.index), Connected: true})
	n.epoch++
}

func (n *netLayer) disconnect(i *Iface, subnet netip.Prefix) {
	if n.routes.Connected(subnet, int(i.index)) {
		n.routes.Remove(subnet, func(r route.Route) bool { return r.Connected && r.Out == int(i.index) })
		n.epoch++
	}
}

// routeFor returns the next hop from src to dst, which may be a group. It returns false if there is no route, or if the route leads
// out of the zone of a link-local src.
func (n *netLayer) routeFor(src, dst netip.Addr) (p hop, ok bool) {
	if dst.IsMulticast() {
		p, ok = n.groupHop(src, dst)
	} else {
		p, ok = n.lookup(dst)
	}
	if !ok || !n.staysInZone(src, dst, p) {
		return hop{}, false
	}
	return p, true
}

// staysInZone reports whether a packet from src to dst by the next hop p stays on the link of a link-local src (RFC 4007 §9).
func (n *netLayer) staysInZone(src, dst netip.Addr, p hop) bool {
	switch {
	case !needsZone(src):
		return true
	case p.iface == n.loop:
		return !needsZone(dst) || dst.Zone() == src.Zone()
	}
	return src.Zone() == p.iface.name
}

// groupHop returns the next hop from src to a group, and false if there is none. The interface is the group's zone, else the one
// with the address src, else the one of a route to the group, else the first Ethernet. A group of IPv6 with the scope of an
// interface is reached by the loop (RFC 4291 §2.7).
func (n *netLayer) groupHop(src, group netip.Addr) (hop, bool) {
	to := func(i *Iface) (hop, bool) {
		return hop{iface: i, next: group.WithZone(""), broadcast: true}, i != nil && i.up && (group.Is4() || i.speaksIPv6())
	}
	if group.Is6() && groupScope(group) <= scopeInterface {
		if groupScope(group) < scopeInterface {
			return hop{}, false // no node may send to a group of the reserved scope 0
		}
		return to(n.loop)
	}
	if group.Zone() != "" {
		return to(n.inZone(group))
	}
	if i := n.localAddrs[src]; i != nil {
		return to(i)
	}
	if r := n.routes.Match(group); r != nil {
		return to(n.ifaces[r.Out])
	}
	for _, i := range n.ifaces {
		if i.up && i.caps.Medium == phy.MediumEthernet && (group.Is4() || i.speaksIPv6()) {
			return to(i)
		}
	}
	return hop{}, false
}

// bindAddr returns the local end of a new socket, without an IPv4-mapped address and with the zone that a link-local address needs.
// Errors: ErrNotOurs, ErrZone, ErrInvalid.
func (n *netLayer) bindAddr(local netip.AddrPort) (netip.AddrPort, error) {
	a := local.Addr().Unmap()
	if !isAny(a) {
		var err error
		if a, err = n.scope(a, netip.Addr{}); err != nil {
			return local, err
		}
	}
	if !n.mayBind(a) {
		return local, ErrNotOurs
	}
	return netip.AddrPortFrom(a, local.Port()), nil
}

// mayBind reports whether a socket may be bound to a.
func (n *netLayer) mayBind(a netip.Addr) bool {
	return !a.IsValid() || a.IsUnspecified() || n.localAddrs[a] != nil || a.IsLoopback() && n.loop != nil
}
