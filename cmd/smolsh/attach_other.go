//go:build !linux

package main

import (
	"errors"

	"smolsh/phy"
	"smolsh/stack/lab"
)

func (o *options) private(l *shellLab, w *lab.World) error { return o.attach(l, w, nil) }

func linkError(d phy.Watcher) string { return d.Name() + ": the link is down" }

func (o *options) attach(*shellLab, *lab.World, []device) error {
	return deviceError(errors.New("TAP and TUN devices are opened on Linux only; there are loopback and sim"))
}

func (o *options) examine(c *checkup) {
	c.say(verdict{subject: "devices", bad: &obstacle{"TAP and TUN devices are opened on Linux only", "there are loopback and sim"}})
}
