// Package packet reads frames for people: Dissect finds a packet's headers down to the transport header, Layer
// returns the fields of one header by name, and Summary and Sequences describe a packet in one line.
//
// Reading is lenient: a packet with a wrong checksum, a missing end or an unknown header is described as far as its
// octets allow. stack/wire has the strict parsers that the stack itself uses. Nothing here knows of hosts, sessions
// or Starlark. The returned values refer to the frame's octets and are valid while the frame is unchanged.
package packet

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Dissected holds the headers of a packet, down to its transport header. Its slices are parts of the frame.
type Dissected struct {
	Octets      []byte
	HasEthernet bool // true if the frame has an Ethernet header
	Ethernet    wire.Ethernet
	VLANs       []uint16 // the control information of each 802.1Q tag, the outermost first
	EtherType   wire.EtherType
	Network     []byte // the octets after the link header and its tags

	IPVersion      int // 4 or 6, 0 for none
	IPv4           wire.IPv4
	IPv6           wire.IPv6
	Src, Dst       netip.Addr
	Protocol       wire.Protocol // of the transport header, after IPv6's extension headers
	FragmentOffset int           // octets; 0 unless the packet is a fragment
	MoreFragments  bool          // true for every fragment but the last
	Payload        []byte        // the octets after the IP headers, as many as the frame has
	PayloadLen     int           // octets after the IP headers by the length field of IP
	Err            error         // why dissecting stopped early, or nil
}

const (
	etherTypeService wire.EtherType = 0x88a8
	etherTypeQinQ    wire.EtherType = 0x9100
)

// maxTags is how many 802.1Q tags of one frame are read at most.
const maxTags = 8

// Dissect reads the headers of a frame on a medium. It does not fail: Err says why it stopped early.
func Dissect(b []byte, m phy.Medium) (d Dissected) {
	d.Octets, d.Network = b, b
	if m == phy.MediumEthernet {
		var payload []byte
		if d.Ethernet, payload, d.Err = wire.ParseEthernet(b); d.Err != nil {
			return d
		}
		d.HasEthernet, d.EtherType, d.Network = true, d.Ethernet.Type, payload
		for len(d.VLANs) < maxTags && len(d.Network) >= 4 && isTag(d.EtherType) {
			d.VLANs = append(d.VLANs, binary.BigEndian.Uint16(d.Network))
			d.EtherType, d.Network = wire.EtherType(binary.BigEndian.Uint16(d.Network[2:])), d.Network[4:]
		}
	} else if len(b) > 0 {
		d.EtherType = map[byte]wire.EtherType{4: wire.EtherTypeIPv4, 6: wire.EtherTypeIPv6}[b[0]>>4]
	}
	switch d.EtherType {
	case wire.EtherTypeIPv4:
		d.ipv4()
	case wire.EtherTypeIPv6:
		d.ipv6()
	}
	return d
}

func isTag(t wire.EtherType) bool {
	return t == wire.EtherTypeVLAN || t == etherTypeService || t == etherTypeQinQ
}

// ipv4 reads an IPv4 header. A wrong checksum or a missing end does not stop it.
func (d *Dissected) ipv4() {
	h, rest, err := wire.ParseQuotedIPv4(d.Network)
	if err != nil {
		d.Err = err
		return
	}
	d.IPVersion, d.IPv4, d.Src, d.Dst = 4, h, h.Src, h.Dst
	d.Protocol, d.FragmentOffset, d.MoreFragments, d.Payload, d.PayloadLen = h.Protocol, h.FragmentOffset, h.MoreFragments, rest, h.PayloadLen
}

// The extension headers between the IPv6 header and the transport header (RFC 8200 §4).
const (
	hopByHop    wire.Protocol = 0
	routing     wire.Protocol = 43
	fragment    wire.Protocol = 44
	destination wire.Protocol = 60
)

func (d *Dissected) ipv6() {
	head := d.Network
	if len(head) < wire.IPv6Len {
		d.Err = drop.Truncated
		return
	}
	if d.IPv6, d.Payload, d.Err = wire.ParseIPv6(head); d.Err != nil {
		d.Payload, d.Err = head[wire.IPv6Len:], nil
	}
	d.IPVersion, d.Src, d.Dst, d.Protocol, d.PayloadLen = 6, d.IPv6.Src, d.IPv6.Dst, d.IPv6.NextHeader, d.IPv6.PayloadLen
	for range 16 {
		size := 8
		switch d.Protocol {
		case hopByHop, routing, destination:
			if len(d.Payload) < 8 {
				return
			}
			size += 8 * int(d.Payload[1])
		case fragment:
			if len(d.Payload) < 8 {
				return
			}
			field := binary.BigEndian.Uint16(d.Payload[2:])
			d.FragmentOffset, d.MoreFragments = int(field&^7), field&1 != 0
		default:
			return
		}
		if len(d.Payload) < size || d.PayloadLen < size || d.FragmentOffset > 0 && d.Protocol != fragment {
			return
		}
		d.Protocol, d.Payload, d.PayloadLen = wire.Protocol(d.Payload[0]), d.Payload[size:], d.PayloadLen-size
	}
}

// Ports returns the ports of a TCP or UDP header; ok is false unless the frame has both.
func (d *Dissected) Ports() (src, dst uint16, ok bool) {
	if d.Protocol != wire.ProtocolTCP && d.Protocol != wire.ProtocolUDP || d.FragmentOffset > 0 || len(d.Payload) < 4 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(d.Payload), binary.BigEndian.Uint16(d.Payload[2:]), true
}

// TCP returns the TCP header and the data, as much of it as the frame has; ok is false without a whole header.
func (d *Dissected) TCP() (h wire.TCP, data []byte, ok bool) {
	if d.Protocol != wire.ProtocolTCP || d.FragmentOffset > 0 {
		return h, nil, false
	}
	h, data, err := wire.ParseTCP(d.Payload)
	return h, data, err == nil
}

// UDP returns the data of a UDP datagram, as much of it as the frame has, and its length by the headers, in octets.
func (d *Dissected) UDP() (data []byte, length int, ok bool) {
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
