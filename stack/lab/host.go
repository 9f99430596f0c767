package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

const (
	defaultMTU = 1500
	minMTU     = 68    // RFC 791 §3.2
	maxMTU     = 65535 // limit of the length field of an IPv4 packet

	// fruitlessTicks is the largest number of consecutive ticks directly after which a host's deadline is due again.
	// Then the next tick waits for tickPause. No correct timer needs this limit, but a faulty one must not stop the
	// world.
	fruitlessTicks = 64
	tickPause      = time.Millisecond
)

// Host is a lab's host: a stack and its ports. Every host has a loop interface with 127.0.0.1/8 and ::1, by which it
// reaches its own addresses. The interface is hidden unless HostConfig.Loop is set.
type Host struct {
	*stack.Host
	lab       *Lab
	ordinal   uint64          // number in the lab, from 1
	order     int             // number in the world, from 0
	ports     []*Port         // ports except a hidden loop
	names     map[string]bool // names of the ports' interfaces
	nextLink  int             // every name eth0, eth1, … with a lower number is in use
	portsMade uint64          // ports ever made, which numbers their random streams
	loop      *Port

	setup hostSetup
	turn  hostTurn

	wireSizeUsers int // number of observers that need frames of wire size

	captures []*captureFile
	broken   *Panic // the panic that took the host out of service; nil while it serves
}

// hostSetup is the part of a host's configuration that is used when interfaces are made.
type hostSetup struct {
	mac       wire.HardwareAddr
	mtu       int            // octets
	addrs     []netip.Prefix // addresses that no interface has yet
	gateways  []netip.Addr   // gateways that have no route yet, at most one of each family
	ipv6      IPv6Mode
	advertise *stack.Advertising // what interfaces advertise; nil if the host is no router of IPv6
}

// hostTurn is the world's state for scheduling a host: whether the host may have frames to transmit, and when its
// timers are due.
type hostTurn struct {
	dirty        bool
	transmitting bool // true while transmitBatch runs
	retried      bool // true if the last transmitBatch moved nothing, and was a second try because the stack had work
	timer        clock.Timer[task]
	upkeep       clock.Timer[task] // timer of the host's upkeep
	ticked       bool              // true if the host has ticked since its timer was last set
	callsSeen    uint64            // world's calls counter at the host's last refresh of its ports
	fruitless    int               // consecutive ticks after which the deadline was still due
}

// Lab returns the lab that contains the host.
func (h *Host) Lab() *Lab { return h.lab }

// Ports returns the host's ports in the order in which they were made. It omits a hidden loop. The caller must not
// change the slice.
func (h *Host) Ports() []*Port { return h.ports }

// Addrs returns the addresses of the host's interfaces in their order, without the hidden loop's, and after them those that
// no interface has taken yet.
func (h *Host) Addrs() (list []netip.Prefix) {
	for _, i := range h.IfaceInfos() {
		list = append(list, i.Addrs...)
	}
	return append(list, h.setup.addrs...)
}

// WireFrames makes the host send frames of wire size with finished checksums, as rules and captures
// need them, until release is called.
func (h *Host) WireFrames() (release func()) {
	h.wireSizeUsers++
	h.lab.world.touch(h)
	done := false
	return func() {
		if !done {
			done = true
			h.wireSizeUsers--
			h.lab.world.touch(h)
		}
	}
}

// Attach makes an interface of h on a device. The interface has the device's name. If that name is in use, a number is
// added to it. A Runner polls and drains a pollable device (World.Devices); the world drains a device in memory.
// Without addrs the interface gets the host's next address of each family, if one is left. The caller closes the device after
// Port.Detach.
func (h *Host) Attach(dev phy.Device, addrs ...netip.Prefix) (*Port, error) {
	if len(addrs) == 0 {
		addrs = h.nextAddrs()
	}
	return h.attach(dev, addrs, false)
}

