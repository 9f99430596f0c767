package stack

import (
	"net/netip"
	"testing"
	"time"
)

// pairing is two hosts on one link, with the addresses of one family by which a test reaches them.
type pairing struct {
	family family
	a, b   netip.Addr
	onA    netip.Prefix // a with its prefix
}

// inBoth runs a test with addresses of IPv4, and again with addresses of IPv6.
func inBoth(t *testing.T, test func(t *testing.T, f pairing)) {
	t.Run("ipv4", func(t *testing.T) { test(t, pairing{ipv4, ipA, ipB, netip.PrefixFrom(ipA, 24)}) })
	t.Run("ipv6", func(t *testing.T) { test(t, pairing{ipv6, ip6A, ip6B, netip.PrefixFrom(ip6A, 64)}) })
}

// pair returns the hosts. Those of IPv6 have sent all that a new interface sends.
func (f pairing) pair(t testing.TB) (n *network, a, b *Host) {
	if f.family == ipv4 {
		return pair(t)
	}
	n, a, b = pair6(t)
	n.run(5 * time.Second)
	return n, a, b
}

// segment returns the payload of a full segment with timestamps, in octets.
func (f pairing) segment() int { return 1500 - f.family.headerLen() - 20 - 12 }
