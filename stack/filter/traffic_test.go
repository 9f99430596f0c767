package filter

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
)

// captured is a frame of a capture: the captured octets and the length of the whole frame.
type captured struct {
	data []byte
	len  int
}

// traffic returns many kinds of frames: first complete ones, then one of each kind truncated at every octet of its
// headers.
func traffic(t testing.TB) []captured {
	var out []captured
	whole := func(b []byte) { out = append(out, captured{b, len(b)}) }
	kinds := samples(t)
	for _, more := range [][]sample{tcpSamples(t), datagramSamples(t), linkSamples(t)} {
		kinds = append(kinds, more...)
	}
	for _, s := range kinds {
		whole(s.data)
	}
	for flags := range 256 { // each combination, with and without data
		b := append([]byte(nil), kinds[1].data...)
		b[47] = byte(flags)
		binary.BigEndian.PutUint16(b[34:], uint16(flags*257))
		whole(append(b, make([]byte, flags%7)...))
	}
	for typ := range 20 {
		for code := range 4 {
			b := append([]byte(nil), find(t, kinds, "echo").data...)
			b[34], b[35], b[22] = byte(typ), byte(code), byte(20*code+typ)
			whole(b)
		}
	}
	for typ := range 256 {
		b := append([]byte(nil), find(t, kinds, "ns6").data...)
		b[54], b[55] = byte(typ), byte(typ%5)
		whole(b)
	}
	for proto := range 256 {
		b := append([]byte(nil), find(t, kinds, "unreach").data...)
		b[23] = byte(proto)
		whole(b)
		b = append([]byte(nil), find(t, kinds, "tcp6").data...)
		b[20] = byte(proto)
		whole(b)
	}
	for _, s := range kinds {
		for n := range min(len(s.data), 80) {
			out = append(out, captured{s.data[:n], len(s.data)})
		}
	}
	return out
}

// bareTraffic returns the traffic's IP packets without a link layer.
func bareTraffic(t testing.TB) []captured {
	var out []captured
	for _, c := range traffic(t) {
		if len(c.data) > 14 && (c.data[12] == 8 && c.data[13] == 0 || c.data[12] == 0x86) {
			out = append(out, captured{c.data[14:], c.len - 14})
		}
	}
	return out
}

func find(t testing.TB, ss []sample, name string) sample {
	t.Helper()
	for _, s := range ss {
		if s.name == name {
			return s
		}
	}
	t.Fatal(name)
	return sample{}
}

// tcpSamples returns segments with IP and TCP options, with urgent data, and with unusual ports and addresses.
func tcpSamples(t testing.TB) (out []sample) {
	for i := range 8 {
		ip := &layers.IPv4{Version: 4, TTL: uint8(1 + 36*i), TOS: uint8(i * 33), Id: uint16(1000 * i), Protocol: layers.IPProtocolTCP,
			SrcIP: []byte{10, byte(i), 0, 1}, DstIP: []byte{192, 168, byte(i * 30), 2}}
		if i%2 == 1 {
			ip.Flags = layers.IPv4DontFragment
		}
		for range i {
			ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1})
		}
		tcp := &layers.TCP{SrcPort: layers.TCPPort([]int{20, 21, 22, 23, 25, 80, 443, 8080}[i]), DstPort: layers.TCPPort(1024 << i % 60000),
			Seq: uint32(i) << 28, Ack: uint32(i) << 24, ACK: true, URG: i == 3, PSH: i > 4, ECE: i == 5, CWR: i == 6, Window: uint16(i * 9000), Urgent: uint16(i)}
		if i > 2 {
			tcp.Options = []layers.TCPOption{{OptionType: 2, OptionLength: 4, OptionData: []byte{5, 180}}, {OptionType: 1}}
		}
		tcp.SetNetworkLayerForChecksum(ip)
		out = append(out, sealed(t, fmt.Sprint("tcp", i), frame(layers.EthernetTypeIPv4), ip, tcp, gopacket.Payload(make([]byte, i*i*20))))
	}
	return out
}

