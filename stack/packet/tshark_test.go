package packet

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"smolsh/stack/wire"
)

// sameFields pairs tshark's fields with ours: "tshark's name=layer.field", the layer by its attribute or the table's name. A
// number is compared as a number, whatever its base; "*4" and "/8" convert ours first: tshark has header lengths in octets and
// offsets of fragments in units of 8. Left out, because tshark has another view: ip.version, which it lists for IPv6 too;
// igmp.num_src, which it lists for records of reports too; dhcp.secs, whose octets it exchanges where that looks likelier.
var sameFields = strings.Fields(`
eth.dst=eth.dst eth.src=eth.src eth.type=eth.type
vlan.priority=vlan.prio vlan.dei=vlan.dei vlan.id=vlan.vlan vlan.etype=vlan.type
sll.pkttype=sll.pkttype sll.hatype=sll.lladdrtype sll.halen=sll.lladdrlen sll.src.eth=sll.src sll.etype=sll.proto
sll.ifindex=sll2.ifindex
null.family=null.type
arp.hw.type=arp.hwtype arp.proto.type=arp.ptype arp.hw.size=arp.hwlen arp.proto.size=arp.plen arp.opcode=arp.op
arp.src.hw_mac=arp.hwsrc arp.src.proto_ipv4=arp.psrc arp.dst.hw_mac=arp.hwdst arp.dst.proto_ipv4=arp.pdst
ip.hdr_len=ip.ihl*4 ip.dsfield=ip.tos ip.len=ip.len ip.id=ip.id ip.flags.df=ip.df ip.flags.mf=ip.mf
ip.frag_offset=ip.frag/8 ip.ttl=ip.ttl ip.proto=ip.proto ip.checksum=ip.chksum ip.src=ip.src ip.dst=ip.dst
ipv6.version=ip6.version ipv6.tclass=ip6.tc ipv6.flow=ip6.fl ipv6.plen=ip6.plen ipv6.nxt=ip6.nh ipv6.hlim=ip6.hlim ipv6.src=ip6.src ipv6.dst=ip6.dst
ipv6.hopopts.nxt=IPv6ExtHdrHopByHop.nh ipv6.hopopts.len=IPv6ExtHdrHopByHop.len ipv6.dstopts.nxt=IPv6ExtHdrDestOpt.nh
ipv6.routing.nxt=IPv6ExtHdrRouting.nh ipv6.routing.type=IPv6ExtHdrRouting.type ipv6.routing.segleft=IPv6ExtHdrRouting.segleft
ipv6.fraghdr.nxt=IPv6ExtHdrFragment.nh ipv6.fraghdr.offset=IPv6ExtHdrFragment.offset/8 ipv6.fraghdr.more=IPv6ExtHdrFragment.m ipv6.fraghdr.ident=IPv6ExtHdrFragment.id
ah.next_header=ah.nh ah.spi=ah.spi ah.sequence=ah.seq
icmp.type=icmp.type icmp.code=icmp.code icmp.checksum=icmp.chksum icmp.ident=icmp.id icmp.seq=icmp.seq icmp.mtu=icmp.nexthopmtu
icmp.redir_gw=icmp.gw icmp.pointer=icmp.ptr
icmpv6.type=icmp6.type icmpv6.code=icmp6.code icmpv6.checksum=icmp6.cksum icmpv6.echo.identifier=icmp6.id icmpv6.echo.sequence_number=icmp6.seq
icmpv6.mtu=icmp6.mtu icmpv6.pointer=icmp6.ptr icmpv6.nd.ns.target_address=ICMPv6ND_NS.tgt icmpv6.nd.na.target_address=ICMPv6ND_NA.tgt
icmpv6.nd.na.flag.r=ICMPv6ND_NA.R icmpv6.nd.na.flag.s=ICMPv6ND_NA.S icmpv6.nd.na.flag.o=ICMPv6ND_NA.O
icmpv6.nd.ra.cur_hop_limit=ICMPv6ND_RA.chlim icmpv6.nd.ra.flag.m=ICMPv6ND_RA.M icmpv6.nd.ra.flag.o=ICMPv6ND_RA.O icmpv6.nd.ra.flag.h=ICMPv6ND_RA.H
icmpv6.nd.ra.flag.prf=ICMPv6ND_RA.prf icmpv6.nd.ra.router_lifetime=ICMPv6ND_RA.routerlifetime icmpv6.nd.ra.reachable_time=ICMPv6ND_RA.reachabletime
icmpv6.nd.ra.retrans_timer=ICMPv6ND_RA.retranstimer icmpv6.nd.rd.target_address=ICMPv6ND_Redirect.tgt icmpv6.rd.na.destination_address=ICMPv6ND_Redirect.dst
icmpv6.opt.prefix.length=ICMPv6NDOptPrefixInfo.prefixlen icmpv6.opt.prefix.flag.l=ICMPv6NDOptPrefixInfo.L icmpv6.opt.prefix.flag.a=ICMPv6NDOptPrefixInfo.A
icmpv6.opt.prefix.valid_lifetime=ICMPv6NDOptPrefixInfo.validlifetime icmpv6.opt.prefix.preferred_lifetime=ICMPv6NDOptPrefixInfo.preferredlifetime
icmpv6.opt.prefix=ICMPv6NDOptPrefixInfo.prefix icmpv6.opt.mtu=ICMPv6NDOptMTU.mtu icmpv6.opt.src_linkaddr=ICMPv6NDOptSrcLLAddr.lladdr icmpv6.opt.target_linkaddr=ICMPv6NDOptDstLLAddr.lladdr
icmpv6.mld.maximum_response_delay=icmp6.mrd icmpv6.mld.maximum_response_code=icmp6.mrd icmpv6.mld.multicast_address=icmp6.mladdr icmpv6.mldr.nb_mcast_records=ICMPv6MLReport2.records_number
igmp.type=igmp.type igmp.checksum=igmp.chksum igmp.s=igmp.s igmp.qrv=igmp.qrv igmp.qqic=igmp.qqic igmp.num_grp_recs=igmp.numgrp
udp.srcport=udp.sport udp.dstport=udp.dport udp.length=udp.len udp.checksum=udp.chksum
tcp.srcport=tcp.sport tcp.dstport=tcp.dport tcp.seq_raw=tcp.seq tcp.ack_raw=tcp.ack tcp.hdr_len=tcp.dataofs*4 tcp.window_size_value=tcp.window
tcp.checksum=tcp.chksum tcp.urgent_pointer=tcp.urgptr tcp.options.mss_val=tcp.mss tcp.options.wscale.shift=tcp.wscale
tcp.options.timestamp.tsval=tcp.tsval tcp.options.timestamp.tsecr=tcp.tsecr
gre.flags.key=gre.key_present gre.flags.checksum=gre.chksum_present gre.flags.sequence_number=gre.seqnum_present gre.flags.version=gre.version
gre.proto=gre.proto gre.checksum=gre.chksum gre.key=gre.key gre.sequence_number=gre.sequence_number
vxlan.vni=vxlan.vni
dns.length=dns.length dns.id=dns.id dns.flags.response=dns.qr dns.flags.opcode=dns.opcode dns.flags.authoritative=dns.aa dns.flags.truncated=dns.tc
dns.flags.recdesired=dns.rd dns.flags.recavail=dns.ra dns.flags.z=dns.z dns.flags.authenticated=dns.ad dns.flags.checkdisable=dns.cd dns.flags.rcode=dns.rcode
dns.count.queries=dns.qdcount dns.count.answers=dns.ancount dns.count.auth_rr=dns.nscount dns.count.add_rr=dns.arcount
dhcp.type=dhcp.op dhcp.hw.type=dhcp.htype dhcp.hw.len=dhcp.hlen dhcp.hops=dhcp.hops dhcp.id=dhcp.xid
dhcp.ip.client=dhcp.ciaddr dhcp.ip.your=dhcp.yiaddr dhcp.ip.server=dhcp.siaddr dhcp.ip.relay=dhcp.giaddr dhcp.hw.mac_addr=dhcp.chaddr
dhcp.server=dhcp.sname dhcp.file=dhcp.file
`)