// AttachShared is Attach for a device on which the operating system's kernel has the same hardware address, that of the device, and
// the same addresses: see stack.IfaceConfig.Shared.
func (h *Host) AttachShared(dev phy.Device, addrs ...netip.Prefix) (*Port, error) {
	return h.attach(dev, addrs, true)
}

func (h *Host) attach(dev phy.Device, addrs []netip.Prefix, besideKernel bool) (*Port, error) {
	caps := dev.Capabilities()
	if h.setup.mtu > 0 {
		caps.MTU = min(caps.MTU, h.setup.mtu)
	}
	name := h.freeName(dev.Name())
	p := h.newPort(caps)
	p.dev, p.besideKernel = dev, besideKernel
	if err := p.open(name, addrs, false); err != nil {
		return nil, err
	}
	w := h.lab.world
	if d, ok := dev.(phy.Watcher); ok {
		p.iface.SetLink(w.now, p.caps, d.Up())
	}
	w.attach(p)
	return p, nil
}

// attachLoop makes the loop interface. A visible loop also has the host's addresses and MTU.
func (h *Host) attachLoop(visible bool) error {
	dev := phy.NewLoopback("lo")
	p := &Port{host: h, caps: dev.Capabilities(), deviceQueue: deviceQueue{dev: dev}, loop: true}
	p.faults = p.newFaults(0)
	addrs := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}
	if visible {
		if h.setup.mtu > 0 {
			p.caps.MTU = h.setup.mtu
		}
		addrs, h.setup.addrs = append(addrs, h.setup.addrs...), nil
		h.ports = append(h.ports, p)
	}
	h.loop = p
	return p.open("lo", addrs, !visible)
}

// newPort returns a port with its number. The caller then opens it.
func (h *Host) newPort(caps phy.Capabilities) *Port {
	h.portsMade++
	p := &Port{host: h, index: int(h.portsMade - 1), caps: caps}
	p.faults = p.newFaults(h.portsMade)
	h.ports = append(h.ports, p)
	return p
}

// next returns the addresses that the host's next link will take: the first unused one of each family, in their order.
func (h *Host) next() (addrs []netip.Prefix) {
	for _, p := range h.setup.addrs {
		same := func(q netip.Prefix) bool { return q.Addr().Is4() == p.Addr().Is4() }
		if !slices.ContainsFunc(addrs, same) {
			addrs = append(addrs, p)
		}
	}
	return addrs
}

// nextAddrs returns the addresses of next, and removes them from the unused ones.
func (h *Host) nextAddrs() []netip.Prefix {
	addrs := h.next()
	h.setup.addrs = slices.DeleteFunc(h.setup.addrs, func(p netip.Prefix) bool { return slices.Contains(addrs, p) })
	return addrs
}

// meets reports whether two hosts would have one address on a link that takes the next address of each.
func (h *Host) meets(o *Host) (a netip.Addr, ok bool) {
	for _, p := range h.next() {
		for _, q := range o.next() {
			if p.Addr() == q.Addr() {
				return p.Addr(), true
			}
		}
	}
	return a, false
}

// freeName returns want, or want with a number added if an interface has that name.
func (h *Host) freeName(want string) string {
	name := want
	for n := 1; h.names[name]; n++ {
		name = fmt.Sprintf("%s.%d", want, n)
	}
	return name
}

// nextLinkName returns the first unused name of eth0, eth1, ….
func (h *Host) nextLinkName() string {
	for ; ; h.nextLink++ {
		if name := fmt.Sprintf("eth%d", h.nextLink); !h.names[name] {
			return name
		}
	}
}

