package reassembly

import (
	"bytes"
	"net/netip"
	"testing"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

var (
	src6 = netip.MustParseAddr("2001:db8::1")
	dst6 = netip.MustParseAddr("2001:db8::2")
)

// TestKeys: datagrams that differ in an address, its zone, or any of the 32 bits of the identification are distinct.
func TestKeys(t *testing.T) {
	var table Table
	local := netip.MustParseAddr("fe80::1")
	v4 := netip.MustParseAddr("10.0.0.1")
	keys := []Key{
		{Src: src6, Dst: dst6, ID: 1},
		{Src: src6, Dst: dst6, ID: 1<<16 + 1},
		{Src: src6, Dst: dst6, ID: 1 << 31},
		{Src: dst6, Dst: src6, ID: 1},
		{Src: src6, Dst: src6, ID: 1},
		{Src: local.WithZone("eth0"), Dst: dst6, ID: 1},
		{Src: local.WithZone("eth1"), Dst: dst6, ID: 1},
		{Src: v4, Dst: v4, ID: 1, Proto: wire.ProtocolUDP},
		{Src: v4, Dst: v4, ID: 1, Proto: wire.ProtocolTCP},
		{Src: netip.AddrFrom16(v4.As16()), Dst: netip.AddrFrom16(v4.As16()), ID: 1},
	}
	seen := map[*Datagram]Key{}
	for _, key := range keys {
		d := table.Open(0, key)
		if other, ok := seen[d]; ok {
			t.Errorf("%v is the datagram of %v", key, other)
		}
		seen[d] = key
	}
	for d, key := range seen {
		if table.Open(0, key) != d {
			t.Errorf("%v is opened twice", key)
		}
	}
	if table.Len() != len(keys) {
		t.Errorf("%d datagrams, want %d", table.Len(), len(keys))
	}
}

// TestTooLong: the header of the fragment with offset 0 counts, whichever fragment arrives first.
func TestTooLong(t *testing.T) {
	v4 := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		what        string
		src         netip.Addr
		first, last int // octets of the two headers
		end         int // of the payload
		want        bool
	}{
		{"the longest of IPv4", v4, 20, 20, 65515, false},
		{"an octet more", v4, 20, 20, 65516, true},
		{"options in the first only", v4, 60, 20, 65475, false},
		{"options in the first only, an octet more", v4, 60, 20, 65476, true},
		{"options in the last only", v4, 20, 60, 65515, false},
		{"the longest of IPv6", src6, 48, 48, 65535, false},
		{"an octet more of IPv6", src6, 48, 48, 65536, true},
		{"extension headers in the first only", src6, 56, 48, 65527, false},
		{"extension headers in the first only, an octet more", src6, 56, 48, 65528, true},
		{"extension headers in the last only", src6, 48, 1280, 65535, false},
	} {
		var table Table
		store := func(d *Datagram, lo, hi, header int) {
			k, _ := d.Check(lo, hi, hi == c.end)
			f := phy.NewFrame(phy.FrameSize)
			f.Extend(header)
			table.Insert(d, k, Fragment{Lo: lo, Hi: hi, Header: header, Frame: f})
		}
		lo := (c.end - 8) &^ 7
		d := table.Open(0, Key{Src: c.src, ID: 1})
		store(d, 0, 8, c.first)
		if got := d.TooLong(lo, c.end, c.last); got != c.want {
			t.Errorf("%s, in order: %v", c.what, got)
		}
		d = table.Open(0, Key{Src: c.src, ID: 2})
		store(d, lo, c.end, c.last)
		if got := d.TooLong(0, 8, c.first); got != c.want {
			t.Errorf("%s, the last before the first: %v", c.what, got)
		}
	}
	d := new(Table).Open(0, Key{Src: src6})
	if d.TooLong(65528, 65535, 48) || !d.TooLong(65528, 65535, 56) {
		t.Error("a fragment alone is not judged by its own header")
	}
}

