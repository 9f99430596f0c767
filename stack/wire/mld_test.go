package wire

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"smolsh/stack/drop"
)

// The packets are Scapy's.
var (
	scapyQuery1 = octets(`6000000000200001 fe800000000000000000000000000001 ff020000000000000000000000000001
		3a00050200000100 8200591727100000 00000000000000000000000000000000`)
	scapyReport1 = octets(`6000000000200001 fe800000000000000000000000000001 ff050000000000000000000000000005
		3a00050200000100 8300801500000000 ff050000000000000000000000000005`)
	scapyDone = octets(`6000000000200001 fe800000000000000000000000000001 ff020000000000000000000000000002
		3a00050200000100 84007f1b00000000 ff050000000000000000000000000005`)
	scapyQuery2 = octets(`6000000000440001 fe800000000000000000000000000001 ff020000000000000000000000000001
		3a00050200000100 820099e081230000 ff050000000000000000000000000005 0a7d0002
		20010db8000000000000000000000001 20010db8000000000000000000000002`)
	scapyReport2 = octets(`60000000004c0001 fe800000000000000000000000000001 ff020000000000000000000000000016
		3a00050200000100 8f007b4a00000002 04000000 ff050000000000000000000000000005
		03010001 ff050000000000000000000000000006 20010db8000000000000000000000001 61626364`)
)

// listener parses the headers of a packet, and returns the ICMPv6 message in it.
func listener(t testing.TB, packet []byte) (h IPv6, c IPv6Chain, b []byte) {
	t.Helper()
	h, payload, err := ParseIPv6(packet)
	if err != nil {
		t.Fatal(err)
	}
	if c, b, err = WalkIPv6(&h, payload); err != nil {
		t.Fatal(err)
	}
	return h, c, b
}

// parseMLD parses a message of any type for its error alone.
func parseMLD(h *IPv6, c *IPv6Chain, b []byte, verify bool) (err error) {
	switch ICMPv6Type(b[0]) {
	case ICMPv6ListenerQuery:
		_, _, err = ParseMLDQuery(h, c, b, verify)
	case ICMPv6ListenerReportVersion2:
		_, err = ParseMLDv2Report(h, c, b, verify)
	default:
		_, err = ParseMLDReport(h, c, b, verify)
	}
	return err
}

// RFC 2710 §3, RFC 3810 §5.1, §5.2: the fields of each message, which is written as it was read.
func TestMLD(t *testing.T) {
	for _, c := range []struct {
		packet  []byte
		want    MLDQuery
		sources AddrList
	}{
		{scapyQuery1, MLDQuery{Version: 1, ResponseCode: 10000, Group: netip.IPv6Unspecified()}, nil},
		{scapyQuery2, MLDQuery{Version: 2, ResponseCode: 0x8123, Group: group6, Suppress: true, Robustness: 2, IntervalCode: 125}, scapyQuery2[76:]},
	} {
		h, chain, b := listener(t, c.packet)
		q, sources, err := ParseMLDQuery(&h, &chain, b, true)
		if err != nil || q != c.want {
			t.Errorf("got %+v, %v; want %+v", q, err, c.want)
		}
		wantOctets(t, "sources", sources, c.sources)
		out := append(bytes.Repeat([]byte{0xee}, len(b)-len(sources)), sources...)
		if n := q.Put(out, h.Src, h.Dst); n != len(b)-len(sources) {
			t.Errorf("Put = %d", n)
		}
		wantOctets(t, "written", out, b)
	}
	for flags, want := range map[byte]MLDQuery{0xf0: {}, 0x08: {Suppress: true}, 0x07: {Robustness: 7}} {
		h, chain, b := listener(t, scapyQuery2)
		want.Version, want.ResponseCode, want.Group, want.IntervalCode = 2, 0x8123, group6, 125
		if q, _, err := ParseMLDQuery(&h, &chain, changed(b, 24, flags), false); err != nil || q != want {
			t.Errorf("flags %#x: got %+v, %v; want %+v", flags, q, err, want)
		}
	}
	for _, p := range [][]byte{scapyReport1, scapyDone} {
		h, chain, b := listener(t, p)
		group, err := ParseMLDReport(&h, &chain, b, true)
		if err != nil || group != group6 {
			t.Errorf("%v, %v", group, err)
		}
		out := bytes.Repeat([]byte{0xee}, len(b))
		if n := PutMLDReport(out, ICMPv6Type(b[0]), group, h.Src, h.Dst); n != MLDLen {
			t.Errorf("PutMLDReport = %d", n)
		}
		wantOctets(t, "written", out, b)
	}
	h, chain, b := listener(t, scapyReport2)
	records, err := ParseMLDv2Report(&h, &chain, b, true)
	if err != nil {
		t.Fatal(err)
	}
	first, records, _ := records.Next()
	second, records, ok := records.Next()
	if _, _, more := records.Next(); first.Type != MLDToExclude || first.Group != group6 || first.Sources.Len() != 0 || second.Type != MLDToInclude ||
		second.Sources.Len() != 1 || second.Sources.At(0) != netip.MustParseAddr("2001:db8::1") || !ok || more {
		t.Errorf("records %+v, %+v, %v", first, second, more)
	}
	out := bytes.Repeat([]byte{0xee}, 8+20+36)
	n := first.Put(out[8:])
	n += second.Put(out[8+n:])
	if m := PutMLDv2Report(out, 2, h.Src, h.Dst); m+n != len(out) {
		t.Errorf("%d octets written", m+n)
	}
	one := append(make([]byte, MLDv2ReportLen), out[8:28]...)
	PutMLDv2Report(one, 1, h.Src, h.Dst)
	if all, err := ParseMLDv2Report(&h, &chain, one, true); err != nil || len(all) != MLDRecordLen {
		t.Errorf("a report of one record without sources: % x, %v", all, err)
	}
	want := changed(b[:len(b)-4], 29, 0) // without the auxiliary data
	putICMPv6Checksum(want, h.Src, h.Dst)
	wantOctets(t, "written", out, want)
}

