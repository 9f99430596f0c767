package packet

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// sameLists pairs tshark's fields that may stand in a packet several times with our lists: "tshark's name=layer.list.part". A part
// is that of a record, "kind" of an option, "left" and "right" of a SACK block. Several lists joined by "+" follow one another. An
// asterisk is the layers whose names begin so. Left out are fields of MPTCP and of DNS's EDNS options, which no table has.
var sameLists = strings.Fields(`
tcp.option_kind=tcp.options.kind tcp.options.sack_le=tcp.sack.left tcp.options.sack_re=tcp.sack.right ip.opt.type=ip.options.kind
dns.qry.name=dns.qd.qname dns.qry.type=dns.qd.qtype dns.qry.class=dns.qd.qclass
dns.resp.type=dns.an.type+dns.ns.type+dns.ar.type dns.resp.len=dns.an.rdlen+dns.ns.rdlen+dns.ar.rdlen
dhcp.option.type=dhcp.options.code
igmp.record_type=igmp.records.rtype igmp.num_src=igmp.numsrc+igmp.records.numsrc igmp.saddr=igmp.srcaddrs+igmp.records.srcaddrs
icmpv6.mldr.mar.record_type=icmp6.records.rtype icmpv6.mldr.mar.nb_sources=icmp6.records.numsrc
icmpv6.mldr.mar.multicast_address=icmp6.records.maddr icmpv6.mldr.mar.source_address=icmp6.records.srcaddrs
icmpv6.opt.type=ICMPv6NDOpt*.type icmpv6.opt.length=ICMPv6NDOpt*.len icmpv6.opt.rdnss=icmpv6ndoptrdnss.dns icmpv6.opt.dnssl=icmpv6ndoptdnssl.searchlist
icmpv6.opt.rdnss.lifetime=icmpv6ndoptrdnss.lifetime icmpv6.opt.route_info.flag.route_preference=icmpv6ndoptrouteinfo.prf icmpv6.opt.route_lifetime=icmpv6ndoptrouteinfo.rtlifetime
`)

// Lists have the entries that tshark reads in packets of real programs.
func TestListsAreThoseOfTshark(t *testing.T) {
	frames, _ := readPcap(t, "testdata/real.pcap")
	args := []string{"-r", "testdata/real.pcap", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;", "-E", "separator=|", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
		"-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.relative_sequence_numbers:FALSE"}
	for _, pair := range sameLists {
		theirs, _, _ := strings.Cut(pair, "=")
		args = append(args, "-e", theirs)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	compared := map[string]int{}
	for i, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		p := Dissect(frames[i], len(frames[i]), Ether)
		if _, inner := p.Named("vxlan"); inner || quotes(p) { // tshark lists the fields of the packet within
			continue
		}
		for k, text := range strings.Split(line, "|") {
			theirs, ours, _ := strings.Cut(sameLists[k], "=")
			var want []string
			for _, s := range strings.Split(text, ";") {
				if s != "" && (s != "0" || theirs != "dhcp.option.type") { // tshark lists padding
					want = append(want, plainText(s))
				}
			}
			got := listText(p, ours)
			compared[theirs] += len(want)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("packet %d: %s is %v, and %s %v", i+1, theirs, want, ours, got)
			}
		}
	}
	for _, pair := range sameLists {
		if theirs, _, _ := strings.Cut(pair, "="); compared[theirs] == 0 {
			t.Errorf("no packet has %s", theirs)
		}
	}
}

// The checksums of packets of real programs are the ones that the tables compute.
func TestChecksumsOfRealPackets(t *testing.T) {
	frames, _ := readPcap(t, "testdata/real.pcap")
	verified := map[string]int{}
	for i, b := range frames {
		for _, l := range Dissect(b, len(b), Ether).Layers {
			for k := range l.Protocol.Fields {
				f := &l.Protocol.Fields[k]
				if f.Compute != Checksum || !l.Has(f) {
					continue
				}
				got, _ := l.Uint(f)
				if want, ok := f.Sum(l); ok && got != want {
					t.Errorf("packet %d: %s.%s is %#x, and %#x is computed", i+1, l.Protocol.Attr, f.Name, got, want)
				} else if ok {
					verified[l.Protocol.Attr]++
				}
			}
		}
	}
	for _, attr := range []string{"ip", "icmp", "icmp6", "igmp", "udp", "tcp"} {
		if verified[attr] < 20 {
			t.Errorf("only %d checksums of %s", verified[attr], attr)
		}
	}
}

// listText returns the entries that a right side of sameLists names.
func listText(p *Packet, lists string) (texts []string) {
	for _, path := range strings.Split(lists, "+") {
		parts := strings.Split(path, ".")
		prefix, many := strings.CutSuffix(parts[0], "*")
		for _, l := range p.Layers {
			if many && !strings.HasPrefix(l.Protocol.Name, prefix) || !many && l.Protocol.Attr != parts[0] || l.Protocol.Field(parts[1]) == nil {
				continue
			}
			texts = append(texts, entries(l.Value(l.Protocol.Field(parts[1])), strings.Join(parts[2:], ""))...)
		}
	}
	return texts
}

// entries returns one part of each entry of a list, or the value itself.
func entries(v any, part string) (texts []string) {
	switch v := v.(type) {
	case nil:
	case []any:
		for _, x := range v {
			texts = append(texts, entries(x, part)...)
		}
	case []Option:
		for _, o := range v {
			texts = append(texts, fmt.Sprint(o.Kind))
		}
	case OptionMap:
		for _, o := range v {
			texts = append(texts, fmt.Sprint(o.Code))
		}
	case []SequenceRange:
		for _, r := range v {
			texts = append(texts, fmt.Sprint(map[string]uint32{"left": r.Left, "right": r.Right}[part]))
		}
	case Record:
		for _, x := range v.Parts {
			if x.Name == part {
				texts = append(texts, entries(x.Value, part)...)
			}
		}
	default:
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}
