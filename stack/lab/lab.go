package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Lab is a set of hosts and links with one seed. Several labs may be in one World.
type Lab struct {
	// OnPort, if set, is called on the owner with each port that a host of the lab gets on a link or device.
	OnPort func(p *Port)
	// OnArrival, if set, is called on the owner with each frame that arrives at a station without a stack. It must not change the frame.
	OnArrival func(st *BareStation, now clock.Instant, frame []byte)

	world        *World
	seed         uint64
	hosts        []*Host
	byName       map[string]*Host
	macs         map[wire.HardwareAddr]int // how many interfaces and stations have had an address; a station gives it back
	links        []*Link
	switches     []*Switch
	cut          map[pair]bool // pairs of hosts that are partitioned
	stationsMade uint64        // stations ever made, which numbers their hardware addresses
	captures     []*captureFile
}

// New makes an empty lab in w. Labs of one world with equal seeds behave equally, whatever other labs the world has.
func New(w *World, seed uint64) *Lab {
	l := &Lab{world: w, seed: seed, cut: map[pair]bool{}, byName: map[string]*Host{}, macs: map[wire.HardwareAddr]int{}}
	w.labs = append(w.labs, l)
	return l
}

// World returns the lab's world.
func (l *Lab) World() *World { return l.world }

// Seed returns the seed of New.
func (l *Lab) Seed() uint64 { return l.seed }

// Hosts returns the lab's hosts in the order in which they were added. The caller must not change the slice.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Links returns the lab's links, those of switches included, in the order in which they were made. The caller must not
// change the slice.
func (l *Lab) Links() []*Link { return l.links }

// Switches returns the lab's switches in the order in which they were made. The caller must not change the slice.
func (l *Lab) Switches() []*Switch { return l.switches }

// HostConfig describes a host.
type HostConfig struct {
	Name string
	// MAC is the hardware address of the first interface. Zero means 02:00:00:00:00:NN, where NN is the host's number
	// in the lab from 1; the third octet differs if that address is in use. Further interfaces have their number in the
	// second octet.
	MAC wire.HardwareAddr
	// Addrs are assigned to the interfaces on links and devices, one of each family each, in order.
	Addrs []netip.Prefix
	// Gateway and Gateway6 become the default route of their family when an interface has a prefix that contains them.
	Gateway, Gateway6 netip.Addr
	// IPv6 determines which interfaces speak IPv6 without having an address of it.
	IPv6 IPv6Mode
	// MTU is an upper bound of the MTU of the host's interfaces, in octets of a network-layer packet. 0 means 1500 on
	// links, and the device's own MTU on devices.
	MTU int
	// Forward makes the host a router that forwards between its interfaces.
	Forward bool
	// Advertise makes the host a router that advertises itself to the hosts of its links (RFC 4861 §6.2); nil if it does not.
	Advertise *stack.Advertising
	// Loop makes the host's loop a visible interface called lo. It is listed in the tables, has all of Addrs in
	// addition to 127.0.0.1/8, and can have fault rules.
	Loop bool
	// Stack is the configuration of the stack. The lab sets its Name and Seed.
	Stack stack.Config
}

// IPv6Mode determines whether a host's interfaces speak IPv6: whether they make link-local addresses, and configure themselves from
// router advertisements.
type IPv6Mode uint8

// The modes. By default all interfaces of a host with an IPv6 address speak IPv6, and those without an address of a host that has
// none. An IPv6 address makes its interface speak IPv6 in any mode.
const (
	IPv6Default IPv6Mode = iota
	IPv6On               // all interfaces do
	IPv6Off              // only those with an IPv6 address do
)

// mode returns the host's mode. A host whose addresses are all of IPv4 is given IPv6Off for IPv6Default, one with an IPv6 address IPv6On.
func (c *HostConfig) mode() IPv6Mode {
	is6 := func(p netip.Prefix) bool { return p.Addr().Is6() }
	switch {
	case c.IPv6 != IPv6Default || len(c.Addrs) == 0:
		return c.IPv6
	case slices.ContainsFunc(c.Addrs, is6):
		return IPv6On
	}
	return IPv6Off
}

// speaksIPv6 reports whether an interface of the host that is made with the given addresses speaks IPv6.
func (s *hostSetup) speaksIPv6(addrs []netip.Prefix) bool {
	return s.ipv6 == IPv6On || s.ipv6 == IPv6Default && len(addrs) == 0
}

// gateways returns the gateways that are set.
func (c *HostConfig) gateways() (list []netip.Addr) {
	for _, a := range [...]netip.Addr{c.Gateway, c.Gateway6} {
		if a.IsValid() {
			list = append(list, a)
		}
	}
	return list
}

// AddHost makes a host without links, but for the loop on which its own addresses are reached. Names are
// unique within a lab, and follow CheckName. The error names the fault of the name, or the address that the host cannot have.
func (l *Lab) AddHost(cfg HostConfig) (*Host, error) {
	if err := CheckName(cfg.Name); err != nil {
		return nil, err
	}
	if l.byName[cfg.Name] != nil {
		return nil, fmt.Errorf("host %q exists already", cfg.Name)
	}
	if cfg.MTU < 0 || cfg.MTU > maxMTU || cfg.MTU > 0 && cfg.MTU < minMTU {
		return nil, fmt.Errorf("host %q: mtu %d is not within %d to %d", cfg.Name, cfg.MTU, minMTU, maxMTU)
	}
	ordinal := uint64(len(l.hosts) + 1)
	sc := cfg.Stack
	sc.Name, sc.Seed = cfg.Name, mix(l.seed, streamHost, ordinal)
	h := &Host{
		Host:    stack.New(sc),
		lab:     l,
		ordinal: ordinal,
		order:   len(l.world.hosts),
		names:   make(map[string]bool),
		setup: hostSetup{
			mac: cfg.MAC, mtu: cfg.MTU, addrs: slices.Clone(cfg.Addrs), gateways: cfg.gateways(), ipv6: cfg.mode(), advertise: cfg.Advertise,
		},
	}
	h.SetForwarding(l.world.now, cfg.Forward)
	h.turn.timer.Value, h.turn.upkeep.Value = h, h
	h.WatchWork(h.hasWork)
	h.WatchMAC(func(a wire.HardwareAddr) { l.macs[a]++ })
	if err := h.attachLoop(cfg.Loop); err != nil {
		return nil, err
	}
	l.hosts, l.byName[cfg.Name] = append(l.hosts, h), h
	l.world.hosts = append(l.world.hosts, h)
	for _, c := range l.captures {
		c.add(h)
	}
	for _, c := range l.world.records.allHostCaptures {
		c.add(h)
	}
	return h, nil
}
