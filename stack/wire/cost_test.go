package wire

import (
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
		"IPv6 checksum": func() { sink += int(PseudoHeader(src6, dst6, ProtocolTCP, 40).AddBytes(seg).Fold()) },
		"refusal":       func() { _, _, err := ParseTCP(seg[:7]); sink += len(err.Error()) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
	}
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
