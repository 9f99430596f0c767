package packet

import (
	"net/netip"
	"strings"
	"testing"

	"smolsh/stack/wire"
)

// TestBadValues: a value that a field can't have is an error that says what it takes.
func TestBadValues(t *testing.T) {
	for _, c := range []struct {
		table *Protocol
		field string
		value any
		want  string
	}{
		{TCP, "dport", uint64(65536), "TCP.dport is 0 to 65535, got 65536"},
		{TCP, "dport", "http", "TCP.dport is a number, got http"},
		{IP, "frag", uint64(5), "IP.frag is 0 to 65528 in steps of 8, got 5"},
		{IP, "src", ip6a, "IP.src: fd00::1 is an address of the other family"},
		{IP, "df", uint64(1), "IP.df is computed from other fields, and can't be set"},
		{TCP, "mss", uint64(1), "TCP.mss is computed from other fields, and can't be set"},
		{TCP, "options", options{options{"mss", 65536}}, "TCP.options: mss is 0 to 65535, got 65536"},
		{TCP, "options", options{options{"mss", uint64(65536)}}, "TCP.options: mss is 0 to 65535, got 65536"},
		{TCP, "options", options{options{"sackok", uint64(1)}}, "TCP.options: sackok is no value, got 1"},
		{TCP, "options", options{options{"nop", uint64(1)}}, "TCP.options: nop takes no value, got 1"},
		{TCP, "options", options{options{"sack", options{options{uint64(1)}}}}, "TCP.options: sack is a list of (left, right), each 0 to 4294967295, got [[1]]"},
		{TCP, "options", options{options{"ts", uint64(1)}}, "TCP.options: ts is (value, echo), each 0 to 4294967295, got 1"},
		{TCP, "options", options{"mss"}, "TCP.options: mss is 0 to 65535, got nothing"},
		{TCP, "options", options{"mms"}, `TCP.options: no option is called "mms": there are eol nop mss wscale sackok sack echo echoreply ts md5 uto ao mptcp tfo, and (kind, octets)`},
		{TCP, "options", options{options{uint64(256), []byte{}}}, "TCP.options: an option's kind is 0 to 255, got 256"},
		{TCP, "options", options{options{uint64(253), make([]byte, 254)}}, "TCP.options: option 253 is 0 to 253 octets, got 254"},
		{TCP, "options", []Option{{Kind: -1}}, "TCP.options: an option's kind is 0 to 255, got -1"},
		{TCP, "options", uint64(3), "TCP.options: it is a list of options or octets, got 3"},
		{TCP, "options", options{true}, "TCP.options: an option is a name, (name, value) or (kind, octets), got true"},
		{IP, "options", options{options{"rr", options{uint64(4), options{ip6a}}}}, "IP.options: rr is (pointer, [IPv4 addresses]), the pointer 0 to 255, got [4, [fd00::1]]"},
		{HopByHop, "options", options{options{"router_alert", uint64(70000)}}, "IPv6ExtHdrHopByHop.options: router_alert is 0 to 65535, got 70000"},
		{ARP, "hwsrc", ip4a, "ARP.hwsrc: it is a hardware address or octets, got 10.0.0.1"},
		{ARP, "psrc", mac1, "ARP.psrc: it is an address or octets, got 02:00:00:00:00:01"},
		{ARP, "psrc", netip.Addr{}, "ARP.psrc: it is an address or octets, got invalid IP"},
		{SLL, "src", make([]byte, 9), "CookedLinux.src: it has 8 octets, got 9"},
		{ICMP, "quoted", uint64(1), "ICMP.quoted: it is a packet or octets, got 1"},
		{ICMP, "quoted", &Draft{}, "ICMP.quoted: a packet without layers has no octets"},
		{IGMP, "srcaddrs", []any{ip6a}, "IGMP.srcaddrs: fd00::1 is no IPv4 address"},
		{IGMP, "records", []any{record("maddr", group4, "sources", uint64(1))}, `IGMP.records: a record has no "sources": it has rtype auxdlen numsrc maddr srcaddrs`},
		{IGMP, "records", []any{record("rtype", uint64(256), "maddr", group4)}, "IGMP.records: rtype is 0 to 255, got 256"},
		{IGMP, "records", []any{record("rtype", uint64(1))}, "IGMP.records: maddr: nothing is no IPv4 address"},
		{IGMP, "records", []any{group4}, "IGMP.records: a record has rtype auxdlen numsrc maddr srcaddrs, got 239.1.2.3"},
		{Routing, "addresses", []any{ip4a}, "IPv6ExtHdrRouting.addresses: 10.0.0.1 is no IPv6 address"},
		{ByName("ICMPv6NDOptDNSSL"), "searchlist", []any{strings.Repeat("x", 64)}, "ICMPv6NDOptDNSSL.searchlist: a label of a name has 1 to 63 octets"},
		{ByName("ICMPv6NDOptSrcLLAddr"), "lladdr", uint64(1), "ICMPv6NDOptSrcLLAddr.lladdr: it is a hardware address or octets, got 1"},
		{DHCP, "chaddr", make([]byte, 17), "DHCP.chaddr: it has 16 octets, got 17"},
		{DHCP, "options", OptionMap{{Code: 255}}, "DHCP.options: an option's code is 1 to 254, got 255"},
		{DHCP, "options", options{options{"lease_time", "long"}}, "DHCP.options: lease_time is 0 to 4294967295, got long"},
		{DHCP, "options", options{options{"message-type", "hello"}}, "DHCP.options: message-type is 1 to 255 or one of discover offer request decline ack nak release inform, got hello"},
		{DHCP, "options", options{options{"leash", "long"}}, `DHCP.options: no option of DHCP is called "leash": there are subnet_mask`},
		{DHCP, "sname", strings.Repeat("x", 65), "DHCP.sname: it has 64 octets, got 65"},
		{DNS, "qd", []any{record("name", "x")}, `DNS.qd: [0]: a question has no "name": it has qname qtype qclass`},
		{DNS, "qd", []any{record("qname", "x", "qtype", "AAAAA")}, `DNS.qd: [0]: qtype: "AAAAA" is no type of records: there are A AAAA`},
		{DNS, "qd", []any{record("qname", strings.Repeat("x.", 130))}, "DNS.qd: [0]: qname: a name has at most 253 octets, got 259"},
		{DNS, "qd", []any{record("qname", "a..b")}, `DNS.qd: [0]: qname: a label of a name has 1 to 63 octets, got ""`},
		{DNS, "an", []any{record("rrname", "x", "rdata", ip6a)}, "DNS.an: [0]: rdata of A: fd00::1 is no IPv4 address"},
		{DNS, "an", []any{record("rrname", "x", "type", "MX", "rdata", "mail.example.org")}, `DNS.an: [0]: rdata of MX: it is "PREFERENCE NAME" or octets, got mail.example.org`},
		{DNS, "an", []any{record("rrname", "x", "type", "MX", "rdata", "70000 mail")}, `DNS.an: [0]: rdata of MX: PREFERENCE is 0 to 65535, got "70000"`},
		{DNS, "an", []any{record("rrname", "x", "type", "TXT", "rdata", strings.Repeat("x", 256))}, "DNS.an: [0]: rdata of TXT: a text has at most 255 octets, got 256"},
		{DNS, "an", []any{record("rrname", "x", "type", "TXT", "rdata", `"x`)}, `DNS.an: [0]: rdata of TXT: the quotes of "x don't match`},
		{DNS, "an", []any{record("rrname", "x", "ttl", uint64(1<<32))}, "DNS.an: [0]: ttl is 0 to 4294967295, got 4294967296"},
		{DNS, "an", []any{record("rrname", "x", "type", "SVCB", "rdata", "1 .")}, "DNS.an: [0]: rdata of SVCB: it is octets, got 1 ."},
		{Ether, "src", []byte{1, 2}, "Ether.src: it has 6 octets, got 2"},
		{Null, "type", uint64(1 << 32), "Loopback.type: it is 0 to 4294967295, got 4294967296"},
	} {
		_, err := (DraftLayer{Protocol: c.table}).With(c.table.Field(c.field), c.value)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v: got  %v\nwant %s", c.value, err, c.want)
		}
	}
}

