package stack

import (
	"net/netip"

	"smolsh/stack/mib"
	"smolsh/stack/pmtu"
	"smolsh/stack/wire"
)

// family is a version of IP. Its methods name what differs between the two and is only a number. The seams with more
// behind them are functions that choose by family: parse (packet.go), putIP (header.go), checkAddresses (packet.go),
// sendError (icmperror.go), putRequest (neighbor.go) and probe (acd.go).
type family uint8

const (
	ipv4 family = iota
	ipv6
	numFamilies
)

// familyOf returns the family of an address, which must be valid and must not be IPv4-mapped.
func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// versionOf returns the family of a packet that starts with an IP header.
func versionOf(b []byte) family {
	if b[0]>>4 == 6 {
		return ipv6
	}
	return ipv4
}

// headerLen returns the length of the IP header without options or extension headers, in octets.
func (f family) headerLen() int {
	if f == ipv6 {
		return wire.IPv6Len
	}
	return wire.IPv4Len
}

// minMTU returns the MTU that every link has, in octets (RFC 791 §3.2, RFC 8200 §5).
func (f family) minMTU() int {
	if f == ipv6 {
		return wire.MinMTU6
	}
	return pmtu.Min
}

// maxPacket returns the largest length of a packet, in octets. The length field of IPv6 does not count the header.
func (f family) maxPacket() int {
	if f == ipv6 {
		return maxMTU + wire.IPv6Len
	}
	return maxMTU
}

func (f family) etherType() wire.EtherType {
	if f == ipv6 {
		return wire.EtherTypeIPv6
	}
	return wire.EtherTypeIPv4
}

// icmp returns the protocol number of the family's ICMP.
func (f family) icmp() wire.Protocol {
	if f == ipv6 {
		return wire.ProtocolICMPv6
	}
	return wire.ProtocolICMP
}

// countIP increments a counter of IP or ICMP in the table of its family. c is IPv4's.
func (h *Host) countIP(f family, c mib.Counter) {
	if f == ipv6 {
		c = c.IPv6()
	}
	h.stats.counters[c]++
}
