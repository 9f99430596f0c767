package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// frame returns a frame for the benchmarks: Ethernet, IPv4 and the given transport header and data.
func frame(proto Protocol, transport []byte) []byte {
	b := make([]byte, EthernetLen+IPv4Len+len(transport))
	(&Ethernet{Dst: HardwareAddr{2, 0, 0, 0, 0, 1}, Src: HardwareAddr{2, 0, 0, 0, 0, 2}, Type: EtherTypeIPv4}).Put(b)
	(&IPv4{TTL: 64, Protocol: proto, Src: src4, Dst: dst4, PayloadLen: len(transport)}).Put(b[EthernetLen:])
	copy(b[EthernetLen+IPv4Len:], transport)
	return b
}

func tcpFrame(payload int) []byte {
	h := TCP{SrcPort: 49153, DstPort: 80, Seq: 1, Ack: 2, Flags: ACK, Window: 502,
		Options: TCPOptions{HasTimestamps: true, TSVal: 1, TSEcr: 2}}
	seg := make([]byte, h.HeaderLen()+payload)
	h.Put(seg)
	PutTCPChecksum(seg, src4, dst4)
	return frame(ProtocolTCP, seg)
}

var sink int // keeps results alive

func TestNothingAllocates(t *testing.T) {
	seg := tcpFrame(1448)
	out := make([]byte, 2048)
	udp := make([]byte, UDPLen+100)
	(&UDP{SrcPort: 1, DstPort: 2}).Put(udp, src4, dst4)
	echo := make([]byte, ICMPLen+56)
	(&ICMP{Type: ICMPEchoRequest}).Put(echo)
	quote := quotation(ProtocolTCP, 0, "0050 c001 89abcdef")
	six := make([]byte, IPv6Len)
	(&IPv6{Src: src6, Dst: dst6}).Put(six)
	wrongOption := octets("3b00 8004 00000000")
	discovery := [...][]byte{scapyRS, scapyRA, scapyDAD, scapyNS, scapyNA, scapyRedirect}
	listeners := [...][]byte{scapyQuery1, scapyReport1, scapyDone, scapyQuery2, scapyReport2}
	for name, f := range map[string]func(){
		"Ethernet": func() { h, _, _ := ParseEthernet(seg); sink += h.Put(out) },
		"ARP":      func() { a, _ := ParseARP(arpRequest); sink += a.Put(out) },
		"IPv4":     func() { h, _, _ := ParseIPv4(seg[EthernetLen:]); sink += h.Put(out) },
		"IPv6":     func() { h, _, _ := ParseIPv6(six); sink += h.Put(out) },
		"ICMP":     func() { m, _, _ := ParseICMP(echo, true); sink += m.Put(out[:len(echo)]) },
		"quoted":   func() { q, _ := ParseQuoted(quote); sink += int(q.Seq) },
		"UDP": func() {
			h, _, _ := ParseUDP(udp, src4, dst4, true)
			sink += h.Put(out[:len(udp)], src4, dst4)
		},
		"TCP": func() {
			b := seg[EthernetLen+IPv4Len:]
			if !VerifyTCP(b, src4, dst4) {
				panic("checksum")
			}
			h, _, _ := ParseTCP(b)
			n := h.Put(out)
			PutTCPChecksum(out[:n], src4, dst4)
			sink += n
		},
		"IPv6 extension headers": func() {
			h, p, _ := ParseIPv6(scapyChain)
			c, _, _ := WalkIPv6(&h, p)
			sink += c.Offset + c.Fragment.Put(out[PutRouterAlert6(out, extFragment):])
		},
		"IPv6 refusal": func() {
			h := IPv6{NextHeader: extDestination, Src: src6, Dst: dst6}
			c, _, err := WalkIPv6(&h, wrongOption)
			sink += int(c.Problem.Pointer) + len(err.Error())
		},
		"ICMPv6":   func() { m, _, _ := ParseICMPv6(echo, src6, dst6, false); sink += m.Put(out[:len(echo)], src6, dst6) },
		"quoted 6": func() { q, _ := ParseQuoted6(scapyChain); sink += int(q.SrcPort) },
		"neighbour discovery": func() {
			for _, p := range discovery {
				h, b, _ := ParseIPv6(p)
				sink += useND(&h, b, out)
			}
		},
		"MLD": func() {
			for _, p := range listeners {
				h, b, _ := ParseIPv6(p)
				c, b, _ := WalkIPv6(&h, b)
				sink += useMLD(&h, &c, b, out)
			}
		},
		"groups":        func() { sink += int(GroupMAC(SolicitedNode(src6))[5]) },
		"IPv6 checksum": func() { sink += int(PseudoHeader(src6, dst6, ProtocolTCP, 40).AddBytes(seg).Fold()) },
		"refusal":       func() { _, _, err := ParseTCP(seg[:7]); sink += len(err.Error()) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
	}
}

// useND parses a message of neighbour discovery with its options, and writes a part of it to out.
func useND(h *IPv6, b, out []byte) (n int) {
	var o NDOptions
	switch ICMPv6Type(b[0]) {
	case ICMPv6RouterSolicitation:
		o, _ = ParseRouterSolicitation(h, b, true)
		n = PutRouterSolicitation(out[:len(b)], h.Src, h.Dst)
	case ICMPv6RouterAdvertisement:
		m, all, _ := ParseRouterAdvertisement(h, b, true)
		o, n = all, m.Put(out[:len(b)], h.Src, h.Dst)
	case ICMPv6NeighborSolicitation:
		m, all, _ := ParseNeighborSolicitation(h, b, true)
		o, n = all, m.Put(out[:len(b)], h.Src, h.Dst)
	case ICMPv6NeighborAdvertisement:
		m, all, _ := ParseNeighborAdvertisement(h, b, true)
		o, n = all, m.Put(out[:len(b)], h.Src, h.Dst)
	case ICMPv6Redirect:
		m, all, _ := ParseRedirect(h, b, true)
		o, n = all, m.Put(out[:len(b)], h.Src, h.Dst)
	}
	for first, rest, ok := o.Next(); ok; first, rest, ok = rest.Next() {
		if p, ok := first.PrefixInfo(); ok {
			n += p.Put(out)
		}
		if l, _, ok := first.DNSServers(); ok {
			n += l.Len()
		}
		if names, _, ok := first.DNSSearch(); ok {
			n += len(names)
		}
		n += contentOf(first)
	}
	return n
}

// useMLD parses a message of MLD, and writes a part of it to out.
func useMLD(h *IPv6, c *IPv6Chain, b, out []byte) (n int) {
	switch ICMPv6Type(b[0]) {
	case ICMPv6ListenerQuery:
		q, sources, _ := ParseMLDQuery(h, c, b, true)
		return sources.Len() + q.Put(out[:len(b)], h.Src, h.Dst)
	case ICMPv6ListenerReportVersion2:
		records, _ := ParseMLDv2Report(h, c, b, true)
		for first, rest, ok := records.Next(); ok; first, rest, ok = rest.Next() {
			n += first.Put(out)
		}
		return n + PutMLDv2Report(out[:len(b)], 2, h.Src, h.Dst)
	}
	group, _ := ParseMLDReport(h, c, b, true)
	return PutMLDReport(out, ICMPv6ListenerReport, group, h.Src, h.Dst)
}

func BenchmarkParse(b *testing.B) {
	f := tcpFrame(1448)
	for _, verify := range []bool{false, true} {
		b.Run(fmt.Sprintf("checksum=%v", verify), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(f)))
			for b.Loop() {
				_, p, _ := ParseEthernet(f)
				ip, p, _ := ParseIPv4(p)
				if verify && !VerifyTCP(p, ip.Src, ip.Dst) {
					b.Fatal("checksum")
				}
				h, p, err := ParseTCP(p)
				if err != nil {
					b.Fatal(err)
				}
				sink += len(p) + int(h.Seq)
			}
		})
	}
}

