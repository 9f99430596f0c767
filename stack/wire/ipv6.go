package wire

import (
	"net/netip"

	"smolsh/stack/drop"
)

// IPv6Len is the length of the IPv6 base header, MinMTU6 the least MTU of an IPv6 link (RFC 8200 §5), both in octets.
const (
	IPv6Len = 40
	MinMTU6 = 1280
)

// Groups of link-local scope to which every node, every router and every MLDv2 router of a link listens (RFC 4291 §2.7.1,
// RFC 3810 §5.2.14).
var (
	AllNodes6     = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 1})
	AllRouters6   = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 2})
	MLDv2Routers6 = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x16})
)

// solicitedPrefix is the first 104 bits of every solicited-node group, ff02::1:ff00:0/104.
var solicitedPrefix = [13]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff}

// SolicitedNode returns the solicited-node group of an IPv6 address, ff02::1:ff and the address's last 24 bits
// (RFC 4291 §2.7.1).
func SolicitedNode(a netip.Addr) netip.Addr {
	v := a.As16()
	copy(v[:], solicitedPrefix[:])
	return netip.AddrFrom16(v)
}

// IsSolicitedNode reports whether a is the solicited-node group of some address (RFC 4291 §2.7.1).
func IsSolicitedNode(a netip.Addr) bool {
	v := a.As16()
	return [13]byte(v[:13]) == solicitedPrefix
}

// IPv6 is the IPv6 base header (RFC 8200 §3). WalkIPv6 reads the extension headers behind it.
type IPv6 struct {
	TrafficClass uint8
	FlowLabel    uint32 // 20 bits
	PayloadLen   int    // octets after the base header, extension headers included
	NextHeader   Protocol
	HopLimit     uint8
	Src, Dst     netip.Addr // without zones; IPv4-mapped addresses remain IPv6 addresses
}

// ECN returns the codepoint in the traffic class (RFC 3168 §5, RFC 8200 §7).
func (h *IPv6) ECN() ECN { return ECN(h.TrafficClass & 3) }

// ParseIPv6 parses the base header and cuts off link-layer padding. A payload length of 0 is no jumbogram's, but that of a
// packet without a payload.
func ParseIPv6(b []byte) (h IPv6, payload []byte, err error) {
	payload, err = h.Parse(b)
	return h, payload, err
}

// Parse is ParseIPv6 for a header that the caller has. It saves a copy.
func (h *IPv6) Parse(b []byte) (payload []byte, err error) {
	if payload, err = h.parse(b); err != nil {
		return nil, err
	}
	if h.PayloadLen > len(payload) {
		return nil, drop.Truncated
	}
	return payload[:h.PayloadLen], nil
}

// ParseQuotedIPv6 parses the head of a packet that an ICMPv6 error quotes. The payload may be shorter than PayloadLen.
func ParseQuotedIPv6(b []byte) (h IPv6, payload []byte, err error) {
	if payload, err = h.parse(b); err != nil {
		return h, nil, err
	}
	return h, payload[:min(len(payload), h.PayloadLen)], nil
}

// parse sets the fields and returns the octets after the base header.
func (h *IPv6) parse(b []byte) (rest []byte, err error) {
	if len(b) < IPv6Len {
		return nil, drop.Truncated
	}
	first := be.Uint32(b)
	if first>>28 != 6 {
		return nil, drop.BadVersion
	}
	h.TrafficClass = uint8(first >> 20)
	h.FlowLabel = first & 0xfffff
	h.PayloadLen = int(be.Uint16(b[4:]))
	h.NextHeader = Protocol(b[6])
	h.HopLimit = b[7]
	h.Src = addr6(b[8:24])
	h.Dst = addr6(b[24:40])
	return b[IPv6Len:], nil
}

// Put writes the base header and returns IPv6Len. Only the 20 bits of the flow label are written.
func (h *IPv6) Put(b []byte) int {
	be.PutUint32(b, 6<<28|uint32(h.TrafficClass)<<20|h.FlowLabel&0xfffff)
	be.PutUint16(b[4:], uint16(h.PayloadLen))
	b[6], b[7] = byte(h.NextHeader), h.HopLimit
	putAddr6(b[8:], h.Src)
	putAddr6(b[24:], h.Dst)
	return IPv6Len
}

// An AddrList is the octets of IPv6 addresses, one after another. It aliases the packet from which it was parsed.
type AddrList []byte

// Len returns the number of addresses.
func (l AddrList) Len() int { return len(l) / 16 }

// At returns address i, 0 ≤ i < Len.
func (l AddrList) At(i int) netip.Addr { return addr6(l[16*i : 16*i+16]) }
