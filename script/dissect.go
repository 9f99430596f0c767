package script

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// dissected is a packet down to its transport header, as far as it can be told: a damaged or truncated one is
// shown too.
type dissected struct {
	b         []byte
	ethernet  bool // there is an Ethernet header
	eth       wire.Ethernet
	tags      []uint16 // 802.1Q control information, the outermost first
	etherType wire.EtherType
	network   []byte // what is behind the link layer

	ip       int // 4 or 6, 0 for none
	v4       wire.IPv4
	v6       wire.IPv6
	src, dst netip.Addr
	proto    wire.Protocol // of what follows, behind IPv6's extension headers
	offset   int           // of a fragment, octets
	more     bool          // it is a fragment, and not the last
	rest     []byte        // what follows, as far as it is there
	length   int           // how many octets it is said to have
	err      error         // why it goes no deeper
}

const (
	etherTypeService wire.EtherType = 0x88a8
	etherTypeQinQ    wire.EtherType = 0x9100
)

// maxTags bounds the tags that are taken off one packet.
const maxTags = 8

func dissect(b []byte, m phy.Medium) (d dissected) {
	d.b, d.network = b, b
	if m == phy.MediumEthernet {
		var payload []byte
		if d.eth, payload, d.err = wire.ParseEthernet(b); d.err != nil {
			return d
		}
		d.ethernet, d.etherType, d.network = true, d.eth.Type, payload
		for len(d.tags) < maxTags && len(d.network) >= 4 && isTag(d.etherType) {
			d.tags = append(d.tags, binary.BigEndian.Uint16(d.network))
			d.etherType, d.network = wire.EtherType(binary.BigEndian.Uint16(d.network[2:])), d.network[4:]
		}
	} else if len(b) > 0 {
		d.etherType = map[byte]wire.EtherType{4: wire.EtherTypeIPv4, 6: wire.EtherTypeIPv6}[b[0]>>4]
	}
	switch d.etherType {
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
func (d *dissected) ipv4() {
	h, rest, err := wire.ParseQuotedIPv4(d.network)
	if err != nil {
		d.err = err
		return
	}
	d.ip, d.v4, d.src, d.dst = 4, h, h.Src, h.Dst
	d.proto, d.offset, d.more, d.rest, d.length = h.Protocol, h.FragmentOffset, h.MoreFragments, rest, h.PayloadLen
}

// The extension headers of IPv6 that stand between it and the transport header (RFC 8200 §4).
const (
	hopByHop    wire.Protocol = 0
	routing     wire.Protocol = 43
	fragment    wire.Protocol = 44
	destination wire.Protocol = 60
)

func (d *dissected) ipv6() {
	head := d.network
	if len(head) < wire.IPv6Len {
		d.err = drop.Truncated
		return
	}
	if d.v6, d.rest, d.err = wire.ParseIPv6(head); d.err != nil {
		d.rest, d.err = head[wire.IPv6Len:], nil
	}
	d.ip, d.src, d.dst, d.proto, d.length = 6, d.v6.Src, d.v6.Dst, d.v6.NextHeader, d.v6.PayloadLen
	for range 16 {
		size := 8
		switch d.proto {
		case hopByHop, routing, destination:
			if len(d.rest) < 8 {
				return
			}
			size += 8 * int(d.rest[1])
		case fragment:
			if len(d.rest) < 8 {
				return
			}
			field := binary.BigEndian.Uint16(d.rest[2:])
			d.offset, d.more = int(field&^7), field&1 != 0
		default:
			return
		}
		if len(d.rest) < size || d.length < size || d.offset > 0 && d.proto != fragment {
			return
		}
		d.proto, d.rest, d.length = wire.Protocol(d.rest[0]), d.rest[size:], d.length-size
	}
}

// ports are those of a TCP or UDP header, as soon as they are there.
func (d *dissected) ports() (src, dst uint16, ok bool) {
	if d.proto != wire.ProtocolTCP && d.proto != wire.ProtocolUDP || d.offset > 0 || len(d.rest) < 4 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(d.rest), binary.BigEndian.Uint16(d.rest[2:]), true
}

// tcp is the TCP header and what of its data is there.
func (d *dissected) tcp() (h wire.TCP, data []byte, ok bool) {
	if d.proto != wire.ProtocolTCP || d.offset > 0 {
		return h, nil, false
	}
	h, data, err := wire.ParseTCP(d.rest)
	return h, data, err == nil
}

// udp is what of a datagram's data is there, and how much of it there is to be.
func (d *dissected) udp() (data []byte, length int, ok bool) {
	if d.proto != wire.ProtocolUDP || d.offset > 0 || len(d.rest) < wire.UDPLen {
		return nil, 0, false
	}
	data = d.rest[wire.UDPLen:]
	length = max(0, d.length-wire.UDPLen)
	if said := int(binary.BigEndian.Uint16(d.rest[4:])); said >= wire.UDPLen {
		length = min(length, said-wire.UDPLen)
	}
	return data[:min(len(data), length)], length, true
}
