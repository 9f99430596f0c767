package capture

import (
	"encoding/binary"
	"fmt"

	"smolsh/phy"
)

// LinkType is the number by which a capture file identifies the first header of an interface's packets: a LINKTYPE_
// value of the registry of the pcap and pcapng drafts.
type LinkType uint16

// The link types whose packets a Reader returns.
const (
	LinkNull       LinkType = 0   // four octets with the address family, in the order of the capturing machine
	LinkEthernet   LinkType = 1   // an Ethernet header
	LinkRawBSD     LinkType = 12  // an IP header, as several BSDs number it
	LinkRawOpenBSD LinkType = 14  // an IP header, as OpenBSD numbers it
	LinkRaw        LinkType = 101 // an IP header
	LinkLoop       LinkType = 108 // four octets with the address family, in network order
	LinkSLL        LinkType = 113 // Linux's cooked header of 16 octets
	LinkIPv4       LinkType = 228 // an IPv4 header
	LinkIPv6       LinkType = 229 // an IPv6 header
	LinkSLL2       LinkType = 276 // Linux's cooked header of 20 octets
)

var linkNames = map[LinkType]string{LinkNull: "NULL", LinkEthernet: "ETHERNET", LinkRawBSD: "RAW", LinkRawOpenBSD: "RAW", LinkRaw: "RAW",
	LinkLoop: "LOOP", LinkSLL: "LINUX_SLL", LinkIPv4: "IPV4", LinkIPv6: "IPV6", LinkSLL2: "LINUX_SLL2"}

// String returns the registry's name, or the number in digits for a type that a Reader skips.
func (l LinkType) String() string {
	if name := linkNames[l]; name != "" {
		return name
	}
	return fmt.Sprint(uint16(l))
}

func (l LinkType) known() bool { return linkNames[l] != "" }

// Lengths, in octets, of the headers that cooked and loopback captures have in front of an IP header.
const (
	familyLen = 4
	sllLen    = 16
	sll2Len   = 20
)

// Frame returns the packet as a frame of a phy.Medium: the octets that the file has kept, and the length of the whole
// frame. If an IP header follows a family header or cooked header, Frame omits that header. Otherwise it keeps the
// header.
func (r *Record) Frame() (head []byte, length int, m phy.Medium) {
	skip := 0
	switch b := r.Data; {
	case r.Link == LinkEthernet:
		return b, r.Length, phy.MediumEthernet
	case (r.Link == LinkNull || r.Link == LinkLoop) && len(b) >= familyLen && isFamily(b):
		skip = familyLen
	case r.Link == LinkSLL && len(b) >= sllLen && isIP(b[14:]):
		skip = sllLen
	case r.Link == LinkSLL2 && len(b) >= sll2Len && isIP(b):
		skip = sll2Len
	}
	return r.Data[skip:], r.Length - skip, phy.MediumIP
}

// isFamily reports whether b begins with an address family: AF_INET, or AF_INET6 as Linux, NetBSD, FreeBSD or Darwin
// numbers it, in either octet order.
func isFamily(b []byte) bool {
	family := binary.BigEndian.Uint32(b)
	if family > 0xffff {
		family = binary.LittleEndian.Uint32(b)
	}
	switch family {
	case 2, 10, 24, 28, 30:
		return true
	}
	return false
}

// isIP reports whether b begins with the EtherType of IPv4 or IPv6.
func isIP(b []byte) bool {
	t := binary.BigEndian.Uint16(b)
	return t == 0x0800 || t == 0x86dd
}
