package packet

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"smolsh/stack/wire"
)

// values are the fields of a layer that a test sets.
type values = map[string]any

var (
	ip4a, ip4b, group4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("239.1.2.3")
	ip6a, ip6b, group6 = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), netip.MustParseAddr("ff02::1:3")
	mac1, mac2         = wire.HardwareAddr{2, 0, 0, 0, 0, 1}, wire.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// The first layers of most composed packets.
var (
	ether = composed{Ether, values{"src": mac1, "dst": mac2}}
	over4 = composed{IP, values{"src": ip4a, "dst": ip4b}}
	over6 = composed{IPv6, values{"src": ip6a, "dst": ip6b}}
	nd6   = composed{IPv6, values{"src": netip.MustParseAddr("fe80::1"), "dst": netip.MustParseAddr("fe80::2"), "hlim": uint64(255)}}
)

// A composed layer is a protocol with the fields that a test sets.
type composed struct {
	table  *Protocol
	values values
}

// draftOf returns the draft of layers.
func draftOf(t testing.TB, layers ...composed) *Draft {
	t.Helper()
	var d Draft
	for _, l := range layers {
		d.Layers = append(d.Layers, layer(t, l.table, l.values))
	}
	return &d
}

// raw is a layer of octets.
func raw(s string) composed { return composed{Raw, values{"load": []byte(s)}} }

// record returns a Record with parts in pairs of name and value.
func record(pairs ...any) Record {
	var r Record
	for i := 0; i < len(pairs); i += 2 {
		r.Parts = append(r.Parts, Part{pairs[i].(string), pairs[i+1]})
	}
	return r
}

// options is a list as a script writes it.
type options = []any

// quotedUDP is the packet that errors quote. Its length needs no padding in a redirect, which tshark would call unknown data.
func quotedUDP(t testing.TB, ip composed) *Draft {
	return draftOf(t, ip, composed{UDP, values{"sport": uint64(5000), "dport": uint64(6000)}}, raw("8 octets"))
}

// dnsSections are the sections of a DNS response.
var dnsSections = values{"id": uint64(4711), "qr": uint64(1), "aa": uint64(1), "rd": uint64(1),
	"qd": []any{record("qname", "example.org", "qtype", "MX")},
	"an": []any{
		record("rrname", "example.org", "ttl", uint64(60), "rdata", "192.0.2.1"), record("rrname", "example.org", "type", "AAAA", "rdata", ip6a),
		record("rrname", "example.org", "type", "MX", "rdata", "10 mail.example.org"), record("rrname", "a.example.org", "type", "CNAME", "rdata", "example.org."),
		record("rrname", "example.org", "type", "TXT", "rdata", []any{"v=spf1 -all", "say \"x\"\x00"}), record("rrname", "_sip._tcp.example.org", "type", "SRV", "rdata", "0 5 5060 sip.example.org"),
		record("rrname", "1.2.0.192.in-addr.arpa", "type", "PTR", "rdata", "example.org"),
		record("rrname", "_ipp._tcp.local", "type", "PTR", "rdata", `Printer v1\.0 (2)._ipp._tcp.local`), record("rrname", `\000\255.b\\c`, "type", "SRV", "rdata", `0 0 631 a\032b.local`),
	},
	"ns": []any{record("rrname", "example.org", "type", "NS", "rdata", "ns.example.org"), record("rrname", "example.org", "type", "SOA", "rdata", "ns.example.org admin.example.org 1 7200 900 1209600 86400")},
	"ar": []any{record("rrname", "", "type", "OPT", "rclass", uint64(1232), "rdata", []byte{})},
}

// dhcpDiscover is a DHCP message of a client.
var dhcpDiscover = values{"xid": uint64(0x1234), "chaddr": mac1, "flags": uint64(1 << 15), "sname": "server", "file": "boot",
	"options": []any{[]any{"message-type", "discover"}, []any{"requested_addr", ip4b}, []any{"param_req_list", []any{uint64(1), uint64(3)}}, []any{uint64(61), append([]byte{1}, mac1[:]...)}}}