// RFC 2710 §3, RFC 3810 §5, §6.2, §8.1: each rule about the octets, and the reason if a message breaks it.
func TestMLDRules(t *testing.T) {
	all := [][]byte{scapyQuery1, scapyReport1, scapyDone, scapyQuery2, scapyReport2}
	for _, p := range all {
		h, chain, b := listener(t, p)
		for i := range b[:8] {
			if err := parseMLD(&h, &chain, changed(b, i, b[i]^4), true); err == nil {
				t.Errorf("octet %d changed, and nothing is said", i)
			}
		}
		for _, src := range []netip.Addr{src6, netip.IPv6Unspecified(), group6} {
			other := h
			other.Src = src
			wantErr(t, src.String(), parseMLD(&other, &chain, b, false), drop.NotLinkLocal)
		}
		for _, limit := range []uint8{0, 2, 255} {
			other := h
			other.HopLimit = limit
			wantErr(t, "hop limit", parseMLD(&other, &chain, b, true), drop.BadHopLimit)
		}
		wantErr(t, "no alert", parseMLD(&h, &IPv6Chain{}, b, true), drop.MLDNoAlert)
		wantErr(t, "another alert", parseMLD(&h, &IPv6Chain{HasRouterAlert: true, RouterAlert: 1}, b, true), drop.MLDNoAlert)
		whole := map[int]bool{len(b): true, 24: b[0] != 143} // version 1 is a beginning of version 2
		for n := 1; n < len(b); n++ {
			err := parseMLD(&h, &chain, b[:n], false)
			if b[0] == 131 || b[0] == 132 || b[0] == 130 && n < 24 || b[0] == 143 && n < 8 {
				wantErr(t, "cut", err, drop.Truncated)
			} else if (err == nil) != whole[n] {
				t.Errorf("type %d cut at %d: %v", b[0], n, err)
			}
		}
	}
	for _, c := range []struct {
		what   string
		packet []byte
		at     int
		v      string
		want   drop.Reason
	}{
		{"query with code 1", scapyQuery1, 1, "01", drop.None},
		{"query of a unicast address", scapyQuery1, 8, "20", drop.MLDBadGroup},
		{"report of a unicast address", scapyReport1, 8, "20", drop.MLDBadGroup},
		{"report of no address", scapyReport1, 8, "00000000000000000000000000000000", drop.MLDBadGroup},
		{"query with three sources", scapyQuery2, 26, "0003", drop.BadLength},
		{"query with one source", scapyQuery2, 26, "0001", drop.None},
		{"query with 65535 sources", scapyQuery2, 26, "ffff", drop.BadLength},
		{"three records", scapyReport2, 6, "0003", drop.BadLength},
		{"one record", scapyReport2, 6, "0001", drop.None},
		{"no record", scapyReport2, 6, "0000", drop.None},
		{"65535 records", scapyReport2, 6, "ffff", drop.BadLength},
		{"65535 sources", scapyReport2, 10, "ffff", drop.BadLength},
		{"auxiliary data beyond the report", scapyReport2, 29, "02", drop.BadLength},
		{"record of a unicast address", scapyReport2, 32, "20", drop.MLDBadGroup},
		{"record of an unknown type", scapyReport2, 8, "ff", drop.None},
	} {
		h, chain, b := listener(t, c.packet)
		b = changed(b, c.at, octets(c.v)...)
		putICMPv6Checksum(b, h.Src, h.Dst)
		wantErr(t, c.what, parseMLD(&h, &chain, b, true), c.want)
	}
	for _, c := range []struct {
		packet   []byte
		at, most int
	}{{scapyQuery2, 26, 2}, {scapyReport2, 6, 2}} { // the number of sources, and of records
		h, chain, b := listener(t, c.packet)
		for n := range 1 << 16 {
			err := parseMLD(&h, &chain, changed(b, c.at, byte(n>>8), byte(n)), false)
			if want := map[bool]drop.Reason{true: drop.BadLength}[n > c.most]; drop.Of(err) != want {
				t.Fatalf("type %d, number %d: %v", b[0], n, err)
			}
		}
	}
	h, chain, b := listener(t, scapyQuery2)
	for _, parse := range []func() error{
		func() error { _, err := ParseMLDReport(&h, &chain, b, true); return err },
		func() error { _, err := ParseMLDv2Report(&h, &chain, b, true); return err },
	} {
		wantErr(t, "a query", parse(), drop.BadType)
	}
	h, chain, b = listener(t, scapyReport1)
	_, _, err := ParseMLDQuery(&h, &chain, b, true)
	wantErr(t, "a report", err, drop.BadType)
}

