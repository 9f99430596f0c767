//go:build !linux

package main

import (
	"errors"

	"smolsh/stack/lab"
)

func (o *options) private(l *shellLab, w *lab.World) error { return o.attach(l, w, nil) }

func (o *options) attach(*shellLab, *lab.World, []device) error {
	return deviceError(errors.New("TAP and TUN devices are opened on Linux only; there are loopback and sim"))
}
