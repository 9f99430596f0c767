package wire

import (
	"net/netip"

	"smolsh/stack/drop"
)

// UDPLen is the length of a UDP header.
const UDPLen = 8

// UDP is a UDP header (RFC 768). ParseUDP checks length and checksum, and Put computes them.
type UDP struct {
	SrcPort, DstPort uint16
}

// ParseUDP parses a datagram and cuts off octets beyond its length. If verify is set, it checks the checksum with the
// addresses. A checksum of zero means that the sender computed none, which is accepted over IPv4 (RFC 768).
func ParseUDP(b []byte, src, dst netip.Addr, verify bool) (h UDP, payload []byte, err error) {
	if len(b) < UDPLen {
		return h, nil, drop.Truncated
	}
	length := int(be.Uint16(b[4:]))
	if length < UDPLen || length > len(b) {
		return h, nil, drop.BadLength
	}
	if verify {
		if sum := be.Uint16(b[6:]); sum == 0 && !src.Is4() ||
			sum != 0 && PseudoHeader(src, dst, ProtocolUDP, length).AddBytes(b[:length]).Checksum() != 0 {
			return h, nil, drop.BadChecksum
		}
	}
	h.SrcPort, h.DstPort = be.Uint16(b), be.Uint16(b[2:])
	return h, b[UDPLen:length], nil
}

// Put writes the header with the checksum over all of b, and returns UDPLen. The payload of len(b)-UDPLen octets must
// already be in b.
func (h *UDP) Put(b []byte, src, dst netip.Addr) int {
	be.PutUint16(b, h.SrcPort)
	be.PutUint16(b[2:], h.DstPort)
	be.PutUint16(b[4:], uint16(len(b)))
	be.PutUint16(b[6:], 0)
	sum := PseudoHeader(src, dst, ProtocolUDP, len(b)).AddBytes(b).Checksum()
	if sum == 0 {
		sum = 0xffff // a field of zero would mean no checksum
	}
	be.PutUint16(b[6:], sum)
	return UDPLen
}

// AnswersAll reports whether the service on a port answers every datagram: echo, daytime, qotd, chargen or time (RFC 862,
// 867, 865, 864, 868), or a service like the one on port own.
func AnswersAll(port, own uint16) bool {
	switch port {
	case 7, 13, 17, 19, 37, own:
		return true
	}
	return false
}
