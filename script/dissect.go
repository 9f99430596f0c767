package script

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Dissected is a packet down to its transport header, as far as it can be told: a damaged or truncated one is
// shown too.
type Dissected struct {
	Octets      []byte
	HasEthernet bool // there is an Ethernet header
	Ethernet    wire.Ethernet
	VLANs       []uint16 // 802.1Q control information, the outermost first
	EtherType   wire.EtherType
	Network     []byte // what is behind the link layer

	IPVersion      int // 4 or 6, 0 for none
	IPv4           wire.IPv4
	IPv6           wire.IPv6
	Src, Dst       netip.Addr
	Protocol       wire.Protocol // of what follows, behind IPv6's extension headers
	FragmentOffset int           // of a fragment, octets
	MoreFragments  bool          // it is a fragment, and not the last
	Payload        []byte        // what follows, as far as it is there
	PayloadLen     int           // how many octets it is said to have
	Err            error         // why it goes no deeper
}

const (
	etherTypeService wire.EtherType = 0x88a8
	etherTypeQinQ    wire.EtherType = 0x9100
)

// maxTags bounds the tags that are taken off one packet.
const maxTags = 8

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

// ipv4 reads the header also of a packet whose checksum is wrong or whose end is missing.
func (d *Dissected) ipv4() {
	h, rest, err := wire.ParseQuotedIPv4(d.Network)
	if err != nil {
		d.Err = err
		return
	}
	d.IPVersion, d.IPv4, d.Src, d.Dst = 4, h, h.Src, h.Dst
	d.Protocol, d.FragmentOffset, d.MoreFragments, d.Payload, d.PayloadLen = h.Protocol, h.FragmentOffset, h.MoreFragments, rest, h.PayloadLen
}

// The extension headers of IPv6 that stand between it and the transport header (RFC 8200 §4).
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

// Ports are those of a TCP or UDP header, as soon as they are there.
func (d *Dissected) Ports() (src, dst uint16, ok bool) {
	if d.Protocol != wire.ProtocolTCP && d.Protocol != wire.ProtocolUDP || d.FragmentOffset > 0 || len(d.Payload) < 4 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(d.Payload), binary.BigEndian.Uint16(d.Payload[2:]), true
}

// TCP is the TCP header and what of its data is there.
func (d *Dissected) TCP() (h wire.TCP, data []byte, ok bool) {
	if d.Protocol != wire.ProtocolTCP || d.FragmentOffset > 0 {
		return h, nil, false
	}
	h, data, err := wire.ParseTCP(d.Payload)
	return h, data, err == nil
}

// UDP is what of a datagram's data is there, and how much of it there is to be.
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
