package main

import (
	"io"

	"smolsh/cmd/smolsh/doctor"
)

// doctor is the verb doctor: it checks what this machine allows, for the private lab and for each device named before the verb or
// after it. The status is statusDevice if one of the checks fails.
func (o *options) doctor(stdout, _ io.Writer) (status int, err error) {
	for _, s := range o.args {
		d, err := parseDevice(s)
		if err != nil {
			return 0, err
		}
		o.devices = append(o.devices, d)
	}
	c := doctor.Checkup{Private: o.wantsPrivate(), Host: defaultAddr.Addr(), Gateway: o.gateway, Peer: defaultPeer}
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
