package packet

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// sealed encodes layers with gopacket, which shares no code with this package.
func sealed(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(buf.Bytes())
}

type line struct {
	name, want string
	frame      []byte
}

// lines returns frames, each with the line that describes it.
func lines(t testing.TB) (out []line) {
	eth := func(et layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: et}
	}
	add := func(name, want string, ls ...gopacket.SerializableLayer) {
		out = append(out, line{name, want, sealed(t, ls...)})
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	ip6 := &layers.IPv6{Version: 6, HopLimit: 64, SrcIP: net.ParseIP("fdaa::1"), DstIP: net.ParseIP("fdaa::2")}
	v4 := func(p layers.IPProtocol) *layers.IPv4 { h := *ip; h.Protocol = p; return &h }
	v6 := func(p layers.IPProtocol) *layers.IPv6 { h := *ip6; h.NextHeader = p; return &h }
	udp := func(src, dst layers.UDPPort) *layers.UDP {
		h := &layers.UDP{SrcPort: src, DstPort: dst}
		h.SetNetworkLayerForChecksum(v4(17))
		return h
	}
	tcp := &layers.TCP{SrcPort: 50000, DstPort: 80, Seq: 1000, Ack: 5000, ACK: true, Window: 500, Options: []layers.TCPOption{{OptionType: 1}, {OptionType: 1},
		{OptionType: 5, OptionLength: 10, OptionData: []byte{0, 0, 19, 236, 0, 0, 19, 246}}}}
	tcp.SetNetworkLayerForChecksum(v6(6))
	add("tcp6", "fdaa::1.50000 > fdaa::2.80: Flags [.], seq 1000:1005, ack 5000, win 500, options [sack 1 {5100:5110}], length 5", eth(0x86dd), v6(6), tcp, gopacket.Payload("hello"))
	hop := &layers.IPv6HopByHop{}
	hop.NextHeader = 6
	hop.Options = []*layers.IPv6HopByHopOption{{OptionType: 5, OptionLength: 2, OptionData: []byte{0, 0}}}
	add("extended", "fdaa::1.50000 > fdaa::2.80: HBH Flags [.], seq 1000:1002, ack 5000, win 500, options [sack 1 {5100:5110}], length 2", eth(0x86dd), v6(0), gopacket.Payload("\x06\x00\x05\x02\x00\x00\x01\x00"+string(sealed(t, tcp, gopacket.Payload("hi")))))
	add("vlan", "vlan 5, 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 2", eth(0x8100), &layers.Dot1Q{VLANIdentifier: 5, Priority: 3, Type: 0x800}, v4(17), udp(5000, 6000), gopacket.Payload("hi"))
	q := layers.DNSQuestion{Name: []byte("example.org"), Type: layers.DNSTypeA, Class: layers.DNSClassIN}
	add("question", "10.0.0.1.40000 > 10.0.0.2.53: 4711+ A? example.org. (29)", eth(0x800), v4(17), udp(40000, 53),
		&layers.DNS{ID: 4711, RD: true, QDCount: 1, Questions: []layers.DNSQuestion{q}})
	answer := func(last byte) layers.DNSResourceRecord {
		return layers.DNSResourceRecord{Name: []byte("example.org"), Type: layers.DNSTypeA, Class: layers.DNSClassIN, TTL: 60, IP: net.IP{192, 0, 2, last}}
	}
	add("answer", "10.0.0.1.53 > 10.0.0.2.40000: 4711* 2/0/0 A 192.0.2.1, A 192.0.2.2 (83)", eth(0x800), v4(17), udp(53, 40000),
		&layers.DNS{ID: 4711, QR: true, AA: true, RA: true, QDCount: 1, ANCount: 2, Questions: []layers.DNSQuestion{q}, Answers: []layers.DNSResourceRecord{answer(1), answer(2)}})
	q.Name = []byte("a\x1b[2Jb\nc")
	add("hostile name", "10.0.0.1.53 > 10.0.0.2.40000: 1 NXDomain- 0/0/0 A? a\\027[2Jb\\010c. (26)", eth(0x800), v4(17), udp(53, 40000),
		&layers.DNS{ID: 1, QR: true, ResponseCode: layers.DNSResponseCodeNXDomain, QDCount: 1, Questions: []layers.DNSQuestion{q}})
	add("no dns", "10.0.0.1.40000 > 10.0.0.2.53: UDP, length 3", eth(0x800), v4(17), udp(40000, 53), gopacket.Payload("???"))
	discover := &layers.DHCPv4{Operation: layers.DHCPOpRequest, HardwareType: layers.LinkTypeEthernet, Xid: 7, ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		Options: layers.DHCPOptions{layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{1})}}
	add("discover", "10.0.0.1.68 > 10.0.0.2.67: BOOTP/DHCP, Request from 02:00:00:00:00:01, length 244, discover", eth(0x800), v4(17), udp(68, 67), discover)
	add("ack", "10.0.0.1.67 > 10.0.0.2.68: BOOTP/DHCP, Reply, length 250, ack 10.0.0.5 for 1h0m0s to 02:00:00:00:00:01", eth(0x800), v4(17), udp(67, 68),
		&layers.DHCPv4{Operation: layers.DHCPOpReply, HardwareType: layers.LinkTypeEthernet, YourClientIP: net.IP{10, 0, 0, 5}, ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
			Options: layers.DHCPOptions{layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{5}), layers.NewDHCPOption(layers.DHCPOptLeaseTime, []byte{0, 0, 14, 16})}})
	quotedTCP := string(sealed(t, v4(6), gopacket.Payload("\x12\x34\x00\x50\x00\x00\x03\xe8")))
	add("frag needed", "10.0.0.1 > 10.0.0.2: ICMP 10.0.0.2 unreachable - need to frag (mtu 1400), length 36 (10.0.0.1.4660 > 10.0.0.2.80: tcp, seq 1000)", eth(0x800), v4(1),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4), Seq: 1400}, gopacket.Payload(quotedTCP))
	icmp6 := func(typ, code uint8, body string) []gopacket.SerializableLayer {
		h := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, code)}
		h.SetNetworkLayerForChecksum(v6(58))
		return []gopacket.SerializableLayer{eth(0x86dd), v6(58), h, gopacket.Payload(body)}
	}
	target := "\xfd\xaa" + strings.Repeat("\x00", 13) + "\x09"
	quoted6 := string(sealed(t, v6(17), gopacket.Payload("\x13\x88\x17\x70\x00\x0a\x00\x00hi")))
	add("ns", "fdaa::1 > fdaa::2: ICMP6, neighbor solicitation, who has fdaa::9, length 24", icmp6(135, 0, "\x00\x00\x00\x00"+target)...)
	add("na", "fdaa::1 > fdaa::2: ICMP6, neighbor advertisement, tgt is fdaa::9, length 24", icmp6(136, 0, "\x60\x00\x00\x00"+target)...)
	add("echo6", "fdaa::1 > fdaa::2: ICMP6, echo request, id 5, seq 6, length 12", icmp6(128, 0, "\x00\x05\x00\x06data")...)
	add("too big", "fdaa::1 > fdaa::2: ICMP6, packet too big, mtu 1280, length 58 (fdaa::1.5000 > fdaa::2.6000: UDP, length 2)", icmp6(2, 0, "\x00\x00\x05\x00"+quoted6)...)
	add("closed", "fdaa::1 > fdaa::2: ICMP6, destination unreachable, unreachable port, fdaa::2 udp port 6000, length 58 (fdaa::1.5000 > fdaa::2.6000: UDP, length 2)", icmp6(1, 4, "\x00\x00\x00\x00"+quoted6)...)
	add("rs", "fdaa::1 > fdaa::2: ICMP6, router solicitation, length 8", icmp6(133, 0, "\x00\x00\x00\x00")...)
	add("mld", "fdaa::1 > fdaa::2: ICMP6, multicast listener report v2, 0 group record(s), length 8", icmp6(143, 0, "\x00\x00\x00\x00")...)
	add("strange", "fdaa::1 > fdaa::2: ICMP6, unknown icmp6 type (77), length 8", icmp6(77, 3, "\x00\x00\x00\x00")...)
	add("ospf", "10.0.0.1 > 10.0.0.2: ospf, length 5", eth(0x800), v4(89), gopacket.Payload("hello"))
	add("unassigned", "10.0.0.1 > 10.0.0.2: ip-proto-253, length 5", eth(0x800), v4(253), gopacket.Payload("hello"))
	add("stp", "02:00:00:00:00:01 > 02:00:00:00:00:02, stp, length 60", eth(38), gopacket.Payload("\x42\x42\x03\x00\x00\x00\x00\x00"+strings.Repeat("\x00", 31)))
	add("unknown", "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x9999, length 60", eth(0x9999), gopacket.Payload("hello"))
	return out
}

