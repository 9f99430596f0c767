//go:build !linux

package main

import (
	"errors"

	"smolsh/stack/lab"
)

func (o *options) taps(*shellLab, *lab.World, []device) error {
	return deviceError(errors.New("TAP devices are opened on Linux only; there are loopback and sim"))
}
