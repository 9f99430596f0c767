package filter

import (
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// sample is a named frame.
type sample struct {
	name string
	data []byte
}

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	ipA  = net.IP{10, 0, 0, 1}
	ipB  = net.IP{10, 0, 1, 2}
	ip6A = net.ParseIP("fdaa::1")
	ip6B = net.ParseIP("fdaa:0:0:1::2")
)

// samples builds the frames of the tests with gopacket's encoder.
func samples(t testing.TB) []sample {
	var out []sample
	add := func(name string, ls ...gopacket.SerializableLayer) {
		t.Helper()
		buf := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
			t.Fatal(name, err)
		}
		out = append(out, sample{name, append([]byte(nil), buf.Bytes()...)})
	}
	eth := func(dst net.HardwareAddr, et layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: macA, DstMAC: dst, EthernetType: et}
	}
	ip := func(proto layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: ipA, DstIP: ipB}
	}
	tcp := func(h layers.TCP, l gopacket.NetworkLayer) *layers.TCP {
		h.Window = 1000
		h.SetNetworkLayerForChecksum(l)
		return &h
	}
	udp := func(src, dst layers.UDPPort, l gopacket.NetworkLayer) *layers.UDP {
		h := &layers.UDP{SrcPort: src, DstPort: dst}
		h.SetNetworkLayerForChecksum(l)
		return h
	}
	e4, e6 := layers.EthernetTypeIPv4, layers.EthernetTypeIPv6
	bcast := net.HardwareAddr{255, 255, 255, 255, 255, 255}

	arp := layers.ARP{AddrType: 1, Protocol: e4, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
		SourceHwAddress: macA, SourceProtAddress: ipA, DstHwAddress: make([]byte, 6), DstProtAddress: ipB}
	add("arp", eth(bcast, layers.EthernetTypeARP), &arp)
	i := ip(layers.IPProtocolTCP)
	add("syn", eth(macB, e4), i, tcp(layers.TCP{SrcPort: 50000, DstPort: 80, SYN: true, Seq: 1}, i))
	add("synack", &layers.Ethernet{SrcMAC: macB, DstMAC: macA, EthernetType: e4},
		&layers.IPv4{Version: 4, TTL: 64, Protocol: 6, SrcIP: ipB, DstIP: ipA},
		tcp(layers.TCP{SrcPort: 80, DstPort: 50000, SYN: true, ACK: true}, i))
	i = ip(layers.IPProtocolTCP)
	i.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 0}}
	add("fin", eth(macB, e4), i, tcp(layers.TCP{SrcPort: 50000, DstPort: 443, FIN: true, ACK: true, PSH: true}, i), gopacket.Payload("GET / HTTP/1.0"))
	i = ip(layers.IPProtocolUDP)
	add("dns", eth(macB, e4), i, udp(40000, 53, i), gopacket.Payload("query"))
	i = ip(layers.IPProtocolUDP)
	i.Flags = layers.IPv4MoreFragments
	add("frag0", eth(macB, e4), i, udp(40000, 6969, i), gopacket.Payload("12345678"))
	i = ip(layers.IPProtocolUDP)
	i.FragOffset = 2
	add("frag1", eth(macB, e4), i, gopacket.Payload("\x1b\x39\x00\x35rest"))
	i = ip(layers.IPProtocolUDP)
	i.DstIP = net.IP{224, 0, 0, 251}
	add("mcast", eth(net.HardwareAddr{1, 0, 0x5e, 0, 0, 251}, e4), i, udp(5353, 5353, i), gopacket.Payload("x"))
	add("echo", eth(macB, e4), ip(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 1, Seq: 1}, gopacket.Payload("data"))
	add("unreach", eth(macB, e4), ip(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 3)}, gopacket.Payload("quoted"))
	add("sctp", eth(macB, e4), ip(layers.IPProtocolSCTP), &layers.SCTP{SrcPort: 80, DstPort: 9})
	ip6 := func(next layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: ip6A, DstIP: ip6B}
	}
	j := ip6(layers.IPProtocolTCP)
	add("tcp6", eth(macB, e6), j, tcp(layers.TCP{SrcPort: 50000, DstPort: 80, SYN: true}, j))
	j = ip6(layers.IPProtocolUDP)
	j.DstIP = net.ParseIP("ff02::fb")
	add("mcast6", eth(net.HardwareAddr{0x33, 0x33, 0, 0, 0, 0xfb}, e6), j, udp(5353, 5353, j), gopacket.Payload("y"))
	j = ip6(layers.IPProtocolICMPv6)
	ns := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(135, 0)}
	ns.SetNetworkLayerForChecksum(j)
	add("ns6", eth(macB, e6), j, ns, gopacket.Payload("....0123456789abcdef"))
	add("frag6", eth(macB, e6), ip6(layers.IPProtocolIPv6Fragment), gopacket.Payload("\x06\x00\x00\x01\x00\x00\x00\x07\x00\x50\x00\x51.............."))
	add("lldp", eth(net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0xe}, layers.EthernetTypeLinkLayerDiscovery), gopacket.Payload("0123456789"))
	i = ip(layers.IPProtocolTCP)
	add("vlan", eth(macB, layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 5, Type: e4}, i, tcp(layers.TCP{SrcPort: 1, DstPort: 80}, i))
	find := func(name string) []byte {
		for _, s := range out {
			if s.name == name {
				return s.data
			}
		}
		t.Fatal(name)
		return nil
	}
	out = append(out, sample{"cut", find("syn")[:36]}, // truncated before the destination port
		sample{"cutip", find("syn")[:24]}, // truncated before the addresses
		sample{"runt", find("syn")[:13]})
	return out
}
