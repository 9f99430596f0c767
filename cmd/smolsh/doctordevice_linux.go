package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/netif"
	"smolsh/phy/raw"
	"smolsh/phy/tap"
	"smolsh/script"
)

// examineDevice looks at one device that was named: whether it can be opened, its link, and for a TAP or TUN
// the way from our host to the kernel's end and back.
func (o *options) examineDevice(c *checkup, d device) {
	if d.kind == "switch" {
		c.say(o.examineSwitch(d))
		return
	}
	_, missing := net.InterfaceByName(d.name)
	state, err := try(d)
	if err != nil {
		bad := obstacleOf(d, err)
		if bad == nil {
			bad = &obstacle{err.Error(), "smolsh --device " + d.kind + ":" + d.name + " says the same"}
		}
		c.say(verdict{subject: d.name, bad: bad})
		return
	}
	if missing != nil {
		c.say(verdict{subject: d.name, good: "is not there, and may be made: it goes away with smolsh"})
		return
	}
	c.say(verdict{subject: d.name, good: fmt.Sprintf("may be opened, mtu %d", state.MTU)})
	bad := linkObstacle(d.name, state)
	c.say(verdict{subject: d.name, good: "the link is up", bad: bad})
	if bad != nil || d.kind == "raw" {
		return
	}
	kernel := addressesOf(d.name)
	if len(kernel) == 0 {
		c.say(verdict{subject: d.name, bad: obstacleOf(d, errNoAddress, "peer", defaultPeer.String())})
		return
	}
	ours := o.addrs
	if len(ours) == 0 {
		ours = []netip.Prefix{defaultAddr}
	}
	c.say(verdict{subject: d.name, good: fmt.Sprintf("the kernel's end has %v, the host %v", kernel[0], ours[0].Addr()), bad: o.pathObstacle(d, ours[0].Addr(), kernel)})
	if c.failed {
		return
	}
	c.say(verdict{subject: d.name, good: fmt.Sprintf("the kernel's end at %v answers", kernel[0].Addr()), bad: o.echo(d, kernel[0].Addr())})
}

// try opens a device and closes it. What it made goes away again.
func try(d device) (netif.State, error) {
	if d.kind == "raw" {
		dev, err := raw.Open(d.name, raw.Options{})
		if err != nil {
			return netif.State{}, err
		}
		defer dev.Close()
		return dev.Link(), nil
	}
	dev, err := tap.Open(d.name, tap.Options{TUN: d.kind == "tun"})
	if err != nil {
		return netif.State{}, err
	}
	defer dev.Close()
	return dev.Link(), nil
}

// addressesOf are the kernel's IPv4 addresses on an interface.
func addressesOf(name string) (found []netip.Prefix) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil
	}
	list, _ := netlink.AddrList(link, unix.AF_INET)
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.IPNet.String()); err == nil {
			found = append(found, p)
		}
	}
	return found
}

// pathObstacle is what keeps the kernel's end and a host at addr from each other by their settings: networks,
// rp_filter, and for a gateway ip_forward.
func (o *options) pathObstacle(d device, addr netip.Addr, kernel []netip.Prefix) *obstacle {
	words := []string{"addr", addr.String(), "host", addr.String(), "peer", kernel[0].Masked().String()}
	link, err := netlink.LinkByName(d.name)
	if err != nil {
		return nil // it went away
	}
	routes, err := netlink.RouteGet(addr.AsSlice())
	if back := err == nil && len(routes) > 0 && routes[0].LinkIndex == link.Attrs().Index; !back {
		// Strict, the kernel does not even look at what it would not answer on the same interface (RFC 3704 §2.2).
		if mode := max(sysctl("net.ipv4.conf.all.rp_filter"), sysctl("net.ipv4.conf."+d.name+".rp_filter")); mode == "1" {
			return obstacleOf(d, errReversePath, words...)
		}
		return obstacleOf(d, errOtherNet, words...)
	}
	for _, k := range kernel {
		if o.gateway == k.Addr() && sysctl("net.ipv4.ip_forward") == "0" {
			return obstacleOf(d, errNoForward)
		}
	}
	return nil
}

// echo puts the host on the device for a moment and asks the kernel's end for an echo. When there is none, what
// the firewall has that drops packets is named.
func (o *options) echo(d device, kernel netip.Addr) *obstacle {
	l, err := o.open([]device{d})
	if err != nil {
		return &obstacle{err.Error(), "smolsh --device " + d.kind + ":" + d.name + " says the same"}
	}
	var out bytes.Buffer
	s := script.New(script.Config{Runner: l.runner, Lab: l.lab, Local: l.local, Seed: l.seed, Stdout: &out, Stderr: &out})
	err = s.RunCommand(fmt.Sprintf("print(ping(%q, count=2, interval=\"200ms\", timeout=\"1s\").received > 0)", kernel))
	err = errors.Join(err, s.Close())
	l.close()
	if err == nil && strings.Contains(out.String(), "True\n") {
		return nil
	}
	if chain, match := droppingChain(d.name); chain != "" {
		return obstacleOf(d, errFirewall, "chain", chain, "match", match)
	}
	return obstacleOf(d, errSilent, "peer", kernel.String())
}
