package packet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// flowKey identifies one direction of a TCP connection.
type flowKey struct{ src, dst netip.AddrPort }

// Sequences stores the initial sequence number of each direction of a connection, so that Line prints relative sequence
// numbers, as tcpdump does. The zero value is ready to use. A nil *Sequences prints the numbers of the wire.
type Sequences struct {
	// Known returns the initial sequence number of the direction from src to dst of a connection. ok is false if it is
	// not known. A nil Known knows none.
	Known func(src, dst netip.AddrPort) (isn wire.Seq, ok bool)

	base  map[flowKey]wire.Seq
	order []flowKey
}

// maxFlows is the number of directions that Sequences stores. A further one replaces the oldest.
const maxFlows = 4096

func (q *Sequences) set(k flowKey, s wire.Seq) {
	if q.base == nil {
		q.base = map[flowKey]wire.Seq{}
	}
	if _, ok := q.base[k]; !ok {
		if len(q.order) == maxFlows {
			delete(q.base, q.order[0])
			q.order = q.order[1:]
		}
		q.order = append(q.order, k)
	}
	q.base[k] = s
}

// relative returns a segment's sequence and acknowledgement numbers as they are printed. If the SYN of a connection was
// not seen, they are relative to the first segment seen.
func (q *Sequences) relative(k flowKey, flags wire.Flags, rawSeq, rawAck wire.Seq) (seq, ack uint32) {
	if flags.Has(wire.SYN) {
		q.set(k, rawSeq)
	} else if _, ok := q.base[k]; !ok {
		q.set(k, q.first(k, rawSeq))
	}
	back := flowKey{k.dst, k.src}
	if _, ok := q.base[back]; !ok && flags.Has(wire.ACK) {
		q.set(back, q.first(back, rawAck))
	}
	seq = uint32(rawSeq.Sub(q.base[k]))
	if flags.Has(wire.SYN) && !flags.Has(wire.ACK) {
		seq = uint32(rawSeq)
	}
	return seq, uint32(rawAck.Sub(q.base[back]))
}

// first returns the initial sequence number of a direction whose SYN was not seen. It is the number from Known, or else
// one less than the first number seen.
func (q *Sequences) first(k flowKey, seen wire.Seq) wire.Seq {
	if q.Known != nil {
		if isn, ok := q.Known(k.src, k.dst); ok {
			return isn
		}
	}
	return seen.Add(-1)
}

// Summary describes a packet in one line. Sequence numbers are those of the wire.
func Summary(b []byte, m phy.Medium) string { return (*Sequences)(nil).Line(b, m) }

// anyLength is used for a frame of unknown length, which ends where its headers say.
const anyLength = 1 << 30

// Line describes a packet in one line, by the innermost layer that it recognises. It prints the lengths from the
// headers, so that b may be only the head of the packet.
func (q *Sequences) Line(b []byte, m phy.Medium) string {
	first := First(b, m)
	p := Dissect(b, anyLength, first)
	if ip, ok := p.network(); !ok || ip.end == anyLength {
		p = Dissect(b, len(b), first)
	}
	return q.Describe(p)
}

// Describe describes a packet in one line, as Line does.
func (q *Sequences) Describe(p *Packet) string {
	if len(p.Layers) > 0 && p.Layers[0].Protocol == Raw || len(p.Octets) == 0 && p.First != Ether {
		return fmt.Sprintf("%d octets, no IP", len(p.Octets))
	}
	return q.from(p, 0)
}

// network returns the outermost IP header.
func (p *Packet) network() (l Layer, ok bool) {
	for _, l := range p.Layers {
		if l.Protocol == IP || l.Protocol == IPv6 {
			return l, true
		}
	}
	return l, false
}

// from describes the packet from layer i on.
func (q *Sequences) from(p *Packet, i int) string {
	l := p.Layers[i]
	if l.known()-l.begin < l.Protocol.fixed {
		return l.truncated()
	}
	inner := func(label string) string {
		if i+1 < len(p.Layers) && p.Layers[i+1].Protocol != Raw {
			return label + q.from(p, i+1)
		}
		return ""
	}
	text := ""
	switch l.Protocol {
	case ARP:
		return arpText(l)
	case IP, IPv6:
		return q.transport(p, i)
	case Dot1Q:
		vlan, _ := l.num("vlan")
		if text = inner(fmt.Sprintf("vlan %d, ", vlan)); text == "" {
			return fmt.Sprintf("vlan %d, %s", vlan, otherFrame(p, l))
		}
	case GRE, VXLAN:
		if text = inner(l.Protocol.Attr + ": "); text == "" {
			return fmt.Sprintf("%s, %d octets", l.Protocol.Attr, l.PayloadLen())
		}
	default:
		if text = inner(""); text == "" {
			return otherFrame(p, l)
		}
	}
	return text
}

