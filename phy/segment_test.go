package phy

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/stack/wire"
)

var (
	src4, dst4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	src6, dst6 = netip.MustParseAddr("fdaa::1"), netip.MustParseAddr("fdaa::2")
)

// superSegment builds a TCP frame as a stack with offloads sends it.
func superSegment(m Medium, v6 bool, payload []byte, gso int, flags wire.Flags) *Frame {
	f := NewFrame(SuperFrameSize)
	copy(f.Extend(len(payload)), payload)
	h := wire.TCP{SrcPort: 6972, DstPort: 40000, Seq: 0xfffff000, Ack: 77, Flags: flags, Window: 500,
		Options: wire.TCPOptions{HasTimestamps: true, TSVal: 5, TSEcr: 6}}
	h.Put(f.Prepend(h.HeaderLen()))
	if v6 {
		wire.PutTCPPartialChecksum(f.Bytes(), src6, dst6, f.Len())
		ip := wire.IPv6{PayloadLen: f.Len(), NextHeader: wire.ProtocolTCP, HopLimit: 64, Src: src6, Dst: dst6}
		ip.Put(f.Prepend(wire.IPv6Len))
	} else {
		wire.PutTCPPartialChecksum(f.Bytes(), src4, dst4, f.Len())
		ip := wire.IPv4{ID: 0xfffe, DontFragment: true, TTL: 64, Protocol: wire.ProtocolTCP, Src: src4, Dst: dst4, PayloadLen: f.Len()}
		ip.Put(f.Prepend(wire.IPv4Len))
	}
	if m == MediumEthernet {
		e := wire.Ethernet{Dst: wire.HardwareAddr{2, 0, 0, 0, 0, 2}, Src: wire.HardwareAddr{2, 0, 0, 0, 0, 1}, Type: wire.EtherTypeIPv4}
		if v6 {
			e.Type = wire.EtherTypeIPv6
		}
		e.Put(f.Prepend(wire.EthernetLen))
	}
	f.Offload = Offload{GSOSize: uint16(gso), NeedsCsum: true}
	return f
}

func random(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(b)
	return b
}

// network parses the IP header of a segment with this project's own parsers.
func network(t *testing.T, b []byte, m Medium) (src, dst netip.Addr, id uint16, tcp []byte) {
	t.Helper()
	if m == MediumEthernet {
		_, payload, err := wire.ParseEthernet(b)
		if err != nil {
			t.Fatal(err)
		}
		b = payload
	}
	if b[0]>>4 == 6 {
		h, payload, err := wire.ParseIPv6(b)
		if err != nil {
			t.Fatal(err)
		}
		return h.Src, h.Dst, 0, payload
	}
	h, payload, err := wire.ParseIPv4(b)
	if err != nil {
		t.Fatal(err)
	}
	return h.Src, h.Dst, h.ID, payload
}

// gopacketAgrees checks a segment with gopacket's parser.
func gopacketAgrees(t *testing.T, b []byte, m Medium) {
	t.Helper()
	first := gopacket.Decoder(layers.LayerTypeEthernet)
	if m == MediumIP {
		first = layers.LayerTypeIPv4
		if b[0]>>4 == 6 {
			first = layers.LayerTypeIPv6
		}
	}
	p := gopacket.NewPacket(b, first, gopacket.Default)
	transport, ok := p.TransportLayer().(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	})
	if p.ErrorLayer() != nil || !ok {
		t.Fatalf("gopacket: %v", p)
	}
	if err := transport.SetNetworkLayerForChecksum(p.NetworkLayer()); err != nil {
		t.Fatal(err)
	}
	err, mismatches := p.VerifyChecksums()
	if err != nil || len(mismatches) > 0 {
		t.Fatalf("gopacket: checksums: %v, %+v", err, mismatches)
	}
}