// fragment6 returns a fragment of a UDP datagram with octets lo to hi of data, behind hop-by-hop options if alert is set.
func fragment6(data []byte, lo, hi int, alert bool, id uint32) []byte {
	b := make([]byte, wire.IPv6Len+wire.RouterAlert6Len+wire.IPv6FragmentLen+hi-lo)
	h := wire.IPv6{HopLimit: 64, NextHeader: 44, Src: src6, Dst: dst6}
	at := wire.IPv6Len
	if alert {
		h.NextHeader = 0
		at += wire.PutRouterAlert6(b[at:], 44)
	}
	f := wire.IPv6Fragment{Next: wire.ProtocolUDP, Offset: lo, More: hi < len(data), ID: id}
	at += f.Put(b[at:])
	at += copy(b[at:], data[lo:hi])
	h.PayloadLen = at - wire.IPv6Len
	h.Put(b)
	return b[:at]
}

// receive6 stores a packet if it is a fragment that is not atomic. It returns the datagram, nil for an atomic fragment, and whether
// the datagram is complete.
func receive6(t *testing.T, table *Table, b []byte) (d *Datagram, complete bool) {
	t.Helper()
	h, payload, err := wire.ParseIPv6(b)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := wire.WalkIPv6(&h, payload)
	if err != nil || !c.HasFragment {
		t.Fatalf("fragment %v, %v", c.HasFragment, err)
	}
	if !c.Fragment.IsFragment() {
		return nil, true
	}
	header := c.FragmentAt + wire.IPv6FragmentLen
	lo, last := c.Fragment.Offset, !c.Fragment.More
	hi := lo + len(b) - header
	d = table.Open(clock.Instant(0), Key{Src: h.Src, Dst: h.Dst, ID: c.Fragment.ID})
	k, r := d.Check(lo, hi, last)
	if r != drop.None || d.TooLong(lo, hi, header) {
		t.Fatalf("fragment %d to %d: %q", lo, hi, r)
	}
	f := phy.NewFrame(phy.FrameSize)
	copy(f.Extend(len(b)), b)
	complete = d.Note(lo, hi, last, h.ECN())
	table.Insert(d, k, Fragment{Lo: lo, Hi: hi, Header: header, Frame: f})
	return d, complete
}

// TestFragments6: fragments with headers of different lengths make the payload in any order, and the fragment with offset 0 has the
// unfragmentable part. An atomic fragment with the same identification belongs to no datagram (RFC 6946 §4).
func TestFragments6(t *testing.T) {
	data := make([]byte, 100)
	for k := range data {
		data[k] = byte(k)
	}
	data[4], data[5] = 0, 100
	cuts := []int{0, 24, 56, 80, 100}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}} {
		var table Table
		var d *Datagram
		for at, k := range order {
			if a, _ := receive6(t, &table, fragment6(data, 0, len(data), true, 7)); a != nil {
				t.Fatal("an atomic fragment is stored")
			}
			if table.Len() != min(at, 1) {
				t.Fatalf("%d datagrams before fragment %d", table.Len(), k)
			}
			var complete bool
			d, complete = receive6(t, &table, fragment6(data, cuts[k], cuts[k+1], k == 0, 7))
			if complete != (at == 3) || len(d.Fragments) != at+1 {
				t.Fatalf("order %v: complete %v with %d fragments", order, complete, len(d.Fragments))
			}
		}
		payload := make([]byte, d.Total())
		if d.CopyTo(payload); !bytes.Equal(payload, data) {
			t.Errorf("order %v: %x", order, payload)
		}
		if first := d.Fragments[0]; first.Header != wire.IPv6Len+wire.RouterAlert6Len+wire.IPv6FragmentLen {
			t.Errorf("order %v: the unfragmentable part has %d octets", order, first.Header)
		}
		if _, err := table.Check(); err != nil {
			t.Error(err)
		}
	}
}
