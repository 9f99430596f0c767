//go:build !linux

package main

import (
	"errors"

	"smolsh/stack/lab"
)

func (o *options) private(l *shellLab, w *lab.World) error { return o.taps(l, w, nil) }

func (o *options) taps(*shellLab, *lab.World, []device) error {
	return deviceError(errors.New("TAP devices are opened on Linux only; there are loopback and sim"))
}
