package stack

import (
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/neigh"
	"smolsh/stack/pmtu"
	"smolsh/stack/wire"
)

// IfaceConfig describes a new interface.
type IfaceConfig struct {
	Name   string
	Caps   phy.Capabilities // the device's present capabilities; see SetCapabilities
	MAC    wire.HardwareAddr
	Addrs  []netip.Prefix // the interface's addresses with their prefix lengths
	IPv6   bool           // true if the interface speaks IPv6 without an address of it; see EnableIPv6
	Loop   bool           // true for the loop interface, by which the host reaches its own addresses
	Hidden bool           // true if the tables omit the interface
	Shared bool           // true if MAC and Addrs are also those of the operating system's kernel on the same cable; see shared.go
}

// minMTU is the smallest MTU of an IPv4 link (RFC 791 §3.2), maxMTU the largest value of a length field, and
// defaultMTU the MTU of Ethernet, in octets.
const (
	minMTU     = pmtu.Min
	maxMTU     = 65535
	defaultMTU = 1500
)

// Iface is one interface of a host.
type Iface struct {
	host   *Host
	name   string
	caps   phy.Capabilities
	mac    wire.HardwareAddr
	mtu    int    // value set by SetMTU, in octets; 0: the device's MTU
	index  uint16 // position among the host's interfaces
	loop   bool
	hidden bool
	shared bool // true if the kernel has the same addresses
	up     bool // true if the interface is switched on and its link is up

	off, linkDown bool

	addresses ifaceAddresses
	groups    ifaceGroups
	neigh     [numFamilies]*neigh.Cache[pendingSends]
	v6        *ipv6State // nil until EnableIPv6
	out       ifaceQueues
	stats     ifaceStatistics
}

// ifaceAddresses holds an interface's addresses, and for each address the state that RFC 5227 and RFC 4862 §5.4 require.
type ifaceAddresses struct {
	list     []ifaceAddr
	subnets  subnets
	defended map[netip.Addr]clock.Instant // time from which a defended address may be defended again, by address
	probes   []*AddrProbe                 // addresses that are being probed for (tentative ones) or announced

	duplicates []ifaceAddr // addresses that were found to be duplicates, the oldest first
}

// ifaceQueues holds the packets that an interface must send, each with its link header, and the connections that may
// have segments to send.
type ifaceQueues struct {
	replies   fifo[*phy.Frame] // the stack's own answers
	datagrams fifo[*phy.Frame] // packets of sockets, and forwarded packets
	ready     readyList
	tcpTurn   bool // true if a segment is sent next, false for a datagram
}

// ifaceGroups holds the multicast groups that sockets have joined on an interface.
type ifaceGroups struct {
	list    roll[*membership]          // memberships in the order of joining
	byAddr  map[netip.Addr]*membership // the same memberships by group address
	v1Until clock.Instant              // time until which a version 1 router counts as present (RFC 2236 §4)
}

// ifaceStatistics counts an interface's frames and their octets, link headers included.
type ifaceStatistics struct {
	rxPackets, rxBytes, rxDropped uint64
	txPackets, txBytes, txDropped uint64
}

// ifaceAddr is one address of an interface. network and broadcast are the first and last address of its subnet. A
// subnet without a broadcast address, and any of IPv6, has the limited broadcast address in both.
type ifaceAddr struct {
	netip.Prefix
	addr               netip.Addr // the address of the prefix, with the zone that a link-local one needs
	network, broadcast netip.Addr
	origin             AddrOrigin
	deprecated         bool // RFC 4862 §5.5.4
}

// AddrOrigin is the way in which an interface got an address.
type AddrOrigin uint8

// The origins of addresses.
const (
	OriginManual    AddrOrigin = iota // AddAddr or ProbeAddr
	OriginLinkLocal                   // made when the interface began to speak IPv6
	OriginAutoconf                    // from a router's prefix (RFC 4862 §5.5)
	OriginTemporary                   // from a router's prefix, replaced from time to time (RFC 8981)
)

var originNames = [...]string{"manual", "link-local", "autoconf", "temporary"}

// String returns the origin's name in tables.
func (o AddrOrigin) String() string { return originNames[o] }