// compositions returns typical packets of every protocol, by name.
func compositions(t testing.TB) map[string][]composed {
	udp := composed{UDP, values{"sport": uint64(5000), "dport": uint64(6000)}}
	tcp := composed{TCP, values{"sport": uint64(1024), "dport": uint64(80), "seq": uint64(1000), "ack": uint64(1), "flags": uint64(0x18), "window": uint64(500)}}
	q4, q6 := quotedUDP(t, over4), quotedUDP(t, over6)
	udp4 := composed{UDP, values{"sport": uint64(5000)}}
	m := map[string][]composed{
		"tcp syn": {ether, over4, {TCP, values{"sport": uint64(1024), "dport": uint64(80), "options": options{options{"mss", 1460}, "sackok", options{"ts", options{1, 0}}, "nop", options{"wscale", 7}}}}},
		"tcp options": {ether, over6, {TCP, values{"sport": uint64(1024), "dport": uint64(80), "flags": uint64(0x10), "urgptr": uint64(3),
			"options": options{options{"sack", options{options{1, 2}, options{5, 9}}}, options{uint64(253), []byte("ab")}, options{"uto", 60}, options{"tfo", []byte("cookie")}, "eol"}}}},
		"tcp data":  {ether, over4, tcp, raw("hello")},
		"udp":       {ether, over4, udp, raw("hi")},
		"udp6":      {ether, over6, udp, raw("hi")},
		"ip raw":    {ether, over4, raw("data")},
		"ip6 raw":   {ether, over6, raw("data")},
		"ip6 alone": {ether, over6},
		"ether raw": {ether, raw("data")},
		"padded":    {ether, over4, udp, raw("hi"), {Padding, values{"load": make([]byte, 16)}}},
		"ip options": {ether, {IP, values{"src": ip4a, "dst": ip4b, "tos": uint64(0x10), "id": uint64(7), "flags": uint64(2), "ttl": uint64(3),
			"options": options{"nop", options{"rr", options{4, options{ip4a, "10.0.0.9"}}}, options{"router_alert", 0}, options{"lsrr", RouteOption{4, []any{ip4b}}}, "eol"}}}, udp, raw("x")},
		"ip in ip":      {ether, over4, over4, udp, raw("x")},
		"vlan":          {ether, {Dot1Q, values{"prio": uint64(3), "vlan": uint64(7)}}, over4, udp, raw("x")},
		"arp":           {ether, {ARP, values{"hwsrc": mac1, "psrc": ip4a, "pdst": ip4b}}},
		"arp reply":     {ether, {ARP, values{"op": uint64(2), "hwsrc": mac1, "psrc": ip4a, "hwdst": mac2, "pdst": ip4b}}},
		"arp others":    {ether, {ARP, values{"hwsrc": []byte("12345678"), "psrc": []byte("123456"), "pdst": []byte("abcdef")}}},
		"icmp echo":     {ether, over4, {ICMP, values{"id": uint64(3), "seq": uint64(4)}}, raw("ping")},
		"icmp error":    {ether, over4, {ICMP, values{"type": uint64(3), "code": uint64(3), "quoted": q4}}},
		"icmp frag":     {ether, over4, {ICMP, values{"type": uint64(3), "code": uint64(4), "nexthopmtu": uint64(1400), "quoted": q4}}},
		"icmp redirect": {ether, over4, {ICMP, values{"type": uint64(5), "gw": ip4b, "quoted": q4}}},
		"icmp param":    {ether, over4, {ICMP, values{"type": uint64(12), "ptr": uint64(20), "quoted": q4}}},
		"icmp quench":   {ether, over4, {ICMP, values{"type": uint64(4), "quoted": q4}}},
		"icmp time":     {ether, over4, {ICMP, values{"type": uint64(13), "id": uint64(1), "ts_ori": uint64(5)}}},
		"icmp mask":     {ether, over4, {ICMP, values{"type": uint64(18), "addr_mask": netip.MustParseAddr("255.0.0.0")}}},
		"igmp query":    {ether, over4, {IGMP, values{"mrcode": uint64(100)}}},
		"igmp query 3":  {ether, over4, {IGMP, values{"mrcode": uint64(100), "gaddr": group4, "qrv": uint64(2), "qqic": uint64(125), "srcaddrs": []any{ip4a, ip4b}}}},
		"igmp report":   {ether, over4, {IGMP, values{"type": uint64(0x22), "records": []any{record("rtype", uint64(4), "maddr", group4, "srcaddrs", []any{ip4a}), record("maddr", "239.1.1.1")}}}},
		"gre":           {ether, over4, {GRE, values{"key_present": uint64(1), "key": uint64(9), "chksum_present": uint64(1)}}, over4, udp, raw("x")},
		"vxlan":         {ether, over4, udp4, {VXLAN, values{"vni": uint64(5)}}, ether, over4, udp, raw("x")},
		"dns":           {ether, over4, udp4, {DNS, values{"id": uint64(1), "rd": uint64(1), "qd": []any{record("qname", "example.org")}}}},
		"dns response":  {ether, over6, {UDP, values{"dport": uint64(5000)}}, {DNS, dnsSections}},
		"dns tcp":       {ether, over4, {TCP, values{"sport": uint64(5000), "flags": uint64(0x18)}}, {DNS, values{"id": uint64(1), "qd": []any{record("qname", "example.org", "qtype", "AAAA")}}}},
		"dhcp":          {ether, over4, {UDP, nil}, {DHCP, dhcpDiscover}},
		"dhcp reply":    {ether, over4, {UDP, nil}, {DHCP, values{"op": uint64(2), "chaddr": mac1, "yiaddr": ip4b, "options": OptionMap{{Code: 53, Data: []byte{2}}, {Code: 43, Data: bytes.Repeat([]byte("x"), 300)}}}}},
		"hop by hop":    {ether, over6, {HopByHop, values{"options": options{options{"router_alert", 0}, options{"padn", []byte{}}}}}, {DestinationOptions, values{"options": options{"pad1", options{"padn", []byte{0, 0, 0}}}}}, udp, raw("x")},
		"routing":       {ether, over6, {Routing, values{"addresses": []any{ip6a, "fd00::9"}}}, tcp, raw("x")},
		"segments":      {ether, over6, {Routing, values{"type": uint64(4), "addresses": []any{ip6a, "fd00::9"}}}, tcp, raw("x")},
		"fragment6":     {ether, over6, {Fragment, values{"id": uint64(9), "offset": uint64(0), "m": uint64(0)}}, udp, raw("x")},
		"ah":            {ether, over4, {AH, values{"spi": uint64(1), "seq": uint64(2), "icv": []byte("123456789012")}}, udp, raw("x")},
		"cooked":        {{SLL, values{"src": mac1, "lladdrtype": uint64(1)}}, over4, udp, raw("x")},
		"cooked 2":      {{SLL2, values{"src": mac1, "ifindex": uint64(2), "lladdrtype": uint64(1)}}, over4, udp, raw("x")},
		"null":          {{Null, nil}, over4, udp, raw("x")},
		"null of BSD":   {{Null, values{"type": uint64(30)}}, over6, udp, raw("x")},
		"null 6":        {{Null, nil}, over6, udp, raw("x")},
		"icmp6 unknown": {ether, over6, {ICMPv6, values{"type": uint64(200)}}, raw("x")},
		"mld query":     {ether, nd6, {ByName("ICMPv6MLQuery"), values{"mrd": uint64(1000), "mladdr": group6}}},
		"mld query 2":   {ether, nd6, {ByName("ICMPv6MLQuery"), values{"mrd": uint64(1000), "mladdr": group6, "qrv": uint64(2), "sources": []any{ip6a}}}},
		"mld report":    {ether, nd6, {ByName("ICMPv6MLReport"), values{"mladdr": group6}}},
		"mld done":      {ether, nd6, {ByName("ICMPv6MLDone"), values{"mladdr": group6}}},
		"mld report 2":  {ether, nd6, {ByName("ICMPv6MLReport2"), values{"records": []any{record("rtype", uint64(3), "maddr", group6, "srcaddrs", []any{ip6a, ip6b})}}}},
		"echo 6":        {ether, over6, {ByName("ICMPv6EchoRequest"), values{"id": uint64(1), "seq": uint64(2)}}, raw("ping")},
		"echo reply 6":  {ether, over6, {ByName("ICMPv6EchoReply"), values{"id": uint64(1), "seq": uint64(2)}}, raw("ping")},
		"unreachable 6": {ether, over6, {ByName("ICMPv6DestUnreach"), values{"code": uint64(4), "quoted": q6}}},
		"too big 6":     {ether, over6, {ByName("ICMPv6PacketTooBig"), values{"mtu": uint64(1280), "quoted": q6}}},
		"exceeded 6":    {ether, over6, {ByName("ICMPv6TimeExceeded"), values{"quoted": q6}}},
		"problem 6":     {ether, over6, {ByName("ICMPv6ParamProblem"), values{"ptr": uint64(6), "quoted": q6}}},
	}
	opt := func(name string, v values) composed { return composed{ByName("ICMPv6NDOpt" + name), v} }
	m["solicitation"] = []composed{ether, nd6, {ByName("ICMPv6ND_NS"), values{"tgt": ip6b}}, opt("SrcLLAddr", values{"lladdr": mac1}), opt("Nonce", values{"nonce": []byte("abcdef")})}
	m["advertisement"] = []composed{ether, nd6, {ByName("ICMPv6ND_NA"), values{"R": uint64(1), "S": uint64(1), "tgt": ip6b}}, opt("DstLLAddr", values{"lladdr": mac1})}
	m["router solicitation"] = []composed{ether, nd6, {ByName("ICMPv6ND_RS"), nil}}
	m["router"] = []composed{ether, nd6, {ByName("ICMPv6ND_RA"), values{"chlim": uint64(64), "M": uint64(1)}}, opt("PrefixInfo", values{"prefix": netip.MustParseAddr("fd00::")}), opt("MTU", values{"mtu": uint64(1500)}),
		opt("RouteInfo", values{"plen": uint64(64), "prefix": netip.MustParseAddr("fd01::")}), opt("RDNSS", values{"lifetime": uint64(600), "dns": []any{ip6a, "fd00::53"}}),
		opt("DNSSL", values{"lifetime": uint64(600), "searchlist": []any{"example.org", "lan"}}), opt("Unknown", values{"type": uint64(200), "data": []byte("abcdef")})}
	m["redirect"] = []composed{ether, nd6, {ByName("ICMPv6ND_Redirect"), values{"tgt": nd6.values["src"], "dst": ip6b}}, opt("RedirectedHdr", values{"quoted": q6})}
	return m
}