func TestLines(t *testing.T) {
	for _, l := range lines(t) {
		if got := Summary(l.frame, phy.MediumEthernet); got != l.want {
			t.Errorf("%s: %s\nwant %s", l.name, got, l.want)
		}
	}
	for b, want := range map[string]string{"": "0 octets, no IP", "\x45": "[|ip]", "\x60\x00": "[|ip6]", "\x50": "1 octets, no IP"} {
		if got := Summary([]byte(b), phy.MediumIP); got != want {
			t.Errorf("% x: %s, want %s", b, got, want)
		}
	}
}

// TestLinesOfDamaged: the line of a truncated or damaged packet shows the part that can be parsed.
func TestLinesOfDamaged(t *testing.T) {
	all := lines(t)
	vlan := all[slices.IndexFunc(all, func(l line) bool { return l.name == "vlan" })].frame
	vlan[18+10] ^= 0xff // the IP header's checksum
	if got := Summary(vlan, phy.MediumEthernet); got != "vlan 5, 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 2" {
		t.Error(got)
	}
	if got := Summary(vlan[:18+20+8], phy.MediumEthernet); got != "vlan 5, 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 2" {
		t.Error(got)
	}
	if got := Summary(vlan[:18+20+2], phy.MediumEthernet); got != "vlan 5, 10.0.0.1 > 10.0.0.2: [|udp]" {
		t.Error(got)
	}
}

