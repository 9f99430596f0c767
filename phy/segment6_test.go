package phy

import (
	"bytes"
	"encoding/binary"
	"testing"

	"smolsh/stack/wire"
)

// options6 returns hop-by-hop options of 8 octets and destination options of 16, before a transport header.
func options6(next wire.Protocol) []byte {
	hop := []byte{byte(nextDestination), 0, 1, 4, 0, 0, 0, 0}
	return append(hop, byte(next), 1, 0x1e, 6, 1, 2, 3, 4, 5, 6, 1, 4, 0, 0, 0, 0)
}

// super6 returns a super-segment over IPv6 on a medium without a link layer. headers is the octets between the base
// header and the transport header, first the number of the first of them.
func super6(proto wire.Protocol, first wire.Protocol, headers, payload []byte, gso int) *Frame {
	f := NewFrame(SuperFrameSize)
	f.Extend(len(headers))
	f.TrimFront(len(headers)) // room for them
	copy(f.Extend(len(payload)), payload)
	if proto == wire.ProtocolUDP {
		f.Prepend(wire.UDPLen)
		h := wire.UDP{SrcPort: 1, DstPort: 2}
		h.Put(f.Bytes(), src6, dst6)
		binary.BigEndian.PutUint16(f.Bytes()[6:], wire.PseudoHeader(src6, dst6, proto, f.Len()).Fold())
	} else {
		h := wire.TCP{SrcPort: 1, DstPort: 2, Seq: 7, Flags: wire.ACK | wire.PSH, Window: 500}
		h.Put(f.Prepend(h.HeaderLen()))
		wire.PutTCPPartialChecksum(f.Bytes(), src6, dst6, f.Len())
	}
	copy(f.Prepend(len(headers)), headers)
	ip := wire.IPv6{TrafficClass: 0xb9, FlowLabel: 0xabcde, PayloadLen: f.Len(), NextHeader: first, HopLimit: 33, Src: src6, Dst: dst6}
	ip.Put(f.Prepend(wire.IPv6Len))
	f.Offload = Offload{GSOSize: uint16(gso), NeedsCsum: true, UDP: proto == wire.ProtocolUDP}
	return f
}

// TestSegmenterCutsIPv6: each segment of TCP and UDP over IPv6 has the super-segment's base header and options, its own
// payload length, and a valid checksum.
func TestSegmenterCutsIPv6(t *testing.T) {
	payload := random(2500)
	for _, c := range []struct {
		name         string
		proto, first wire.Protocol
		headers      []byte
	}{
		{"TCP", wire.ProtocolTCP, wire.ProtocolTCP, nil},
		{"UDP", wire.ProtocolUDP, wire.ProtocolUDP, nil},
		{"TCP with options", wire.ProtocolTCP, nextHopByHop, options6(wire.ProtocolTCP)},
		{"UDP with options", wire.ProtocolUDP, nextHopByHop, options6(wire.ProtocolUDP)},
	} {
		f := super6(c.proto, c.first, c.headers, payload, 1000)
		var s Segmenter
		if !s.Start(f, MediumIP) || s.Segments() != 3 {
			t.Fatalf("%s: refused, or cut into %d", c.name, s.Segments())
		}
		var got []byte
		longest := 0
		for out := NewFrame(FrameSize); s.Next(out); {
			longest = max(longest, out.Len())
			gopacketAgrees(t, out.Bytes(), MediumIP)
			ip, rest, err := wire.ParseIPv6(out.Bytes())
			if err != nil || len(rest) != out.Len()-wire.IPv6Len {
				t.Fatalf("%s: %d octets after the base header, %v", c.name, len(rest), err)
			}
			if ip.TrafficClass != 0xb9 || ip.FlowLabel != 0xabcde || ip.HopLimit != 33 || ip.NextHeader != c.first || ip.Src != src6 || ip.Dst != dst6 {
				t.Errorf("%s: base header %+v", c.name, ip)
			}
			chain, upper, err := wire.WalkIPv6(&ip, rest)
			if err != nil || chain.Protocol != c.proto || !bytes.Equal(rest[:len(rest)-len(upper)], c.headers) {
				t.Fatalf("%s: %+v, %v", c.name, chain, err)
			}
			if c.proto == wire.ProtocolTCP {
				h, data, err := wire.ParseTCP(upper)
				if err != nil || !wire.VerifyTCP(upper, src6, dst6) || h.Seq != wire.Seq(7+len(got)) || h.Flags.Has(wire.PSH) != (len(got) == 2000) {
					t.Errorf("%s: %+v, %v", c.name, h, err)
				}
				got = append(got, data...)
				continue
			}
			_, data, err := wire.ParseUDP(upper, src6, dst6, true)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			got = append(got, data...)
		}
		if !bytes.Equal(got, payload) || longest != s.SegmentSize() {
			t.Errorf("%s: %d octets of payload, equal %v; the longest segment has %d, SegmentSize is %d", c.name, len(got), bytes.Equal(got, payload), longest, s.SegmentSize())
		}
	}
}