// sameValue reports whether a layer's field has the value that a draft has. A quoted draft is compared by its octets.
func sameValue(l Layer, f *Field, want any) bool {
	if n, ok := want.(uint64); ok && f.Kind <= Letters {
		got, there := l.Uint(f)
		return there && got == n
	}
	got := l.Value(f)
	if d, ok := want.(*Draft); ok {
		p, err := d.Build()
		q, is := got.(*Packet)
		return err == nil && is && bytes.HasPrefix(q.Octets, p.Octets) && len(bytes.Trim(q.Octets[len(p.Octets):], "\x00")) == 0
	}
	return Equal(withoutLengths(got), withoutLengths(want))
}

// withoutLengths drops the length of the data of DNS records, which compression changes.
func withoutLengths(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	list = slices.Clone(list)
	for i, x := range list {
		if r, ok := x.(Record); ok {
			r.Parts = slices.DeleteFunc(slices.Clone(r.Parts), func(p Part) bool { return p.Name == "rdlen" })
			list[i] = r
		}
	}
	return list
}

// TestComposed: packets of every protocol with typical values are read back with the layers and values that they were composed of.
func TestComposed(t *testing.T) {
	composedTables, set := map[*Protocol]bool{}, map[string]bool{}
	for name, layers := range compositions(t) {
		d := draftOf(t, layers...)
		p, err := d.Build()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		q := Dissect(p.Octets, len(p.Octets), p.First)
		if damage := q.Damage(); len(damage) > 0 {
			t.Errorf("%s: %+v\n%s", name, damage, q.Show())
		}
		if strings.Contains(q.Show(), "wrong") {
			t.Errorf("%s:\n%s", name, q.Show())
		}
		for i, l := range d.Layers {
			if l.Protocol == Padding {
				continue
			}
			if i >= len(q.Layers) || q.Layers[i].Protocol != l.Protocol {
				t.Errorf("%s: no layer %s is read back\n%s", name, l.Protocol.Name, q.Show())
				break
			}
			composedTables[l.Protocol] = true
			for j := range l.Protocol.Fields {
				f := &l.Protocol.Fields[j]
				if v := l.Value(f); v != nil {
					set[l.Protocol.Name+"."+f.Name] = true
					if !sameValue(q.Layers[i], f, v) {
						t.Errorf("%s: %s.%s is %s, set to %s", name, l.Protocol.Name, f.Name, Format(q.Layers[i].Value(f)), Format(v))
					}
				}
			}
		}
		checkRoundTrip(t, p.Octets, p.First)
		if got, draft := len(q.Draft().Layers), len(d.Layers); got != draft {
			t.Errorf("%s: the draft has %d layers of %d", name, got, draft)
		}
	}
	for _, p := range Protocols() {
		if !composedTables[p] && p != Padding {
			t.Errorf("no packet has %s", p.Name)
		}
		for i := range p.Fields {
			if f := &p.Fields[i]; f.Kind == Other && f.Write != nil && !set[p.Name+"."+f.Name] {
				t.Errorf("no packet sets %s.%s", p.Name, f.Name)
			}
			if f := &p.Fields[i]; f.Kind == Other && f.Write == nil && !f.Derived() {
				t.Errorf("%s.%s has no Write", p.Name, f.Name)
			}
		}
	}
}
