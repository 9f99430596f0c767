//go:build !linux || portable

package doctor

import (
	"cmp"

	"smolsh/phy"
)

// OnlyLinux returns the obstacle for a device, or a lab, that needs Linux.
func OnlyLinux(what string) *Obstacle {
	return &Obstacle{what + " needs Linux", "--device sim and --device loopback work everywhere"}
}

// String returns the device as the flag --device has it.
func (d Device) String() string {
	if d.Name == "" {
		return d.Kind
	}
	return d.Kind + ":" + d.Name
}

// KindOf returns "", because no interface of the system is a device.
func KindOf(string) string { return "" }

// examine reports that each device, and the private lab, needs Linux. The virtual devices have no obstacle.
func (c *Checkup) examine() {
	c.say(Verdict{Subject: "sim, loopback", Good: "work everywhere"})
	if c.Private {
		c.say(Verdict{Subject: "private lab", Bad: OnlyLinux("the private lab")})
	}
	for _, d := range c.Devices {
		if d.Kind != "sim" && d.Kind != "loopback" && d.Kind != "lab" {
			c.say(Verdict{Subject: cmp.Or(d.Name, d.Kind), Bad: OnlyLinux(d.String())})
		}
	}
}

// LinkText returns the text for a link that is down.
func LinkText(d phy.Watcher) string { return d.Name() + ": the link is down" }