// FuzzSummary: no frame makes its summary panic, and a summary contains only printable text.
func FuzzSummary(f *testing.F) {
	for _, l := range lines(f) {
		f.Add(l.frame, false)
		f.Add(l.frame[14:], true)
	}
	f.Fuzz(func(t *testing.T, b []byte, bare bool) {
		m := phy.MediumEthernet
		if bare {
			m = phy.MediumIP
		}
		if text := (&Sequences{}).Line(b, m); Printable([]byte(text)) != text {
			t.Fatalf("%q", text)
		}
	})
}

// A trace that begins within a connection counts from the initial sequence numbers that the host knows, and otherwise from
// the first numbers that it sees, which it prints as they are.
func TestNumbersOfAKnownConnection(t *testing.T) {
	frame := frameOf(t, "tcp6") // has SEQ 1000 and ACK 5000
	known := Sequences{Known: func(src, _ netip.AddrPort) (wire.Seq, bool) {
		return map[uint16]wire.Seq{50000: 899, 80: 4899}[src.Port()], true
	}}
	if got := known.Line(frame, phy.MediumEthernet); !strings.Contains(got, " Flags [.], seq 101:106, ack 101, win 500, options [sack 1 {201:211}], length 5") {
		t.Error(got)
	}
	unknown := Sequences{Known: func(netip.AddrPort, netip.AddrPort) (wire.Seq, bool) { return 0, false }}
	for _, want := range []string{" seq 1000:1005, ack 5000, win 500,", " seq 0:5, ack 1, win 500,"} {
		if got := unknown.Line(frame, phy.MediumEthernet); !strings.Contains(got, want) {
			t.Error(got)
		}
	}
}