// BenchmarkIP compares the cost of the two IP headers, of a chain of extension headers, and of the longest walk that they allow.
func BenchmarkIP(b *testing.B) {
	worst := []byte{}
	for range maxExtHeaders { // each with the most options, and the most octets of padding before each
		options := bytes.Repeat(append(make([]byte, maxIP6Padding), 0x1e, 0), maxIP6Options)
		h := append([]byte{byte(extDestination), byte((2+len(options)+7)/8 - 1)}, options...)
		worst = append(worst, append(h, make([]byte, (8-len(h)%8)%8)...)...)
	}
	worst[len(worst)-80] = byte(ProtocolTCP)
	for name, packet := range map[string][]byte{"v4": tcpFrame(1448)[EthernetLen:], "v6": six(ProtocolTCP, peer6, make([]byte, 1480)),
		"chain": scapyChain, "worst": six(extDestination, peer6, worst)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if packet[0]>>4 == 4 {
					_, p, _ := ParseIPv4(packet)
					sink += len(p)
					continue
				}
				h, p, _ := ParseIPv6(packet)
				_, p, err := WalkIPv6(&h, p)
				if err != nil {
					b.Fatal(err)
				}
				sink += len(p)
			}
		})
	}
}

// BenchmarkControl measures parsing of the messages of ICMP, neighbour discovery and MLD, with their checksums.
func BenchmarkControl(b *testing.B) {
	echo, out := make([]byte, ICMPLen+56), make([]byte, 2048)
	(&ICMP{Type: ICMPEchoRequest}).Put(echo)
	echo6 := make([]byte, ICMPv6Len+56)
	(&ICMPv6{Type: ICMPv6EchoRequest}).Put(echo6, link6, peer6)
	ra, raOctets := message(b, scapyRA)
	ns, nsOctets := message(b, scapyNS)
	report, chain, reportOctets := listener(b, scapyReport2)
	for name, f := range map[string]func(){
		"echo v4": func() { m, _, _ := ParseICMP(echo, true); sink += int(m.Seq) },
		"echo v6": func() { m, _, _ := ParseICMPv6(echo6, link6, peer6, true); sink += int(m.Seq) },
		"ns":      func() { m, _, _ := ParseNeighborSolicitation(&ns, nsOctets, true); sink += m.Target.BitLen() },
		"ra":      func() { sink += useND(&ra, raOctets, out) },
		"mld":     func() { r, _ := ParseMLDv2Report(&report, &chain, reportOctets, true); sink += len(r) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 64, 1460, 65536} {
		data := make([]byte, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				sink += int(Checksum(data))
			}
		})
	}
}

func BenchmarkPutTCP(b *testing.B) {
	h := TCP{Flags: ACK, Options: TCPOptions{HasTimestamps: true}}
	out := make([]byte, MaxTCPLen)
	for b.Loop() {
		n := h.Put(out)
		PutTCPChecksum(out[:n], src4, dst4)
	}
}
