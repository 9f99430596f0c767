package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"smolsh/stack/drop"
)

func TestIPOptionsAtFault(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		at      int // position of the error; -1: none
	}{
		"none":                                 {"", -1},
		"end of list before rubbish":           {"00 07 00 ff", -1},
		"no operation":                         {"01 01 01 01", -1},
		"unknown option":                       {"9e 04 aabb", -1},
		"router alert":                         {"94 04 0000", -1},
		"record route":                         {"07 07 04 00000000 00", -1},
		"record route that is full":            {"07 07 08 c0a80001 00", -1},
		"record route without room":            {"07 03 04 00", -1},
		"record route, pointer far behind":     {"07 07 ff c0a80001 00", -1},
		"option without a length":              {"01 01 01 07", 3},
		"unknown option without a length":      {"01 01 01 9e", 3},
		"length 0":                             {"07 00 04 00", 1},
		"length 1":                             {"9e 01 04 00", 1},
		"length beyond the header":             {"07 28 04 00", 1},
		"record route without a pointer":       {"07 02 04 00", 1},
		"record route, pointer 0":              {"07 07 00 00000000 00", 2},
		"record route, pointer 3":              {"07 07 03 00000000 00", 2},
		"record route, room for half":          {"07 06 04 000000 0000", 2},
		"record route twice":                   {"07 03 04 07 03 04 00 00", 3},
		"loose and strict source route":        {"83 03 04 89 03 04 00 00", 3},
		"source route, room for half":          {"83 06 04 000000 0000", 2},
		"timestamps":                           {"44 08 05 00 00000000", -1},
		"timestamps with addresses":            {"44 0c 05 01 0000000000000000", -1},
		"timestamps of the selected":           {"44 0c 05 03 0a00000100000000", -1},
		"timestamps that are full":             {"44 08 09 f0 00000000", -1},
		"timestamps without a flag":            {"44 03 05 00", 1},
		"timestamps, pointer 4":                {"44 08 04 00 00000000", 2},
		"timestamps, flag 2":                   {"44 08 05 02 00000000", 3},
		"timestamps, room for half":            {"44 0a 05 01 000000000000 0000", 2},
		"timestamps with addresses, half full": {"44 0c 09 01 0000000000000000", 2},
	} {
		b := octets(c.options)
		_, at, err := ParseIPOptions(b)
		if (err == nil) != (c.at < 0) || err != nil && (err != drop.BadOption || at != c.at) {
			t.Errorf("%s: at %d, %v, want %d", name, at, err, c.at)
		}
	}
}

func TestIPOptionsTraced(t *testing.T) {
	own, other := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	for name, c := range map[string]struct{ options, want string }{
		"record":               {"07 0b 04 00000000 00000000 00", "07 0b 08 0a000002 00000000 00"},
		"record, the last":     {"01 07 0b 08 0a000001 00000000", "07 0b 0c 0a000001 0a000002 00"},
		"record, full":         {"07 07 08 0a000001 00", "07 07 08 0a000001 00"},
		"stamp":                {"44 0c 05 00 00000000 00000000", "44 0c 09 00 80000007 00000000"},
		"stamp, full":          {"44 08 09 10 80000001", "44 08 09 20 80000001"},
		"stamp and address":    {"44 0c 05 01 0000000000000000", "44 0c 0d 01 0a00000280000007"},
		"stamp, selected":      {"44 0c 05 03 0a00000200000000", "44 0c 0d 03 0a00000280000007"},
		"stamp, not selected":  {"44 0c 05 03 0a00000300000000", "44 0c 05 03 0a00000300000000"},
		"stamp, selected full": {"44 0c 0d 03 0a00000200000001", "44 0c 0d 03 0a00000200000001"},
		"both in their order":  {"44 08 05 00 00000000 94040000 07 07 04 00000000 00", "44 08 09 00 80000007 07 07 08 0a000002 00"},
		"others only":          {"94 04 0000", ""},
	} {
		b := octets(c.options)
		o, _, err := ParseIPOptions(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		o.Record(b, own)
		if at := o.Stamp(b, own, func(a netip.Addr) bool { return a != other }, 0x80000007); at != 0 {
			t.Errorf("%s: the count at %d overflows", name, at)
		}
		var dst [MaxIPv4Options]byte
		if got := dst[:o.CopyTraces(dst[:], b)]; !bytes.Equal(got, octets(c.want)) {
			t.Errorf("%s: % x, want %s", name, got, c.want)
		}
	}
	full := octets("01 44 08 09 f0 80000001 000000")
	o, _, _ := ParseIPOptions(full)
	if at := o.Stamp(full, own, nil, 1); at != 4 || !bytes.Equal(full, octets("01 44 08 09 f0 80000001 000000")) {
		t.Errorf("a count of 15: at %d, % x", at, full)
	}
}

// crooked reports whether the entries of an option do not fill its room exactly. first is the position of its first
// entry, counted from 1; size is the size of an entry.
func crooked(b []byte, first, size int) bool {
	return len(b) > 0 && ((pointer(b)-first)%size != 0 || (len(b)+1-first)%size != 0 || len(b) > 3 && first == 5 && b[3]&15 != stampsOnly)
}

// FuzzIPOptions: options of every length are parsed as they were written. When routers add entries, the options stay
// well-formed and keep their length and place.
func FuzzIPOptions(f *testing.F) {
	for _, s := range []string{"", "01", "070b04000000000000000000", "440c0501000000000000000094040000", "8307040a00000900"} {
		f.Add(octets(s), uint32(7))
	}
	f.Fuzz(func(t *testing.T, options []byte, stamp uint32) {
		if len(options) > MaxIPv4Options {
			return
		}
		h := IPv4{TTL: 64, Protocol: ProtocolUDP, Src: netip.AddrFrom4([4]byte{10, 0, 0, 1}), Dst: netip.AddrFrom4([4]byte{10, 0, 0, 2}), PayloadLen: 5}
		b := make([]byte, IPv4Len+MaxIPv4Options+5)
		n := h.PutWithOptions(b, options)
		got, _, err := ParseIPv4(b[:n+5])
		h.HeaderLen = n
		again(t, h, got, err)
		written := got.IPv4Options(b)
		padded := make([]byte, (len(options)+3)&^3)
		copy(padded, options)
		if !bytes.Equal(written, padded) {
			t.Fatalf("% x written as % x", options, written)
		}
		o, at, err := ParseIPOptions(written)
		if at < 0 || at > 0 && at >= len(written) {
			t.Fatalf("% x: at fault is octet %d", written, at)
		}
		if refused(t, err) {
			return
		}
		for range 20 {
			o.Record(written, h.Src)
			count := o.Stamp(written, h.Dst, func(a netip.Addr) bool { return a == h.Src }, stamp)
			now, _, err := ParseIPOptions(written)
			if err != nil && crooked(o.RecordRoute.in(written), 4, 4) || err != nil && crooked(o.Timestamp.in(written), 5, 4) {
				return // the sender left room for half an entry at the end of this option
			}
			again(t, o, now, err)
			if count != 0 && written[count]>>4 != 15 {
				t.Fatalf("% x: no count overflows at %d", written, count)
			}
		}
		o.SourceRouted(written)
		var dst [MaxIPv4Options]byte
		k := o.CopyTraces(dst[:], written)
		if c, _, err := ParseIPOptions(dst[:k]); err != nil || c.RecordRoute.Len != o.RecordRoute.Len || c.Timestamp.Len != o.Timestamp.Len || c.SourceRoute.Len != 0 {
			t.Fatalf("% x copied as % x: %v", written, dst[:k], err)
		}
	})
}
