package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// dissected holds the headers of a dialogue's frame, as package wire parses them. Its slices are parts of the frame.
type dissected struct {
	Octets      []byte
	HasEthernet bool
	Ethernet    wire.Ethernet
	EtherType   wire.EtherType
	Network     []byte // the octets after the link header

	IPVersion      int // 4, or 0 for none
	IPv4           wire.IPv4
	Src, Dst       netip.Addr
	Protocol       wire.Protocol
	FragmentOffset int
	MoreFragments  bool
	Payload        []byte // the octets after the IP header, as many as the frame has
	PayloadLen     int    // length of the payload by the length field of IP, in octets
}

// dissect parses the complete headers of a frame, and stops at the first incomplete one.
func dissect(b []byte, m phy.Medium) (d dissected) {
	d.Octets, d.Network = b, b
	if m == phy.MediumEthernet {
		h, payload, err := wire.ParseEthernet(b)
		if err != nil {
			return d
		}
		d.HasEthernet, d.Ethernet, d.EtherType, d.Network = true, h, h.Type, payload
	} else if len(b) > 0 && b[0]>>4 == 4 {
		d.EtherType = wire.EtherTypeIPv4
	}
	if d.EtherType != wire.EtherTypeIPv4 {
		return d
	}
	h, rest, err := wire.ParseQuotedIPv4(d.Network)
	if err != nil {
		return d
	}
	d.IPVersion, d.IPv4, d.Src, d.Dst, d.Protocol = 4, h, h.Src, h.Dst, h.Protocol
	d.FragmentOffset, d.MoreFragments, d.Payload, d.PayloadLen = h.FragmentOffset, h.MoreFragments, rest, h.PayloadLen
	return d
}

// TCP returns the TCP header and the data; ok is false if the header is incomplete.
func (d *dissected) TCP() (h wire.TCP, data []byte, ok bool) {
	if d.Protocol != wire.ProtocolTCP || d.FragmentOffset > 0 {
		return h, nil, false
	}
	h, data, err := wire.ParseTCP(d.Payload)
	return h, data, err == nil
}

// UDP returns the data of a UDP datagram that the frame contains, and the length of the data by the headers, in octets.
// ok is false if the header is incomplete.
func (d *dissected) UDP() (data []byte, length int, ok bool) {
	if d.Protocol != wire.ProtocolUDP || d.FragmentOffset > 0 || len(d.Payload) < wire.UDPLen {
		return nil, 0, false
	}
	data = d.Payload[wire.UDPLen:]
	length = max(0, d.PayloadLen-wire.UDPLen)
	if said := int(binary.BigEndian.Uint16(d.Payload[4:])); said >= wire.UDPLen {
		length = min(length, said-wire.UDPLen)
	}
	return data[:min(len(data), length)], length, true
}
