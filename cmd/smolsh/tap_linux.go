package main

import (
	"errors"
	"net"
	"net/netip"

	"smolsh/phy/tap"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
)

// taps opens the devices and puts the host on them, each with one of its addresses.
func (o *options) taps(l *shellLab, w *lab.World, devices []device) error {
	addrs := o.addrs
	if len(addrs) == 0 {
		addrs = []netip.Prefix{defaultAddr}
	}
	if err := o.host(l); err != nil {
		return usageError("%v", err)
	}
	w.OnDeviceError = onDeviceError
	for i, d := range devices {
		own := addrs[min(i, len(addrs)):min(i+1, len(addrs))]
		if i == len(devices)-1 {
			own = addrs[min(i, len(addrs)):]
		}
		if err := o.tap(l, d.name, own); err != nil {
			return err
		}
	}
	var err error
	if l.runner, err = live.New(w); err != nil {
		return deviceError(err)
	}
	return nil
}

func (o *options) tap(l *shellLab, name string, addrs []netip.Prefix) error {
	_, missing := net.InterfaceByName(name)
	if missing == nil && len(o.kernelAddrs) > 0 {
		return usageError("--kernel-addr: %s exists already, and its kernel's end is left as it is", name)
	}
	dev, err := tap.Open(name, tap.Options{})
	if err != nil {
		if errors.Is(err, tap.ErrName) {
			return usageError("--device: %v", err)
		}
		return deviceError(err)
	}
	l.devices = append(l.devices, dev)
	if missing != nil {
		kernel := o.kernelAddrs
		if len(kernel) == 0 && len(addrs) > 0 {
			kernel = []netip.Prefix{peerOf(addrs[0])}
		}
		if err := tap.Setup(name, kernel, o.mtu); err != nil {
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
