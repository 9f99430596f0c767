//go:build !linux || portable

package main

import (
	"errors"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/stack/lab"
)

// private returns an error, as attach does. openLab does not call it on this system.
func (o *options) private(l *shellLab, w *lab.World) error {
	return o.attach(l, w, []device{{Kind: "lab"}})
}

// attach returns the error that the devices need Linux.
func (o *options) attach(_ *shellLab, _ *lab.World, devices []device) error {
	why := doctor.OnlyLinux("--device " + doctor.Device(devices[0]).String())
	return deviceError(errors.New(why.Text()))
}

// equip does nothing, because outside Linux a checkup checks no device.
func (o *options) equip(*doctor.Checkup) {}
