//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
)

func prefixList(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// TestPeersOf checks the peer's addresses: one on the network of the host's first address of each version of IP.
func TestPeersOf(t *testing.T) {
	for _, c := range []struct{ host, want []netip.Prefix }{
		{nil, nil},
		{prefixList("192.168.69.1/24"), prefixList("192.168.69.100/24")},
		{prefixList("192.168.69.100/24"), prefixList("192.168.69.99/24")},
		{prefixList("fdaa::1/64"), prefixList("fdaa::100/64")},
		{prefixList("fdaa::100/64"), prefixList("fdaa::64/64")},
		{prefixList("fdbb::1/64", "192.168.69.1/24", "10.0.0.1/8"), prefixList("192.168.69.100/24", "fdbb::64/64")},
		{prefixList("fdbb::1/127"), prefixList("fdbb::/127")},
	} {
		if got := peersOf(c.host); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("peers of %v: %v, want %v", c.host, got, c.want)
		}
	}
}

// TestKernelsEnd checks the addresses of the kernel's end of a TAP that the program makes.
func TestKernelsEnd(t *testing.T) {
	for _, c := range []struct {
		devices           int
		host, flags, want []netip.Prefix
	}{
		{1, defaultAddrs, nil, prefixList("192.168.69.100/24", "fdaa::100/64")},
		{1, prefixList("10.0.0.1/24"), nil, prefixList("10.0.0.100/24", "fdaa::100/64")},
		{1, prefixList("10.0.0.1/24", "fdbb::1/64"), nil, prefixList("10.0.0.100/24", "fdbb::64/64")},
		{2, prefixList("10.0.0.1/24"), nil, prefixList("10.0.0.100/24")},
		{1, defaultAddrs, prefixList("192.168.69.7/24"), prefixList("192.168.69.7/24")},
		{1, defaultAddrs, prefixList("fdcc::7/64", "192.168.69.7/24"), prefixList("192.168.69.7/24", "fdcc::7/64")},
	} {
		t.Run("", func(t *testing.T) {
			taptest.Namespace(t)
			d, err := tap.Open("tap0", tap.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			o := options{kernelAddrs: c.flags, devices: make([]device, c.devices)}
			if err := o.setUpKernel("tap0", c.host); err != nil {
				t.Fatal(err)
			}
			link, err := netlink.LinkByName("tap0")
			if err != nil {
				t.Fatal(err)
			}
			addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
			var got []string
			for _, a := range addrs {
				if !a.IP.IsLinkLocalUnicast() {
					got = append(got, a.IPNet.String())
				}
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("the host has %v, %d devices, flags %v: the kernel has %v, want %v, %v", c.host, c.devices, c.flags, got, c.want, err)
			}
		})
	}
}