func TestSegmenterCrossesALink(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Medium
		v6   bool
	}{{"ethernet IPv4", MediumEthernet, false}, {"ip IPv4", MediumIP, false}, {"ethernet IPv6", MediumEthernet, true}, {"ip IPv6", MediumIP, true}} {
		t.Run(c.name, func(t *testing.T) {
			const mtu = 1500
			header := wire.IPv4Len + 32
			if c.v6 {
				header = wire.IPv6Len + 32
			}
			payload := random(65535 - 52)
			if c.v6 {
				payload = random(65535 - 32)
			}
			f := superSegment(c.m, c.v6, payload, mtu-header, wire.ACK|wire.PSH|wire.FIN|wire.CWR)

			a, b := NewPair("a", "b", MemoryConfig{Medium: c.m, MTU: mtu})
			var s Segmenter
			if !s.Start(f, c.m) {
				t.Fatal("Start refused it")
			}
			want := (len(payload) + mtu - header - 1) / (mtu - header)
			if s.Segments() != want {
				t.Errorf("Segments = %d, want %d", s.Segments(), want)
			}
			out, in := NewFrame(FrameSize), NewFrame(FrameSize)
			var got []byte
			n := 0
			for ; s.Next(out); n++ {
				a.Send([]*Frame{out})
				in.Reset()
				b.Recv([]*Frame{in})
				if in.Offload != (Offload{}) {
					t.Fatalf("segment %d: offload %+v", n, in.Offload)
				}
				if in.Len() > mtu+wire.EthernetLen || c.m == MediumIP && in.Len() > mtu {
					t.Fatalf("segment %d has %d octets", n, in.Len())
				}
				gopacketAgrees(t, in.Bytes(), c.m)
				src, dst, id, tcp := network(t, in.Bytes(), c.m)
				if !wire.VerifyTCP(tcp, src, dst) {
					t.Fatalf("segment %d: bad checksum", n)
				}
				h, data, err := wire.ParseTCP(tcp)
				if err != nil {
					t.Fatal(err)
				}
				wantFlags := wire.ACK
				if n == 0 {
					wantFlags |= wire.CWR
				}
				if n == want-1 {
					wantFlags |= wire.PSH | wire.FIN
				}
				if h.Flags != wantFlags || h.Seq != wire.Seq(0xfffff000).Add(len(got)) || h.Ack != 77 || h.Options.TSVal != 5 {
					t.Fatalf("segment %d: %+v, want flags %v", n, h, wantFlags)
				}
				if !c.v6 && id != uint16(0xfffe+n) {
					t.Fatalf("segment %d: identification %#x", n, id)
				}
				got = append(got, data...)
			}
			if n != want || !bytes.Equal(got, payload) {
				t.Errorf("%d segments, %d octets of %d, equal %v", n, len(got), len(payload), bytes.Equal(got, payload))
			}
			if s.Next(out) || s.Segments() != 0 {
				t.Error("there is more behind the last")
			}
		})
	}
}

func TestSegmenterLeavesWholeWhatFits(t *testing.T) {
	for _, c := range []struct{ payload, gso, want int }{{0, 1448, 1}, {0, 0, 1}, {1448, 1448, 1}, {1449, 1448, 2}, {3000, 0, 1}} {
		f := superSegment(MediumEthernet, false, random(c.payload), c.gso, wire.ACK)
		var s Segmenter
		if !s.Start(f, MediumEthernet) || s.Segments() != c.want {
			t.Errorf("%+v: %d segments", c, s.Segments())
		}
	}
}

func TestSegmenterCutsPadding(t *testing.T) {
	f := superSegment(MediumEthernet, false, []byte("ab"), 0, wire.ACK)
	n := f.Len()
	f.Extend(10)
	var s Segmenter
	out := NewFrame(FrameSize)
	if !s.Start(f, MediumEthernet) || !s.Next(out) || out.Len() != n {
		t.Errorf("%d octets, want %d", out.Len(), n)
	}
}

func TestSegmenterSkipsVLANTags(t *testing.T) {
	for _, tags := range []string{"\x81\x00\x00\x05", "\x88\xa8\x00\x05", "\x88\xa8\x00\x05\x81\x00\x00\x06"} {
		for _, v6 := range []bool{false, true} {
			f := superSegment(MediumIP, v6, random(2000), 1000, wire.ACK)
			head, etherType := 20+32, "\x08\x00"
			if v6 {
				head, etherType = 40+32, "\x86\xdd"
			}
			link := "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01" + tags + etherType
			copy(f.Prepend(len(link)), link)
			var s Segmenter
			out := NewFrame(FrameSize)
			if !s.Start(f, MediumEthernet) || s.Segments() != 2 || !s.Next(out) {
				t.Errorf("%x, IPv6 %v: refused", tags, v6)
				continue
			}
			gopacketAgrees(t, out.Bytes(), MediumEthernet)
			if out.Len() != len(link)+head+1000 {
				t.Errorf("%x, IPv6 %v: %d octets", tags, v6, out.Len())
			}
		}
	}
}

