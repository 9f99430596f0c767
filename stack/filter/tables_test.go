package filter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"smolsh/phy"
	tables "smolsh/stack/packet"
)

// A tabled packet is a frame with the layers that the tables of package packet find in it.
type tabled struct {
	name   string // the file and the packet's number
	frame  []byte
	medium phy.Medium
	layers []tables.Layer // layers from the network layer up; the first may be a VLAN tag
	ether  tables.Layer   // Ethernet header, on MediumEthernet
}

// tabledPackets returns the packets of package packet's capture files. A header that is not of Ethernet is taken off, as a
// capture's Reader does it for filters.
func tabledPackets(t testing.TB) (all []tabled) {
	t.Helper()
	files, err := filepath.Glob("../packet/testdata/*.pcap")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	firsts := map[uint32]*tables.Protocol{0: tables.Null, 1: tables.Ether, 113: tables.SLL, 276: tables.SLL2}
	for _, file := range files {
		if filepath.Base(file) == "forms.pcap" { // damaged headers, of which a filter reads what the tables do not
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		le := binary.LittleEndian
		first := firsts[le.Uint32(b[20:])]
		for b, n := b[24:], 1; len(b) > 0; n++ {
			size := le.Uint32(b[8:])
			v := tabled{name: fmt.Sprintf("%s, packet %d", filepath.Base(file), n), frame: b[16 : 16+size]}
			b = b[16+size:]
			if first == tables.Ether {
				p := tables.OfMedium(v.frame, phy.MediumEthernet)
				v.ether, v.layers = p.Layers[0], p.Layers[1:]
			} else {
				_, v.frame = split(tables.Dissect(v.frame, len(v.frame), first))
				v.medium = phy.MediumIP
				v.layers = tables.OfMedium(v.frame, phy.MediumIP).Layers
			}
			all = append(all, v)
		}
	}
	return all
}

// split returns the first layer's header and the octets after it.
func split(p *tables.Packet) (header, rest []byte) {
	return p.Layers[0].Header(), p.Layers[0].Payload()
}

// values returns the values of the fields of a layer, which need not have them.
func values(l tables.Layer, names ...string) (vs []any) {
	for _, name := range names {
		if f := l.Protocol.Field(name); f != nil && l.Value(f) != nil {
			vs = append(vs, l.Value(f))
		}
	}
	return vs
}

// fieldNumber returns the value of a field that is a number.
func fieldNumber(l tables.Layer, name string) uint64 {
	v, _ := l.Uint(l.Protocol.Field(name))
	return v
}

// addresses returns the named addresses of the packet's network header: src and dst of IP, psrc and pdst of ARP.
func addresses(ls []tables.Layer, names ...string) []any {
	if len(ls) == 0 || !slices.Contains([]*tables.Protocol{tables.IP, tables.IPv6, tables.ARP}, ls[0].Protocol) {
		return nil
	}
	var ofARP []string
	for _, n := range names {
		ofARP = append(ofARP, "p"+n)
	}
	return append(values(ls[0], names...), values(ls[0], ofARP...)...)
}

// addressesOf does the same as addresses for packets of one network protocol.
func addressesOf(p *tables.Protocol, name string) func(ls []tables.Layer) []any {
	return func(ls []tables.Layer) []any {
		if len(ls) == 0 || ls[0].Protocol != p {
			return nil
		}
		return addresses(ls, name)
	}
}

// over returns the layer after the network header. ok is false unless its protocol is one of a list: over IPv4 not of a
// later fragment, over IPv6 without extension headers. These are the rules of filters for ports and for octets of a
// transport header.
func over(ls []tables.Layer, protos ...*tables.Protocol) (l tables.Layer, ok bool) {
	if len(ls) < 2 || ls[0].Protocol != tables.IP && ls[0].Protocol != tables.IPv6 {
		return l, false
	}
	for _, p := range protos {
		if ls[1].Protocol.Is(p) {
			return ls[1], true
		}
	}
	return l, false
}

// carriedNumbers returns the numbers of IP protocols that "proto" compares: of an IPv6 fragment also that of its fragment header.
func carriedNumbers(ls []tables.Layer, versions ...*tables.Protocol) []any {
	switch {
	case len(ls) == 0 || !slices.Contains(versions, ls[0].Protocol):
		return nil
	case ls[0].Protocol == tables.IP:
		return values(ls[0], "proto")
	case len(ls) > 1 && ls[1].Protocol == tables.Fragment:
		return append(values(ls[0], "nh"), values(ls[1], "nh")...)
	}
	return values(ls[0], "nh")
}

// ports returns a function that returns the values of the named port fields of a packet.
func ports(names ...string) func(protos ...*tables.Protocol) func(ls []tables.Layer) []any {
	return func(protos ...*tables.Protocol) func(ls []tables.Layer) []any {
		return func(ls []tables.Layer) []any {
			if l, ok := over(ls, protos...); ok {
				return values(l, names...)
			}
			return nil
		}
	}
}

// messageField returns the value of a field of an ICMP message over one version of IP.
func messageField(version, proto *tables.Protocol, field string) func(ls []tables.Layer) []any {
	return func(ls []tables.Layer) []any {
		if l, ok := over(ls, proto); ok && ls[0].Protocol == version {
			return values(l, field)
		}
		return nil
	}
}

// chainNumbers returns the numbers that protochain compares: every next header up to the transport header.
func chainNumbers(ls []tables.Layer) (vs []any) {
	if len(ls) == 0 || ls[0].Protocol != tables.IPv6 {
		return nil
	}
	for i, l := range ls {
		next := values(l, "nh")
		if i > 0 && l.Protocol == tables.IPv6 { // the packet in a tunnel
			break
		}
		if len(next) == 0 || l.Protocol == tables.AH { // after AH the filter is as wrong as libpcap
			break
		}
		vs = append(vs, next...)
	}
	return vs
}

// networkPrimitives are primitives about the network header and the layers after it. The expression holds for a packet
// if $ is one of the values that the tables read in it.
var networkPrimitives = []struct {
	expr   string
	values func(ls []tables.Layer) []any
}{
	{"src host $", func(ls []tables.Layer) []any { return addresses(ls, "src") }},
	{"dst host $", func(ls []tables.Layer) []any { return addresses(ls, "dst") }},
	{"host $", func(ls []tables.Layer) []any { return addresses(ls, "src", "dst") }},
	{"ip src $", addressesOf(tables.IP, "src")},
	{"ip dst host $", addressesOf(tables.IP, "dst")},
	{"ip6 src $", addressesOf(tables.IPv6, "src")},
	{"ip6 dst host $", addressesOf(tables.IPv6, "dst")},
	{"arp src host $", addressesOf(tables.ARP, "src")},
	{"arp dst host $", addressesOf(tables.ARP, "dst")},
	{"src net $", func(ls []tables.Layer) []any { return addresses(ls, "src") }},
	{"proto $", func(ls []tables.Layer) []any { return carriedNumbers(ls, tables.IP, tables.IPv6) }},
	{"ip proto $", func(ls []tables.Layer) []any { return carriedNumbers(ls, tables.IP) }},
	{"ip6 proto $", func(ls []tables.Layer) []any { return carriedNumbers(ls, tables.IPv6) }},
	{"ip6 protochain $", chainNumbers},
	{"src port $", ports("sport")(tables.TCP, tables.UDP)},
	{"dst port $", ports("dport")(tables.TCP, tables.UDP)},
	{"port $", ports("sport", "dport")(tables.TCP, tables.UDP)},
	{"portrange $-$", ports("sport", "dport")(tables.TCP, tables.UDP)},
	{"tcp port $", ports("sport", "dport")(tables.TCP)},
	{"tcp src port $", ports("sport")(tables.TCP)},
	{"udp port $", ports("sport", "dport")(tables.UDP)},
	{"udp dst port $", ports("dport")(tables.UDP)},
	{"icmp[icmptype] = $", messageField(tables.IP, tables.ICMP, "type")},
	{"icmp[icmpcode] = $", messageField(tables.IP, tables.ICMP, "code")},
	{"icmp6[icmp6type] = $", messageField(tables.IPv6, tables.ICMPv6, "type")},
	{"icmp6[icmp6code] = $", messageField(tables.IPv6, tables.ICMPv6, "code")},
	{"tcp[tcpflags] = $", func(ls []tables.Layer) []any {
		if l, ok := over(ls, tables.TCP); ok && ls[0].Protocol == tables.IP {
			return []any{fieldNumber(l, "flags") & 0xff}
		}
		return nil
	}},
}

// compare holds an expression made of one packet's value against the tables' answer for the packets that are given.
func compare(t *testing.T, expr string, ps []tabled, want func(v *tabled) bool) (yes, no int) {
	t.Helper()
	f, err := Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ps {
		v := &ps[i]
		holds := want(v)
		if got := f.Match(v.frame, v.medium); got != holds {
			t.Errorf("%s: %q is %v, and by the tables %v", v.name, expr, got, holds)
		}
		if holds {
			yes++
		} else {
			no++
		}
	}
	return yes, no
}

// Every primitive with a value finds the packets whose fields have that value, and no others: without a tag, and after
// one and two tags.
func TestPrimitivesAgreeWithTables(t *testing.T) {
	ps := tabledPackets(t)
	for depth, tagged := range []string{"", "vlan and ", "vlan and vlan and "} {
		behind := func(v *tabled) []tables.Layer { // layers after the VLAN tags, nil if there are no tags
			for _, l := range v.layers[:min(depth, len(v.layers))] {
				if l.Protocol != tables.Dot1Q {
					return nil
				}
			}
			return v.layers[min(depth, len(v.layers)):]
		}
		for _, c := range networkPrimitives {
			yes, no := 0, 0
			for _, x := range distinct(ps, func(v *tabled) []any { return c.values(behind(v)) }, 12) {
				y, n := compare(t, tagged+strings.ReplaceAll(c.expr, "$", x), ps, func(v *tabled) bool {
					return has(c.values(behind(v)), x)
				})
				yes, no = yes+y, no+n
			}
			if depth == 0 && (yes == 0 || no == 0) {
				t.Errorf("%s held for %d packets and not for %d", c.expr, yes, no)
			}
		}
	}
}

// distinct returns different values of the packets as text. If there are more than limit, it returns limit of them,
// evenly spread.
func distinct(ps []tabled, values func(v *tabled) []any, limit int) (list []string) {
	seen := map[string]bool{}
	for i := range ps {
		for _, x := range values(&ps[i]) {
			if s := fmt.Sprint(x); !seen[s] {
				seen[s], list = true, append(list, s)
			}
		}
	}
	for step := (len(list) + limit - 1) / limit; step > 1; step = 1 {
		var some []string
		for i := 0; i < len(list); i += step {
			some = append(some, list[i])
		}
		list = some
	}
	return list
}

func has(vs []any, text string) bool {
	return slices.ContainsFunc(vs, func(x any) bool { return fmt.Sprint(x) == text })
}

// isFirst returns a function that reports whether the network header of a packet is of the protocol p.
func isFirst(p *tables.Protocol) func(v *tabled) bool {
	return func(v *tabled) bool { return len(v.layers) > 0 && v.layers[0].Protocol == p }
}

// carries returns a function that reports whether a packet carries the IP protocol number over one of the given
// versions of IP.
func carries(number uint64, versions ...*tables.Protocol) func(v *tabled) bool {
	return func(v *tabled) bool { return has(carriedNumbers(v.layers, versions...), fmt.Sprint(number)) }
}

// inGroup returns a function that reports whether the destination of a packet's IP header is within prefix.
func inGroup(version *tables.Protocol, prefix netip.Prefix) func(v *tabled) bool {
	return func(v *tabled) bool {
		return isFirst(version)(v) && prefix.Contains(v.layers[0].Value(version.Field("dst")).(netip.Addr))
	}
}

// ofEther returns a function that reports whether cond holds for the Ethernet header of a packet.
func ofEther(cond func(l tables.Layer) bool) func(v *tabled) bool {
	return func(v *tabled) bool { return v.medium == phy.MediumEthernet && cond(v.ether) }
}

// The names of protocols alone, multicast, and the flags of TCP find the packets that the tables say.
func TestNamesAgreeWithTables(t *testing.T) {
	ps := tabledPackets(t)
	for expr, want := range map[string]func(v *tabled) bool{
		"ip": isFirst(tables.IP), "ip6": isFirst(tables.IPv6), "vlan": isFirst(tables.Dot1Q),
		"arp":  func(v *tabled) bool { return isFirst(tables.ARP)(v) && fieldNumber(v.ether, "type") == 0x806 },
		"rarp": func(v *tabled) bool { return isFirst(tables.ARP)(v) && fieldNumber(v.ether, "type") == 0x8035 },
		"tcp":  carries(6, tables.IP, tables.IPv6), "udp": carries(17, tables.IP, tables.IPv6), "ah": carries(51, tables.IP, tables.IPv6),
		"icmp": carries(1, tables.IP), "icmp6": carries(58, tables.IPv6), "igmp": carries(2, tables.IP), "ip proto \\gre": carries(47, tables.IP),
		"ether multicast": ofEther(func(l tables.Layer) bool { return l.Header()[0]&1 == 1 }),
		"ether broadcast": ofEther(func(l tables.Layer) bool { return fmt.Sprint(values(l, "dst")...) == "ff:ff:ff:ff:ff:ff" }),
		"ip multicast":    inGroup(tables.IP, netip.MustParsePrefix("224.0.0.0/3")), // libpcap compares with 224 alone
		"ip6 multicast":   inGroup(tables.IPv6, netip.MustParsePrefix("ff00::/8")),
	} {
		if yes, no := compare(t, expr, ps, want); yes == 0 && expr != "rarp" || no == 0 {
			t.Errorf("%s held for %d packets and not for %d", expr, yes, no)
		}
	}
	for name, letter := range map[string]string{"tcp-fin": "F", "tcp-syn": "S", "tcp-rst": "R", "tcp-push": "P", "tcp-ack": "A", "tcp-urg": "U", "tcp-ece": "E", "tcp-cwr": "C"} {
		yes, no := compare(t, "tcp[tcpflags] & "+name+" != 0", ps, func(v *tabled) bool {
			l, ok := over(v.layers, tables.TCP)
			return ok && v.layers[0].Protocol == tables.IP && strings.Contains(fmt.Sprint(values(l, "flags")...), letter)
		})
		if yes == 0 || no == 0 {
			t.Errorf("%s held for %d packets and not for %d", name, yes, no)
		}
	}
	for _, field := range []string{"src", "dst", "type"} {
		expr := map[string]string{"src": "ether src $", "dst": "ether dst $", "type": "ether proto $"}[field]
		read := func(v *tabled) []any {
			if v.medium != phy.MediumEthernet {
				return nil
			}
			return values(v.ether, field)
		}
		for _, x := range distinct(ps, read, 12) {
			compare(t, strings.ReplaceAll(expr, "$", x), ps, func(v *tabled) bool {
				return has(read(v), x) || field == "type" && v.medium == phy.MediumIP && isFirst(tables.Carried(tables.EtherTypes, parsed(x)))(v)
			})
		}
	}
	for _, x := range distinct(ps, func(v *tabled) []any {
		if !isFirst(tables.Dot1Q)(v) {
			return nil
		}
		return values(v.layers[0], "vlan")
	}, 20) {
		compare(t, "vlan "+x, ps, func(v *tabled) bool { return isFirst(tables.Dot1Q)(v) && has(values(v.layers[0], "vlan"), x) })
	}
}

func parsed(s string) (n uint64) {
	fmt.Sscan(s, &n)
	return n
}

// Octets that an expression reads at the offset of a field hold the field's value, and no other one.
func TestOffsetsAreThoseOfTables(t *testing.T) {
	compared := map[string]bool{}
	for _, v := range tabledPackets(t) {
		for _, x := range []struct {
			name  string
			layer func() (tables.Layer, bool)
		}{
			{"ether", func() (tables.Layer, bool) { return v.ether, v.medium == phy.MediumEthernet }},
			{"ip", func() (tables.Layer, bool) { return v.layers[0], isFirst(tables.IP)(&v) }},
			{"ip6", func() (tables.Layer, bool) { return v.layers[0], isFirst(tables.IPv6)(&v) }},
			{"arp", func() (tables.Layer, bool) { return v.layers[0], isFirst(tables.ARP)(&v) }},
			{"tcp", overVersion(&v, tables.IP, tables.TCP)},
			{"udp", overVersion(&v, tables.IP, tables.UDP)},
			{"icmp", overVersion(&v, tables.IP, tables.ICMP)},
			{"igmp", overVersion(&v, tables.IP, tables.IGMP)},
			{"icmp6", overVersion(&v, tables.IPv6, tables.ICMPv6)},
		} {
			l, ok := x.layer()
			if x.name != "ether" && MustCompile(x.name+"[0] >= 0").Match(v.frame, v.medium) != ok {
				t.Errorf("%s: %s[0] can be read: %v, and by the tables %v", v.name, x.name, !ok, ok)
			}
			if !ok {
				continue
			}
			for name, reads := range fieldReads(l, x.name) {
				compared[x.name+"."+name] = true
				n := fieldNumber(l, name) / uint64(max(1, l.Protocol.Field(name).Factor))
				for value, want := range map[uint64]bool{n: true, n ^ 1: false} {
					if got := MustCompile(fmt.Sprintf("%s = %d", reads, value)).Match(v.frame, v.medium); got != want {
						t.Errorf("%s: %s = %d is %v, and %s is %d", v.name, reads, value, got, name, n)
					}
				}
			}
		}
	}
	if len(compared) < 60 {
		t.Errorf("only %d fields: %v", len(compared), compared)
	}
}

func overVersion(v *tabled, version, proto *tables.Protocol) func() (tables.Layer, bool) {
	return func() (tables.Layer, bool) {
		l, ok := over(v.layers, proto)
		return l, ok && v.layers[0].Protocol == version
	}
}

// fieldReads returns the expression that reads each numeric field of a header, up to the first field of variable width.
func fieldReads(l tables.Layer, proto string) map[string]string {
	reads, bit := map[string]string{}, 0
	for i := range l.Protocol.Fields {
		f := &l.Protocol.Fields[i]
		if f.Derived() || f.Size != nil {
			break
		}
		if !l.Has(f) {
			continue
		}
		from, to := bit/8, (bit+f.Bits+7)/8
		bit += f.Bits
		if f.Kind > tables.Letters || f.Bits > 32 {
			continue
		}
		if to-from == 3 {
			to++
		}
		reads[f.Name] = fmt.Sprintf("(%s[%d:%d] >> %d) & %d", proto, from, to-from, to*8-bit, uint64(1)<<f.Bits-1)
	}
	return reads
}

// A name in a filter expression means the number that the tables of package packet list under the same name.
func TestNamesHaveTheNumbersOfTables(t *testing.T) {
	types := map[string]string{
		"icmp-echoreply": "echo reply", "icmp-unreach": "destination unreachable", "icmp-sourcequench": "source quench", "icmp-redirect": "redirect",
		"icmp-echo": "echo request", "icmp-routeradvert": "router advertisement", "icmp-routersolicit": "router solicitation", "icmp-timxceed": "time exceeded",
		"icmp-paramprob": "parameter problem", "icmp-tstamp": "timestamp request", "icmp-tstampreply": "timestamp reply", "icmp-ireq": "information request",
		"icmp-ireqreply": "information reply", "icmp-maskreq": "address mask request", "icmp-maskreply": "address mask reply",
		"icmp6-destinationunreach": "destination unreachable", "icmp6-packettoobig": "packet too big", "icmp6-timeexceeded": "time exceeded",
		"icmp6-parameterproblem": "parameter problem", "icmp6-echo": "echo request", "icmp6-echoreply": "echo reply", "icmp6-multicastlistenerquery": "multicast listener query",
		"icmp6-multicastlistenerreportv1": "multicast listener report", "icmp6-multicastlistenerdone": "multicast listener done", "icmp6-routersolicit": "router solicitation",
		"icmp6-routeradvert": "router advertisement", "icmp6-neighborsolicit": "neighbor solicitation", "icmp6-neighboradvert": "neighbor advertisement",
		"icmp6-redirect": "redirect", "icmp6-multicastlistenerreportv2": "multicast listener report v2",
	}
	for name, n := range constants {
		table := tables.ICMPv6
		switch {
		case strings.HasPrefix(name, "icmp-"):
			table = tables.ICMP
		case !strings.HasPrefix(name, "icmp6-"):
			continue
		}
		if got := table.Field("type").Names(uint64(n)); got != types[name] {
			t.Errorf("%s is %d, which the table of %s calls %q, not %q", name, n, table.Name, got, types[name])
		}
	}
	for name, attr := range map[string]string{"icmp": "icmp", "igmp": "igmp", "tcp": "tcp", "udp": "udp", "gre": "gre", "ah": "ah", "icmp6": "icmp6"} {
		if p := tables.Carried(tables.IPProtocols, uint64(protocols[name])); p == nil || p.Attr != attr {
			t.Errorf("%s is %d, and in the tables %v", name, protocols[name], p)
		}
	}
	for name, et := range map[string]uint32{"ip": etherTypes["ip"], "arp": etherTypes["arp"], "ip6": etherTypes["ip6"], "vlan": uint32(etherTypeVLAN)} {
		if p := tables.Carried(tables.EtherTypes, uint64(et)); p == nil || p.Attr != name {
			t.Errorf("%s is %#x, and in the tables %v", name, et, p)
		}
	}
	other := map[string]string{"imap2": "imap"} // the filter's name as in /etc/services
	for name, n := range services {
		if o := other[name]; o != "" {
			name = o
		}
		if got := tables.TCP.Field("sport").Names(uint64(n)); got != "" && got != name {
			t.Errorf("port %d is %s, and in the tables %s", n, name, got)
		}
	}
}
