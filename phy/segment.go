package phy

import (
	"encoding/binary"
	"net/netip"

	"smolsh/stack/wire"
)

// A Segmenter cuts a super-segment into frames of wire size, as a network card with segmentation offload does. Each
// segment repeats the headers with its own lengths, identification, sequence number and checksums. FIN and PSH stay on
// the last segment, CWR (RFC 3168 §6.1.2) on the first. A super-segment of UDP is cut into datagrams of GSOSize octets.
//
// Start parses a frame, and Next writes one segment after the other into the caller's frames. Neither allocates memory.
// The zero value is ready for use. One Segmenter cuts one frame at a time.
type Segmenter struct {
	src   []byte // the frame, without link-layer padding
	l     layout
	gso   int // payload octets per segment
	sent  int // payload octets already cut off
	index int // segments already cut off
	done  bool
	plain Offload
}

// layout holds the positions of a frame's headers.
type layout struct {
	l3, l4, data int // offsets of the network header, the transport header and its payload
	proto        wire.Protocol
	src, dst     netip.Addr
	v6           bool
}

// parseLayout finds the headers of an unfragmented TCP or UDP packet, and its end. It passes over the options of IPv6. beyond is the number of octets of
// the packet's payload that are not in b. ok is false for any other packet, and for headers that contradict the length
// of b.
func parseLayout(b []byte, m Medium, beyond int) (l layout, end int, ok bool) {
	etherType := wire.EtherType(0)
	if m == MediumEthernet {
		if len(b) < wire.EthernetLen {
			return l, 0, false
		}
		l.l3 = wire.EthernetLen + wire.VLANTagsLen(b)
		etherType = wire.EtherType(binary.BigEndian.Uint16(b[l.l3-2:]))
	}
	ip := b[l.l3:]
	if len(ip) == 0 {
		return l, 0, false
	}
	switch v := ip[0] >> 4; {
	case v == 4 && (m == MediumIP || etherType == wire.EtherTypeIPv4):
		h, payload, err := wire.ParseQuotedIPv4(ip) // the header checksum is not verified, since it will be computed again
		if err != nil || h.IsFragment() || len(payload)+beyond < h.PayloadLen {
			return l, 0, false
		}
		l.l4, end = l.l3+h.HeaderLen, l.l3+h.HeaderLen+h.PayloadLen
		l.proto, l.src, l.dst = h.Protocol, h.Src, h.Dst
	case v == 6 && (m == MediumIP || etherType == wire.EtherTypeIPv6):
		h, payload, err := wire.ParseQuotedIPv6(ip)
		if err != nil || len(payload)+beyond < h.PayloadLen {
			return l, 0, false
		}
		proto, n, ok := skipOptions6(h.NextHeader, payload)
		if !ok {
			return l, 0, false
		}
		l.l4, end = l.l3+wire.IPv6Len+n, l.l3+wire.IPv6Len+h.PayloadLen
		l.proto, l.src, l.dst, l.v6 = proto, h.Src, h.Dst, true
	default:
		return l, 0, false
	}
	t := b[l.l4:min(end, len(b))]
	switch {
	case l.proto == wire.ProtocolTCP && len(t) >= wire.TCPLen:
		l.data = l.l4 + int(t[12]>>4)*4
		return l, end, l.data >= l.l4+wire.TCPLen && l.data <= end
	case l.proto == wire.ProtocolUDP && len(t) >= wire.UDPLen:
		l.data = l.l4 + wire.UDPLen
		return l, end, true
	}
	return l, 0, false
}

// The extension headers that every segment of a super-segment repeats (RFC 8200 §4.3, §4.6), and the largest number of
// them in a packet that is cut.
const (
	nextHopByHop    wire.Protocol = 0
	nextDestination wire.Protocol = 60
	maxOptions6                   = 4
)

