package wire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/stack/drop"
)

// octets decodes hexadecimal digits, with blanks and line ends anywhere between them.
func octets(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// serialized returns the layers in gopacket's encoding; gopacket shares no code with this package.
func serialized(t *testing.T, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

// changed returns a copy of b in which v replaces the octets from i on.
func changed(b []byte, i int, v ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[i:], v)
	return b
}

func wantErr(t *testing.T, what string, err error, want drop.Reason) {
	t.Helper()
	if got := drop.Of(err); got != want {
		t.Errorf("%s: error %q, want %q", what, got, want)
	}
}

func wantOctets(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n got % x\nwant % x", what, got, want)
	}
}

var (
	src4 = netip.MustParseAddr("192.168.69.1")
	dst4 = netip.MustParseAddr("192.168.69.100")
	src6 = netip.MustParseAddr("fdaa::1")
	dst6 = netip.MustParseAddr("fdaa::100")
)

func TestHardwareAddr(t *testing.T) {
	for _, c := range []struct {
		a           HardwareAddr
		text        string
		group, zero bool
	}{
		{HardwareAddr{}, "00:00:00:00:00:00", false, true},
		{HardwareAddr{2, 0, 0, 0, 0, 1}, "02:00:00:00:00:01", false, false},
		{HardwareAddr{0x33, 0x33, 0, 0, 0, 0x16}, "33:33:00:00:00:16", true, false},
		{HardwareAddr{0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54}, "fe:dc:ba:98:76:54", false, false},
		{Broadcast, "ff:ff:ff:ff:ff:ff", true, false},
	} {
		if c.a.String() != c.text || c.a.IsGroup() != c.group || c.a.IsZero() != c.zero {
			t.Errorf("%v: group %v, zero %v; want %s %v %v", c.a, c.a.IsGroup(), c.a.IsZero(), c.text, c.group, c.zero)
		}
	}
}

func TestEtherTypeString(t *testing.T) {
	for want, et := range map[string]EtherType{
		"IPv4": 0x0800, "ARP": 0x0806, "VLAN": 0x8100, "IPv6": 0x86dd, "0x88cc": 0x88cc, "0x0001": 1,
	} {
		if got := et.String(); got != want {
			t.Errorf("EtherType(%#x) = %q, want %q", uint16(et), got, want)
		}
	}
}

func TestEthernet(t *testing.T) {
	frame := octets("ffffffffffff 020000000001 0806 aabbcc")
	h, payload, err := ParseEthernet(frame)
	want := Ethernet{Dst: Broadcast, Src: HardwareAddr{2, 0, 0, 0, 0, 1}, Type: EtherTypeARP}
	if err != nil || h != want {
		t.Fatalf("got %+v, %v; want %+v", h, err, want)
	}
	wantOctets(t, "payload", payload, octets("aabbcc"))
	if &payload[0] != &frame[EthernetLen] {
		t.Error("the payload is a copy")
	}
	out := make([]byte, EthernetLen)
	if n := h.Put(out); n != 14 {
		t.Errorf("Put = %d", n)
	}
	wantOctets(t, "written", out, frame[:14])
	for n := range EthernetLen {
		_, p, err := ParseEthernet(frame[:n])
		wantErr(t, "cut", err, drop.Truncated)
		if p != nil {
			t.Errorf("cut at %d: a payload", n)
		}
	}
	if _, p, err := ParseEthernet(frame[:EthernetLen]); err != nil || len(p) != 0 {
		t.Errorf("a bare header: %d octets, %v", len(p), err)
	}
}

// The octets follow the packet format of RFC 826 by hand: hardware type 1, protocol 0800, lengths 6 and 4.
var arpRequest = octets(`0001 0800 06 04 0001
	020000000001 c0a84501
	000000000000 c0a84564`)

func TestARP(t *testing.T) {
	want := ARP{Op: ARPRequest, SenderHW: HardwareAddr{2, 0, 0, 0, 0, 1}, SenderIP: src4, TargetIP: dst4}
	a, err := ParseARP(append(bytes.Clone(arpRequest), make([]byte, 18)...)) // padded to the minimum of Ethernet
	if err != nil || a != want {
		t.Fatalf("got %+v, %v; want %+v", a, err, want)
	}
	out := bytes.Repeat([]byte{0xee}, ARPLen)
	if n := a.Put(out); n != 28 {
		t.Errorf("Put = %d", n)
	}
	wantOctets(t, "written", out, arpRequest)

	reply := ARP{Op: ARPReply, SenderHW: HardwareAddr{6, 5, 4, 3, 2, 1}, SenderIP: dst4, TargetHW: a.SenderHW, TargetIP: src4}
	reply.Put(out)
	wantOctets(t, "reply", out, serialized(t, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: layers.ARPReply, SourceHwAddress: reply.SenderHW[:], SourceProtAddress: dst4.AsSlice(),
		DstHwAddress: reply.TargetHW[:], DstProtAddress: src4.AsSlice(),
	}))
	if got, err := ParseARP(out); err != nil || got != reply {
		t.Errorf("got %+v, %v; want %+v", got, err, reply)
	}
}

func TestARPErrors(t *testing.T) {
	for n := range arpRequest {
		a, err := ParseARP(arpRequest[:n])
		wantErr(t, "cut", err, drop.Truncated)
		if a != (ARP{}) {
			t.Errorf("cut at %d: %+v", n, a)
		}
	}
	for _, c := range []struct {
		what string
		b    []byte
		want drop.Reason
	}{
		{"hardware type 6", changed(arpRequest, 0, 0, 6), drop.BadType},
		{"protocol IPv6", changed(arpRequest, 2, 0x86, 0xdd), drop.BadType},
		{"hardware length 8", changed(arpRequest, 4, 8), drop.BadLength},
		{"protocol length 16", changed(arpRequest, 5, 16), drop.BadLength},
		{"protocol length 0", changed(arpRequest, 5, 0), drop.BadLength},
		{"operation 0", changed(arpRequest, 6, 0, 0), drop.BadType},
		{"operation 3, RARP", changed(arpRequest, 6, 0, 3), drop.BadType},
		{"operation 257", changed(arpRequest, 6, 1, 1), drop.BadType},
	} {
		_, err := ParseARP(c.b)
		wantErr(t, c.what, err, c.want)
	}
}