// RFC 3810 §5.1.3, §5.1.9: times with an exponent.
func TestMLDTimes(t *testing.T) {
	for _, c := range []struct {
		version uint8
		code    uint16
		want    time.Duration
	}{
		{1, 10000, 10 * time.Second}, {1, 0xffff, 65535 * time.Millisecond}, {2, 0, 0}, {2, 0x7fff, 32767 * time.Millisecond},
		{2, 0x8000, 32768 * time.Millisecond}, {2, 0x8001, 32776 * time.Millisecond}, {2, 0x9000, 65536 * time.Millisecond}, {2, 0xffff, 8387584 * time.Millisecond},
	} {
		if q := (MLDQuery{Version: c.version, ResponseCode: c.code}); q.MaxResponse() != c.want {
			t.Errorf("version %d, code %#x: %v, want %v", c.version, c.code, q.MaxResponse(), c.want)
		}
	}
	for code, want := range map[uint8]time.Duration{0: 0, 125: 125, 127: 127, 128: 128, 129: 136, 0x90: 256, 255: 31744} {
		if q := (MLDQuery{Version: 2, IntervalCode: code}); q.Interval() != want*time.Second {
			t.Errorf("code %d: %v, want %v", code, q.Interval(), want*time.Second)
		}
	}
}

func FuzzMLD(f *testing.F) {
	for _, p := range [][]byte{scapyQuery1, scapyReport1, scapyDone, scapyQuery2, scapyReport2} {
		f.Add(p[48:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		b = b[:len(b):len(b)]
		h, chain := IPv6{HopLimit: 1, Src: link6, Dst: AllNodes6}, IPv6Chain{HasRouterAlert: true}
		if err := parseMLD(&h, &chain, b, true); err != nil {
			refused(t, err)
		}
		if err := parseMLD(&h, &chain, b, false); refused(t, err) {
			return
		}
		switch ICMPv6Type(b[0]) {
		case ICMPv6ListenerQuery:
			q, sources, _ := ParseMLDQuery(&h, &chain, b, false)
			if q.MaxResponse() < 0 || q.MaxResponse() > 8387584*time.Millisecond || q.Interval() > 31744*time.Second {
				t.Errorf("%+v: %v, %v", q, q.MaxResponse(), q.Interval())
			}
			n := MLDLen
			if q.Version == 2 {
				n = MLDv2QueryLen
			}
			out := append(make([]byte, n), sources...)
			q.Put(out, h.Src, h.Dst)
			q2, sources2, err := ParseMLDQuery(&h, &chain, out, true)
			again(t, q, q2, err)
			wantOctets(t, "sources", sources2, sources)
		case ICMPv6ListenerReportVersion2:
			records, _ := ParseMLDv2Report(&h, &chain, b, false)
			out, count := make([]byte, MLDv2ReportLen, len(b)), 0
			for r, rest, ok := records.Next(); ok; r, rest, ok = rest.Next() {
				one := make([]byte, MLDRecordLen+len(r.Sources))
				r.Put(one)
				out, count = append(out, one...), count+1
			}
			if count != int(be.Uint16(b[6:])) {
				t.Errorf("%d records of %d", count, be.Uint16(b[6:]))
			}
			PutMLDv2Report(out, count, h.Src, h.Dst)
			again2, err := ParseMLDv2Report(&h, &chain, out, true)
			if err != nil || !bytes.Equal(again2, out[MLDv2ReportLen:]) {
				t.Errorf("written and parsed again: % x, %v", again2, err)
			}
		default:
			group, _ := ParseMLDReport(&h, &chain, b, false)
			out := make([]byte, MLDLen)
			PutMLDReport(out, ICMPv6Type(b[0]), group, h.Src, h.Dst)
			group2, err := ParseMLDReport(&h, &chain, out, true)
			again(t, group, group2, err)
		}
	})
}