// skipOptions6 returns the protocol after the hop-by-hop and destination options of an IPv6 packet, and the octets of
// those options. b is the octets after the base header, next the protocol of the first. ok is false if the options do
// not end within b, or are more than four headers. Other extension headers end the search: a fragment can't be cut, and
// a routing header changes the destination of the pseudo-header.
func skipOptions6(next wire.Protocol, b []byte) (proto wire.Protocol, n int, ok bool) {
	for range maxOptions6 {
		if next != nextHopByHop && next != nextDestination {
			return next, n, true
		}
		if len(b)-n < 8 {
			return 0, 0, false
		}
		next, n = wire.Protocol(b[n]), n+(int(b[n+1])+1)*8
		if n > len(b) {
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// Start begins to cut f, a frame on medium m, which must not change until Next has returned false. A frame without
// GSOSize counts as a super-segment of one segment. Start reports whether the frame can be cut. It can't if its headers
// are not those of unfragmented TCP or UDP over IPv4, or over IPv6 with at most hop-by-hop and destination options
// between, or contradict the frame's length.
func (s *Segmenter) Start(f *Frame, m Medium) bool {
	l, end, ok := parseLayout(f.Bytes(), m, 0)
	if !ok {
		s.done = true
		return false
	}
	*s = Segmenter{src: f.Bytes()[:end], l: l, gso: int(f.Offload.GSOSize)}
	s.plain.CsumValid = f.Offload.CsumValid
	if s.gso == 0 {
		s.gso = max(1, end-l.data)
	}
	return true
}

// Segments returns the number of segments that Next has not written yet.
func (s *Segmenter) Segments() int {
	if s.done {
		return 0
	}
	rest := len(s.src) - s.l.data - s.sent
	return max(1, (rest+s.gso-1)/s.gso)
}

// SegmentSize returns the length in octets of the longest segment, headers included.
func (s *Segmenter) SegmentSize() int { return min(len(s.src), s.l.data+s.gso) }

// Next resets dst and writes the next segment into it. dst must have room for the segment. The segment's checksums are
// complete. Next returns false if no segment was left.
func (s *Segmenter) Next(dst *Frame) bool {
	if s.done {
		return false
	}
	rest := s.src[s.l.data+s.sent:]
	payload := rest[:min(len(rest), s.gso)]
	last := len(payload) == len(rest)

	dst.Reset()
	dst.Offload = s.plain
	b := dst.Extend(s.l.data + len(payload))
	copy(b, s.src[:s.l.data])
	copy(b[s.l.data:], payload)
	s.putNetwork(b)
	s.putTransport(b, last)

	s.sent += len(payload)
	s.index++
	s.done = last
	return true
}

// putNetwork corrects the network header of the segment b.
func (s *Segmenter) putNetwork(b []byte) {
	ip := b[s.l.l3:]
	if s.l.v6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-wire.IPv6Len))
		return
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[4:], binary.BigEndian.Uint16(ip[4:])+uint16(s.index))
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], wire.Checksum(ip[:s.l.l4-s.l.l3]))
}

// putTransport corrects the TCP or UDP header of the segment b.
func (s *Segmenter) putTransport(b []byte, last bool) {
	t := b[s.l.l4:]
	if s.l.proto == wire.ProtocolUDP {
		binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
		putChecksum(t, &s.l)
		return
	}
	binary.BigEndian.PutUint32(t[4:], binary.BigEndian.Uint32(t[4:])+uint32(s.sent))
	flags := wire.Flags(t[13])
	if !last {
		flags &^= wire.FIN | wire.PSH
	}
	if s.index > 0 {
		flags &^= wire.CWR
	}
	t[13] = byte(flags)
	binary.BigEndian.PutUint16(t[16:], 0)
	wire.PutTCPChecksum(t, s.l.src, s.l.dst)
}

// FinishChecksum completes the transport checksum of a frame of wire size that has NeedsCsum and clears NeedsCsum. It does not
// change other frames. It returns false, with the frame unchanged, if the frame is a super-segment or not an unfragmented TCP or
// UDP packet.
func FinishChecksum(f *Frame, m Medium) bool {
	if !f.Offload.NeedsCsum {
		return true
	}
	if f.Offload.GSOSize != 0 {
		return false
	}
	if !WriteChecksum(f.Bytes(), m) {
		return false
	}
	f.Offload.NeedsCsum = false
	return true
}

// WriteChecksum writes the checksum of the TCP or UDP header in a whole frame, over what stands there. Of a super-segment it is the checksum of all its
// octets. It returns false, with b unchanged, if b is not an unfragmented TCP or UDP packet.
func WriteChecksum(b []byte, m Medium) bool {
	l, end, ok := parseLayout(b, m, 0)
	if !ok {
		return false
	}
	t := b[l.l4:end]
	if l.proto == wire.ProtocolUDP {
		n := int(binary.BigEndian.Uint16(t[4:]))
		if n < wire.UDPLen || n > len(t) {
			return false
		}
		t = t[:n]
	}
	putChecksum(t, &l)
	return true
}

// putChecksum computes the checksum over the transport header and its data t, and stores it.
func putChecksum(t []byte, l *layout) {
	at := checksumAt(l.proto)
	binary.BigEndian.PutUint16(t[at:], 0)
	sum := wire.PseudoHeader(l.src, l.dst, l.proto, len(t)).AddBytes(t).Checksum()
	if sum == 0 && l.proto == wire.ProtocolUDP {
		sum = 0xffff // a field of zero would mean no checksum (RFC 768)
	}
	binary.BigEndian.PutUint16(t[at:], sum)
}

// checksumAt returns the offset of the checksum field in a TCP or UDP header.
func checksumAt(p wire.Protocol) int {
	if p == wire.ProtocolUDP {
		return 6
	}
	return 16
}