// truncated describes a layer whose header is not complete.
func (l Layer) truncated() string {
	n := l.known() - l.begin
	switch l.Protocol {
	case Ether, SLL, SLL2, Null:
		return fmt.Sprintf("%d octets: truncated", n)
	case ARP:
		if eth, ok := l.under(); ok && eth.Protocol == Ether {
			return fmt.Sprintf("arp from %v: truncated", eth.Value(eth.Protocol.Field("src")))
		}
	}
	return fmt.Sprintf("%s, %d octets: truncated", l.Protocol.Attr, n)
}

// otherFrame describes a frame whose payload has no table, by gopacket's name for it or by its EtherType.
func otherFrame(p *Packet, l Layer) string {
	what := "unknown"
	if f := l.Protocol.follow; f != nil {
		n, _ := l.Uint(f)
		what = wire.EtherType(n).String()
	}
	eth := p.Layers[0]
	if eth.Protocol != Ether {
		return fmt.Sprintf("%s, %d octets", what, l.PayloadLen())
	}
	if name := otherText(p.Octets, layers.LayerTypeEthernet); name != "" {
		what = name
	}
	return fmt.Sprintf("%v from %v, %s", eth.Value(eth.Protocol.Field("dst")), eth.Value(eth.Protocol.Field("src")), what)
}

// arpText describes an ARP packet.
func arpText(l Layer) string {
	hw, ip, target := l.Value(l.Protocol.Field("hwsrc")), l.Value(l.Protocol.Field("psrc")), l.Value(l.Protocol.Field("pdst"))
	if ip == nil || target == nil {
		return l.truncated()
	}
	if _, ok := ip.(netip.Addr); !ok {
		return fmt.Sprintf("arp from %s: not of IPv4", hardwareText(hw))
	}
	switch op, _ := l.num("op"); {
	case ip == target:
		return fmt.Sprintf("arp %v is-at %s, announced", ip, hardwareText(hw))
	case op == 1:
		return fmt.Sprintf("arp who-has %v tell %v", target, ip)
	}
	return fmt.Sprintf("arp %v is-at %s", ip, hardwareText(hw))
}

// transport describes the packet whose IP header is layer i.
func (q *Sequences) transport(p *Packet, i int) string {
	text := q.message(p, i)
	if offset, more := p.fragment(p.Layers[i]); more && offset == 0 {
		text += ", first fragment"
	}
	return text
}

// message describes the payload of the IP header that is layer i, or of its first fragment.
func (q *Sequences) message(p *Packet, i int) string {
	ip := p.Layers[i]
	from, to, _ := ip.addresses()
	hosts := fmt.Sprintf("%v > %v: ", from, to)
	number, _ := p.transportProtocol(ip)
	name := protocolName(wire.Protocol(number))
	switch offset, more := p.fragment(ip); {
	case offset > 0 && more:
		return fmt.Sprintf("%s%v fragment at %d", hosts, name, offset)
	case offset > 0:
		return fmt.Sprintf("%s%v last fragment at %d", hosts, name, offset)
	}
	last := ip
	for last.index+1 < len(p.Layers) && p.Layers[last.index+1].Protocol.extension() {
		last = p.Layers[last.index+1]
	}
	if last.index+1 == len(p.Layers) {
		return fmt.Sprintf("%s%s, %d octets", hosts, name, last.PayloadLen())
	}
	l := p.Layers[last.index+1]
	src, _ := l.numOr("sport")
	dst, ports := l.numOr("dport")
	ends := fmt.Sprintf("%v.%d > %v.%d: ", from, src, to, dst)
	known := l.known() - l.begin
	switch l.Protocol {
	case TCP:
		if known >= l.Protocol.fixed {
			return ends + q.tcp(l, netip.AddrPortFrom(from, uint16(src)), netip.AddrPortFrom(to, uint16(dst)))
		}
		if seq, ok := l.num("seq"); ok && ports { // an ICMP error quotes at least 8 octets (RFC 792)
			return fmt.Sprintf("%stcp, seq %d", ends, seq)
		}
	case UDP:
		if known >= l.Protocol.fixed {
			return ends + q.datagram(p, l)
		}
	case IP, IPv6:
		return hosts + "ip: " + q.transport(p, l.index)
	case GRE:
		return hosts + q.from(p, l.index)
	case IGMP:
		if want, ok := messageSum(l); known >= ICMPHeaderLen && (!ok || l.is("chksum", want)) { // a damaged message has wrong words
			return hosts + "igmp " + igmpText(l)
		}
	case ICMP:
		if known >= ICMPHeaderLen {
			return hosts + "icmp " + icmpText(l)
		}
	default:
		if l.Protocol.Is(ICMPv6) && known >= ICMPHeaderLen {
			return hosts + "icmp6 " + icmp6Text(l)
		}
	}
	return fmt.Sprintf("%s%s, %d octets", hosts, name, last.PayloadLen())
}

