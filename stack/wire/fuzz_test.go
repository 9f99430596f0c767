package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"smolsh/stack/drop"
)

// Each target parses a packet, writes the parsed values and parses the result. The values must be equal, and the
// written packet must have no error. A refused packet must be refused for a reason.

func refused(t *testing.T, err error) bool {
	if err == nil {
		return false
	}
	if r := drop.Of(err); r == drop.None || r >= drop.NumReasons {
		t.Errorf("refused without a reason: %d", r)
	}
	return true
}

func again[T comparable](t *testing.T, first, second T, err error) {
	t.Helper()
	if err != nil || first != second {
		t.Errorf("written and parsed again: %+v, %v\nfirst: %+v", second, err, first)
	}
}

func FuzzEthernet(f *testing.F) {
	f.Add(octets("ffffffffffff 020000000001 0806 aabbcc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, p, err := ParseEthernet(b)
		if refused(t, err) {
			return
		}
		out := make([]byte, EthernetLen+len(p))
		copy(out[h.Put(out):], p)
		if !bytes.Equal(out, b) {
			t.Errorf("got % x, want % x", out, b)
		}
	})
}

func FuzzARP(f *testing.F) {
	f.Add(arpRequest)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseARP(b)
		if refused(t, err) {
			return
		}
		out := make([]byte, ARPLen)
		a.Put(out)
		if !bytes.Equal(out, b[:ARPLen]) {
			t.Errorf("got % x, want % x", out, b)
		}
	})
}

func FuzzIPv4(f *testing.F) {
	f.Add(append(bytes.Clone(ip4Header), make([]byte, 95)...))
	f.Add(append(octets("4600 001a 1234 2001 4011 0000 c0a80001 c0a800c7 94040000"), 1, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= IPv4Len { // corrects the checksum, so that the fuzzer gets past it
			if hl := int(b[0]&15) * 4; hl >= IPv4Len && hl <= len(b) {
				be.PutUint16(b[10:], 0)
				be.PutUint16(b[10:], Checksum(b[:hl]))
			}
		}
		h, p, err := ParseIPv4(b)
		if refused(t, err) {
			return
		}
		if len(p) != h.PayloadLen || h.HeaderLen+len(p) > len(b) {
			t.Fatalf("%+v with a payload of %d of %d octets", h, len(p), len(b))
		}
		out := make([]byte, IPv4Len+len(p))
		copy(out[h.Put(out):], p)
		h.HeaderLen = IPv4Len // options are not written
		h2, p2, err := ParseIPv4(out)
		again(t, h, h2, err)
		if !bytes.Equal(p, p2) {
			t.Errorf("payload % x, want % x", p2, p)
		}
	})
}

func FuzzIPv6(f *testing.F) {
	b := make([]byte, IPv6Len+3)
	(&IPv6{TrafficClass: 1, FlowLabel: 2, PayloadLen: 3, NextHeader: ProtocolTCP, HopLimit: 64, Src: src6, Dst: dst6}).Put(b)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, p, err := ParseIPv6(b)
		if refused(t, err) {
			return
		}
		out := make([]byte, IPv6Len+len(p))
		copy(out[h.Put(out):], p)
		if !bytes.Equal(out, b[:len(out)]) {
			t.Errorf("got % x, want % x", out, b)
		}
	})
}

func FuzzICMP(f *testing.F) {
	f.Add(octets("0800 f7ff 0000 0000"))
	f.Add(append(octets("0303 0000 0000 0000"), quotation(ProtocolTCP, 0, "0050 c001 89abcdef")...))
	f.Add(octets("0501 0000 c0a84564"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := ParseICMP(b, true); err != nil {
			refused(t, err)
		}
		m, p, err := ParseICMP(b, false)
		if refused(t, err) {
			return
		}
		_, _ = m.String(), m.IsError()
		out := append(make([]byte, ICMPLen), p...)
		m.Put(out)
		m2, p2, err := ParseICMP(out, true)
		again(t, m, m2, err)
		if !bytes.Equal(p, p2) {
			t.Errorf("payload % x, want % x", p2, p)
		}
	})
}

func FuzzQuoted(f *testing.F) {
	f.Add(quotation(ProtocolTCP, 0, "0050 c001 89abcdef"))
	f.Add(quotation(ProtocolUDP, 0, "0050 c001 0010 ffff"))
	f.Add(quotation(ProtocolICMP, 0, "0800 ffff 1234 0007"))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseQuoted(b)
		if refused(t, err) {
			return
		}
		out := make([]byte, IPv4Len+8)
		p := out[q.IP.Put(out):]
		switch q.IP.Protocol {
		case ProtocolTCP:
			be.PutUint32(p[4:], uint32(q.Seq))
			fallthrough
		case ProtocolUDP:
			be.PutUint16(p, q.SrcPort)
			be.PutUint16(p[2:], q.DstPort)
		case ProtocolICMP:
			p[0] = byte(q.ICMP)
			be.PutUint16(p[4:], q.ID)
			be.PutUint16(p[6:], q.EchoSeq)
		}
		q.IP.HeaderLen = IPv4Len
		q2, err := ParseQuoted(out)
		again(t, q, q2, err)
	})
}

func FuzzUDP(f *testing.F) {
	f.Add(octets("1b39 0035 000d 0000 68656c6c6f"), false)
	f.Add(octets("1b39 0035 0008 0000"), true)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		src, dst := src4, dst4
		if six {
			src, dst = src6, dst6
		}
		if _, _, err := ParseUDP(b, src, dst, true); err != nil {
			refused(t, err)
		}
		h, p, err := ParseUDP(b, src, dst, false)
		if refused(t, err) {
			return
		}
		out := append(make([]byte, UDPLen), p...)
		h.Put(out, src, dst)
		h2, p2, err := ParseUDP(out, src, dst, true)
		again(t, h, h2, err)
		if !bytes.Equal(p, p2) {
			t.Errorf("payload % x, want % x", p2, p)
		}
	})
}

func FuzzTCP(f *testing.F) {
	f.Add(withOptions(octets(linuxSYN)))
	f.Add(withOptions(octets("0101 080a 00000001 00000002 0101 0512 00000001 00000002 00000003 00000004")))
	f.Add(append(withOptions(nil), "data"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		VerifyTCP(b, src4, dst4)
		h, p, err := ParseTCP(b)
		if refused(t, err) {
			return
		}
		_ = h.Flags.String()
		if h.Options.Len() > 40 {
			// In aligned form only the options of a SYN together with SACK blocks need more room. No honest segment has
			// both.
			if o := h.Options; o.NumSACK == 0 || o.MSS == 0 && !o.SACKPermitted && !o.HasWindowScale {
				t.Errorf("%d octets of options: %+v", o.Len(), o)
			}
			return
		}
		out := append(make([]byte, h.HeaderLen()), p...)
		if n := h.Put(out); n != h.HeaderLen() {
			t.Fatalf("Put = %d, want %d", n, h.HeaderLen())
		}
		for _, a := range [...][2]netip.Addr{{src4, dst4}, {src6, dst6}} {
			clear(out[16:18])
			PutTCPChecksum(out, a[0], a[1])
			if !VerifyTCP(out, a[0], a[1]) {
				t.Errorf("the checksum of % x does not verify", out)
			}
		}
		h2, p2, err := ParseTCP(out)
		again(t, h, h2, err)
		if !bytes.Equal(p, p2) {
			t.Errorf("payload % x, want % x", p2, p)
		}
	})
}
