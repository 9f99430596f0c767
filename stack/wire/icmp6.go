package wire

import (
	"fmt"
	"net/netip"

	"smolsh/stack/drop"
)

// ICMPv6Type is an ICMPv6 message type (RFC 4443 §2.1).
type ICMPv6Type uint8

// The message types that the stack processes (RFC 4443, RFC 2710, RFC 4861, RFC 3810).
const (
	ICMPv6DestUnreachable        ICMPv6Type = 1
	ICMPv6PacketTooBig           ICMPv6Type = 2
	ICMPv6TimeExceeded           ICMPv6Type = 3
	ICMPv6ParameterProblem       ICMPv6Type = 4
	ICMPv6EchoRequest            ICMPv6Type = 128
	ICMPv6EchoReply              ICMPv6Type = 129
	ICMPv6ListenerQuery          ICMPv6Type = 130
	ICMPv6ListenerReport         ICMPv6Type = 131
	ICMPv6ListenerDone           ICMPv6Type = 132
	ICMPv6RouterSolicitation     ICMPv6Type = 133
	ICMPv6RouterAdvertisement    ICMPv6Type = 134
	ICMPv6NeighborSolicitation   ICMPv6Type = 135
	ICMPv6NeighborAdvertisement  ICMPv6Type = 136
	ICMPv6Redirect               ICMPv6Type = 137
	ICMPv6ListenerReportVersion2 ICMPv6Type = 143
)

// Codes of ICMPv6DestUnreachable (RFC 4443 §3.1, RFC 6550 §20.18). The codes of ICMPv6TimeExceeded are 0 and
// ExceededReassembly, as in ICMPv4.
const (
	Unreachable6NoRoute       = 0
	Unreachable6Prohibited    = 1
	Unreachable6BeyondScope   = 2
	Unreachable6Address       = 3
	Unreachable6Port          = 4
	Unreachable6SourcePolicy  = 5
	Unreachable6RejectRoute   = 6
	Unreachable6RoutingHeader = 7
)

// Codes of ICMPv6ParameterProblem (RFC 4443 §3.4, RFC 7112 §5).
const (
	ParamErroneousField    = 0
	ParamUnknownNextHeader = 1
	ParamUnknownOption     = 2
	ParamIncompleteChain   = 3
)

var unreachable6Words = [...]string{
	"no route", "administratively prohibited", "beyond scope of source", "address unreachable", "port unreachable",
	"source address failed policy", "route rejected", "error in routing header",
}

var param6Words = [...]string{
	"erroneous header field", "unrecognized next header", "unrecognized option", "incomplete header chain",
}

var icmp6Words = map[ICMPv6Type]string{
	ICMPv6PacketTooBig: "packet too big", ICMPv6EchoRequest: "echo request", ICMPv6EchoReply: "echo reply",
	ICMPv6ListenerQuery: "listener query", ICMPv6ListenerReport: "listener report", ICMPv6ListenerDone: "listener done",
	ICMPv6RouterSolicitation: "router solicitation", ICMPv6RouterAdvertisement: "router advertisement",
	ICMPv6NeighborSolicitation: "neighbor solicitation", ICMPv6NeighborAdvertisement: "neighbor advertisement",
	ICMPv6Redirect: "redirect", ICMPv6ListenerReportVersion2: "listener report v2",
}

// IsError reports whether a message of type t is an error, which quotes a packet and must not be answered by another error
// (RFC 4443 §2.1, §2.4). All others are informational.
func (t ICMPv6Type) IsError() bool { return t < 128 }

// IsND reports whether a message of type t belongs to neighbour discovery (RFC 4861 §4).
func (t ICMPv6Type) IsND() bool { return ICMPv6RouterSolicitation <= t && t <= ICMPv6Redirect }

// IsMLD reports whether a message of type t belongs to MLD (RFC 2710 §3.1, RFC 3810 §5).
func (t ICMPv6Type) IsMLD() bool {
	return ICMPv6ListenerQuery <= t && t <= ICMPv6ListenerDone || t == ICMPv6ListenerReportVersion2
}

// ICMPv6Len is the length of the fixed part of every error and echo, MaxICMPv6Quote the largest quotation of an error, whose
// packet must not exceed the least MTU (RFC 4443 §2.4(c)). Both are octets.
const (
	ICMPv6Len      = 8
	MaxICMPv6Quote = MinMTU6 - IPv6Len - ICMPv6Len
)

// ICMPv6 is the fixed part of an ICMPv6 message. Type determines which fields are used: ID and Seq for echoes (RFC 4443 §4.1,
// §4.2), MTU for "packet too big" (§3.2), Pointer for a parameter problem (§3.4). Destination unreachable and time exceeded use
// none (§3.1, §3.3). Neighbour discovery and MLD have types of their own.
type ICMPv6 struct {
	Type    ICMPv6Type
	Code    uint8
	ID, Seq uint16
	MTU     uint32 // octets; it may be less than MinMTU6 (RFC 8201 §4)
	Pointer uint32 // octets from the start of the quoted packet
}