// datagram describes the data of a UDP datagram.
func (q *Sequences) datagram(p *Packet, l Layer) string {
	if l.index+1 < len(p.Layers) {
		switch above := p.Layers[l.index+1]; above.Protocol {
		case DNS:
			return fmt.Sprintf("dns %s (%d)", dnsText(above), l.PayloadLen())
		case DHCP:
			if above.known()-above.begin >= above.Protocol.fixed {
				return fmt.Sprintf("dhcp %s (%d)", dhcpText(above), l.PayloadLen())
			}
		case VXLAN:
			return q.from(p, above.index)
		}
	}
	if n, ok := l.num("len"); ok && n < uint64(l.Protocol.fixed) {
		return fmt.Sprintf("udp %d [bad length %d]", l.PayloadLen(), n)
	}
	return fmt.Sprintf("udp %d", l.PayloadLen())
}

// protocolName returns the name of an IP protocol, or its number if it has no name.
func protocolName(p wire.Protocol) string {
	if name := p.String(); !strings.HasPrefix(name, "proto ") {
		return name
	}
	if name := layers.IPProtocol(p).String(); !strings.HasPrefix(name, "Unknown") {
		return strings.ToLower(name)
	}
	return p.String()
}

// tcp describes a TCP segment.
func (q *Sequences) tcp(l Layer, from, to netip.AddrPort) string {
	n := l.PayloadLen()
	bits, _ := l.num("flags")
	flags := wire.Flags(bits)
	rawSeq, _ := l.num("seq")
	rawAck, _ := l.num("ack")
	seq, ack := uint32(rawSeq), uint32(rawAck)
	if q != nil {
		seq, ack = q.relative(flowKey{from, to}, flags, wire.Seq(seq), wire.Seq(ack))
	}
	window, _ := l.num("window")
	var b strings.Builder
	b.WriteString(flagText(flags))
	if n > 0 || flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		fmt.Fprintf(&b, " %d:%d(%d)", seq, seq+uint32(n), n)
	}
	if flags.Has(wire.ACK) {
		fmt.Fprintf(&b, " ack %d", ack)
	}
	fmt.Fprintf(&b, " win %d", window)
	if flags.Has(wire.URG) {
		urgent, _ := l.num("urgptr")
		fmt.Fprintf(&b, " urg %d", urgent)
	}
	if l.stop {
		return b.String() + " [bad header length]"
	}
	v, damage := l.read(l.Protocol.Field("options"))
	list, _ := v.([]Option)
	if o := optionText(list, flags.Has(wire.SYN), ack-uint32(rawAck)); o != "" {
		fmt.Fprintf(&b, " <%s>", o)
	}
	if damage != "" && l.body <= len(l.packet.Octets) {
		b.WriteString(" [bad option]")
	}
	return b.String()
}

// flagText formats TCP's flags as tcpdump does: S F P R U W E, and a dot for ACK.
func flagText(f wire.Flags) string {
	s := ""
	for _, x := range []struct {
		flag wire.Flags
		c    string
	}{{wire.SYN, "S"}, {wire.FIN, "F"}, {wire.PSH, "P"}, {wire.RST, "R"}, {wire.URG, "U"}, {wire.CWR, "W"}, {wire.ECE, "E"}, {wire.ACK, "."}} {
		if f.Has(x.flag) {
			s += x.c
		}
	}
	if s == "" {
		return "none"
	}
	return s
}

// optionText describes a segment's options. It includes timestamps only for a SYN, because every later segment of the
// connection has them. It adds shift to the sequence numbers of SACK blocks, to print them relative.
func optionText(list []Option, syn bool, shift uint32) string {
	var parts []string
	for _, name := range []string{"mss", "sackok", "ts", "wscale", "sack"} {
		i := slices.IndexFunc(list, func(o Option) bool { return o.Name == name })
		if i < 0 {
			continue
		}
		switch v := list[i].Value.(type) {
		case uint64:
			parts = append(parts, fmt.Sprintf("%s %d", name, v))
		case [2]uint64:
			if syn {
				parts = append(parts, "TS")
			}
		case []SequenceRange:
			for _, r := range v {
				name += fmt.Sprintf(" %d:%d", r.Left+shift, r.Right+shift)
			}
			parts = append(parts, name)
		default:
			parts = append(parts, "sackOK")
		}
	}
	return strings.Join(parts, ",")
}

// otherText returns the name of the innermost layer that gopacket recognises in a frame, for frames that Dissect does
// not know; "" for none.
func otherText(b []byte, first gopacket.LayerType) (name string) {
	defer func() {
		if recover() != nil {
			name = ""
		}
	}()
	p := gopacket.NewPacket(b, first, gopacket.DecodeOptions{NoCopy: true})
	for _, l := range p.Layers() {
		switch l.LayerType() {
		case gopacket.LayerTypePayload, gopacket.LayerTypeFragment, gopacket.LayerTypeDecodeFailure, gopacket.LayerTypeZero,
			layers.LayerTypeEthernet, layers.LayerTypeDot1Q, layers.LayerTypeIPv4, layers.LayerTypeIPv6:
		default:
			name = strings.ToLower(l.LayerType().String())
		}
	}
	return name
}
