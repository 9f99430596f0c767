package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/stack/drop"
)

func TestICMPNames(t *testing.T) {
	for _, c := range []struct {
		typ   ICMPType
		code  uint8
		name  string
		error bool
	}{
		{ICMPEchoReply, 0, "echo reply", false},
		{ICMPEchoRequest, 0, "echo request", false},
		{ICMPDestUnreachable, UnreachableNet, "net unreachable", true},
		{ICMPDestUnreachable, UnreachableHost, "host unreachable", true},
		{ICMPDestUnreachable, UnreachableProtocol, "protocol unreachable", true},
		{ICMPDestUnreachable, UnreachablePort, "port unreachable", true},
		{ICMPDestUnreachable, UnreachableFragNeeded, "fragmentation needed", true},
		{ICMPDestUnreachable, UnreachableSourceRoute, "source route failed", true},
		{ICMPDestUnreachable, UnreachableNetUnknown, "net unknown", true},
		{ICMPDestUnreachable, UnreachableHostUnknown, "host unknown", true},
		{ICMPDestUnreachable, UnreachableIsolated, "source isolated", true},
		{ICMPDestUnreachable, UnreachableNetProhibited, "net prohibited", true},
		{ICMPDestUnreachable, UnreachableHostProhibited, "host prohibited", true},
		{ICMPDestUnreachable, UnreachableNetTOS, "net unreachable for tos", true},
		{ICMPDestUnreachable, UnreachableHostTOS, "host unreachable for tos", true},
		{ICMPDestUnreachable, UnreachableProhibited, "administratively prohibited", true},
		{ICMPDestUnreachable, UnreachableHostPrecedence, "host precedence violation", true},
		{ICMPDestUnreachable, UnreachablePrecedenceCutoff, "precedence cutoff", true},
		{ICMPDestUnreachable, 16, "icmp type 3 code 16", true},
		{ICMPSourceQuench, 0, "source quench", true},
		{ICMPRedirect, 1, "redirect", true},
		{ICMPTimeExceeded, 0, "ttl exceeded", true},
		{ICMPTimeExceeded, 1, "reassembly time exceeded", true},
		{ICMPTimeExceeded, 2, "icmp type 11 code 2", true},
		{ICMPParameterProblem, 0, "parameter problem", true},
		{13, 0, "icmp type 13 code 0", false}, // a timestamp request is no error
		{255, 7, "icmp type 255 code 7", false},
	} {
		m := ICMP{Type: c.typ, Code: c.code}
		if m.String() != c.name || m.IsError() != c.error {
			t.Errorf("type %d code %d: %q, error %v; want %q, %v", c.typ, c.code, m.String(), m.IsError(), c.name, c.error)
		}
	}
}

func TestICMPEcho(t *testing.T) {
	data := []byte("abcdefghijklmnopqrstuvwabcdefghi!") // an odd length
	packet := serialized(t, &layers.ICMPv4{
		TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 0x1234, Seq: 0xfffe,
	}, gopacket.Payload(data))
	want := ICMP{Type: ICMPEchoRequest, ID: 0x1234, Seq: 0xfffe}
	m, p, err := ParseICMP(packet, true)
	if err != nil || m != want {
		t.Fatalf("got %+v, %v; want %+v", m, err, want)
	}
	wantOctets(t, "data", p, data)
	out := append(bytes.Repeat([]byte{0xee}, ICMPLen), data...)
	if n := m.Put(out); n != 8 {
		t.Errorf("Put = %d", n)
	}
	wantOctets(t, "written", out, packet)

	for n := range ICMPLen {
		_, p, err := ParseICMP(packet[:n], false)
		wantErr(t, "cut", err, drop.Truncated)
		if p != nil {
			t.Errorf("cut at %d: a payload", n)
		}
	}
	for n := ICMPLen; n < len(packet); n++ { // the IP header has the length, so only the checksum shows the truncation
		_, _, err := ParseICMP(packet[:n], true)
		wantErr(t, "cut in the data", err, drop.BadChecksum)
	}
	broken := changed(packet, len(packet)-1, '?')
	_, _, err = ParseICMP(broken, true)
	wantErr(t, "one octet of the data", err, drop.BadChecksum)
	_, p, err = ParseICMP(broken, false)
	if err != nil || p[len(p)-1] != '?' {
		t.Errorf("not to be verified: % x, %v", p, err)
	}
}

