package wire

import (
	"fmt"
	"net/netip"

	"smolsh/stack/drop"
)

// ICMPType is an ICMPv4 message type (RFC 792).
type ICMPType uint8

// The message types that the stack processes.
const (
	ICMPEchoReply        ICMPType = 0
	ICMPDestUnreachable  ICMPType = 3
	ICMPSourceQuench     ICMPType = 4 // deprecated by RFC 6633, but still counted as an error
	ICMPRedirect         ICMPType = 5
	ICMPEchoRequest      ICMPType = 8
	ICMPTimeExceeded     ICMPType = 11
	ICMPParameterProblem ICMPType = 12
)

// ExceededReassembly is the code of ICMPTimeExceeded for missing fragments (RFC 792).
const ExceededReassembly = 1

// Codes of ICMPDestUnreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
const (
	UnreachableNet              = 0
	UnreachableHost             = 1
	UnreachableProtocol         = 2
	UnreachablePort             = 3
	UnreachableFragNeeded       = 4
	UnreachableSourceRoute      = 5
	UnreachableNetUnknown       = 6
	UnreachableHostUnknown      = 7
	UnreachableIsolated         = 8
	UnreachableNetProhibited    = 9
	UnreachableHostProhibited   = 10
	UnreachableNetTOS           = 11
	UnreachableHostTOS          = 12
	UnreachableProhibited       = 13
	UnreachableHostPrecedence   = 14
	UnreachablePrecedenceCutoff = 15
)

var unreachableWords = [...]string{
	"net unreachable", "host unreachable", "protocol unreachable", "port unreachable",
	"fragmentation needed", "source route failed", "net unknown", "host unknown", "source isolated",
	"net prohibited", "host prohibited", "net unreachable for tos", "host unreachable for tos",
	"administratively prohibited", "host precedence violation", "precedence cutoff",
}

// ICMPLen is the length of the fixed part of every message, in octets.
const ICMPLen = 8

// ICMP is the fixed part of an ICMPv4 message. Type determines which fields are used: ID and Seq for echoes, MTU for
// "fragmentation needed" (RFC 1191 §4), Pointer for a parameter problem, Gateway for a redirect.
type ICMP struct {
	Type    ICMPType
	Code    uint8
	ID, Seq uint16
	MTU     uint16
	Pointer uint8
	Gateway netip.Addr
}

// IsError reports whether the message is an error. An error quotes a packet, and must not be answered by another error
// (RFC 1122 §3.2.2).
func (m *ICMP) IsError() bool {
	switch m.Type {
	case ICMPDestUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParameterProblem:
		return true
	}
	return false
}

// String names the message and its code, such as "echo request" or "port unreachable".
func (m *ICMP) String() string {
	switch m.Type {
	case ICMPEchoReply:
		return "echo reply"
	case ICMPEchoRequest:
		return "echo request"
	case ICMPDestUnreachable:
		if int(m.Code) < len(unreachableWords) {
			return unreachableWords[m.Code]
		}
	case ICMPTimeExceeded:
		switch m.Code {
		case 0:
			return "ttl exceeded"
		case ExceededReassembly:
			return "reassembly time exceeded"
		}
	case ICMPParameterProblem:
		return "parameter problem"
	case ICMPSourceQuench:
		return "source quench"
	case ICMPRedirect:
		return "redirect"
	}
	return fmt.Sprintf("icmp type %d code %d", m.Type, m.Code)
}

// ParseICMP parses a message of any type. payload is the octets after the first eight: the data of an echo, or the
// packet that an error quotes. If verify is set, it checks the checksum, which covers all of b.
func ParseICMP(b []byte, verify bool) (m ICMP, payload []byte, err error) {
	if len(b) < ICMPLen {
		return m, nil, drop.Truncated
	}
	if verify && Checksum(b) != 0 {
		return m, nil, drop.BadChecksum
	}
	m.Type, m.Code = ICMPType(b[0]), b[1]
	switch m.Type {
	case ICMPEchoReply, ICMPEchoRequest:
		m.ID, m.Seq = be.Uint16(b[4:]), be.Uint16(b[6:])
	case ICMPDestUnreachable:
		m.MTU = be.Uint16(b[6:])
	case ICMPParameterProblem:
		m.Pointer = b[4]
	case ICMPRedirect:
		m.Gateway = addr4(b[4:8])
	}
	return m, b[ICMPLen:], nil
}

// Put writes the fixed part and the checksum over all of b, and returns ICMPLen. The payload of len(b)-ICMPLen octets
// must already be in b.
func (m *ICMP) Put(b []byte) int {
	b[0], b[1] = byte(m.Type), m.Code
	clear(b[2:ICMPLen])
	switch m.Type {
	case ICMPEchoReply, ICMPEchoRequest:
		be.PutUint16(b[4:], m.ID)
		be.PutUint16(b[6:], m.Seq)
	case ICMPDestUnreachable:
		be.PutUint16(b[6:], m.MTU)
	case ICMPParameterProblem:
		b[4] = m.Pointer
	case ICMPRedirect:
		putAddr4(b[4:], m.Gateway)
	}
	be.PutUint16(b[2:], Checksum(b))
	return ICMPLen
}

// Quoted is the packet that an ICMP error quotes, usually not complete. The quotation has at least the IP header and
// eight octets (RFC 792), which contain the ports and TCP's sequence number.
type Quoted struct {
	IP               IPv4
	SrcPort, DstPort uint16   // ports of TCP and UDP
	Seq              Seq      // sequence number of TCP
	ICMP             ICMPType // type of an ICMP message; ID is the identifier of an echo
	ID, EchoSeq      uint16
}

// ParseQuoted parses an ICMP error's payload. The error is drop.Fragment if the quoted packet is a later fragment,
// which has no transport header. It is drop.Truncated if too little of TCP, UDP or ICMP is quoted to name a socket.
func ParseQuoted(b []byte) (q Quoted, err error) {
	var p []byte
	if q.IP, p, err = ParseQuotedIPv4(b); err != nil {
		return q, err
	}
	if q.IP.FragmentOffset != 0 {
		return q, drop.Fragment
	}
	switch q.IP.Protocol {
	case ProtocolTCP, ProtocolUDP, ProtocolICMP:
		if len(p) < 8 {
			return q, drop.Truncated
		}
	}
	switch q.IP.Protocol {
	case ProtocolTCP:
		q.Seq = Seq(be.Uint32(p[4:]))
		fallthrough
	case ProtocolUDP:
		q.SrcPort, q.DstPort = be.Uint16(p), be.Uint16(p[2:])
	case ProtocolICMP:
		q.ICMP, q.ID, q.EchoSeq = ICMPType(p[0]), be.Uint16(p[4:]), be.Uint16(p[6:])
	}
	return q, nil
}
