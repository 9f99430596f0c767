package main

import (
	"io"

	"smolsh/cmd/smolsh/doctor"
)

// doctor implements `smolsh doctor`. It checks whether the machine allows the private lab, or each device that is named
// before or after the verb. The status is statusDevice if a check fails.
func (o *options) doctor(stdout, _ io.Writer) (status int, err error) {
	for _, s := range o.args {
		d, err := parseDevice(s)
		if err != nil {
			return 0, err
		}
		o.devices = append(o.devices, d)
	}
	c := doctor.Checkup{Private: o.wantsPrivate(), Host: defaultAddrs[0].Addr(), Gateway: o.gateway, Peer: defaultPeer}
	if len(o.addrs) > 0 {
		c.Host = o.addrs[0].Addr()
	}
	for _, d := range o.devices {
		c.Devices = append(c.Devices, doctor.Device(d))
	}
	o.equip(&c)
	if !c.Run(stdout) {
		return statusDevice, nil
	}
	return 0, nil
}