// AddIface adds an interface, sets it up, and announces its addresses. It leaves out addresses that AddAddr refuses.
func (h *Host) AddIface(now clock.Instant, cfg IfaceConfig) *Iface {
	i := &Iface{
		host: h, name: cfg.Name, caps: cfg.Caps, mac: cfg.MAC, loop: cfg.Loop, hidden: cfg.Hidden, shared: cfg.Shared, up: true,
		index:  uint16(len(h.net.ifaces)),
		groups: ifaceGroups{byAddr: make(map[netip.Addr]*membership)},
	}
	i.neigh[ipv4] = neigh.New[pendingSends](h.cfg.Neighbor)
	i.neigh[ipv6] = neigh.New[pendingSends](neigh.NDISC(h.cfg.Neighbor))
	if i.mac.IsZero() {
		i.mac = cfg.Caps.MAC
	}
	h.net.ifaces = append(h.net.ifaces, i)
	if i.shared {
		h.countPorts()
	}
	if h.net.zones[i.name] == nil {
		h.net.zones[i.name] = i
	}
	h.net.routes.SetUp(int(i.index), true)
	if i.loop && h.net.loop == nil {
		h.net.loop = i
	}
	h.net.epoch++
	h.watchNeighbors()
	for _, p := range cfg.Addrs {
		_ = i.AddAddr(now, p)
	}
	if cfg.IPv6 {
		i.EnableIPv6(now)
	}
	return i
}

// Ifaces returns every interface that is not hidden, in the order in which they were added.
func (h *Host) Ifaces() []*Iface {
	return slices.DeleteFunc(slices.Clone(h.net.ifaces), func(i *Iface) bool { return i.hidden })
}

// Host returns the interface's host.
func (i *Iface) Host() *Host { return i.host }

// Name returns the interface's name.
func (i *Iface) Name() string { return i.name }

// Medium returns the medium, which determines the header of the interface's frames.
func (i *Iface) Medium() phy.Medium { return i.caps.Medium }

// MAC returns the interface's hardware address; zero on a medium without hardware addresses.
func (i *Iface) MAC() wire.HardwareAddr { return i.mac }

// MTU returns the length of the longest packet that the interface sends, in octets: the value set by SetMTU, but at
// most the device's MTU.
func (i *Iface) MTU() int {
	if i.mtu != 0 {
		return min(i.mtu, i.mru())
	}
	return i.mru()
}

// mtuOf returns the length of the longest packet of a family that the interface sends, in octets. Routers may have advertised a
// smaller MTU for IPv6 (RFC 4861 §6.3.4).
func (i *Iface) mtuOf(f family) int {
	mtu := i.MTU()
	if f == ipv6 && i.v6 != nil && i.v6.link.MTU != 0 {
		mtu = min(mtu, i.v6.link.MTU)
	}
	return mtu
}

// mru returns the length of the longest packet that the interface accepts, in octets: the device's MTU. SetMTU does not
// change it, because peers keep the segment size of their connections.
func (i *Iface) mru() int {
	if i.caps.MTU == 0 {
		return defaultMTU
	}
	return min(i.caps.MTU, maxMTU)
}

// Loop reports whether this is the loop interface, by which the host reaches its own addresses.
func (i *Iface) Loop() bool { return i.loop }

// Up reports whether the interface carries packets: it is switched on and its link is up.
func (i *Iface) Up() bool { return i.up }

// State returns one word: DOWN if the interface is switched off, NO-CARRIER if its link is down, otherwise UP.
func (i *Iface) State() string {
	switch {
	case i.off:
		return "DOWN"
	case i.linkDown:
		return "NO-CARRIER"
	}
	return "UP"
}

// Addrs returns the interface's addresses with their prefix lengths, in the order in which they were added.
func (i *Iface) Addrs() []netip.Prefix {
	addrs := make([]netip.Prefix, len(i.addresses.list))
	for k, a := range i.addresses.list {
		addrs[k] = a.Prefix
	}
	return addrs
}

// SetCapabilities sets the capabilities of the device.
func (i *Iface) SetCapabilities(c phy.Capabilities) { i.caps = c }

// AddAddr adds an address with the prefix length of its subnet, and announces it. The host uses it at once: ProbeAddr first
// finds out whether another station has it. An IPv6 address makes the interface speak IPv6. ErrExists: the host has the
// address already. ErrInvalid: a host can't have the address.
func (i *Iface) AddAddr(now clock.Instant, p netip.Prefix) error {
	if err := i.checkAddr(p); err != nil {
		return err
	}
	before := ""
	if c := i.addrProbe(i.ownScope(p.Addr())); c != nil && !c.done { // the probe has nothing left to find out
		c.finish(ErrExists)
		c.stop()
		before = AddrTentative
	}
	i.addAddr(now, p, OriginManual)
	i.raiseAddr(now, i.ownScope(p.Addr()), before, AddrPreferred)
	i.announce(i.scoped(p.Addr()))
	return nil
}