// TestICMPFields: the variable part of each message is that of RFC 792 and RFC 1191 §4.
func TestICMPFields(t *testing.T) {
	for _, c := range []struct {
		octets string
		m      ICMP
	}{
		{"0000 0000 0102 0304", ICMP{Type: ICMPEchoReply, ID: 0x0102, Seq: 0x0304}},
		{"0303 0000 0000 0000", ICMP{Type: ICMPDestUnreachable, Code: UnreachablePort}},
		{"0304 0000 0000 05dc", ICMP{Type: ICMPDestUnreachable, Code: UnreachableFragNeeded, MTU: 1500}},
		{"0501 0000 c0a84564", ICMP{Type: ICMPRedirect, Code: 1, Gateway: dst4}},
		{"0b00 0000 0000 0000", ICMP{Type: ICMPTimeExceeded}},
		{"0c00 0000 1400 0000", ICMP{Type: ICMPParameterProblem, Pointer: 20}},
	} {
		b := octets(c.octets)
		be.PutUint16(b[2:], ^naive(b))
		m, _, err := ParseICMP(b, true)
		if err != nil || m != c.m {
			t.Errorf("%s: %+v, %v; want %+v", c.m.String(), m, err, c.m)
		}
		out := bytes.Repeat([]byte{0xee}, ICMPLen)
		m.Put(out)
		wantOctets(t, c.m.String(), out, b)
	}
}

func quotation(proto Protocol, fragment int, transport string) []byte {
	p := octets(transport)
	h := IPv4{TTL: 1, Protocol: proto, Src: src4, Dst: dst4, FragmentOffset: fragment, PayloadLen: 1000}
	b := make([]byte, IPv4Len+len(p))
	copy(b[h.Put(b):], p)
	return b
}

func TestQuoted(t *testing.T) {
	for _, c := range []struct {
		proto     Protocol
		transport string
		want      Quoted
	}{
		{ProtocolTCP, "0050 c001 89abcdef", Quoted{SrcPort: 80, DstPort: 49153, Seq: 0x89abcdef}},
		{ProtocolUDP, "1b39 0035 0010 ffff 99", Quoted{SrcPort: 6969, DstPort: 53}},
		{ProtocolICMP, "0800 ffff 1234 0007", Quoted{ICMP: ICMPEchoRequest, ID: 0x1234, EchoSeq: 7}},
		{132, "0050 c001 89abcdef", Quoted{}},
	} {
		q, err := ParseQuoted(quotation(c.proto, 0, c.transport))
		ip := q.IP
		q.IP = IPv4{}
		if err != nil || q != c.want {
			t.Errorf("%v: %+v, %v; want %+v", c.proto, q, err, c.want)
		}
		if ip.Src != src4 || ip.Dst != dst4 || ip.Protocol != c.proto || ip.PayloadLen != 1000 {
			t.Errorf("%v: quoted header %+v", c.proto, ip)
		}
	}
}

func TestQuotedErrors(t *testing.T) {
	whole := quotation(ProtocolTCP, 0, "0050 c001 89abcdef")
	for n := range whole {
		_, err := ParseQuoted(whole[:n])
		wantErr(t, "cut", err, drop.Truncated)
	}
	for _, c := range []struct {
		what string
		b    []byte
		want drop.Reason
	}{
		{"a later fragment", quotation(ProtocolUDP, 1480, "0050 c001 89abcdef"), drop.Fragment},
		{"IPv6", changed(whole, 0, 0x60), drop.BadVersion},
		{"a header of 16", changed(whole, 0, 0x44), drop.BadHeaderLen},
		{"a total length of 5", changed(whole, 2, 0, 5), drop.BadLength},
		{"a datagram of seven octets", changed(whole, 2, 0, 27), drop.Truncated},
		{"options that are cut off", changed(whole, 0, 0x4f), drop.Truncated},
	} {
		_, err := ParseQuoted(c.b)
		wantErr(t, c.what, err, c.want)
	}
}

