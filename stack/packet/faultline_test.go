package packet

import (
	"slices"
	"strings"
	"testing"

	"smolsh/phy"
)

// TestFaults: Damage names each field that a host would reject, and the line marks wrong versions and lengths of IP.
func TestFaults(t *testing.T) {
	over := func(table *Protocol, v values) composed {
		all := values{"src": ip4a, "dst": ip4b}
		if table == IPv6 {
			all = values{"src": ip6a, "dst": ip6b}
		}
		for name, x := range v {
			all[name] = x
		}
		return composed{table, all}
	}
	udp := composed{UDP, values{"sport": uint64(1), "dport": uint64(2)}}
	for _, c := range []struct {
		layers     []composed
		line, want string // the end of the line, and the damage
	}{
		{[]composed{over4, udp, raw("x")}, "UDP, length 1", ""},
		{[]composed{over(IP, values{"version": uint64(6)}), udp, raw("x")}, "UDP, length 1 [bad IP version 6]", "ip.version: 6, and 4 is right"},
		{[]composed{over(IPv6, values{"version": uint64(4)}), udp, raw("x")}, "UDP, length 1 [bad IP version 4]", "ip6.version: 4, and 6 is right"},
		{[]composed{over(IP, values{"ihl": uint64(4)}), udp, raw("x")}, "udp, length 9 [bad IP hdr length 16]", "ip.ihl: 4 is below 5"},
		{[]composed{over(IP, values{"ihl": uint64(15)}), udp, raw("x")}, "[|udp] [bad IP hdr length 60]", "ip.ihl: 15 is 60 octets, and 29 are there"},
		{[]composed{over(IP, values{"len": uint64(10)}), udp, raw("x")}, "UDP, length 1 [bad IP length 10]", "ip.len: 10 is below 20"},
		{[]composed{over(IP, values{"len": uint64(1000)}), udp, raw("x")}, "UDP, length 1 [971 octets missing]", "ip.len: 1000, and 29 octets are there"},
		{[]composed{over(IPv6, values{"plen": uint64(1000)}), udp, raw("x")}, "UDP, length 1 [991 octets missing]", "ip6.plen: 1000, and 9 octets are there"},
		{[]composed{over(IP, values{"chksum": uint64(0x1234)}), udp, raw("x")}, "UDP, length 1", "ip.chksum: 0x1234 is wrong, 0x66ce is right"},
		{[]composed{over4, {UDP, values{"sport": uint64(1), "dport": uint64(2), "chksum": uint64(0x1234)}}, raw("x")}, "UDP, length 1", "udp.chksum: 0x1234 is wrong, 0x73d6 is right"},
		{[]composed{over4, {UDP, values{"sport": uint64(1), "dport": uint64(2), "chksum": uint64(0)}}, raw("x")}, "UDP, length 1", ""},
		{[]composed{over6, {UDP, values{"sport": uint64(1), "dport": uint64(2), "chksum": uint64(0)}}, raw("x")}, "UDP, length 1", "udp.chksum: none over IPv6, which needs one"},
		{[]composed{over6, {UDP, values{"chksum": uint64(0)}}, {VXLAN, nil}, ether, over4, udp, raw("x")}, "UDP, length 1", ""}, // RFC 6935 §5
		{[]composed{over4, {TCP, values{"chksum": uint64(1)}}}, "length 0", "tcp.chksum: 0x0001 is wrong, 0x7be0 is right"},
		{[]composed{over4, {ICMP, values{"chksum": uint64(5)}}}, "length 8", "icmp.chksum: 0x0005 is wrong, 0xf7ff is right"},
		{[]composed{over6, {ByName("ICMPv6EchoRequest"), values{"cksum": uint64(1)}}}, "length 8", "icmp6.cksum: 0x0001 is wrong, 0x85b8 is right"},
		{[]composed{{ARP, values{"hwsrc": []byte("1234567"), "hwdst": []byte("1234567")}}}, " tell 0.0.0.0, length 30, announced by 31:32:33:34:35:36:37 [bad hwlen 7]", "arp.hwlen: 7, and an address of Ethernet has 6 octets"},
		{[]composed{{ARP, values{"psrc": []byte("12345"), "pdst": []byte("12345")}}}, "length 30", "arp.plen: 5, and an address of IPv4 has 4 octets"},
		{[]composed{over(IP, values{"frag": uint64(65528), "proto": uint64(17)}), raw(strings.Repeat("x", 16))}, "udp last fragment at 65528", "ip.frag: the fragment ends at 65544, beyond 65535"},
		{[]composed{over6, {Fragment, values{"m": uint64(1)}}, {UDP, values{"sport": uint64(1), "dport": uint64(2), "chksum": uint64(1)}}, raw("zzzzz")}, "length 5", "ipv6exthdrfragment.m: more fragments follow, and 13 octets are no multiple of 8"},
	} {
		b := draftBuilt(t, append([]composed{ether}, c.layers...)...).Octets
		p := OfMedium(b, phy.MediumEthernet)
		if got := (*Sequences)(nil).Describe(p); !strings.HasSuffix(got, c.line) {
			t.Errorf("line %s, want %s", got, c.line)
		}
		var got []string
		for _, d := range p.Damage() {
			got = append(got, p.Layers[d.Layer].Protocol.Attr+"."+d.Field.Name+": "+d.Text)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("damage %q, want %q", text, c.want)
		}
		if shown := p.Show(); (c.want != "") != (strings.Contains(shown, "malformed") || strings.Contains(shown, " wrong, ")) {
			t.Errorf("%s:\n%s", c.want, shown)
		}
	}
}