// datagramSamples returns UDP over IPv4 and IPv6, fragments, and protocols without ports.
func datagramSamples(t testing.TB) (out []sample) {
	ports := []layers.UDPPort{7, 53, 67, 68, 123, 500, 4500, 5353, 33434, 65535}
	for i, port := range ports {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 0, 0, byte(i)}, DstIP: []byte{172, 16, byte(i), 255}}
		if i%3 == 1 {
			ip.Flags, ip.FragOffset = layers.IPv4MoreFragments, uint16(i/3*185)
		}
		udp := &layers.UDP{SrcPort: port, DstPort: ports[(i+3)%len(ports)]}
		udp.SetNetworkLayerForChecksum(ip)
		out = append(out, sealed(t, fmt.Sprint("udp", i), frame(layers.EthernetTypeIPv4), ip, udp, gopacket.Payload(make([]byte, i*100))))
		ip6 := &layers.IPv6{Version: 6, HopLimit: uint8(i), NextHeader: layers.IPProtocolUDP, FlowLabel: uint32(i * 1000), SrcIP: ip6A, DstIP: ip6B}
		udp.SetNetworkLayerForChecksum(ip6)
		out = append(out, sealed(t, fmt.Sprint("udp6", i), frame(layers.EthernetTypeIPv6), ip6, udp, gopacket.Payload("sixty-four")))
	}
	for _, proto := range []layers.IPProtocol{2, 9, 46, 47, 50, 51, 89, 103, 112} {
		ip := &layers.IPv4{Version: 4, TTL: 1, Protocol: proto, SrcIP: ipB, DstIP: []byte{224, 0, 0, byte(proto)}}
		out = append(out, sealed(t, fmt.Sprint("ip", proto), frame(layers.EthernetTypeIPv4), ip, gopacket.Payload("\x11\x00\x12\x34\xe0\x00\x00\x05more of it")))
		ip6 := &layers.IPv6{Version: 6, HopLimit: 1, NextHeader: layers.IPProtocolIPv6Fragment, SrcIP: ip6B, DstIP: ip6A}
		out = append(out, sealed(t, fmt.Sprint("frag6 of ", proto), frame(layers.EthernetTypeIPv6), ip6, gopacket.Payload(string(rune(proto))+"\x00\x00\x01\x00\x00\x00\x07\x00\x50\x00\x51..............")))
	}
	for i, chain := range []string{"\x33\x00\x00\x00\x00\x00\x00\x00", "\x06\x04\x00\x00", "\x11\x01\x00\x00", "\x3b\x07", "\x3c\x00\x33\x01\x33\x02\x06\x01"} { // authentication headers
		ip := &layers.IPv4{Version: 4, TTL: 1, Protocol: 51, SrcIP: ipB, DstIP: ipA}
		out = append(out, sealed(t, fmt.Sprint("authenticated", i), frame(layers.EthernetTypeIPv4), ip, gopacket.Payload(chain+"\x06\x00\x06\x00\x11\x00\x06\x00................................")))
		ip6 := &layers.IPv6{Version: 6, HopLimit: 1, NextHeader: layers.IPProtocol([]int{51, 51, 51, 60, 0}[i]), SrcIP: ip6B, DstIP: ip6A}
		out = append(out, sealed(t, fmt.Sprint("authenticated6 ", i), frame(layers.EthernetTypeIPv6), ip6, gopacket.Payload(chain+"\x06\x00\x06\x00\x11\x00\x06\x00................................")))
	}
	for _, next := range []layers.IPProtocol{0, 43, 60} { // extension headers in front of TCP
		ip6 := &layers.IPv6{Version: 6, HopLimit: 1, NextHeader: next, SrcIP: ip6B, DstIP: ip6A}
		out = append(out, sealed(t, fmt.Sprint("extended", next), frame(layers.EthernetTypeIPv6), ip6, gopacket.Payload("\x06\x00\x01\x04\x00\x00\x00\x00\x00\x50\x00\x51..............")))
	}
	return out
}

// linkSamples returns frames with VLAN tags, also nested ones, ARP replies, RARP, and IEEE 802.3 frames.
func linkSamples(t testing.TB) (out []sample) {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: ipA, DstIP: ipB}
	tcp := &layers.TCP{SrcPort: 50000, DstPort: 80, SYN: true}
	tcp.SetNetworkLayerForChecksum(ip)
	tag := func(id uint16, et layers.EthernetType) *layers.Dot1Q {
		return &layers.Dot1Q{VLANIdentifier: id, Priority: 5, Type: et}
	}
	ip4 := layers.EthernetTypeIPv4
	for _, et := range []layers.EthernetType{0x8100, 0x88a8, 0x9100} {
		out = append(out, sealed(t, fmt.Sprintf("tagged %#x", int(et)), frame(et), tag(300, ip4), ip, tcp),
			sealed(t, fmt.Sprintf("twice %#x", int(et)), frame(et), tag(300, 0x8100), tag(5, ip4), ip, tcp),
			sealed(t, fmt.Sprintf("thrice %#x", int(et)), frame(et), tag(4095, 0x8100), tag(5, 0x8100), tag(0, ip4), ip, tcp))
	}
	arp := layers.ARP{AddrType: 1, Protocol: ip4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 2,
		SourceHwAddress: macB, SourceProtAddress: ipB, DstHwAddress: macA, DstProtAddress: ipA}
	out = append(out, sealed(t, "reply", frame(layers.EthernetTypeARP), &arp), sealed(t, "tagged arp", frame(0x8100), tag(5, layers.EthernetTypeARP), &arp))
	arp.Operation = 3
	out = append(out, sealed(t, "rarp", frame(0x8035), &arp))
	ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: ip6A, DstIP: ip6B}
	tcp6 := &layers.TCP{SrcPort: 443, DstPort: 50000, ACK: true}
	tcp6.SetNetworkLayerForChecksum(ip6)
	out = append(out, sealed(t, "tagged tcp6", frame(0x8100), tag(5, layers.EthernetTypeIPv6), ip6, tcp6))
	for _, sap := range []string{"\x42\x42\x03", "\xf0\xf0\x03", "\xfe\xfe\x03", "\x06\x06\x03", "\xaa\xaa\x03\x00\x00\x00\x08\x00", "\x06\x07\x03"} {
		out = append(out, sealed(t, fmt.Sprintf("llc %x", sap), frame(60), gopacket.Payload(sap+"what a bridge or an old network has to say of itself")))
	}
	for _, et := range []layers.EthernetType{0x88cc, 1500, 1501, 1535, 1536, 0x8847, 0x8864} {
		out = append(out, sealed(t, fmt.Sprintf("type %d", et), frame(et), gopacket.Payload(make([]byte, 50))))
	}
	return out
}

func frame(et layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: et}
}

// sealed returns a frame of the given layers.
func sealed(t testing.TB, name string, ls ...gopacket.SerializableLayer) sample {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(name, err)
	}
	return sample{name, append([]byte(nil), buf.Bytes()...)}
}

// matches returns the numbers of the captured frames that a filter matches.
func matches(f *Filter, cs []captured, m phy.Medium) (out []int) {
	for i, c := range cs {
		if f.MatchHead(c.data, c.len, m) {
			out = append(out, i)
		}
	}
	return out
}
