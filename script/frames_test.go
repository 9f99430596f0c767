package script

import (
	"net"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// testFrame encodes layers with gopacket, with lengths and checksums computed.
func testFrame(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buf.Bytes())
}

// ethernetTo returns an Ethernet header with an EtherType.
func ethernetTo(et layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: et}
}

// udpInVLAN returns a frame with an 802.1Q tag, IPv4, and UDP with the given ports and data.
func udpInVLAN(t testing.TB, src, dst layers.UDPPort, data gopacket.SerializableLayer) []byte {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: 17, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	udp := &layers.UDP{SrcPort: src, DstPort: dst}
	udp.SetNetworkLayerForChecksum(ip)
	return testFrame(t, ethernetTo(0x8100), &layers.Dot1Q{VLANIdentifier: 5, Priority: 3, Type: 0x800}, ip, udp, data)
}

// tcpOverIPv6 returns a frame with IPv6 and a TCP segment with a SACK block.
func tcpOverIPv6(t testing.TB) []byte {
	ip := &layers.IPv6{Version: 6, NextHeader: 6, HopLimit: 64, SrcIP: net.ParseIP("fdaa::1"), DstIP: net.ParseIP("fdaa::2")}
	tcp := &layers.TCP{SrcPort: 50000, DstPort: 80, Seq: 1000, Ack: 5000, ACK: true, Window: 500, Options: []layers.TCPOption{{OptionType: 1}, {OptionType: 1},
		{OptionType: 5, OptionLength: 10, OptionData: []byte{0, 0, 19, 236, 0, 0, 19, 246}}}}
	tcp.SetNetworkLayerForChecksum(ip)
	return testFrame(t, ethernetTo(0x86dd), ip, tcp, gopacket.Payload("hello"))
}
