package lab

import (
	"fmt"
	"net/netip"

	"smolsh/stack"
	"smolsh/stack/wire"
)

// Lab is a set of hosts and links with one seed. Several labs may share a World.
type Lab struct {
	// OnPort, if set, is called on the owner with each port that a host of the lab gets on a link or device.
	OnPort func(p *Port)

	world    *World
	seed     uint64
	hosts    []*Host
	byName   map[string]*Host
	macs     map[wire.HardwareAddr]bool // given to interfaces
	links    []*Link
	switches []*Switch
	cut      map[pair]bool // partitioned pairs of hosts
	captures []*captureFile
}

// New makes an empty lab in w. Labs of one world with equal seeds behave equally, whatever else the
// world holds.
func New(w *World, seed uint64) *Lab {
	l := &Lab{world: w, seed: seed, cut: map[pair]bool{}, byName: map[string]*Host{}, macs: map[wire.HardwareAddr]bool{}}
	w.labs = append(w.labs, l)
	return l
}

// World returns the lab's world.
func (l *Lab) World() *World { return l.world }

// Seed is what the lab was made with.
func (l *Lab) Seed() uint64 { return l.seed }

// Hosts are the lab's hosts in the order in which they were added. The slice is the lab's.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Links are the lab's links, a switch's among them, in the order in which they were made. The slice is
// the lab's.
func (l *Lab) Links() []*Link { return l.links }

// Switches are the lab's switches in the order in which they were made. The slice is the lab's.
func (l *Lab) Switches() []*Switch { return l.switches }

// HostConfig describes a host.
type HostConfig struct {
	Name string
	// MAC is the address of the first interface; zero means 02:00:00:00:00:NN, NN counting the lab's
	// hosts from 1, with another third octet where that was given to somebody. Further interfaces have
	// their number in the second octet.
	MAC wire.HardwareAddr
	// Addrs are given to links and devices, one each, in order.
	Addrs []netip.Prefix
	// Gateway becomes the default route as soon as an interface has a prefix that holds it.
	Gateway netip.Addr
	// MTU bounds that of the host's interfaces, in octets of network-layer packet; 0 means 1500 on
	// links and the device's own on devices.
	MTU int
	// Forward makes the host a router between its interfaces.
	Forward bool
	// Loop makes the host's loop an interface like any other, lo: it stands in the tables with all of
	// Addrs beside its 127.0.0.1/8, and takes rules.
	Loop bool
	// Stack is the configuration of the stack; its Name and Seed are set by the lab.
	Stack stack.Config
}

// AddHost makes a host without links, but for the loop on which its own addresses are reached. Names are
// unique within a lab, and follow CheckName. The error says what is wrong with the name, or which address the host cannot have.
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
		setup:   hostSetup{mac: cfg.MAC, mtu: cfg.MTU, addrs: append([]netip.Prefix(nil), cfg.Addrs...), gateway: cfg.Gateway},
	}
	h.SetForwarding(cfg.Forward)
	h.turn.timer.Value = h
	h.WatchWork(h.hasWork)
	h.WatchMAC(func(a wire.HardwareAddr) { l.macs[a] = true })
	if err := h.attachLoop(cfg.Loop); err != nil {
		return nil, err
	}
	l.hosts, l.byName[cfg.Name] = append(l.hosts, h), h
	l.world.hosts = append(l.world.hosts, h)
	for _, c := range l.captures {
		c.add(h)
	}
	for _, c := range l.world.allHostCaptures {
		c.add(h)
	}
	return h, nil
}