func TestSegmenterRefuses(t *testing.T) {
	good := func() []byte {
		return bytes.Clone(superSegment(MediumEthernet, false, random(3000), 1448, wire.ACK).Bytes())
	}
	for name, change := range map[string]func(b []byte) []byte{
		"empty":                 func(b []byte) []byte { return nil },
		"no IP header":          func(b []byte) []byte { return b[:14] },
		"short":                 func(b []byte) []byte { return b[:200] },
		"IP version":            func(b []byte) []byte { b[14] = 0x55; return b },
		"IP header length":      func(b []byte) []byte { b[14] = 0x44; return b },
		"IP options past end":   func(b []byte) []byte { b[14] = 0x4f; b[17] = 60; b[16] = 0; return b },
		"total length":          func(b []byte) []byte { b[16], b[17] = 0xff, 0xff; return b },
		"fragment":              func(b []byte) []byte { b[20] |= 0x20; return b },
		"later fragment":        func(b []byte) []byte { b[21] = 1; return b },
		"ICMP":                  func(b []byte) []byte { b[23] = 1; return b },
		"TCP header length":     func(b []byte) []byte { b[46] = 0x40; return b },
		"TCP header beyond end": func(b []byte) []byte { b[16], b[17] = 0, 50; b[46] = 0xf0; return b },
		"ethertype":             func(b []byte) []byte { b[12], b[13] = 8, 6; return b },
		"version of the other":  func(b []byte) []byte { b[12], b[13] = 0x86, 0xdd; return b },
	} {
		f := NewFrame(SuperFrameSize)
		f.Set(change(good()))
		f.Offload.GSOSize = 1448
		var s Segmenter
		if s.Start(f, MediumEthernet) || s.Next(NewFrame(FrameSize)) || s.Segments() != 0 {
			t.Errorf("%s: accepted", name)
		}
	}
	f := NewFrame(SuperFrameSize)
	f.Set(good())
	var s Segmenter
	if !s.Start(f, MediumEthernet) {
		t.Error("the unchanged frame is refused")
	}
}

func TestSegmenterCutsDatagrams(t *testing.T) {
	payload := random(2500)
	f := udpFrame(payload, src4, dst4)
	f.Offload.GSOSize, f.Offload.UDP = 1000, true
	var s Segmenter
	if !s.Start(f, MediumIP) || s.Segments() != 3 {
		t.Fatalf("%d segments", s.Segments())
	}
	var got []byte
	for out := NewFrame(FrameSize); s.Next(out); {
		gopacketAgrees(t, out.Bytes(), MediumIP)
		ip, b, err := wire.ParseIPv4(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		u, data, err := wire.ParseUDP(b, ip.Src, ip.Dst, true)
		if err != nil || u.SrcPort != 1 || u.DstPort != 2 || len(data) != min(1000, len(payload)-len(got)) || out.Offload != (Offload{}) {
			t.Errorf("%+v, %d octets, %+v, %v", u, len(data), out.Offload, err)
		}
		got = append(got, data...)
	}
	if !bytes.Equal(got, payload) {
		t.Error("the datagrams hold something else")
	}
}

func udpFrame(payload []byte, src, dst netip.Addr) *Frame {
	f := NewFrame(SuperFrameSize)
	copy(f.Extend(len(payload)), payload)
	b := f.Prepend(wire.UDPLen)
	h := wire.UDP{SrcPort: 1, DstPort: 2}
	h.Put(f.Bytes(), src, dst)
	sum := wire.PseudoHeader(src, dst, wire.ProtocolUDP, f.Len()).Fold()
	binary.BigEndian.PutUint16(b[6:], sum)
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolUDP, Src: src, Dst: dst, PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv4Len))
	f.Offload.NeedsCsum = true
	return f
}

