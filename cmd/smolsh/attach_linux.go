//go:build !portable

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
		l.kernel = slices.DeleteFunc(peersOf(o.hostAddrs()), func(p netip.Prefix) bool { return p.Addr().Is6() && !kernelHas("tap0", p) })
	}
	return nil
}

// kernelHas reports whether the kernel's end of a device has the address p.
func kernelHas(name string, p netip.Prefix) bool {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return false
	}
	list, _ := i.Addrs()
	return slices.ContainsFunc(list, func(a net.Addr) bool { return a.String() == p.String() })
}

// attach opens the devices and attaches the host to them. Each device gets one of the host's addresses of each family. The last
// device also gets all remaining addresses.
func (o *options) attach(l *shellLab, w *lab.World, devices []device) error {
	addrs := o.hostAddrs()
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
		own, rest := firstOfEach(addrs)
		if i == len(devices)-1 {
			own = addrs
		}
		addrs = rest
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
	dev, err := raw.Open(d.Name, raw.Options{Promiscuous: o.promiscuous, Outgoing: o.promiscuous, Shared: o.shareAddress})
	if err != nil {
		return deviceFault(d, err)
	}
	l.devices = append(l.devices, dev)
	if err := o.checkMTU(d.Name, dev.Capabilities().MTU); err != nil {
		return err
	}
	if o.shareAddress {
		return o.share(l, d, dev)
	}
	if _, err := l.local.Attach(dev, addrs...); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// maxTAP is the largest MTU of a TAP that the kernel allows, in octets.
const maxTAP = 65521

func (o *options) tap(l *shellLab, d device, addrs []netip.Prefix) error {
	name := d.Name
	_, missing := net.InterfaceByName(name)
	if missing == nil && len(o.kernelAddrs) > 0 {
		return usageError("--kernel-addr: %s exists already, and its kernel's end is left as it is", name)
	}
	if missing != nil && d.Kind == "tap" && o.mtu > maxTAP {
		return usageError("--mtu: a TAP takes packets of %d octets at most, not %d", maxTAP, o.mtu)
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
	if err := o.checkMTU(name, dev.Capabilities().MTU); err != nil {
		return err
	}
	if len(o.addrs) == 0 && dev.Capabilities().MTU < wire.MinMTU6 {
		addrs = ofIPv4(addrs)
	}
	if _, err := l.local.Attach(dev, addrs...); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// setUpKernel configures the kernel's end of a TAP or TUN that smolsh has made, where the host has addrs. Without
// --kernel-addr the kernel gets the peer's address on each of the host's networks. On the only device it also gets its
// default IPv6 address. A kernel without IPv6 gets none of that family, unless --kernel-addr or --addr asks for one.
func (o *options) setUpKernel(name string, addrs []netip.Prefix) error {
	kernel := o.kernelAddrs
	if len(kernel) == 0 {
		kernel = peersOf(addrs)
	}
	wanted := kernel
	if len(o.kernelAddrs) == 0 && len(o.addrs) == 0 {
		wanted = ofIPv4(kernel)
	}
	if err := ifconfig.Setup(name, wanted, o.mtu); err != nil {
		return err
	}
	v6 := slices.ContainsFunc(kernel, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if len(o.kernelAddrs) == 0 && len(o.devices) <= 1 && !v6 && !o.noIPv6 {
		kernel = append(kernel, defaultPeer6)
	}
	if len(kernel) > len(wanted) {
		_ = ifconfig.Setup(name, kernel, 0) // fails if the kernel has no IPv6, which does no harm
	}
	return nil
}