// ofSome are the fields that tshark reads in some messages of a kind alone: in responses of DNS, and in queries of one version of
// MLD.
var ofSome = map[string]bool{"icmpv6.mld.maximum_response_delay": true, "icmpv6.mld.maximum_response_code": true, "dns.flags.authoritative": true, "dns.flags.recavail": true, "dns.flags.rcode": true, "dns.flags.authenticated": true}

// readPcap returns the frames of a little-endian classic capture file, and its link type.
func readPcap(t *testing.T, path string) (frames [][]byte, link uint32) {
	t.Helper()
	frames, _, link = readRecords(t, path)
	return frames, link
}

// readRecords is readPcap, and returns the frames' lengths before the capture cut them.
func readRecords(t testing.TB, path string) (frames [][]byte, lengths []int, link uint32) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	link, b = le.Uint32(b[20:]), b[24:]
	for len(b) > 0 {
		n := le.Uint32(b[8:])
		frames, lengths, b = append(frames, b[16:16+n]), append(lengths, int(le.Uint32(b[12:]))), b[16+n:]
	}
	return frames, lengths, link
}

// TestFieldsAreThoseOfTshark compares our fields with those that tshark reads in the same packets. Scapy built the
// packets. They are of all protocols and have random values.
func TestFieldsAreThoseOfTshark(t *testing.T) {
	compared, packets := map[string]int{}, 0
	for file, first := range map[string]*Protocol{"packets.pcap": Ether, "real.pcap": Ether, "sll.pcap": SLL, "sll2.pcap": SLL2, "null.pcap": Null} {
		path := "testdata/" + file
		frames, _ := readPcap(t, path)
		packets += len(frames)
		args := []string{"-r", path, "-T", "fields", "-E", "occurrence=f", "-E", "separator=|", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"}
		for _, pair := range sameFields {
			theirs, _, _ := strings.Cut(pair, "=")
			args = append(args, "-e", theirs)
		}
		out, err := exec.Command("tshark", args...).Output()
		if err != nil {
			t.Fatalf("tshark: %v", err)
		}
		lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		if len(lines) != len(frames) {
			t.Fatalf("%s: tshark reads %d packets of %d", file, len(lines), len(frames))
		}
		for i, b := range frames {
			p := Dissect(b, len(b), first)
			if d := p.Damage(); len(d) > 0 {
				t.Errorf("%s, packet %d: %+v", file, i+1, d)
			}
			for k, text := range strings.Split(lines[i], "|") {
				theirs, ours, _ := strings.Cut(sameFields[k], "=")
				got, ok := fieldText(p, ours)
				if text == "" && (!ok || ofSome[theirs]) || !ok && quotes(p) {
					continue
				}
				compared[theirs]++
				if got != plainText(text) {
					t.Errorf("%s, packet %d: %s is %q, and %s %q", file, i+1, theirs, text, ours, got)
				}
			}
		}
	}
	for _, pair := range sameFields {
		theirs, _, _ := strings.Cut(pair, "=")
		if compared[theirs] == 0 {
			t.Errorf("no packet has %s", theirs)
		}
	}
	t.Logf("%d fields of %d packets", len(compared), packets)
	if len(compared) < 120 || packets < 2000 {
		t.Errorf("only %d fields and %d packets", len(compared), packets)
	}
}

// quotes reports whether a packet quotes another, whose fields tshark lists with the packet's own.
func quotes(p *Packet) bool {
	for _, l := range p.Layers {
		if f := l.Protocol.Field("quoted"); f != nil && l.Value(f) != nil {
			return true
		}
	}
	return false
}

// fieldText returns a field in the form of plainText; ok is false if the packet does not have the field.
func fieldText(p *Packet, name string) (text string, ok bool) {
	name, words := strings.CutSuffix(name, "*4")
	name, units := strings.CutSuffix(name, "/8")
	layer, field, _ := strings.Cut(name, ".")
	l, ok := p.Named(layer)
	if layer == "sll" && !ok { // tshark uses the same names for both versions
		l, ok = p.Named("sll2")
	}
	if proto := ByName(layer); proto != nil {
		l, ok = p.Layer(proto)
	}
	if !ok || l.Protocol.Field(field) == nil {
		return "", false
	}
	switch v := l.Value(l.Protocol.Field(field)).(type) {
	case nil:
		return "", false
	case bool:
		return map[bool]string{false: "0", true: "1"}[v], true
	case uint64:
		switch {
		case words:
			v *= 4
		case units:
			v /= 8
		}
		return fmt.Sprint(v), true
	case wire.HardwareAddr:
		return v.String(), true
	case string:
		return v, v != ""
	default:
		return fmt.Sprint(v), true
	}
}

// plainText returns a value that tshark prints, converted to a decimal number where it is a number or a truth value.
func plainText(s string) string {
	if n, err := strconv.ParseUint(s, 0, 64); err == nil {
		return fmt.Sprint(n)
	}
	switch s {
	case "True":
		return "1"
	case "False":
		return "0"
	}
	return s
}