// TestSegmenterRefusesIPv6: a super-segment with other extension headers, or with a chain that does not end, is not cut,
// and its checksum is not finished.
func TestSegmenterRefusesIPv6(t *testing.T) {
	for name, c := range map[string]struct {
		first   wire.Protocol
		headers []byte
		change  func(b []byte)
	}{
		"routing":              {43, []byte{6, 0, 4, 0, 0, 0, 0, 0}, nil},
		"fragment":             {44, []byte{6, 0, 0, 1, 0, 0, 0, 7}, nil},
		"authentication":       {51, []byte{6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil},
		"no next header":       {59, nil, nil},
		"ICMPv6":               {58, nil, nil},
		"options past the end": {nextHopByHop, []byte{6, 255, 1, 4, 0, 0, 0, 0}, nil},
		"a chain of five": {nextDestination, bytes.Repeat([]byte{60, 0, 1, 4, 0, 0, 0, 0}, 5), func(b []byte) {
			b[wire.IPv6Len+4*8] = 6
		}},
		"a chain without end": {nextDestination, bytes.Repeat([]byte{60, 0, 1, 4, 0, 0, 0, 0}, 200), nil},
		"payload length":      {wire.ProtocolTCP, nil, func(b []byte) { b[4], b[5] = 0xff, 0xff }},
		"jumbogram":           {wire.ProtocolTCP, nil, func(b []byte) { b[4], b[5] = 0, 0 }},
		"only options":        {nextDestination, options6(wire.ProtocolTCP)[8:], func(b []byte) { b[4], b[5] = 0, 12 }},
	} {
		f := super6(wire.ProtocolTCP, c.first, c.headers, random(3000), 1000)
		if c.change != nil {
			c.change(f.Bytes())
		}
		before := bytes.Clone(f.Bytes())
		var s Segmenter
		if s.Start(f, MediumIP) || s.Segments() != 0 {
			t.Errorf("%s: cut", name)
		}
		if f.Offload.GSOSize = 0; FinishChecksum(f, MediumIP) || !bytes.Equal(f.Bytes(), before) {
			t.Errorf("%s: the checksum was finished", name)
		}
	}
}

// TestFinishChecksumIPv6: the checksum of TCP and UDP over IPv6 is finished, also after options.
func TestFinishChecksumIPv6(t *testing.T) {
	for _, proto := range []wire.Protocol{wire.ProtocolTCP, wire.ProtocolUDP} {
		for _, headers := range [][]byte{nil, options6(proto)} {
			first := proto
			if headers != nil {
				first = nextHopByHop
			}
			f := super6(proto, first, headers, []byte("odd"), 0)
			if !FinishChecksum(f, MediumIP) || f.Offload.NeedsCsum {
				t.Fatalf("%v with %d octets of options: not finished", proto, len(headers))
			}
			gopacketAgrees(t, f.Bytes(), MediumIP)
			sum := wire.PseudoHeader(src6, dst6, proto, f.Len()-wire.IPv6Len-len(headers))
			if sum.AddBytes(f.Bytes()[wire.IPv6Len+len(headers):]).Checksum() != 0 {
				t.Errorf("%v with %d octets of options: bad checksum", proto, len(headers))
			}
		}
	}
}

// TestPutVnetIPv6 checks the virtio-net header of frames over IPv6, with the payload in the frame and borrowed.
func TestPutVnetIPv6(t *testing.T) {
	options := options6(wire.ProtocolTCP)
	for _, c := range []struct {
		name         string
		proto, first wire.Protocol
		headers      []byte
		want         []byte
	}{
		{"TCP", wire.ProtocolTCP, wire.ProtocolTCP, nil, vnetHeader(1, 4, 74, 1000, 54, 16)},
		{"UDP", wire.ProtocolUDP, wire.ProtocolUDP, nil, vnetHeader(1, 5, 62, 1000, 54, 6)},
		{"TCP with options", wire.ProtocolTCP, nextHopByHop, options, vnetHeader(1, 4, 98, 1000, 78, 16)},
	} {
		for _, lent := range []int{0, 1500, 3000} {
			payload := random(3000)
			f := super6(c.proto, c.first, c.headers, payload, 1000)
			e := wire.Ethernet{Type: wire.EtherTypeIPv6}
			e.Put(f.Prepend(wire.EthernetLen))
			f.Truncate(f.Len() - lent)
			if lent > 0 {
				f.Borrow(payload[3000-lent:3000-lent/2], payload[3000-lent/2:])
			}
			if !f.PutVnet(MediumEthernet) || !bytes.Equal(f.Bytes()[:VnetHeaderLen], c.want) {
				t.Errorf("%s, %d octets borrowed: %x, want %x", c.name, lent, f.Bytes()[:VnetHeaderLen], c.want)
			}
		}
	}
}
