package wire

import (
	"bytes"
	"testing"

	"smolsh/stack/drop"
)

func TestICMPv6Names(t *testing.T) {
	for _, c := range []struct {
		typ   ICMPv6Type
		code  uint8
		name  string
		error bool
	}{
		{ICMPv6DestUnreachable, Unreachable6NoRoute, "no route", true},
		{ICMPv6DestUnreachable, Unreachable6Prohibited, "administratively prohibited", true},
		{ICMPv6DestUnreachable, Unreachable6BeyondScope, "beyond scope of source", true},
		{ICMPv6DestUnreachable, Unreachable6Address, "address unreachable", true},
		{ICMPv6DestUnreachable, Unreachable6Port, "port unreachable", true},
		{ICMPv6DestUnreachable, Unreachable6SourcePolicy, "source address failed policy", true},
		{ICMPv6DestUnreachable, Unreachable6RejectRoute, "route rejected", true},
		{ICMPv6DestUnreachable, Unreachable6RoutingHeader, "error in routing header", true},
		{ICMPv6DestUnreachable, 8, "icmp6 type 1 code 8", true},
		{ICMPv6PacketTooBig, 0, "packet too big", true},
		{ICMPv6TimeExceeded, 0, "hop limit exceeded", true},
		{ICMPv6TimeExceeded, 1, "reassembly time exceeded", true},
		{ICMPv6TimeExceeded, 2, "icmp6 type 3 code 2", true},
		{ICMPv6ParameterProblem, ParamErroneousField, "erroneous header field", true},
		{ICMPv6ParameterProblem, ParamUnknownNextHeader, "unrecognized next header", true},
		{ICMPv6ParameterProblem, ParamUnknownOption, "unrecognized option", true},
		{ICMPv6ParameterProblem, ParamIncompleteChain, "incomplete header chain", true},
		{ICMPv6ParameterProblem, 4, "icmp6 type 4 code 4", true},
		{127, 0, "icmp6 type 127 code 0", true},
		{ICMPv6EchoRequest, 0, "echo request", false},
		{ICMPv6EchoReply, 0, "echo reply", false},
		{ICMPv6NeighborAdvertisement, 0, "neighbor advertisement", false},
		{ICMPv6ListenerReportVersion2, 0, "listener report v2", false},
		{255, 9, "icmp6 type 255 code 9", false},
	} {
		m := ICMPv6{Type: c.typ, Code: c.code}
		if m.String() != c.name || c.typ.IsError() != c.error {
			t.Errorf("type %d code %d: %q, error %v; want %q, %v", c.typ, c.code, m.String(), c.typ.IsError(), c.name, c.error)
		}
	}
}

// The messages are Scapy's, from fe80::1 to fe80::2.
const scapyQuote = "60000000000a1140 20010db8000000000000000000000001 20010db8000000000000000000000007 13881770000a10ff 6869"

var scapyICMPv6 = []struct {
	octets string
	m      ICMPv6
}{
	{"8000df50 1234fffe 61626364656667", ICMPv6{Type: ICMPv6EchoRequest, ID: 0x1234, Seq: 0xfffe}},
	{"8100df50 1134fffe 61626364656667", ICMPv6{Type: ICMPv6EchoReply, ID: 0x1134, Seq: 0xfffe}},
	{"01049053 00000000" + scapyQuote, ICMPv6{Type: ICMPv6DestUnreachable, Code: Unreachable6Port}},
	{"020089df 00000578" + scapyQuote, ICMPv6{Type: ICMPv6PacketTooBig, MTU: 1400}},
	{"03018e56 00000000" + scapyQuote, ICMPv6{Type: ICMPv6TimeExceeded, Code: ExceededReassembly}},
	{"04018d50 00000006" + scapyQuote, ICMPv6{Type: ICMPv6ParameterProblem, Code: ParamUnknownNextHeader, Pointer: 6}},
}

// RFC 4443 §2.3, §3.1 to §3.4, §4.1, §4.2: fields, checksum and payload of each message.
func TestICMPv6(t *testing.T) {
	for _, c := range scapyICMPv6 {
		b := octets(c.octets)
		m, p, err := ParseICMPv6(b, link6, peer6, true)
		if err != nil || m != c.m {
			t.Errorf("%s: %+v, %v; want %+v", c.m.String(), m, err, c.m)
		}
		wantOctets(t, "payload", p, b[8:])
		out := append(bytes.Repeat([]byte{0xee}, ICMPv6Len), p...)
		if n := m.Put(out, link6, peer6); n != ICMPv6Len {
			t.Errorf("Put = %d", n)
		}
		wantOctets(t, c.m.String(), out, b)
		for n := range ICMPv6Len {
			_, _, err := ParseICMPv6(b[:n], link6, peer6, false)
			wantErr(t, "cut", err, drop.Truncated)
		}
		for i := range b {
			_, _, err := ParseICMPv6(changed(b, i, b[i]^0x10), link6, peer6, true)
			wantErr(t, "an octet changed", err, drop.BadChecksum)
		}
		_, _, err = ParseICMPv6(b, link6, src6, true) // the checksum covers the addresses, unlike ICMPv4's
		wantErr(t, "another destination", err, drop.BadChecksum)
		if _, _, err = ParseICMPv6(changed(b, 2, 0, 0), link6, src6, false); err != nil {
			t.Errorf("not to be verified: %v", err)
		}
	}
	if MaxICMPv6Quote != 1232 {
		t.Errorf("an error quotes %d octets", MaxICMPv6Quote)
	}
}

