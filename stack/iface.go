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
	Caps   phy.Capabilities // the device's, at the moment; see SetCapabilities
	MAC    wire.HardwareAddr
	Addrs  []netip.Prefix // host address with prefix length
	Loop   bool           // the loop to the host's own addresses
	Hidden bool           // not in the tables
}

// minMTU is the least an IPv4 link must carry (RFC 791 §3.2), defaultMTU that of Ethernet.
const (
	minMTU     = pmtu.Min
	maxMTU     = 65535
	defaultMTU = 1500
)

// Iface is one interface of a host.
type Iface struct {
	host    *Host
	name    string
	caps    phy.Capabilities
	mac     wire.HardwareAddr
	mtu     int // set by hand; 0: the device's
	addrs   []ifaceAddr
	subnets subnets
	index   uint16 // among the host's
	loop    bool
	hidden  bool
	up      bool // switched on, on a link that is up

	off, linkDown bool

	defended map[netip.Addr]clock.Instant // addresses that were defended, and until when they are not again

	addrProbes []*AddrProbe // addresses that are being probed for or announced
	groups     ifaceGroups

	neigh *neigh.Cache[pendingSends]
	out   ifaceQueues
	stats ifaceStatistics
}

// ifaceQueues is the packets that an interface is to send, each with its link header, and the connections that may have
// segments to send.
type ifaceQueues struct {
	replies   fifo[*phy.Frame] // the stack's own answers
	datagrams fifo[*phy.Frame] // of sockets, and forwarded packets
	ready     readyList
	tcpTurn   bool // the connections have the next turn, not the datagrams
}

// ifaceGroups is the multicast groups that sockets have joined on an interface.
type ifaceGroups struct {
	list    roll[*membership]          // in the order of joining
	byAddr  map[netip.Addr]*membership // the same
	v1Until clock.Instant              // the instant until which a version 1 router is taken to be present (RFC 2236 §4)
}

// ifaceStatistics counts an interface's frames and their octets, link headers included.
type ifaceStatistics struct {
	rxPackets, rxBytes, rxDropped uint64
	txPackets, txBytes, txDropped uint64
}

// ifaceAddr is one address of an interface; broadcast is the zero Addr where the subnet has none.
type ifaceAddr struct {
	netip.Prefix
	broadcast netip.Addr
}

// AddIface adds an interface, which is up, and announces its addresses. Addresses that cannot be had
// (see AddAddr) are left out.
func (h *Host) AddIface(now clock.Instant, cfg IfaceConfig) *Iface {
	i := &Iface{
		host: h, name: cfg.Name, caps: cfg.Caps, mac: cfg.MAC, loop: cfg.Loop, hidden: cfg.Hidden, up: true,
		index: uint16(len(h.net.ifaces)), neigh: neigh.New[pendingSends](h.cfg.Neighbor),
		groups: ifaceGroups{byAddr: make(map[netip.Addr]*membership)},
	}
	if i.mac.IsZero() {
		i.mac = cfg.Caps.MAC
	}
	h.net.ifaces = append(h.net.ifaces, i)
	h.net.routes.SetUp(int(i.index), true)
	if i.loop && h.net.loop == nil {
		h.net.loop = i
	}
	h.net.epoch++
	h.watchNeighbors()
	for _, p := range cfg.Addrs {
		_ = i.AddAddr(now, p)
	}
	return i
}

// Ifaces is every interface but hidden ones, in the order in which they were added.
func (h *Host) Ifaces() []*Iface {
	return slices.DeleteFunc(slices.Clone(h.net.ifaces), func(i *Iface) bool { return i.hidden })
}

// Host is the host whose interface it is.
func (i *Iface) Host() *Host { return i.host }

// Name is the interface's name.
func (i *Iface) Name() string { return i.name }

// Medium is what the interface's frames start with.
func (i *Iface) Medium() phy.Medium { return i.caps.Medium }

// MAC is the interface's hardware address; zero on a medium without.
func (i *Iface) MAC() wire.HardwareAddr { return i.mac }

// MTU is the longest packet to be sent, in octets: what SetMTU said, but no more than the device's.
func (i *Iface) MTU() int {
	if i.mtu != 0 {
		return min(i.mtu, i.mru())
	}
	return i.mru()
}

// mru is the longest packet to be received: the device's. Peers go on with the segment size of their
// connections when ours becomes smaller.
func (i *Iface) mru() int {
	if i.caps.MTU == 0 {
		return defaultMTU
	}
	return min(i.caps.MTU, maxMTU)
}

// Loop reports whether this is the loop to the host's own addresses.
func (i *Iface) Loop() bool { return i.loop }

// Up reports whether the interface carries packets: it is switched on and its link is up.
func (i *Iface) Up() bool { return i.up }

// State is the interface's in one word: UP; DOWN where it was switched off; NO-CARRIER where its link is down.
func (i *Iface) State() string {
	switch {
	case i.off:
		return "DOWN"
	case i.linkDown:
		return "NO-CARRIER"
	}
	return "UP"
}

// Addrs is the interface's addresses with their prefix lengths, in the order in which they were added.
func (i *Iface) Addrs() []netip.Prefix {
	addrs := make([]netip.Prefix, len(i.addrs))
	for k, a := range i.addrs {
		addrs[k] = a.Prefix
	}
	return addrs
}

// SetCapabilities says what the device offers from now on.
func (i *Iface) SetCapabilities(c phy.Capabilities) { i.caps = c }

