package main

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"smolsh/phy/ifconfig"
	"smolsh/phy/raw"
	"smolsh/phy/tap"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
	"smolsh/stack/wire"
)

// private attaches the host to a new TAP in the network namespace that the process has entered.
func (o *options) private(l *shellLab, w *lab.World) error {
	if err := ifconfig.SetUp("lo", true); err != nil {
		return deviceError(err)
	}
	if err := o.attach(l, w, []device{{"tap", "tap0"}}); err != nil {
		return err
	}
	l.kernel = o.kernelAddrs
	if len(l.kernel) == 0 {
		l.kernel = peersOf(o.addrs)
	}
	if len(l.kernel) == 0 {
		l.kernel = peersOf(defaultAddrs)
	}
	return nil
}

// attach opens the devices and attaches the host to them. Each device gets one of the host's addresses. The last device
// also gets all remaining addresses.
func (o *options) attach(l *shellLab, w *lab.World, devices []device) error {
	addrs := o.addrs
	if len(addrs) == 0 && !o.listens() {
		addrs = defaultAddrs
	}
	onSwitch := slices.ContainsFunc(devices, func(d device) bool { return d.Kind == "switch" })
	if (o.listens() || onSwitch) && !o.flags.Changed("mac") {
		o.mac = wire.HardwareAddr{} // each device uses its own address, since other hosts are on the same cable
	}
	if err := o.host(l); err != nil {
		return usageError("%v", err)
	}
	w.OnDeviceError = l.deviceFailed
	w.OnPanic = func(p *lab.Panic) { l.notes.say("it %s: %v\n%s", p.Doing, p.Panic, p.Trace(6)) } // used until there is a session
	w.OnSwitchError = func(p *lab.SwitchPort, err error) { l.notes.say("%s is out of service: %v", p.Name(), err) }
	for i, d := range devices {
		own := addrs[min(i, len(addrs)):min(i+1, len(addrs))]
		if i == len(devices)-1 {
			own = addrs[min(i, len(addrs)):]
		}
		open := o.tap
		switch d.Kind {
		case "raw":
			open = o.raw
		case "switch":
			open = o.onSwitch
		}
		if err := open(l, d, own); err != nil {
			return err
		}
	}
	var err error
	if l.runner, err = live.New(w); err != nil {
		return deviceError(err)
	}
	return nil
}

// raw attaches the host to an interface of the kernel, in addition to the kernel.
func (o *options) raw(l *shellLab, d device, addrs []netip.Prefix) error {
	dev, err := raw.Open(d.Name, raw.Options{Promiscuous: o.promiscuous, Outgoing: o.promiscuous})
	if err != nil {
		return deviceFault(d, err)
	}
	l.devices = append(l.devices, dev)
	if _, err := l.local.Attach(dev, addrs...); err != nil {
		return usageError("%v", err)
	}
	return nil
}

func (o *options) tap(l *shellLab, d device, addrs []netip.Prefix) error {
	name := d.Name
	_, missing := net.InterfaceByName(name)
	if missing == nil && len(o.kernelAddrs) > 0 {
		return usageError("--kernel-addr: %s exists already, and its kernel's end is left as it is", name)
	}
	dev, err := tap.Open(name, tap.Options{TUN: d.Kind == "tun"})
	if err != nil {
		if errors.Is(err, tap.ErrName) {
			return usageError("--device: %v", err)
		}
		return deviceFault(d, err)
	}
	l.devices = append(l.devices, dev)
	if missing != nil {
		if err := o.setUpKernel(name, addrs); err != nil {
			return deviceError(err)
		}
		if err := dev.Refresh(); err != nil {
			return deviceError(err)
		}
	}
	if _, err := l.local.Attach(dev, addrs...); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// setUpKernel configures the kernel's end of a TAP or TUN that smolsh has made, where the host has addrs. Without
// --kernel-addr the kernel gets the peer's address on each of the host's networks. On the only device it also gets its
// default IPv6 address.
func (o *options) setUpKernel(name string, addrs []netip.Prefix) error {
	kernel := o.kernelAddrs
	if len(kernel) == 0 {
		kernel = peersOf(addrs)
	}
	if err := ifconfig.Setup(name, kernel, o.mtu); err != nil {
		return err
	}
	v6 := slices.ContainsFunc(kernel, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if len(o.kernelAddrs) == 0 && len(o.devices) <= 1 && !v6 {
		_ = ifconfig.Setup(name, []netip.Prefix{defaultPeer6}, 0) // fails if the kernel has no IPv6, which does no harm
	}
	return nil
}
