// Package wire parses and writes the headers of every protocol of the stack. It uses no other part of the stack.
//
// A Parse function of a header checks lengths and versions, copies every field into a value and returns the payload, which alone
// aliases its input, as do lists of options, records and addresses. A Put method writes a header into a slice, which must be long
// enough, and returns the number of octets written. Nothing allocates. Errors are drop.Reason values.
//
// Sources: RFC 826 (ARP), 791 (IPv4), 8200, 8504 and 2711 (IPv6), 792 and 1122 (ICMPv4), 4443 (ICMPv6), 4861, 4191 and 8106
// (neighbour discovery), 2710 and 3810 (MLD), 2236 and 2113 (IGMP), 768 (UDP), 9293, 7323 and 2018 (TCP), 1071 (checksum).
// Fields of parsed values are as the wire had them, in host order.
//
// Jumbograms (RFC 2675), Mobile IPv6 (RFC 6275), ESP and the checking of authentication headers are left out on purpose.
package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"smolsh/stack/drop"
)

// HardwareAddr is a 48-bit Ethernet address.
type HardwareAddr [6]byte

// Broadcast is the Ethernet broadcast address.
var Broadcast = HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// String prints the address as "02:00:00:00:00:01".
func (a HardwareAddr) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5])
}

// ParseHardwareAddr parses the text of an address: six octets in hexadecimal, separated by colons or dashes.
func ParseHardwareAddr(s string) (a HardwareAddr, err error) {
	parts := strings.Split(strings.ReplaceAll(s, "-", ":"), ":")
	if len(parts) != len(a) {
		return a, fmt.Errorf("%q is no hardware address such as 02:00:00:00:00:01", s)
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return a, fmt.Errorf("%q is no hardware address such as 02:00:00:00:00:01", s)
		}
		a[i] = byte(n)
	}
	return a, nil
}

// IsGroup reports whether a is a multicast or the broadcast address.
func (a HardwareAddr) IsGroup() bool { return a[0]&1 != 0 }

// IsZero reports whether a is 00:00:00:00:00:00, which no station has.
func (a HardwareAddr) IsZero() bool { return a == HardwareAddr{} }

// EtherType identifies the protocol in an Ethernet frame.
type EtherType uint16

// The protocols that the stack processes.
const (
	EtherTypeIPv4 EtherType = 0x0800
	EtherTypeARP  EtherType = 0x0806
	EtherTypeVLAN EtherType = 0x8100 // a customer VLAN tag (IEEE 802.1Q §9.6)
	EtherTypeIPv6 EtherType = 0x86dd
	EtherTypeQinQ EtherType = 0x88a8 // a service VLAN tag
)

// String returns the protocol's name, or its number in hexadecimal.
func (t EtherType) String() string {
	switch t {
	case EtherTypeIPv4:
		return "IPv4"
	case EtherTypeARP:
		return "ARP"
	case EtherTypeVLAN:
		return "VLAN"
	case EtherTypeIPv6:
		return "IPv6"
	case EtherTypeQinQ:
		return "QinQ"
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

// EthernetLen is the length of an Ethernet II header without a VLAN tag.
const EthernetLen = 14

// Ethernet is an Ethernet II header.
type Ethernet struct {
	Dst, Src HardwareAddr
	Type     EtherType
}

// ParseEthernet parses an Ethernet II frame. The payload includes any padding.
func ParseEthernet(b []byte) (h Ethernet, payload []byte, err error) {
	if len(b) < EthernetLen {
		return h, nil, drop.Truncated
	}
	copy(h.Dst[:], b)
	copy(h.Src[:], b[6:])
	h.Type = EtherType(be.Uint16(b[12:]))
	return h, b[EthernetLen:], nil
}

// Put writes the header and returns EthernetLen.
func (h *Ethernet) Put(b []byte) int {
	copy(b, h.Dst[:])
	copy(b[6:], h.Src[:])
	be.PutUint16(b[12:], uint16(h.Type))
	return EthernetLen
}

// VLANTagLen is the length of a VLAN tag, maxVLANTags the largest number of tags that are read in a frame.
const (
	VLANTagLen  = 4
	maxVLANTags = 2
)

// isTag reports whether t is the type of a VLAN tag.
func (t EtherType) isTag() bool { return t == EtherTypeVLAN || t == EtherTypeQinQ }

// SkipPriorityTags returns the payload after tags with the VLAN identifier 0, which only give the frame a priority
// (IEEE 802.1Q §6.9.1). It skips at most a service and a customer tag, and sets h.Type to the type in the last one.
func (h *Ethernet) SkipPriorityTags(payload []byte) ([]byte, error) {
	for n := 0; n < maxVLANTags && h.Type.isTag(); n++ {
		if len(payload) < VLANTagLen {
			return nil, drop.Truncated
		}
		if be.Uint16(payload)&0x0fff != 0 {
			break
		}
		h.Type = EtherType(be.Uint16(payload[2:]))
		payload = payload[VLANTagLen:]
	}
	return payload, nil
}

// VLANTagsLen returns the length of a frame's VLAN tags in octets, which do not count towards the MTU. The frame has at
// least an Ethernet header.
func VLANTagsLen(frame []byte) (n int) {
	for n < maxVLANTags*VLANTagLen && len(frame) >= EthernetLen+n+VLANTagLen && EtherType(be.Uint16(frame[12+n:])).isTag() {
		n += VLANTagLen
	}
	return n
}

var be = binary.BigEndian

// addr4 reads an IPv4 address.
func addr4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// putAddr4 writes an IPv4 address; any other address is written as 0.0.0.0.
func putAddr4(b []byte, a netip.Addr) {
	var v [4]byte
	if a.Is4() {
		v = a.As4()
	}
	copy(b, v[:])
}

// addr6 reads an IPv6 address, which has no zone.
func addr6(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }

// putAddr6 writes an IPv6 address without its zone. The zero Addr is written as ::, an IPv4 address in its IPv4-mapped form.
func putAddr6(b []byte, a netip.Addr) {
	v := a.As16()
	copy(b, v[:])
}