// TestParsedOptions: options are given by name or kind, with values in several forms.
func TestParsedOptions(t *testing.T) {
	for _, c := range []struct {
		kind  uint64
		value any
		name  string
		want  Option
	}{
		{kind: 2, value: []byte{5, 0xb4}, want: Option{2, "mss", uint64(1460)}},
		{kind: 2, value: uint64(1460), want: Option{2, "mss", uint64(1460)}},
		{kind: 2, value: []byte{5}, want: Option{2, "", []byte{5}}},
		{kind: 4, want: Option{4, "sackok", nil}},
		{kind: 1, want: Option{1, "nop", nil}},
		{kind: 19, value: []byte("x"), want: Option{19, "md5", []byte("x")}},
		{kind: 200, want: Option{200, "", []byte{}}},
		{name: "ts", value: []any{uint64(1), uint64(2)}, want: Option{8, "ts", [2]uint64{1, 2}}},
		{name: "sack", value: []any{[]any{uint64(1), uint64(2)}}, want: Option{5, "sack", []SequenceRange{{1, 2}}}},
		{name: "sack", value: []SequenceRange{{1, 2}}, want: Option{5, "sack", []SequenceRange{{1, 2}}}},
	} {
		got, err := ParseOption(TCP, c.name, c.value)
		if c.name == "" {
			got, err = NumberedOption(TCP, c.kind, c.value)
		}
		if err != nil || !Equal([]Option{got}, []Option{c.want}) {
			t.Errorf("%+v: got %+v, %v", c, got, err)
		}
	}
	if _, err := ParseOption(UDP, "mss", nil); err == nil {
		t.Error("UDP has options")
	}
}