func TestFinishChecksum(t *testing.T) {
	tcp := superSegment(MediumIP, false, []byte("odd"), 0, wire.ACK)
	if !FinishChecksum(tcp, MediumIP) || tcp.Offload.NeedsCsum {
		t.Fatal("TCP not finished")
	}
	gopacketAgrees(t, tcp.Bytes(), MediumIP)

	udp := udpFrame([]byte("odd"), src4, dst4)
	if !FinishChecksum(udp, MediumIP) {
		t.Fatal("UDP not finished")
	}
	if _, data, err := wire.ParseUDP(udp.Bytes()[20:], src4, dst4, true); err != nil || string(data) != "odd" {
		t.Errorf("UDP: %v, %q", err, data)
	}

	// With this payload the sum is zero, so that the field must be 0xffff.
	sum := wire.PseudoHeader(src4, dst4, wire.ProtocolUDP, 10).AddUint16(1).AddUint16(2).AddUint16(10).Fold()
	zero := udpFrame(binary.BigEndian.AppendUint16(nil, ^sum), src4, dst4)
	if !FinishChecksum(zero, MediumIP) || binary.BigEndian.Uint16(zero.Bytes()[26:]) != 0xffff {
		t.Errorf("UDP checksum of zero became %#x", zero.Bytes()[26:28])
	}

	gso := superSegment(MediumIP, false, random(3000), 1448, wire.ACK)
	if FinishChecksum(gso, MediumIP) || !gso.Offload.NeedsCsum {
		t.Error("a super-segment has no checksum to finish")
	}
	if !WriteChecksum(gso.Bytes(), MediumIP) {
		t.Error("no checksum is written in a super-segment")
	}
	gopacketAgrees(t, gso.Bytes(), MediumIP)
	plain := frameOf(FrameSize, "anything")
	if !FinishChecksum(plain, MediumIP) || string(plain.Bytes()) != "anything" {
		t.Error("a plain frame is to be left alone")
	}
	plain.Offload.NeedsCsum = true
	if FinishChecksum(plain, MediumIP) {
		t.Error("finished what is no packet")
	}
}

func TestSegmenterAllocatesNothing(t *testing.T) {
	f := superSegment(MediumEthernet, false, random(60000), 1448, wire.ACK)
	out := NewFrame(FrameSize)
	var s Segmenter
	if n := testing.AllocsPerRun(20, func() {
		s.Start(f, MediumEthernet)
		for s.Next(out) {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSegmenter(b *testing.B) {
	f := superSegment(MediumEthernet, false, random(64000), 1448, wire.ACK)
	out := NewFrame(FrameSize)
	var s Segmenter
	b.SetBytes(64000)
	for b.Loop() {
		s.Start(f, MediumEthernet)
		for s.Next(out) {
		}
	}
}

// FuzzSegmenter: the Segmenter refuses a super-segment with hostile headers, or cuts it into frames within the input.
// It does not panic.
func FuzzSegmenter(f *testing.F) {
	f.Add(superSegment(MediumEthernet, false, random(100), 30, wire.ACK).Bytes(), uint16(30), false)
	f.Add(superSegment(MediumIP, true, random(100), 30, wire.ACK).Bytes(), uint16(1), true)
	f.Add(udpFrame([]byte("abc"), src4, dst4).Bytes(), uint16(0), true)
	f.Add(super6(wire.ProtocolTCP, nextHopByHop, options6(wire.ProtocolTCP), random(100), 0).Bytes(), uint16(30), true)
	f.Fuzz(func(t *testing.T, b []byte, gso uint16, ip bool) {
		if len(b) > 4000 {
			return
		}
		m := MediumEthernet
		if ip {
			m = MediumIP
		}
		in, out := NewFrame(4096), NewFrame(4096)
		in.Set(b)
		in.Offload = Offload{GSOSize: gso, NeedsCsum: true}
		var s Segmenter
		if s.Start(in, m) {
			want := s.Segments()
			got := 0
			for s.Next(out) {
				got++
				if out.Len() > len(b) {
					t.Fatalf("a segment of %d octets from %d", out.Len(), len(b))
				}
			}
			if got != want {
				t.Fatalf("%d segments, announced %d", got, want)
			}
		}
		in.Offload.GSOSize = 0
		FinishChecksum(in, m)
	})
}

// BenchmarkFinishChecksum finishes a segment of Ethernet size, as the sending path does for a device that leaves checksums to its driver.
func BenchmarkFinishChecksum(b *testing.B) {
	f := superSegment(MediumEthernet, false, random(1448), 0, 0x10)
	b.ReportAllocs()
	for b.Loop() {
		f.Offload.NeedsCsum = true
		if !FinishChecksum(f, MediumEthernet) {
			b.Fatal("not finished")
		}
	}
}