func TestQuoted6(t *testing.T) {
	for _, c := range []struct {
		what string
		next Protocol
		rest string
		want Quoted6
		err  drop.Reason
	}{
		{"TCP", ProtocolTCP, "0050 c001 89abcdef", Quoted6{Protocol: ProtocolTCP, SrcPort: 80, DstPort: 49153, Seq: 0x89abcdef}, drop.None},
		{"UDP", ProtocolUDP, "1b39 0035 0010 ffff 99", Quoted6{Protocol: ProtocolUDP, SrcPort: 6969, DstPort: 53}, drop.None},
		{"an echo", ProtocolICMPv6, "8000 ffff 1234 0007", Quoted6{Protocol: ProtocolICMPv6, ICMP: ICMPv6EchoRequest, ID: 0x1234, EchoSeq: 7}, drop.None},
		{"another protocol", 132, "", Quoted6{Protocol: 132}, drop.None},
		{"seven octets of TCP", ProtocolTCP, "0050 c001 89abcd", Quoted6{}, drop.Truncated},
		{"unknown options and a route", 60, "2b00 c204 00000001 1100 0001 00000000 1b39 0035 0010 ffff", Quoted6{Protocol: ProtocolUDP, SrcPort: 6969, DstPort: 53}, drop.None},
		{"a first fragment, cut in TCP", 44, "0600 0001 00000007 0050 c001 89abcdef 01", Quoted6{Protocol: ProtocolTCP, SrcPort: 80, DstPort: 49153, Seq: 0x89abcdef}, drop.None},
		{"a later fragment", 44, "1100 0008 00000007 1b39 0035 0010 ffff", Quoted6{}, drop.Fragment},
		{"cut in a header", 60, "1101 0104", Quoted6{}, drop.Truncated},
		{"cut in a header behind a fragment header", 44, "3c00 0001 00000007 1101 0104 00000000", Quoted6{}, drop.Truncated},
		{"two fragment headers", 44, "2c00 0001 00000007 1100 0000 00000000", Quoted6{}, drop.FragmentNested},
	} {
		b := changed(six(c.next, peer6, octets(c.rest)), 4, 4, 0) // a packet of 1024 octets, of which little is quoted
		q, err := ParseQuoted6(b)
		wantErr(t, c.what, err, c.err)
		ip := q.IP
		q.IP = IPv6{}
		if q != c.want && err == nil || ip.Src != link6 || ip.Dst != peer6 || ip.PayloadLen != 1024 {
			t.Errorf("%s: %+v of %+v; want %+v", c.what, q, ip, c.want)
		}
	}
	whole := six(ProtocolTCP, peer6, octets("0050 c001 89abcdef"))
	for n := range whole {
		_, err := ParseQuoted6(whole[:n])
		wantErr(t, "cut", err, drop.Truncated)
	}
	_, err := ParseQuoted6(changed(whole, 0, 0x40))
	wantErr(t, "version 4", err, drop.BadVersion)
}

func FuzzICMPv6(f *testing.F) {
	for _, c := range scapyICMPv6 {
		f.Add(octets(c.octets))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := ParseICMPv6(b, link6, peer6, true); err != nil {
			refused(t, err)
		}
		m, p, err := ParseICMPv6(b, link6, peer6, false)
		if refused(t, err) {
			return
		}
		_ = m.String()
		out := append(make([]byte, ICMPv6Len), p...)
		m.Put(out, link6, peer6)
		m2, p2, err := ParseICMPv6(out, link6, peer6, true)
		again(t, m, m2, err)
		if !bytes.Equal(p, p2) {
			t.Errorf("payload % x, want % x", p2, p)
		}
	})
}

func FuzzQuoted6(f *testing.F) {
	f.Add(octets(scapyQuote))
	f.Add(scapyChain)
	f.Add(six(44, peer6, octets("0600 0001 00000007 0050 c001 89abcdef 01")))
	f.Add(six(ProtocolICMPv6, peer6, octets("8000 ffff 1234 0007")))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseQuoted6(b)
		if q2, err2 := ParseQuoted6(b); q2 != q || err2 != err {
			t.Errorf("a second time: %+v, %v\nfirst: %+v, %v", q2, err2, q, err)
		}
		if refused(t, err) {
			return
		}
		out := make([]byte, IPv6Len+8)
		q.IP.NextHeader = q.Protocol // extension headers are not written
		q.IP.PayloadLen = max(q.IP.PayloadLen, 8)
		p := out[q.IP.Put(out):]
		switch q.Protocol {
		case ProtocolTCP:
			be.PutUint32(p[4:], uint32(q.Seq))
			fallthrough
		case ProtocolUDP:
			be.PutUint16(p, q.SrcPort)
			be.PutUint16(p[2:], q.DstPort)
		case ProtocolICMPv6:
			p[0] = byte(q.ICMP)
			be.PutUint16(p[4:], q.ID)
			be.PutUint16(p[6:], q.EchoSeq)
		}
		if q.Protocol.isExtension() {
			t.Fatalf("%+v: an extension header is no upper layer", q)
		}
		q2, err := ParseQuoted6(out)
		again(t, q, q2, err)
	})
}
