//go:build !linux

package main

import (
	"errors"
	"fmt"

	"smolsh/phy"
	"smolsh/stack/lab"
)

func (o *options) private(l *shellLab, w *lab.World) error { return o.attach(l, w, nil) }

func linkError(d phy.Watcher) error { return fmt.Errorf("%s: the link is down", d.Name()) }

func (o *options) attach(*shellLab, *lab.World, []device) error {
	return deviceError(errors.New("TAP and TUN devices are opened on Linux only; there are loopback and sim"))
}