// hardwareAddr returns the hardware address of the host's i-th interface. wish is the address that the device prefers.
func (h *Host) hardwareAddr(i int, wish wire.HardwareAddr) wire.HardwareAddr {
	switch {
	case !h.setup.mac.IsZero() && i == 0:
		return h.setup.mac
	case !wish.IsZero():
		return wish
	case !h.setup.mac.IsZero():
		a := h.setup.mac
		a[0] |= 2 // marks the derived address as locally administered
		a[1] ^= byte(i)
		return a
	}
	n := h.ordinal
	return h.lab.freeMAC(wire.HardwareAddr{2, byte(i), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// freeMAC returns the first hardware address from a on that is not in use. It counts the third octet up, then the second, then the others but
// the first, so that it finds every free address.
func (l *Lab) freeMAC(a wire.HardwareAddr) wire.HardwareAddr {
	for l.macs[a] > 0 {
		for _, i := range [...]int{2, 1, 3, 4, 5} {
			if a[i]++; a[i] != 0 {
				break
			}
		}
	}
	return a
}

// addGateways adds the default route of each family when one of the prefixes contains the gateway. A link-local gateway of IPv6 is on
// the interface that its zone names, without a zone on the first link.
func (h *Host) addGateways(addrs []netip.Prefix, i *stack.Iface) (err error) {
	h.setup.gateways = slices.DeleteFunc(h.setup.gateways, func(gw netip.Addr) bool {
		near := gw.Is6() && gw.IsLinkLocalUnicast() && i.IPv6() && (gw.Zone() == "" || gw.Zone() == i.Name()) ||
			slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Masked().Contains(gw) })
		if near && err == nil {
			err = h.AddRoute(netip.PrefixFrom(zeroAddr(gw), 0), gw, i)
		}
		return near
	})
	return err
}

func zeroAddr(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// run is called at the host's deadline.
func (h *Host) run(now clock.Instant) {
	if h.broken != nil {
		return
	}
	h.turn.ticked = true
	h.Tick(now)
	h.lab.world.touch(h)
}

// refreshPorts updates the capabilities of every port.
func (h *Host) refreshPorts() {
	for _, p := range h.ports {
		p.refresh()
	}
	h.loop.refresh()
}

// transmitBatch makes every port transmit a batch and returns the number of frames moved. If a frame has moved and the
// host has more, it is called again, because a frame sent by one interface may make another ready. If no frame has
// moved although the stack had work, it is called once more.
func (h *Host) transmitBatch(now clock.Instant) (n int) {
	if h.broken != nil {
		return 0
	}
	w := h.lab.world
	w.turn.entered.sender = h
	if h.turn.callsSeen != w.turn.calls {
		h.turn.callsSeen = w.turn.calls
		h.refreshPorts()
	}
	h.turn.transmitting = true
	h.TakeWork()
	for _, p := range h.ports {
		if p != h.loop && p.mayMove(now) {
			n += p.transmitBatch(now)
		}
	}
	if h.loop.mayMove(now) {
		n += h.loop.transmitBatch(now)
		n += h.loop.drainMemory(now)
	}
	h.turn.transmitting = false
	w.turn.entered.sender = nil
	if h.broken != nil {
		return n
	}
	hadWork := h.TakeWork()
	if h.turn.retried = n == 0 && hadWork && !h.turn.retried; (n > 0 || h.turn.retried) && h.mayMove(now) {
		w.touch(h)
	}
	h.schedule(now)
	return n
}

// mayMove reports whether transmitBatch could move a frame.
func (h *Host) mayMove(now clock.Instant) bool {
	for _, p := range h.ports {
		if p.mayMove(now) {
			return true
		}
	}
	return h.loop.mayMove(now)
}

// hasWork is called by the stack when the host may have a frame to transmit, or has an earlier deadline.
func (h *Host) hasWork() {
	if !h.turn.transmitting {
		h.lab.world.touch(h)
	}
}

// schedule sets the host's timer to its deadline.
func (h *Host) schedule(now clock.Instant) {
	at := max(h.Deadline(), now)
	switch {
	case at > now:
		h.turn.fruitless = 0
	case h.turn.ticked:
		if h.turn.fruitless++; h.turn.fruitless > fruitlessTicks {
			at = now.Add(tickPause)
		}
	}
	h.turn.ticked = false
	h.lab.world.events.Set(&h.turn.timer, at)
	if at = h.Upkeep(); at != h.turn.upkeep.At() {
		h.lab.world.upkeep.Set(&h.turn.upkeep, at)
	}
}