func udpPacket(t *testing.T, src, dst netip.Addr, data string) []byte {
	u := &layers.UDP{SrcPort: 6969, DstPort: 53}
	var network gopacket.NetworkLayer = &layers.IPv4{SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), Protocol: layers.IPProtocolUDP}
	if src.Is6() {
		network = &layers.IPv6{SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), NextHeader: layers.IPProtocolUDP}
	}
	if err := u.SetNetworkLayerForChecksum(network); err != nil {
		t.Fatal(err)
	}
	return serialized(t, u, gopacket.Payload(data))
}

func TestUDP(t *testing.T) {
	for _, c := range []struct{ src, dst netip.Addr }{{src4, dst4}, {src6, dst6}} {
		for _, data := range []string{"", "a", "hello", "an even length"} {
			packet := udpPacket(t, c.src, c.dst, data)
			h, p, err := ParseUDP(append(bytes.Clone(packet), 1, 2, 3), c.src, c.dst, true)
			if err != nil || h != (UDP{6969, 53}) || string(p) != data {
				t.Fatalf("%v %q: %+v, %q, %v", c.src, data, h, p, err)
			}
			out := append(bytes.Repeat([]byte{0xee}, UDPLen), data...)
			if n := h.Put(out, c.src, c.dst); n != 8 {
				t.Errorf("Put = %d", n)
			}
			wantOctets(t, "written", out, packet)
		}
	}
}

func TestUDPErrors(t *testing.T) {
	packet := udpPacket(t, src4, dst4, "hello")
	for n := range UDPLen {
		_, _, err := ParseUDP(packet[:n], src4, dst4, false)
		wantErr(t, "cut in the header", err, drop.Truncated)
	}
	for n := UDPLen; n < len(packet); n++ {
		_, _, err := ParseUDP(packet[:n], src4, dst4, false)
		wantErr(t, "cut in the data", err, drop.BadLength)
	}
	for _, c := range []struct {
		what string
		b    []byte
		src  netip.Addr
		want drop.Reason
	}{
		{"length 7", changed(packet, 4, 0, 7), src4, drop.BadLength},
		{"length 0", changed(packet, 4, 0, 0), src4, drop.BadLength},
		{"length beyond the packet", changed(packet, 4, 0, 14), src4, drop.BadLength},
		{"a port changed", changed(packet, 1, 1), src4, drop.BadChecksum},
		{"another source", packet, dst6, drop.BadChecksum},
		{"data changed", changed(packet, 12, 'O'), src4, drop.BadChecksum},
	} {
		_, _, err := ParseUDP(c.b, c.src, dst4, true)
		wantErr(t, c.what, err, c.want)
	}
	if _, p, err := ParseUDP(changed(packet, 12, 'O'), src4, dst4, false); err != nil || string(p) != "hellO" {
		t.Errorf("not to be verified: %q, %v", p, err)
	}
}

// TestUDPZeroChecksum: RFC 768, a checksum of zero means that none was computed, and a computed checksum of zero is
// sent as all ones. RFC 8200 §8.1, over IPv6 there is always a checksum.
func TestUDPZeroChecksum(t *testing.T) {
	none := changed(udpPacket(t, src4, dst4, "hello"), 6, 0, 0)
	if _, p, err := ParseUDP(none, src4, dst4, true); err != nil || string(p) != "hello" {
		t.Errorf("without a checksum over IPv4: %q, %v", p, err)
	}
	_, _, err := ParseUDP(changed(udpPacket(t, src6, dst6, "hello"), 6, 0, 0), src6, dst6, true)
	wantErr(t, "without a checksum over IPv6", err, drop.BadChecksum)

	for _, c := range []struct{ src, dst netip.Addr }{{src4, dst4}, {src6, dst6}} {
		b := make([]byte, UDPLen+2)
		h := UDP{SrcPort: 1, DstPort: 2}
		h.Put(b, c.src, c.dst)
		sum := binary.BigEndian.Uint16(b[6:])
		binary.BigEndian.PutUint16(b[8:], sum) // with this data the computed checksum is zero
		h.Put(b, c.src, c.dst)
		if got := binary.BigEndian.Uint16(b[6:]); got != 0xffff {
			t.Errorf("%v: a checksum of zero is sent as %#04x, want 0xffff", c.src, got)
		}
		if _, _, err := ParseUDP(b, c.src, c.dst, true); err != nil {
			t.Errorf("%v: %v", c.src, err)
		}
	}
}
