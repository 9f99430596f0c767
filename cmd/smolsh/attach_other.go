//go:build !linux

package main

import (
	"errors"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/stack/lab"
)

func (o *options) private(l *shellLab, w *lab.World) error { return o.attach(l, w, nil) }

func (o *options) attach(*shellLab, *lab.World, []device) error {
	return deviceError(errors.New("TAP and TUN devices are opened on Linux only; there are loopback and sim"))
}

// equip does nothing, because outside Linux a checkup checks no device.
func (o *options) equip(*doctor.Checkup) {}
