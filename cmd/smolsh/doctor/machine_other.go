//go:build !linux

package doctor

import "smolsh/phy"

func (c *Checkup) examine() {
	c.say(Verdict{Subject: "devices", Bad: &Obstacle{"TAP and TUN devices are opened on Linux only", "there are loopback and sim"}})
}

// LinkText returns the text for a link that is down.
func LinkText(d phy.Watcher) string { return d.Name() + ": the link is down" }
