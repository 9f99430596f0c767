//go:build !portable

package doctor

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/netif"
	"smolsh/phy/raw"
	"smolsh/phy/tap"
)

// examineDevice checks one device: whether it can be opened, and its link. For a TAP or TUN it also checks the path
// from the host to the kernel's end and back.
func (c *Checkup) examineDevice(d Device) {
	if d.Kind == "switch" {
		c.say(c.Switch(d))
		return
	}
	_, missing := net.InterfaceByName(d.Name)
	state, err := try(d)
	if err != nil {
		bad := Explain(d, err)
		if bad == nil {
			bad = &Obstacle{err.Error(), "smolsh --device " + d.Kind + ":" + d.Name + " says the same"}
		}
		c.say(Verdict{Subject: d.Name, Bad: bad})
		return
	}
	if missing != nil {
		c.say(Verdict{Subject: d.Name, Good: "is not there, and may be made: it goes away with smolsh"})
		return
	}
	c.say(Verdict{Subject: d.Name, Good: fmt.Sprintf("may be opened, mtu %d", state.MTU)})
	bad := linkObstacle(d.Name, state)
	c.say(Verdict{Subject: d.Name, Good: "the link is up", Bad: bad})
	if bad == nil && d.Kind == "raw" && c.Share {
		c.examineSharing(d)
	}
	if bad != nil || d.Kind == "raw" {
		return
	}
	for _, e := range c.Ends {
		c.examineEnds(d, e)
	}
}

// examineSharing checks whether a host may use the kernel's addresses on an interface.
func (c *Checkup) examineSharing(d Device) {
	addrs := append(addressesOf(d.Name, true), addressesOf(d.Name, false)...)
	bad := shareObstacle(d)
	if bad == nil && len(addrs) == 0 {
		bad = Explain(d, netif.ErrNoAddress)
	}
	c.say(Verdict{Subject: d.Name, Good: fmt.Sprintf("the kernel's addresses %v may be shared", addrs), Bad: bad})
}

// examineEnds checks the path of one family between the host and the kernel's end of a TAP or TUN.
func (c *Checkup) examineEnds(d Device, e Ends) {
	kernel := addressesOf(d.Name, e.Host.Is4())
	if len(kernel) == 0 {
		cause, words := errNoAddress, []string{"peer", e.Peer.String()}
		if e.Host.Is6() {
			cause = errNoAddress6
			if off := "net.ipv6.conf." + d.Name + ".disable_ipv6"; Sysctl(off) != "0" {
				cause, words = errNoIPv6, []string{"switch", off}
			}
		}
		c.say(Verdict{Subject: d.Name, Bad: Explain(d, cause, words...), Noted: e.Noted})
		return
	}
	bad := c.pathObstacle(d, e, kernel)
	c.say(Verdict{Subject: d.Name, Good: fmt.Sprintf("the kernel's end has %v, the host %v", kernel[0], e.Host), Bad: bad})
	if bad != nil {
		return
	}
	c.say(Verdict{Subject: d.Name, Good: fmt.Sprintf("the kernel's end at %v answers", kernel[0].Addr()), Bad: c.echo(d, kernel[0].Addr())})
}

// try opens a device and closes it again, which removes a TAP or TUN that opening made.
func try(d Device) (netif.State, error) {
	if d.Kind == "raw" {
		dev, err := raw.Open(d.Name, raw.Options{})
		if err != nil {
			return netif.State{}, err
		}
		defer dev.Close()
		return dev.Link(), nil
	}
	dev, err := tap.Open(d.Name, tap.Options{TUN: d.Kind == "tun"})
	if err != nil {
		return netif.State{}, err
	}
	defer dev.Close()
	return dev.Link(), nil
}

// addressesOf returns the kernel's addresses of one family on an interface, without link-local ones of IPv6.
func addressesOf(name string, is4 bool) (found []netip.Prefix) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil
	}
	family := unix.AF_INET6
	if is4 {
		family = unix.AF_INET
	}
	list, _ := netlink.AddrList(link, family)
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.IPNet.String()); err == nil && (is4 || !p.Addr().IsLinkLocalUnicast()) {
			found = append(found, p)
		}
	}
	return found
}

// pathObstacle returns the kernel's setting that prevents traffic between the host and its end of d, nil if there is
// none. It checks the networks, rp_filter and, if the kernel's end is the gateway, ip_forward.
func (c *Checkup) pathObstacle(d Device, e Ends, kernel []netip.Prefix) *Obstacle {
	addr := e.Host
	words := []string{"addr", addr.String(), "host", addr.String(), "peer", kernel[0].Masked().String()}
	link, err := netlink.LinkByName(d.Name)
	if err != nil {
		return nil // the interface was removed
	}
	routes, err := netlink.RouteGet(addr.AsSlice())
	if back := err == nil && len(routes) > 0 && routes[0].LinkIndex == link.Attrs().Index; !back {
		// In strict mode the kernel drops packets that it would not answer on the same interface (RFC 3704 §2.2).
		if mode := max(Sysctl("net.ipv4.conf.all.rp_filter"), Sysctl("net.ipv4.conf."+d.Name+".rp_filter")); mode == "1" && addr.Is4() {
			return Explain(d, errReversePath, words...)
		}
		return Explain(d, errOtherNet, words...)
	}
	forwarding := "net.ipv4.ip_forward"
	if addr.Is6() {
		forwarding = "net.ipv6.conf.all.forwarding"
	}
	for _, k := range kernel {
		if e.Gateway == k.Addr() && Sysctl(forwarding) == "0" {
			return Explain(d, errNoForward, "switch", forwarding)
		}
	}
	return nil
}

// echo pings the kernel's end from the host. Without an answer it names the firewall's chain that drops packets, if
// there is one.
func (c *Checkup) echo(d Device, kernel netip.Addr) *Obstacle {
	answered, err := c.Ping(d, kernel)
	if err != nil {
		return &Obstacle{err.Error(), "smolsh --device " + d.Kind + ":" + d.Name + " says the same"}
	}
	if answered {
		return nil
	}
	if chain, match := droppingChain(d.Name, kernel.Is6()); chain != "" {
		return Explain(d, errFirewall, "chain", chain, "match", match)
	}
	filter, ignore := "iptables", "net.ipv4.icmp_echo_ignore_all"
	if kernel.Is6() {
		filter, ignore = "ip6tables", "net.ipv6.icmp.echo_ignore_all"
	}
	return Explain(d, errSilent, "peer", kernel.String(), "filter", filter, "ignore", ignore)
}