// AddAddr gives the interface an address with its subnet's prefix length, and announces it. ErrExists:
// the host has it already. ErrInvalid: no IPv4 address a host can have.
func (i *Iface) AddAddr(now clock.Instant, p netip.Prefix) error {
	if err := i.checkAddr(p); err != nil {
		return err
	}
	a, n := p.Addr(), ifaceAddr{Prefix: p}
	if p.Bits() <= 30 {
		n.broadcast = lastAddr(p)
	}
	i.addrs = append(i.addrs, n)
	i.subnets.add(p)
	i.host.net.localAddrs[a] = i
	i.host.net.connect(i, p.Masked())
	i.announce(a)
	return nil
}

// checkAddr says what AddAddr would.
func (i *Iface) checkAddr(p netip.Prefix) error {
	a := p.Addr()
	switch {
	case !p.IsValid() || !a.Is4() || !unicast(a) || (a.IsLoopback() && !i.loop):
		return ErrInvalid
	case i.host.net.localAddrs[a] != nil:
		return ErrExists
	case p.Bits() <= 30 && (a == lastAddr(p) || a == p.Masked().Addr()):
		return ErrInvalid
	}
	return nil
}

// DelAddr takes an address away. Its connections are reset locally (ErrAddrRemoved). ErrNotFound: it was not there.
func (i *Iface) DelAddr(now clock.Instant, p netip.Prefix) error {
	k := slices.IndexFunc(i.addrs, func(a ifaceAddr) bool { return a.Prefix == p })
	if k < 0 {
		return ErrNotFound
	}
	i.addrs = slices.Delete(i.addrs, k, k+1)
	i.subnets.remove(p)
	delete(i.host.net.localAddrs, p.Addr())
	delete(i.defended, p.Addr())
	if len(i.subnets.addrs[p.Masked()]) == 0 {
		i.host.net.disconnect(i, p.Masked())
	}
	i.host.net.epoch++
	i.host.abortConnsFrom(now, p.Addr())
	return nil
}

// SetMTU sets the longest packet to send, in octets: 68 to what the device takes. Segments that are made
// from now on fit; what is longer still arrives.
func (i *Iface) SetMTU(mtu int) error {
	if mtu < minMTU || mtu > maxMTU || i.caps.MTU != 0 && mtu > i.caps.MTU {
		return ErrInvalid
	}
	i.mtu = mtu
	return nil
}

// SetMAC changes the hardware address and announces the interface's addresses under it.
func (i *Iface) SetMAC(now clock.Instant, a wire.HardwareAddr) error {
	if a.IsGroup() || a.IsZero() {
		return ErrInvalid
	}
	i.mac = a
	if i.host.watch.onMAC != nil {
		i.host.watch.onMAC(a)
	}
	for _, p := range i.addrs {
		i.announce(p.Addr())
	}
	return nil
}

// SetUp switches the interface on or off. Off, it forgets its neighbours and what waits to be sent, its
// routes lead nowhere, and what arrives is dropped; its connections live on.
func (i *Iface) SetUp(now clock.Instant, up bool) { i.setState(now, i.caps, !up, i.linkDown) }

// SetLink says what the interface's device offers from now on, and whether its link is up. While it is not,
// all is as if the interface had been switched off.
func (i *Iface) SetLink(now clock.Instant, c phy.Capabilities, up bool) {
	i.setState(now, c, i.off, !up)
}

func (i *Iface) setState(now clock.Instant, c phy.Capabilities, off, linkDown bool) {
	state, mtu := i.State(), i.MTU()
	i.caps, i.off, i.linkDown = c, off, linkDown
	if up := !off && !linkDown; up != i.up {
		i.setCarrying(now, up)
	}
	if len(i.host.watch.listeners) > 0 && (i.State() != state || i.MTU() != mtu) {
		i.host.raise(Event{Kind: EventLink, Now: now, Iface: i, Old: state, New: i.State(), MTU: i.MTU()})
	}
}

// setCarrying makes the interface carry packets, or stop.
func (i *Iface) setCarrying(now clock.Instant, up bool) {
	i.up = up
	i.host.net.routes.SetUp(int(i.index), up)
	i.host.net.epoch++
	i.restartGroups(now)
	if up {
		for _, p := range i.addrs {
			i.announce(p.Addr())
		}
		i.host.allConnsChanged(now)
		return
	}
	i.cancelAddrProbes()
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

// onLink reports whether a lies in one of the interface's subnets.
func (i *Iface) onLink(a netip.Addr) bool {
	_, ok := i.sourceTo(a)
	return ok
}

// sourceTo returns the address that was added first of those whose subnet holds a.
func (i *Iface) sourceTo(a netip.Addr) (netip.Addr, bool) {
	if len(i.addrs) > fewAddrs {
		return i.subnets.source(a)
	}
	for k := range i.addrs {
		if i.addrs[k].Contains(a) {
			return i.addrs[k].Addr(), true
		}
	}
	return netip.Addr{}, false
}

// isBroadcast reports whether a is the limited broadcast address or that of a subnet of the interface,
// in either of the forms of RFC 1122 §3.3.6.
func (i *Iface) isBroadcast(a netip.Addr) bool {
	if a == limitedBroadcast {
		return true
	}
	if len(i.addrs) > fewAddrs {
		return i.subnets.broadcasts[a] > 0
	}
	for k := range i.addrs {
		if p := &i.addrs[k]; p.broadcast.IsValid() && p.Contains(a) && (a == p.broadcast || a == p.Masked().Addr()) {
			return true
		}
	}
	return false
}

// discard counts a frame that was to be sent on i, and recycles it.
func (i *Iface) discard(now clock.Instant, f *phy.Frame, r drop.Reason) {
	i.stats.txDropped++
	i.host.dropTX(now, i, i.caps.Medium, f.Bytes(), r)
	i.host.frames.put(f)
}
