package wire

import (
	"fmt"
	"net/netip"

	"smolsh/stack/drop"
)

// Protocol is an IP protocol number.
type Protocol uint8

// The protocols that the stack processes.
const (
	ProtocolICMP         Protocol = 1
	ProtocolIGMP         Protocol = 2
	ProtocolTCP          Protocol = 6
	ProtocolUDP          Protocol = 17
	ProtocolICMPv6       Protocol = 58
	ProtocolNoNextHeader Protocol = 59 // nothing follows an IPv6 header (RFC 8200 §4.7)
)

// String returns the protocol's name in lower case, or "proto N".
func (p Protocol) String() string {
	switch p {
	case ProtocolICMP:
		return "icmp"
	case ProtocolIGMP:
		return "igmp"
	case ProtocolTCP:
		return "tcp"
	case ProtocolUDP:
		return "udp"
	case ProtocolICMPv6:
		return "icmp6"
	}
	return fmt.Sprintf("proto %d", uint8(p))
}

// IPv4Len is the length of an IPv4 header without options.
const IPv4Len = 20

// ECN is the explicit congestion notification field of an IP header (RFC 3168 §5).
type ECN uint8

// The codepoints of ECN.
const (
	NotECT ECN = iota // the transport does not use ECN
	ECT1
	ECT0
	CE // congestion experienced: a router has met congestion
)

// IPv4 is an IPv4 header (RFC 791). See IPv4Options and ParseIPOptions for options.
type IPv4 struct {
	TOS            uint8
	ID             uint16
	DontFragment   bool
	MoreFragments  bool
	FragmentOffset int // octets, a multiple of 8
	TTL            uint8
	Protocol       Protocol
	Src, Dst       netip.Addr
	HeaderLen      int // octets, 20 to 60 with options; ignored by Put, which writes no options
	PayloadLen     int // octets after the header
}

// ECN returns the field's codepoint.
func (h *IPv4) ECN() ECN { return ECN(h.TOS & 3) }

// IsFragment reports whether the packet is a fragment of a datagram.
func (h *IPv4) IsFragment() bool { return h.MoreFragments || h.FragmentOffset != 0 }

// ParseIPv4 parses a packet, verifies the header's checksum and cuts off link-layer padding.
func ParseIPv4(b []byte) (h IPv4, payload []byte, err error) {
	payload, err = h.Parse(b)
	return h, payload, err
}

// Parse is ParseIPv4 for a header that the caller has, which must be zero. It saves a copy.
func (h *IPv4) Parse(b []byte) (payload []byte, err error) {
	if payload, err = h.parse(b); err != nil {
		return nil, err
	}
	if h.PayloadLen > len(payload) {
		return nil, drop.Truncated
	}
	if Checksum(b[:h.HeaderLen]) != 0 {
		return nil, drop.BadChecksum
	}
	return payload[:h.PayloadLen], nil
}

// ParseQuotedIPv4 parses the head of a packet that an ICMP error quotes. The payload may be shorter than PayloadLen.
// The checksum is not verified, since routers rewrite headers.
func ParseQuotedIPv4(b []byte) (h IPv4, payload []byte, err error) {
	if payload, err = h.parse(b); err != nil {
		return h, nil, err
	}
	return h, payload[:min(len(payload), h.PayloadLen)], nil
}

// parse sets the fields, which must be zero, and returns the octets after the header. It sets them one by one, because
// a composite literal would be built elsewhere and copied, at the same cost as the rest of parse.
func (h *IPv4) parse(b []byte) (rest []byte, err error) {
	if len(b) < IPv4Len {
		return nil, drop.Truncated
	}
	if b[0]>>4 != 4 {
		return nil, drop.BadVersion
	}
	hl := int(b[0]&15) * 4
	if hl < IPv4Len {
		return nil, drop.BadHeaderLen
	}
	if hl > len(b) {
		return nil, drop.Truncated
	}
	total := int(be.Uint16(b[2:]))
	if total < hl {
		return nil, drop.BadLength
	}
	frag := be.Uint16(b[6:])
	h.TOS = b[1]
	h.ID = be.Uint16(b[4:])
	h.DontFragment = frag&0x4000 != 0
	h.MoreFragments = frag&0x2000 != 0
	h.FragmentOffset = int(frag&0x1fff) * 8
	h.TTL = b[8]
	h.Protocol = Protocol(b[9])
	h.Src = addr4(b[12:16])
	h.Dst = addr4(b[16:20])
	h.HeaderLen = hl
	h.PayloadLen = total - hl
	return b[hl:], nil
}

// Put writes a header without options for h.PayloadLen octets of payload, at most 65515, with its checksum, and returns
// IPv4Len.
func (h *IPv4) Put(b []byte) int {
	b[0], b[1] = 0x45, h.TOS
	be.PutUint16(b[2:], uint16(IPv4Len+h.PayloadLen))
	be.PutUint16(b[4:], h.ID)
	frag := uint16(h.FragmentOffset / 8)
	if h.DontFragment {
		frag |= 0x4000
	}
	if h.MoreFragments {
		frag |= 0x2000
	}
	be.PutUint16(b[6:], frag)
	b[8], b[9] = h.TTL, byte(h.Protocol)
	be.PutUint16(b[10:], 0)
	putAddr4(b[12:], h.Src)
	putAddr4(b[16:], h.Dst)
	be.PutUint16(b[10:], Checksum(b[:IPv4Len]))
	return IPv4Len
}

// PutIPv4Fragment writes the header of a fragment into b and returns its length. head is the header of the packet to
// fragment, which may be a fragment itself. The fragment carries n octets of the payload, which start at offset off, a
// multiple of 8. The flag more is true if other fragments follow. Options without the copied flag are only in the first
// fragment (RFC 791 §3.1, §3.2).
func PutIPv4Fragment(b, head []byte, off, n int, more bool) int {
	hl := copy(b, head)
	if off > 0 {
		hl = IPv4Len + copiedOptions(b[IPv4Len:], head[IPv4Len:])
		b[0] = 0x40 | byte(hl/4)
	}
	be.PutUint16(b[2:], uint16(hl+n))
	frag := be.Uint16(head[6:]) + uint16(off/8)
	if more {
		frag |= 0x2000
	}
	be.PutUint16(b[6:], frag)
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], Checksum(b[:hl]))
	return hl
}

// JoinIPv4 rewrites the header of a first fragment to that of the whole packet b: its length, no fragment, a new
// checksum. hl is the length of the header in octets.
func JoinIPv4(b []byte, hl int) {
	be.PutUint16(b[2:], uint16(len(b)))
	be.PutUint16(b[6:], 0)
	be.PutUint16(b[10:], 0)
	be.PutUint16(b[10:], Checksum(b[:hl]))
}

// copiedOptions copies the options that every fragment has, and pads them to words. It stops at a malformed option.
func copiedOptions(b, options []byte) (n int) {
	for len(options) > 0 && options[0] != ipOptEnd {
		size := 1
		if options[0] != ipOptNop {
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				break
			}
			size = int(options[1])
		}
		if options[0]&ipOptCopied != 0 {
			n += copy(b[n:], options[:size])
		}
		options = options[size:]
	}
	for ; n%4 != 0; n++ {
		b[n] = ipOptEnd
	}
	return n
}