// TestFollows: numbers, ports and lengths that are unset follow from other fields and layers.
func TestFollows(t *testing.T) {
	quoted := quotedUDP(t, over4)
	q6 := quotedUDP(t, over6)
	for name, c := range map[string]struct {
		layers []composed
		path   string
		want   any
	}{
		"protocol of data":        {[]composed{over4, raw("x")}, "ip.proto", uint64(253)},
		"next header of nothing":  {[]composed{over6}, "ip6.nh", uint64(59)},
		"next header of padding":  {[]composed{over6, {Padding, values{"load": []byte{0}}}}, "ip6.nh", uint64(59)},
		"next header of data":     {[]composed{over6, raw("x")}, "ip6.nh", uint64(253)},
		"header in front of data": {[]composed{over6, {HopByHop, nil}, raw("x")}, "ipv6exthdrhopbyhop.nh", uint64(253)},
		"type of data":            {[]composed{ether, raw("x")}, "eth.type", uint64(0x88b5)},
		"type of a tagged packet": {[]composed{ether, {Dot1Q, nil}, over6}, "vlan.type", uint64(0x86dd)},
		"port of a query":         {[]composed{over4, {UDP, nil}, {DNS, nil}}, "udp.dport", uint64(53)},
		"port of a response":      {[]composed{over4, {UDP, nil}, {DNS, values{"qr": uint64(1)}}}, "udp.sport", uint64(53)},
		"a query's own port":      {[]composed{over4, {UDP, values{"dport": uint64(5353)}}, {DNS, nil}}, "udp.dport", uint64(5353)},
		"port of DNS over TCP":    {[]composed{over4, {TCP, nil}, {DNS, nil}}, "tcp.dport", uint64(53)},
		"length over TCP":         {[]composed{over4, {TCP, nil}, {DNS, values{"qd": []any{record("qname", "a.b")}}}}, "dns.length", uint64(21)},
		"client of DHCP":          {[]composed{over4, {UDP, nil}, {DHCP, nil}}, "udp.sport", uint64(68)},
		"server of DHCP":          {[]composed{over4, {UDP, nil}, {DHCP, values{"op": uint64(2)}}}, "udp.dport", uint64(68)},
		"VXLAN's port":            {[]composed{over4, {UDP, nil}, {VXLAN, nil}}, "udp.dport", uint64(4789)},
		"length of a quote":       {[]composed{over4, {ICMP, values{"type": uint64(11), "quoted": quoted, "extensions": []byte{0x20, 0, 0, 0}}}}, "icmp.length", uint64(32)},
		"length of a quote in 6":  {[]composed{over6, {ByName("ICMPv6DestUnreach"), values{"quoted": q6, "extensions": []byte{0x20, 0, 0, 0}}}}, "icmp6.length", uint64(16)},
		"extensions":              {[]composed{over4, {ICMP, values{"type": uint64(3), "quoted": quoted, "extensions": []byte{0x20, 0, 0, 0}}}}, "icmp.extensions", []byte{0x20, 0, 0, 0}},
		"length of an address":    {[]composed{ether, {ARP, values{"hwsrc": []byte("12345678")}}}, "arp.hwlen", uint64(8)},
		"unset addresses":         {[]composed{ether, {ARP, nil}}, "arp.hwdst", wire.HardwareAddr{}},
		"hardware of DHCP":        {[]composed{over4, {UDP, nil}, {DHCP, values{"chaddr": []byte("12345678")}}}, "dhcp.hlen", uint64(8)},
		"sources":                 {[]composed{over4, {IGMP, values{"srcaddrs": []any{ip4a, ip4b}}}}, "igmp.numsrc", uint64(2)},
		"segments":                {[]composed{over6, {Routing, values{"addresses": []any{ip6a, ip6b}}}, raw("x")}, "ipv6exthdrrouting.segleft", uint64(2)},
		"questions":               {[]composed{over4, {UDP, nil}, {DNS, values{"qd": []any{record("qname", "a"), record("qname", "b")}}}}, "dns.qdcount", uint64(2)},
		"a count that is set":     {[]composed{over4, {UDP, nil}, {DNS, values{"qdcount": uint64(7), "qd": []any{record("qname", "a")}}}}, "dns.qdcount", uint64(7)},
	} {
		p, err := draftOf(t, c.layers...).Build()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		attr, f, _ := strings.Cut(c.path, ".")
		p = Dissect(p.Octets, len(p.Octets), p.First)
		if got := field(t, p, attr, f); !Equal(got, c.want) {
			t.Errorf("%s: %s is %v, want %v\n%s", name, c.path, got, c.want, p.Show())
		}
	}
}