// addAddr adds an address that checkAddr has accepted. Its subnet is on the link, except that of an address from a router's prefix,
// about which the router decides (RFC 5942 §4), and that of link-local addresses, which need no route.
func (i *Iface) addAddr(now clock.Instant, p netip.Prefix, origin AddrOrigin) {
	n := ifaceAddr{Prefix: p, addr: p.Addr(), network: limitedBroadcast, broadcast: limitedBroadcast, origin: origin}
	if p.Addr().Is6() {
		if needsZone(n.addr) {
			n.addr = n.addr.WithZone(i.name)
		}
	} else if p.Bits() <= 30 {
		n.network, n.broadcast = p.Masked().Addr(), lastAddr(p)
	}
	i.forgetDuplicate(n.addr)
	i.addresses.list = append(i.addresses.list, n)
	i.addresses.subnets.add(p)
	i.host.net.localAddrs[n.addr] = i
	i.host.net.epoch++
	if p.Addr().Is6() {
		i.EnableIPv6(now) // makes a link-local address, which must not precede this one: a host's first address is the one to name
	}
	if n.connects() {
		i.host.net.connect(i, p.Masked())
	}
	i.joinNode(n.addr)
	i.addrChanged(now, n.addr)
}

// connects reports whether the address makes its subnet on-link.
func (n *ifaceAddr) connects() bool { return n.origin == OriginManual && !needsZone(n.addr) }

// checkAddr returns the error that AddAddr would return for p.
func (i *Iface) checkAddr(p netip.Prefix) error {
	check := CheckAddr
	if i.loop {
		check = checkPrefix
	}
	if err := check(p); err != nil {
		return err
	}
	switch {
	case p.Addr().Is6() && i.MTU() < wire.MinMTU6:
		return invalid("IPv6 needs an MTU of %d octets or more, and %s has %d", wire.MinMTU6, i.name, i.MTU())
	case i.host.net.localAddrs[i.ownScope(p.Addr())] != nil:
		return ErrExists
	}
	return nil
}

// ownScope returns a with the interface as its zone if it needs one.
func (i *Iface) ownScope(a netip.Addr) netip.Addr {
	if needsZone(a) {
		return a.WithZone(i.name)
	}
	return a
}

// first returns the interface's first address of a family. ok is false if there is none.
func (i *Iface) first(f family) (a netip.Addr, ok bool) {
	for k := range i.addresses.list {
		if n := &i.addresses.list[k]; familyOf(n.addr) == f {
			return n.addr, true
		}
	}
	return a, false
}

// DelAddr removes an address. Connections from that address end with ErrAddrRemoved, and send no segment to the peer.
// ErrNotFound: the interface does not have the address.
func (i *Iface) DelAddr(now clock.Instant, p netip.Prefix) error {
	k := slices.IndexFunc(i.addresses.list, func(a ifaceAddr) bool { return a.Prefix == p })
	if k < 0 {
		return ErrNotFound
	}
	gone := i.addresses.list[k]
	a := gone.addr
	i.addresses.list = slices.Delete(i.addresses.list, k, k+1)
	i.addresses.subnets.remove(p)
	delete(i.host.net.localAddrs, a)
	delete(i.addresses.defended, a)
	if !slices.ContainsFunc(i.addresses.list, func(n ifaceAddr) bool { return n.Masked() == p.Masked() && n.connects() }) {
		i.host.net.disconnect(i, p.Masked())
		if gone.connects() && a.Is6() {
			i.withdraw(p.Masked())
		}
	}
	i.leaveNode(a)
	i.host.net.epoch++
	i.addrChanged(now, a)
	i.raiseAddr(now, a, gone.state(), "")
	i.host.abortConnsFrom(now, a)
	return nil
}

// SetMTU sets the length of the longest packet to send, in octets, from 68 to the MTU of the device. Longer packets are
// still received. Below 1280 octets the interface does not speak IPv6 (RFC 8200 §5). ErrInvalid: mtu is out of range.
func (i *Iface) SetMTU(mtu int) error {
	if mtu < minMTU || mtu > maxMTU || i.caps.MTU != 0 && mtu > i.caps.MTU {
		return ErrInvalid
	}
	i.mtu = mtu
	i.mtuChanged()
	return nil
}

// SetMAC changes the hardware address and announces the interface's addresses under it. ErrInvalid: a is no station's address, or
// the kernel has the interface's address too.
func (i *Iface) SetMAC(now clock.Instant, a wire.HardwareAddr) error {
	if a.IsGroup() || a.IsZero() || i.shared {
		return ErrInvalid
	}
	i.mac = a
	if i.host.watch.onMAC != nil {
		i.host.watch.onMAC(a)
	}
	for _, p := range i.addresses.list {
		i.announce(p.addr)
	}
	if i.v6 != nil {
		i.startRouter(now) // its advertisements contain the address
	}
	return nil
}