// TestAuthenticationHeaderInLine: the line has the authentication header of both families, as tcpdump's.
func TestAuthenticationHeaderInLine(t *testing.T) {
	ah := composed{AH, values{"spi": uint64(5), "seq": uint64(1), "icv": make([]byte, 12)}}
	udp := composed{UDP, values{"sport": uint64(1), "dport": uint64(2)}}
	long := composed{AH, values{"spi": uint64(5), "seq": uint64(1), "icv": make([]byte, 1016)}}
	for want, layers := range map[string][]composed{
		"10.0.0.1.1 > 10.0.0.2.2: AH(spi=0x00000005,seq=0x1,icv=0x000000000000000000000000): UDP, length 2":                        {over4, ah, udp, raw("ah")},
		"fd00::1.1 > fd00::2.2: AH(spi=0x00000005,seq=0x1,icv=0x000000000000000000000000): UDP, length 2":                          {over6, ah, udp, raw("ah")},
		"10.0.0.1 > 10.0.0.2: AH(spi=0x00000005,seq=0x1,icv=0x000000000000000000000000): ip-proto-253, length 2":                   {over4, ah, raw("ah")},
		"10.0.0.1.1 > 10.0.0.2.2: AH(spi=0x00000005,seq=0x1,icv=0x" + strings.Repeat("0", 32) + "…): UDP, length 2":                {over4, long, udp, raw("ah")},
		"10.0.0.1 > 10.0.0.2: AH(spi=0x00000005,seq=0x1,icv=0x000000000000000000000000): ICMP echo request, id 0, seq 0, length 8": {over4, ah, {ICMP, nil}},
	} {
		if got := (*Sequences)(nil).Describe(draftBuilt(t, append([]composed{ether}, layers...)...)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestDataOfRaw: load, a word of Starlark, has another name, which reads and sets the same octets.
func TestDataOfRaw(t *testing.T) {
	for _, p := range []*Protocol{Raw, Padding} {
		f := p.Field("data")
		if f == nil || f != p.Field("load") {
			t.Fatalf("%s.data is not load", p.Name)
		}
		l, err := (DraftLayer{Protocol: p}).With(f, []byte("x"))
		if err != nil || !Equal(l.Value(&p.Fields[0]), []byte("x")) {
			t.Error(l, err)
		}
	}
	p := draftBuilt(t, ether, raw("hello"))
	l, _ := p.Layer(Raw)
	i := slices.IndexFunc(Raw.Fields, func(f Field) bool { return f.Name == "data" })
	if i < 0 || !Equal(l.Value(&Raw.Fields[i]), []byte("hello")) || strings.Count(p.Show(), "hello") != 1 {
		t.Errorf("%s", p.Show())
	}
}

// TestCutByTheCapture: options, records and texts that the capture has cut off are marked, and are no damage.
func TestCutByTheCapture(t *testing.T) {
	for name, c := range map[string]struct {
		layers            []composed
		known             int
		line, show, other string
	}{
		"options": {[]composed{over4, {TCP, values{"options": options{options{"mss", 1460}, "sackok", options{"ts", options{1, 0}}}}}}, 14 + 20 + 20 + 7,
			", options [mss 1460,sackOK,[|tcp]], length 0", "options    mss 1460, sackok   cut off by the capture", "[bad opt]"},
		"no option": {[]composed{over4, {TCP, values{"options": options{options{"mss", 1460}}}}}, 14 + 20 + 20, ", options [[|tcp]], length 0", "[tcp]", "[bad opt]"},
		"records": {[]composed{over4, {UDP, values{"sport": uint64(53)}}, {DNS, dnsSections}}, 14 + 20 + 8 + 12 + 17 + 20,
			"4711*- 9/2/1 A 192.0.2.1 [|dns] (", "cut off by the capture", "[bad record]"},
	} {
		b := draftBuilt(t, append([]composed{ether}, c.layers...)...).Octets
		p := Dissect(b[:c.known], len(b), Ether)
		line, show := (*Sequences)(nil).Describe(p), p.Show()
		if !strings.Contains(line, c.line) || strings.Contains(line, c.other) || !strings.Contains(show, c.show) || p.Damage() != nil {
			t.Errorf("%s: %s, %+v\n%s", name, line, p.Damage(), show)
		}
		whole := OfMedium(b, phy.MediumEthernet)
		if line := (*Sequences)(nil).Describe(whole); strings.Contains(line, "[|") || strings.Contains(whole.Show(), "cut off") {
			t.Errorf("%s, whole: %s", name, line)
		}
	}
}

// TestProtocolZeroOfIPv4: the number 0 is hop-by-hop options in IPv6 alone.
func TestProtocolZeroOfIPv4(t *testing.T) {
	p := OfMedium(draftBuilt(t, ether, composed{IP, values{"src": ip4a, "dst": ip4b, "proto": uint64(0)}}, raw("\x11\x00datadata")).Octets, phy.MediumEthernet)
	if got := (*Sequences)(nil).Describe(p); got != "10.0.0.1 > 10.0.0.2: ip-proto-0, length 10" {
		t.Error(got)
	}
	if show := p.Show(); !strings.Contains(show, "proto      0\n") || !strings.Contains(show, "[raw]") {
		t.Error(show)
	}
}

// TestLengthOf8023: a number below the EtherTypes is shown as a length.
func TestLengthOf8023(t *testing.T) {
	for n, want := range map[uint64]string{38: "type       0x0026 length 38\n", 1500: "type       0x05dc length 1500\n", 1501: "type       0x05dd\n", 0x800: "type       0x0800 IPv4\n"} {
		p := draftBuilt(t, composed{Ether, values{"type": n}}, raw("x"))
		if show := p.Show(); !strings.Contains(show, want) {
			t.Errorf("%d: %s", n, show)
		}
	}
}
