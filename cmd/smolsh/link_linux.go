package main

import (
	"fmt"

	"smolsh/phy"
	"smolsh/phy/netif"
)

// linkError says why a device's link carries nothing, and what mends it.
func linkError(d phy.Watcher) error {
	if l, ok := d.(interface{ Link() netif.State }); ok && l.Link().Up {
		return fmt.Errorf("%s: no carrier: what is at the other end is down, or not plugged in", d.Name())
	}
	return fmt.Errorf("%s: the link is down: ip link set %s up", d.Name(), d.Name())
}
