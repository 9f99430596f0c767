package handheld

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// station is a Source with an address of each family.
type station struct{}

func (station) MAC() wire.HardwareAddr { return wire.HardwareAddr{2, 0, 0, 0, 0, 9} }
func (station) Source(dst netip.Addr) netip.Addr {
	if dst.Is4() {
		return netip.MustParseAddr("10.0.0.9")
	}
	return netip.MustParseAddr("fd00::9")
}

// layer returns a layer with fields: names and values in turn.
func layer(t testing.TB, p *packet.Protocol, fields ...any) packet.DraftLayer {
	t.Helper()
	l := packet.DraftLayer{Protocol: p}
	for i := 0; i < len(fields); i += 2 {
		var err error
		if l, err = l.With(p.MustField(fields[i].(string)), fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// TestFill composes packets as a script does, and checks the summary of the frame that is sent, and the neighbour that is asked for.
func TestFill(t *testing.T) {
	group4, group6 := wire.GroupMAC(addr("224.0.0.5")), wire.GroupMAC(addr("ff02::1"))
	for _, c := range []struct {
		layers []packet.DraftLayer
		hop    string            // the neighbour, "" for none
		dst    wire.HardwareAddr // the frame's destination without one
		field  string            // a field that must be filled in
		want   any
	}{
		{[]packet.DraftLayer{layer(t, packet.IP, "dst", addr("10.0.0.1")), layer(t, packet.TCP, "dport", uint64(80))}, "10.0.0.1", wire.HardwareAddr{}, "tcp.sport", uint64(49152)},
		{[]packet.DraftLayer{layer(t, packet.IPv6, "dst", addr("fd00::1")), layer(t, packet.UDP, "dport", uint64(7))}, "fd00::1", wire.HardwareAddr{}, "ip6.src", addr("fd00::9")},
		{[]packet.DraftLayer{layer(t, packet.IP, "dst", addr("10.0.0.1"), "src", addr("10.9.9.9"))}, "10.0.0.1", wire.HardwareAddr{}, "ip.src", addr("10.9.9.9")},
		{[]packet.DraftLayer{layer(t, packet.IP, "dst", addr("255.255.255.255"))}, "", wire.Broadcast, "eth.src", station{}.MAC()},
		{[]packet.DraftLayer{layer(t, packet.IP, "dst", addr("224.0.0.5")), layer(t, packet.ICMP)}, "", group4, "icmp.id", uint64(1)},
		{[]packet.DraftLayer{layer(t, packet.IPv6, "dst", addr("ff02::1"))}, "", group6, "ip6.src", addr("fd00::9")},
		{[]packet.DraftLayer{layer(t, packet.ARP, "pdst", []byte{10, 0, 0, 1})}, "", wire.Broadcast, "arp.psrc", addr("10.0.0.9")},
		{[]packet.DraftLayer{layer(t, packet.ARP, "pdst", []byte{10, 0, 0, 1}, "op", uint64(2))}, "10.0.0.1", wire.HardwareAddr{}, "arp.hwsrc", station{}.MAC()},
		{[]packet.DraftLayer{layer(t, packet.Ether, "dst", group4), layer(t, packet.IP, "dst", addr("10.0.0.1"))}, "", group4, "ip.src", addr("10.0.0.9")},
		{[]packet.DraftLayer{layer(t, packet.ARP, "hwdst", []byte{2, 0, 0, 0, 0, 1}, "op", uint64(2))}, "", wire.HardwareAddr{2, 0, 0, 0, 0, 1}, "arp.psrc", netip.IPv4Unspecified()},
		{[]packet.DraftLayer{layer(t, packet.IPv6), layer(t, packet.ByName("ICMPv6ND_RS"))}, "", wire.GroupMAC(addr("ff02::2")), "ip6.hlim", uint64(255)},
		{[]packet.DraftLayer{layer(t, packet.IPv6), layer(t, packet.ByName("ICMPv6ND_NS"), "tgt", addr("fd00::1"))}, "", wire.GroupMAC(addr("ff02::1:ff00:1")), "ip6.dst", addr("ff02::1:ff00:1")},
		{[]packet.DraftLayer{layer(t, packet.IPv6, "dst", addr("fd00::1")), layer(t, packet.ICMPv6, "type", uint64(136))}, "fd00::1", wire.HardwareAddr{}, "ip6.hlim", uint64(255)},
		{[]packet.DraftLayer{layer(t, packet.IPv6, "dst", addr("fd00::1")), layer(t, packet.ByName("ICMPv6EchoRequest"))}, "fd00::1", wire.HardwareAddr{}, "ip6.hlim", uint64(64)},
		{[]packet.DraftLayer{layer(t, packet.IP, "dst", addr("10.0.0.1")), layer(t, packet.ICMP, "type", uint64(13))}, "10.0.0.1", wire.HardwareAddr{}, "icmp.id", uint64(1)},
		{[]packet.DraftLayer{layer(t, packet.IP, "dst", addr("10.0.0.1")), layer(t, packet.UDP, "dport", uint64(5)), layer(t, packet.DNS, "qr", uint64(1))}, "10.0.0.1", wire.HardwareAddr{}, "udp.sport", uint64(53)},
		{[]packet.DraftLayer{layer(t, packet.IP, "dst", addr("10.0.0.1")), layer(t, packet.IP, "dst", addr("10.0.0.2")), layer(t, packet.UDP)}, "10.0.0.1", wire.HardwareAddr{}, "ip.id", uint64(1)},
		{[]packet.DraftLayer{layer(t, packet.Ether, "dst", group4), layer(t, packet.Raw, "load", []byte("x"))}, "", group4, "eth.src", station{}.MAC()},
	} {
		var f Filler
		d, hop, err := f.Fill(packet.NewDraft(c.layers...), station{})
		if err != nil {
			t.Errorf("%s: %v", c.field, err)
			continue
		}
		if c.hop != "" {
			if hop.String() != c.hop {
				t.Errorf("%s: the neighbour is %v, want %s", c.field, hop, c.hop)
			}
			d, _ = To(d, c.dst)
		} else if hop.IsValid() {
			t.Errorf("%s: the neighbour is %v", c.field, hop)
		}
		p, err := d.Build()
		if err != nil {
			t.Errorf("%s: %v", c.field, err)
			continue
		}
		p = packet.Dissect(p.Octets, p.Length, packet.Ether)
		attr, name, _ := strings.Cut(c.field, ".")
		l, ok := p.Named(attr)
		if !ok || l.Value(l.Protocol.Field(name)) != c.want {
			t.Errorf("%s: %v, want %v in %s", c.field, l.Value(l.Protocol.Field(name)), c.want, p.Show())
		}
		if eth, _ := p.Named("eth"); eth.Value(packet.Ether.Field("dst")) != c.dst {
			t.Errorf("%s: to %v, want %v", c.field, eth.Value(packet.Ether.Field("dst")), c.dst)
		}
	}
}

func TestFillErrors(t *testing.T) {
	for want, layers := range map[string][]packet.DraftLayer{
		"without layers":                   {},
		"TCP needs the layers below it":    {layer(t, packet.TCP)},
		"no destination: IP(dst=":          {layer(t, packet.IP)},
		"no destination: IPv6(dst=":        {layer(t, packet.IPv6)},
		"frame has no destination: Ether(": {layer(t, packet.Ether), layer(t, packet.Raw, "load", []byte("x"))},
	} {
		var f Filler
		if _, _, err := f.Fill(packet.NewDraft(layers...), station{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// pair is two ends of one connection, in memory.
type pair struct {
	t    testing.TB
	a, b *TCP
}

func newPair(t testing.TB, family int, o, p Options) *pair {
	at := func(s4, s6 string) netip.Addr {
		if family == 4 {
			return addr(s4)
		}
		return addr(s6)
	}
	x, y := netip.AddrPortFrom(at("10.0.0.1", "fd00::1"), 1000), netip.AddrPortFrom(at("10.0.0.2", "fd00::2"), 80)
	return &pair{t, NewTCP(x, y, 0xfffffff0, 100000, o), NewTCP(netip.AddrPortFrom(netip.Addr{}, 80), netip.AddrPort{}, 5, 3000, p)}
}

// move sends a segment from one end to the other, and returns what the receiver reads.
func (p *pair) move(from, to *TCP, s Segment) Received {
	p.t.Helper()
	d, err := from.Compose(s)
	if err != nil {
		p.t.Fatal(err)
	}
	from.Sent(s)
	q, err := d.Build()
	if err != nil {
		p.t.Fatal(err)
	}
	first := packet.IP
	if from.Remote.Addr().Is6() {
		first = packet.IPv6
	}
	q = packet.Dissect(q.Octets, q.Length, first)
	if damage := q.Damage(); len(damage) > 0 {
		p.t.Errorf("damaged: %v\n%s", damage, q.Show())
	}
	if !to.Belongs(q) {
		p.t.Fatalf("it does not belong to the end: %s", q.Show())
	}
	return to.Receive(q)
}

func (p *pair) open() {
	p.t.Helper()
	p.move(p.a, p.b, Segment{Flags: SYN, Seq: p.a.ISS})
	p.move(p.b, p.a, Segment{Flags: SYN | ACK, Seq: p.b.ISS, Ack: p.b.RcvNxt})
	p.move(p.a, p.b, Segment{Flags: ACK, Seq: p.a.SndNxt, Ack: p.a.RcvNxt})
}

// TestNumbers moves data across the end of sequence space, out of order and overlapping.
func TestNumbers(t *testing.T) {
	for _, family := range []int{4, 6} {
		p := newPair(t, family, Options{WScale: -1}, Options{WScale: -1})
		p.open()
		check := func(what string, nxt, una, rcv int64) {
			t.Helper()
			if n, u, r := p.a.Relative(p.a.SndNxt), p.a.Relative(p.a.SndUna), p.b.RelativeTheirs(p.b.RcvNxt); n != nxt || u != una || r != rcv {
				t.Errorf("%s: snd.nxt %d, snd.una %d, rcv.nxt of the peer %d; want %d %d %d", what, n, u, r, nxt, una, rcv)
			}
		}
		check("open", 1, 1, 1)
		base := p.a.SndNxt
		send := func(offset uint32, text string) {
			p.move(p.a, p.b, Segment{Flags: ACK, Seq: base + offset, Data: []byte(text), Ack: p.a.RcvNxt})
		}
		send(20, "last")
		check("beyond a gap", 1, 1, 1)
		send(5, "0123456789")
		send(0, "01234567")
		check("the first gap", 16, 1, 16)
		send(10, "0123456789")
		check("all", 25, 1, 25)
		send(0, "0")
		check("an old one", 25, 1, 25)
		p.move(p.b, p.a, Segment{Flags: ACK, Seq: p.b.SndNxt, Ack: p.b.RcvNxt})
		check("acknowledged", 25, 25, 25)
		p.move(p.b, p.a, Segment{Flags: ACK, Seq: p.b.SndNxt, Ack: p.b.RcvNxt + 1})
		check("of what was not sent", 25, 25, 25)
		p.move(p.a, p.b, Segment{Flags: ACK | FIN, Seq: p.a.SndNxt, Ack: p.a.RcvNxt})
		check("FIN", 26, 25, 26)
		p.move(p.a, p.b, Segment{Flags: RST, Seq: p.a.SndNxt + 7})
		check("reset", 26, 25, 26)
	}
}

// TestOptions checks which options hold for each pair of offers: those that both ends have sent.
func TestOptions(t *testing.T) {
	all := Options{MSS: 1460, WScale: 2, SACKOK: true, TS: true}
	none := Options{WScale: -1}
	for _, c := range []struct {
		a, b          Options
		scaled, times bool
	}{{all, all, true, true}, {all, none, false, false}, {none, all, false, false}, {none, none, false, false}} {
		p := newPair(t, 4, c.a, c.b)
		p.open()
		if p.a.scaled() != c.scaled || p.b.scaled() != c.scaled || p.a.timestamps() != c.times || p.b.timestamps() != c.times {
			t.Errorf("%+v and %+v: %v %v, %v %v", c.a, c.b, p.a.scaled(), p.b.scaled(), p.a.timestamps(), p.b.timestamps())
		}
		want := 65535
		if c.scaled {
			want = 100000
		}
		r := p.move(p.a, p.b, Segment{Flags: ACK, Seq: p.a.SndNxt, Ack: p.a.RcvNxt, TSVal: 77})
		if r.Window != want || p.b.SndWnd != want {
			t.Errorf("window %d, want %d", r.Window, want)
		}
		if c.times && p.b.tsRecent != 77 {
			t.Errorf("ts.recent %d", p.b.tsRecent)
		}
		blocks := [][2]uint32{{1, 2}, {3, 4}, {5, 6}}
		p.move(p.a, p.b, Segment{Flags: ACK, Seq: p.a.SndNxt, Ack: p.a.RcvNxt, SACK: blocks})
		if _, err := p.a.Compose(Segment{Flags: ACK, SACK: append(blocks, [2]uint32{7, 8}, [2]uint32{9, 10})}); err == nil {
			t.Error("five blocks fit")
		}
	}
}

// TestRangesAreBounded sends and receives more ranges beyond a gap than an end keeps. The first octet still moves the number.
func TestRangesAreBounded(t *testing.T) {
	p := newPair(t, 4, Options{WScale: -1}, Options{WScale: -1})
	p.open()
	base := p.a.SndNxt
	for i := range uint32(2 * maxRanges) {
		s := Segment{Flags: ACK, Seq: base + 2 + 2*i, Data: []byte("x"), Ack: p.a.RcvNxt}
		p.a.Sent(s)
		p.b.RcvNxt, p.b.got = cover(p.b.RcvNxt, span{s.Seq, s.Seq + 1}, p.b.got)
	}
	if len(p.a.sent) > maxRanges || len(p.b.got) > maxRanges {
		t.Errorf("%d and %d ranges", len(p.a.sent), len(p.b.got))
	}
	p.move(p.a, p.b, Segment{Flags: ACK, Seq: base, Data: []byte("ab"), Ack: p.a.RcvNxt})
	if p.a.SndNxt != base+3 || p.b.RcvNxt != base+3 {
		t.Errorf("%d and %d, want %d", p.a.SndNxt, p.b.RcvNxt, base+3)
	}
}

// FuzzReceive gives an end whatever a peer can send. It must not panic, and its ranges stay bounded.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1, 0, 80, 3, 232, 0, 0, 0, 5, 0, 0, 0, 0, 0x50, 0x12, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a := NewTCP(netip.MustParseAddrPort("10.0.0.1:1000"), netip.MustParseAddrPort("10.0.0.2:80"), 1, 100, Options{WScale: 3, TS: true, SACKOK: true})
		q := NewTCP(netip.AddrPortFrom(netip.Addr{}, 80), netip.AddrPort{}, 1, 100, Options{WScale: 14})
		for i := range 4 {
			if len(b) >= 28 {
				binary.BigEndian.PutUint32(b[24:], uint32(i)*7)
			}
			for _, first := range []*packet.Protocol{packet.Ether, packet.IP, packet.IPv6} {
				p := packet.Dissect(b, len(b), first)
				for _, e := range []*TCP{a, q} {
					if e.Belongs(p) {
						e.Receive(p)
					}
				}
			}
		}
		if _, err := a.Compose(Segment{Flags: ACK, Seq: a.SndNxt, Ack: a.RcvNxt}); err != nil {
			t.Error(err)
		}
	})
}
