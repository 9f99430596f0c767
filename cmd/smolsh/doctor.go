package main

import (
	"io"
	"strings"

	"smolsh/cmd/smolsh/doctor"
)

// doctor implements `smolsh doctor`. It checks whether the machine allows the private lab, or each device that is named
// before or after the verb, there also by an interface's name alone. The status is statusDevice if a check fails.
func (o *options) doctor(stdout, _ io.Writer) (status int, err error) {
	for _, s := range o.args {
		d, err := parseDevice(s)
		if kind := doctor.KindOf(s); err != nil && kind != "" { // an interface of the machine without its kind
			d, err = device{kind, s}, nil
		}
		if err != nil {
			return 0, usageError("%s", strings.Replace(err.Error(), "--device: ", "doctor: ", 1))
		}
		o.devices = append(o.devices, d)
	}
	if err := o.checkShared(); err != nil {
		return 0, err
	}
	c := doctor.Checkup{Private: o.wantsPrivate(), Share: o.shareAddress, Ends: o.ends()}
	for _, d := range o.devices {
		c.Devices = append(c.Devices, doctor.Device(d))
	}
	o.equip(&c)
	if !c.Run(stdout) {
		return statusDevice, nil
	}
	return 0, nil
}

// ends returns the addresses at both ends of a TAP or TUN: the host's first address of each family, with the peer's.
func (o *options) ends() (ends []doctor.Ends) {
	addrs := o.addrs
	if len(addrs) == 0 {
		addrs = defaultAddrs
	}
	first, _ := firstOfEach(addrs)
	for _, a := range first {
		e := doctor.Ends{Host: a.Addr(), Gateway: o.gateway, Peer: peerOf(a)}
		if a.Addr().Is6() {
			e.Gateway, e.Noted = o.gateway6, len(o.addrs) == 0 && !o.gateway6.IsValid()
		}
		if !(a.Addr().Is6() && o.noIPv6 && len(o.addrs) == 0) {
			ends = append(ends, e)
		}
	}
	return ends
}