// SetUp switches the interface on or off. An interface that is off has no neighbours, drops its queued packets and every arriving
// frame, and is not used by routes. Its connections stay, except those from addresses of IPv6 that routers' prefixes have given: it
// loses these addresses.
func (i *Iface) SetUp(now clock.Instant, up bool) { i.setState(now, i.caps, !up, i.linkDown) }

// SetLink sets the capabilities of the interface's device, and whether its link is up. An interface whose link is down
// behaves as one that is switched off, but keeps what routers have advertised.
func (i *Iface) SetLink(now clock.Instant, c phy.Capabilities, up bool) {
	i.setState(now, c, i.off, !up)
}

func (i *Iface) setState(now clock.Instant, c phy.Capabilities, off, linkDown bool) {
	state, mtu := i.State(), i.MTU()
	i.caps, i.off, i.linkDown = c, off, linkDown
	if up := !off && !linkDown; up != i.up {
		i.setCarrying(now, up)
	}
	i.settle6(now)
	if off && i.v6 != nil {
		i.forgetRouters(now) // also if the link was down before
	}
	if len(i.host.watch.listeners) > 0 && (i.State() != state || i.MTU() != mtu) {
		i.host.raise(Event{Kind: EventLink, Now: now, Iface: i, Old: state, New: i.State(), MTU: i.MTU()})
	}
}

// setCarrying is called when the interface starts or stops carrying packets.
func (i *Iface) setCarrying(now clock.Instant, up bool) {
	i.up = up
	i.host.net.routes.SetUp(int(i.index), up)
	i.host.net.epoch++
	i.restartGroups(now)
	if up {
		for _, p := range i.addresses.list {
			i.announce(p.addr)
		}
		i.settle6(now)
		i.host.allConnsChanged(now)
		return
	}
	i.settle6(now)
	i.cancelAddrProbes(now, ipv4)
	i.cancelAddrProbes(now, ipv6)
	for _, q := range []*fifo[*phy.Frame]{&i.out.replies, &i.out.datagrams} {
		for f, ok := q.pop(); ok; f, ok = q.pop() {
			i.discard(now, f, drop.InterfaceDown)
		}
	}
	i.flushNeighbors(now, drop.InterfaceDown)
	for i.out.ready.n > 0 {
		i.host.connChanged(now, i.out.ready.pop())
	}
	i.host.allConnsChanged(now)
	i.host.raiseNeighbors(now)
}

// onLink reports whether a is in one of the interface's subnets.
func (i *Iface) onLink(a netip.Addr) bool {
	_, ok := i.sourceTo(a)
	return ok
}

// sourceTo returns the address of the interface that was added first among those whose subnet contains a. It returns
// false if there is none.
func (i *Iface) sourceTo(a netip.Addr) (netip.Addr, bool) {
	if len(i.addresses.list) > fewAddrs {
		return i.addresses.subnets.source(a)
	}
	for k := range i.addresses.list {
		if i.addresses.list[k].Contains(a) {
			return i.addresses.list[k].addr, true
		}
	}
	return netip.Addr{}, false
}

// isBroadcast reports whether a is the limited broadcast address, or a broadcast address of one of the interface's
// subnets in either form of RFC 1122 §3.3.6.
func (i *Iface) isBroadcast(a netip.Addr) bool {
	if a == limitedBroadcast {
		return true
	}
	if len(i.addresses.list) > fewAddrs {
		return i.addresses.subnets.broadcasts[a] > 0
	}
	for k := range i.addresses.list {
		if p := &i.addresses.list[k]; a == p.broadcast || a == p.network {
			return true
		}
	}
	return false
}

// HasAddr reports whether an address is one of the host's, on any interface. An IPv6 address has no zone.
func (h *Host) HasAddr(a netip.Addr) bool { return h.net.localAddrs[a] != nil }

// IsGroup reports whether several stations may receive a packet to a: a multicast address, or a broadcast address of one of the
// host's interfaces.
func (h *Host) IsGroup(a netip.Addr) bool {
	return a.IsMulticast() || slices.ContainsFunc(h.net.ifaces, func(i *Iface) bool { return i.isBroadcast(a) })
}

// discard drops a frame that was to be sent on i, counts it, and recycles it.
func (i *Iface) discard(now clock.Instant, f *phy.Frame, r drop.Reason) {
	i.stats.txDropped++
	i.host.dropTX(now, i, i.caps.Medium, f.Bytes(), r)
	i.host.frames.put(f)
}
