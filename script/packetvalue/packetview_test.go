package packetvalue

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/phy"
	"smolsh/stack/packet"
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

// noMethods is an Environment that has no builtins.
type noMethods struct{}

func (noMethods) Member(string, starlark.Value, string) starlark.Value { return nil }
func (noMethods) Members(string) []string                              { return nil }
func (noMethods) Addresses(*starlark.Thread, starlark.Value) ([]netip.Addr, error) {
	return nil, nil
}
func (noMethods) Catalogue() *packet.Catalogue { return nil }

func (noMethods) Complain(error) {}

func (noMethods) Judge(fn starlark.Callable, v starlark.Value) (starlark.Value, error) {
	return starlark.Call(&starlark.Thread{}, fn, starlark.Tuple{v}, nil)
}

// views reads every layer of a packet and every field of each, and formats them.
func views(p *Value) {
	for _, name := range p.AttrNames() {
		if !(name == "payload" || packet.IsLayer(name)) {
			continue
		}
		v, err := p.Attr(name)
		if err != nil {
			panic(err)
		}
		if q, ok := v.(starlark.HasAttrs); ok {
			for _, f := range q.AttrNames() {
				x, _ := q.Attr(f)
				_ = x.String()
			}
		}
	}
	p.Show()
}

// FuzzViews: no frame makes a script's access to its packet panic.
func FuzzViews(f *testing.F) {
	question := layers.DNSQuestion{Name: []byte("example.org"), Type: layers.DNSTypeA, Class: layers.DNSClassIN}
	answer := layers.DNSResourceRecord{Name: []byte("example.org"), Type: layers.DNSTypeA, Class: layers.DNSClassIN, TTL: 60, IP: net.IP{192, 0, 2, 1}}
	for _, frame := range [][]byte{
		tcpOverIPv6(f),
		udpInVLAN(f, 5000, 6000, gopacket.Payload("hi")),
		udpInVLAN(f, 53, 40000, &layers.DNS{ID: 4711, QR: true, QDCount: 1, ANCount: 1, Questions: []layers.DNSQuestion{question}, Answers: []layers.DNSResourceRecord{answer}}),
		udpInVLAN(f, 68, 67, &layers.DHCPv4{Operation: layers.DHCPOpRequest, HardwareType: layers.LinkTypeEthernet, Xid: 7, ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
			Options: layers.DHCPOptions{layers.NewDHCPOption(layers.DHCPOptMessageType, []byte{1})}}),
	} {
		f.Add(frame, false)
		f.Add(frame[14:], true)
		f.Add(frame[18:], true)
	}
	f.Fuzz(func(t *testing.T, b []byte, bare bool) {
		m := phy.MediumEthernet
		if bare {
			m = phy.MediumIP
		}
		views(New(noMethods{}, b, m, nil))
	})
}

// TestAttributes: the attributes of a packet are its layers, as structs, its payload, and the fields of its sighting.
// The error for another name suggests the nearest one.
func TestAttributes(t *testing.T) {
	p := New(noMethods{}, udpInVLAN(t, 5000, 6000, gopacket.Payload("hi")), phy.MediumEthernet, &Sighting{Time: 1_500_000_000, Dev: "eth0", Verdict: "delivered"})
	for expr, want := range map[string]string{
		"p.udp.dport": "6000", "p.ip.src": `"10.0.0.1"`, "p.vlan.ids": "[5]", "p.payload": `b"hi"`, "p.tcp": "None",
		"p.time": "1.5", "p.dir": "None", "p.dev": `"eth0"`, "p.verdict": `"delivered"`, "p.len": "60",
	} {
		v, err := starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{}, "x", expr, starlark.StringDict{"p": p})
		if err != nil || v.String() != want {
			t.Errorf("%s: %v, %v, want %s", expr, v, err, want)
		}
	}
	if _, err := p.Attr("verdikt"); err == nil || err.Error() != "packet has no .verdikt field or method (did you mean .verdict?)" {
		t.Errorf("misspelled: %v", err)
	}
	if got := p.Show(); !strings.Contains(got, "[udp]\n  sport      5000\n  dport      6000\n  len        10\n  chksum     0x5876 correct\n") || !strings.HasSuffix(got, "[raw]\n  load       b\"hi\"\n[padding]\n  12 octets") {
		t.Errorf("shown as\n%s", got)
	}
}

// BenchmarkField reads one field of the TCP header of a packet that a script has not looked at before.
func BenchmarkField(b *testing.B) {
	frame := tcpOverIPv6(b)
	for b.Loop() {
		p := NewHead(noMethods{}, frame, len(frame), phy.MediumEthernet, nil)
		l, err := p.Attr("tcp")
		if err != nil {
			b.Fatal(err)
		}
		if v, _ := l.(starlark.HasAttrs).Attr("flags"); v != starlark.String("A") {
			b.Fatal(v)
		}
	}
}