// String names the message and its code, such as "echo request" or "port unreachable".
func (m *ICMPv6) String() string {
	code := int(m.Code)
	switch {
	case m.Type == ICMPv6DestUnreachable && code < len(unreachable6Words):
		return unreachable6Words[code]
	case m.Type == ICMPv6ParameterProblem && code < len(param6Words):
		return param6Words[code]
	case m.Type == ICMPv6TimeExceeded && code == 0:
		return "hop limit exceeded"
	case m.Type == ICMPv6TimeExceeded && code == ExceededReassembly:
		return "reassembly time exceeded"
	}
	if word := icmp6Words[m.Type]; word != "" {
		return word
	}
	return fmt.Sprintf("icmp6 type %d code %d", m.Type, m.Code)
}

// ParseICMPv6 parses a message of any type. payload is the octets after the first eight: the data of an echo, or the packet
// that an error quotes. If verify is set, it checks the checksum over the pseudo-header and all of b, which is mandatory
// (RFC 4443 §2.3).
func ParseICMPv6(b []byte, src, dst netip.Addr, verify bool) (m ICMPv6, payload []byte, err error) {
	if len(b) < ICMPv6Len {
		return m, nil, drop.Truncated
	}
	if verify && !verifyICMPv6(b, src, dst) {
		return m, nil, drop.BadChecksum
	}
	m.Type, m.Code = ICMPv6Type(b[0]), b[1]
	switch m.Type {
	case ICMPv6EchoReply, ICMPv6EchoRequest:
		m.ID, m.Seq = be.Uint16(b[4:]), be.Uint16(b[6:])
	case ICMPv6PacketTooBig:
		m.MTU = be.Uint32(b[4:])
	case ICMPv6ParameterProblem:
		m.Pointer = be.Uint32(b[4:])
	}
	return m, b[ICMPv6Len:], nil
}

// Put writes the fixed part and the checksum over the pseudo-header and all of b, and returns ICMPv6Len. The payload of
// len(b)-ICMPv6Len octets must already be in b.
func (m *ICMPv6) Put(b []byte, src, dst netip.Addr) int {
	b[0], b[1] = byte(m.Type), m.Code
	be.PutUint32(b[4:], 0)
	switch m.Type {
	case ICMPv6EchoReply, ICMPv6EchoRequest:
		be.PutUint16(b[4:], m.ID)
		be.PutUint16(b[6:], m.Seq)
	case ICMPv6PacketTooBig:
		be.PutUint32(b[4:], m.MTU)
	case ICMPv6ParameterProblem:
		be.PutUint32(b[4:], m.Pointer)
	}
	putICMPv6Checksum(b, src, dst)
	return ICMPv6Len
}

// verifyICMPv6 reports whether the checksum of the message b is right.
func verifyICMPv6(b []byte, src, dst netip.Addr) bool {
	return PseudoHeader(src, dst, ProtocolICMPv6, len(b)).AddBytes(b).Checksum() == 0
}

// putICMPv6Checksum writes the checksum of the message b.
func putICMPv6Checksum(b []byte, src, dst netip.Addr) {
	be.PutUint16(b[2:], 0)
	be.PutUint16(b[2:], PseudoHeader(src, dst, ProtocolICMPv6, len(b)).AddBytes(b).Checksum())
}

// Quoted6 is the packet that an ICMPv6 error quotes, usually not complete.
type Quoted6 struct {
	IP               IPv6
	Protocol         Protocol   // behind the extension headers
	SrcPort, DstPort uint16     // for TCP and UDP
	Seq              Seq        // for TCP
	ICMP             ICMPv6Type // for ICMPv6; ID is the identifier of an echo
	ID, EchoSeq      uint16
}

// ParseQuoted6 parses an ICMPv6 error's payload, and passes over extension headers without examining them. The error is
// drop.Fragment if the quoted packet is a later fragment, which has no transport header. It is drop.Truncated if too little
// of the packet is quoted to name a socket.
func ParseQuoted6(b []byte) (q Quoted6, err error) {
	var p []byte
	if q.IP, p, err = ParseQuotedIPv6(b); err != nil {
		return q, err
	}
	c := IPv6Chain{Protocol: q.IP.NextHeader}
	w := chainWalk{c: &c, b: p, quoted: true}
	at, err := w.walk()
	if err != nil {
		return q, err
	}
	if c.Fragment.Offset != 0 {
		return q, drop.Fragment
	}
	q.Protocol, p = c.Protocol, p[at:]
	switch q.Protocol {
	case ProtocolTCP, ProtocolUDP, ProtocolICMPv6:
		if len(p) < 8 {
			return q, drop.Truncated
		}
	}
	switch q.Protocol {
	case ProtocolTCP:
		q.Seq = Seq(be.Uint32(p[4:]))
		fallthrough
	case ProtocolUDP:
		q.SrcPort, q.DstPort = be.Uint16(p), be.Uint16(p[2:])
	case ProtocolICMPv6:
		q.ICMP, q.ID, q.EchoSeq = ICMPv6Type(p[0]), be.Uint16(p[4:]), be.Uint16(p[6:])
	}
	return q, nil
}
