package packet

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// flowKey identifies one direction of a TCP connection.
type flowKey struct{ src, dst netip.AddrPort }

// Sequences remembers the initial sequence number of each direction of a connection, so that Line prints sequence
// numbers relative to it, as tcpdump does: its first segments have the numbers of the wire. The zero value is ready to use. A nil *Sequences prints the numbers of
// the wire.
type Sequences struct {
	// Known returns the initial sequence number of the direction from src to dst of a connection. ok is false if it is
	// not known. A nil Known knows none.
	Known func(src, dst netip.AddrPort) (isn wire.Seq, ok bool)
	// Absolute makes Line print the numbers of the wire, as a nil *Sequences does.
	Absolute bool
	// Carried returns the protocol with a number in a table. Nil stands for the function Carried; a Catalogue has others.
	Carried func(t Table, number uint64) *Protocol

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

// relative returns a segment's sequence and acknowledgement numbers as they are printed: those of the wire for SYN, SYN-ACK and
// the first segment of a connection that is not known, and relative ones from then on.
func (q *Sequences) relative(k flowKey, flags wire.Flags, seq, ack wire.Seq) (uint32, uint32) {
	back := flowKey{k.dst, k.src}
	if flags.Has(wire.SYN) {
		if flags.Has(wire.ACK) {
			q.set(k, seq)
			q.set(back, ack.Add(-1))
		}
		return uint32(seq), uint32(ack)
	}
	if !q.knows(k) || !q.knows(back) {
		if flags.Has(wire.ACK) {
			q.set(k, seq)
			q.set(back, ack.Add(-1))
		}
		return uint32(seq), uint32(ack)
	}
	return uint32(seq.Sub(q.base[k])), uint32(ack.Sub(q.base[back]))
}

// knows reports whether the initial sequence number of a direction is known, by its segments or from Known.
func (q *Sequences) knows(k flowKey) bool {
	_, ok := q.base[k]
	if !ok && q.Known != nil {
		var isn wire.Seq
		if isn, ok = q.Known(k.src, k.dst); ok {
			q.set(k, isn)
		}
	}
	return ok
}

// Summary describes a packet in one line. Sequence numbers are those of the wire.
func Summary(b []byte, m phy.Medium) string { return (*Sequences)(nil).Line(b, m) }

// anyLength is used for a frame of unknown length, which ends where its headers say.
const anyLength = 1 << 30

// Line describes a packet in one line. The innermost layer that it recognises determines the line's form. It prints the
// lengths from the headers, so that b may be only the head of the packet.
func (q *Sequences) Line(b []byte, m phy.Medium) string {
	first, carried := First(b, m), lookup(Carried)
	if q != nil && q.Carried != nil {
		carried = q.Carried
	}
	p := dissect(b, anyLength, first, carried)
	if ip, ok := p.network(); !ok || ip.end == anyLength {
		p = dissect(b, len(b), first, carried)
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

// network returns the outermost IP header. ok is false if the packet has none.
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
	case GRE:
		return greText(l) + q.carried(p, i)
	case VXLAN:
		vni, _ := l.num("vni")
		return fmt.Sprintf("VXLAN, vni %d", vni) + q.carried(p, i)
	default:
		if l.Protocol.own {
			return ownText(l) + q.carried(p, i)
		}
		if text = inner(""); text == "" {
			return otherFrame(p, l)
		}
	}
	return text
}

// carried returns ": " and the description of the packet in a tunnel whose header is layer i. An IP packet is announced
// by its version, as in the tunnel's own line it is not the first word.
func (q *Sequences) carried(p *Packet, i int) string {
	l := p.Layers[i]
	if i+1 == len(p.Layers) || p.Layers[i+1].Protocol == Raw {
		if n, ok := l.numOr("proto"); ok && l.Protocol == GRE {
			return fmt.Sprintf(": gre-proto-0x%x", n)
		}
		return ""
	}
	above, label := p.Layers[i+1], ""
	switch {
	case above.known()-above.begin < above.Protocol.fixed: // the layer's name shows the protocol
	case above.Protocol == IP:
		label = "IP "
	case above.Protocol == IPv6:
		label = "IP6 "
	}
	return ": " + label + q.from(p, i+1)
}

// greText describes a GRE header.
func greText(l Layer) string {
	version, _ := l.num("version")
	text := fmt.Sprintf("GREv%d", version)
	if n, ok := l.num("key"); ok {
		text += fmt.Sprintf(", key=0x%x", n)
	}
	if n, ok := l.num("sequence_number"); ok {
		text += fmt.Sprintf(", seq %d", n)
	}
	return fmt.Sprintf("%s, length %d", text, l.end-l.begin)
}

// cut marks a layer of which octets are missing, as tcpdump does.
func (l Layer) cut() string { return fmt.Sprintf("[|%s]", l.Protocol.Attr) }

// truncated describes a layer whose header is incomplete, because the frame or the captured part of it ends too early.
func (l Layer) truncated() string {
	text := l.cut()
	if eth, ok := l.under(); ok && l.Protocol == ARP && eth.Protocol == Ether {
		text += fmt.Sprintf(" from %v", eth.Value(eth.Protocol.Field("src")))
	}
	return text
}

// otherFrame describes a frame whose payload has no table, by gopacket's name for it or by its EtherType.
func otherFrame(p *Packet, l Layer) string {
	what := "unknown"
	if f := l.Protocol.follow; f != nil {
		n, _ := l.Uint(f)
		what = "ethertype " + wire.EtherType(n).String()
	}
	eth := p.Layers[0]
	if eth.Protocol != Ether {
		return fmt.Sprintf("%s, length %d", what, p.Length)
	}
	if name := otherText(p.Octets, layers.LayerTypeEthernet); name != "" {
		what = name
	}
	return fmt.Sprintf("%v > %v, %s, length %d", eth.Value(eth.Protocol.Field("src")), eth.Value(eth.Protocol.Field("dst")), what, p.Length)
}

// arpText describes an ARP packet.
func arpText(l Layer) string {
	value := func(name string) any { return l.Value(l.Protocol.Field(name)) }
	ip, target, hw := value("psrc"), value("pdst"), hardwareText(value("hwsrc"))
	if ip == nil || target == nil {
		return l.truncated()
	}
	length := l.end - l.begin
	if _, ok := ip.(netip.Addr); !ok || !l.is("ptype", uint64(wire.EtherTypeIPv4)) {
		return fmt.Sprintf("ARP, not of IPv4, from %s, length %d", hw, length)
	}
	text := ""
	switch op, _ := l.num("op"); op {
	case 1:
		text = fmt.Sprintf("ARP, Request who-has %v", target)
		if known := hardwareText(value("hwdst")); strings.Trim(known, "0:") != "" {
			text += fmt.Sprintf(" (%s)", known)
		}
		text += fmt.Sprintf(" tell %v", ip)
		if ip == target {
			hw = " by " + hw
		}
	case 2:
		text, hw = fmt.Sprintf("ARP, Reply %v is-at %s", ip, hw), ""
	default:
		return fmt.Sprintf("ARP, operation %d of %v at %s about %v, length %d", op, ip, hw, target, length)
	}
	text += fmt.Sprintf(", length %d", length)
	if ip == target {
		text += ", announced" + hw
	}
	if hwlen := l.Protocol.Field("hwlen"); l.fault(hwlen) != "" {
		n, _ := l.Uint(hwlen)
		text += fmt.Sprintf(" [bad hwlen %d]", n)
	}
	return text
}

// transport describes the packet whose IP header is layer i.
func (q *Sequences) transport(p *Packet, i int) string {
	text := q.message(p, i)
	if offset, more := p.fragment(p.Layers[i]); more && offset == 0 && p.Layers[i].Protocol == IP {
		text += ", first fragment"
	}
	return text + p.Layers[i].faults()
}

// faults marks a wrong version and wrong lengths of an IP header, as "[bad IP length 10]". It returns "" for a sound header.
func (l Layer) faults() (text string) {
	version := &l.Protocol.Fields[0]
	if n, _ := l.Uint(version); l.fault(version) != "" {
		text += fmt.Sprintf(" [bad IP version %d]", n)
	}
	for _, d := range l.packet.damage {
		if d.Layer != l.index || d.Field == nil {
			continue
		}
		n, _ := l.Uint(d.Field)
		if d.Field.Compute == HeaderLength {
			text += fmt.Sprintf(" [bad IP hdr length %d]", int(n)*d.Field.Scale)
			continue
		}
		begin := l.begin
		if d.Field.Compute == PayloadLength {
			begin += l.Protocol.fixed
		}
		if missing := begin + int(n) - l.end; missing > 0 {
			text += fmt.Sprintf(" [%d octets missing]", missing)
		} else {
			text += fmt.Sprintf(" [bad IP length %d]", n)
		}
	}
	return text
}

// message describes the payload of the IP header that is layer i, or of its first fragment.
func (q *Sequences) message(p *Packet, i int) string {
	ip := p.Layers[i]
	from, to, _ := ip.addresses()
	extensions := extensionText(p, ip)
	hosts := fmt.Sprintf("%v > %v: %s", from, to, extensions)
	number, _ := p.transportProtocol(ip)
	name := payloadName(number)
	switch offset, more := p.fragment(ip); {
	case offset > 0 && ip.Protocol == IPv6:
		return strings.TrimSuffix(hosts, " ")
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
		if above := p.carried(IPProtocols, number); above != nil && !above.extension() {
			return hosts + fmt.Sprintf("[|%s]", above.Attr)
		}
		return hosts + otherPayload(number, last.PayloadLen())
	}
	l := p.Layers[last.index+1]
	src, _ := l.numOr("sport")
	dst, ports := l.numOr("dport")
	ends := fmt.Sprintf("%v.%d > %v.%d: %s", from, src, to, dst, extensions)
	known := l.known() - l.begin
	switch l.Protocol {
	case TCP:
		if known >= l.Protocol.fixed {
			text := ends + q.tcp(p, l, netip.AddrPortFrom(from, uint16(src)), netip.AddrPortFrom(to, uint16(dst)))
			if l.index+1 < len(p.Layers) && p.Layers[l.index+1].Protocol.own {
				text += q.carried(p, l.index)
			}
			return text
		}
		if seq, ok := l.num("seq"); ok && ports { // an ICMP error quotes at least 8 octets (RFC 792)
			return fmt.Sprintf("%stcp, seq %d", ends, seq)
		}
	case UDP:
		if known >= l.Protocol.fixed {
			return ends + q.datagram(p, l)
		}
	case IP, IPv6, GRE:
		return hosts + strings.TrimPrefix(q.carried(p, last.index), ": ")
	case IGMP:
		if want, ok := messageSum(l); known >= ICMPHeaderLen && (!ok || l.is("chksum", want)) { // damaged words would mislead
			return hosts + igmpText(l)
		}
	case ICMP:
		if known >= ICMPHeaderLen {
			return hosts + icmpText(l)
		}
	case Raw:
		return hosts + otherPayload(number, last.PayloadLen())
	default:
		switch {
		case l.Protocol.own:
			return hosts + q.from(p, l.index)
		case l.Protocol.Is(ICMPv6) && known >= ICMPHeaderLen:
			return hosts + icmp6Text(l)
		}
	}
	if !ports {
		ends = hosts
	}
	message := l.Protocol == ICMP || l.Protocol == IGMP || l.Protocol.Is(ICMPv6)
	if known < l.Protocol.fixed || message && known < ICMPHeaderLen {
		return ends + l.truncated()
	}
	return hosts + otherPayload(number, last.PayloadLen())
}

// payloadName names the payload of an IP packet.
func payloadName(protocol uint64) string {
	if name := protocolName(wire.Protocol(protocol)); !strings.HasPrefix(name, "proto ") && protocol != hopByHop {
		return name
	}
	return fmt.Sprintf("ip-proto-%d", protocol)
}

// noNextHeader is the protocol number of an IPv6 packet that carries nothing (RFC 8200 §4.7).
const noNextHeader = 59

// otherPayload describes the payload of an IP packet whose protocol has no table.
func otherPayload(protocol uint64, length int) string {
	if protocol == noNextHeader {
		return "no next header"
	}
	return fmt.Sprintf("%s, length %d", payloadName(protocol), length)
}

// datagram describes the data of a UDP datagram.
func (q *Sequences) datagram(p *Packet, l Layer) string {
	if l.index+1 < len(p.Layers) {
		switch above := p.Layers[l.index+1]; above.Protocol {
		case DNS:
			return fmt.Sprintf("%s (%d)", dnsText(above), l.PayloadLen())
		case DHCP:
			if above.known()-above.begin >= above.Protocol.fixed {
				return dhcpText(above, l.PayloadLen())
			}
		case VXLAN:
			return q.from(p, above.index)
		default:
			if above.Protocol.own {
				return q.from(p, above.index)
			}
		}
	}
	n, ok := l.num("len")
	switch text := fmt.Sprintf("UDP, length %d", l.PayloadLen()); {
	case ok && n >= uint64(l.Protocol.fixed) && l.inFragment(): // the length of the whole datagram
		return fmt.Sprintf("UDP, length %d", int(n)-l.Protocol.fixed)
	case ok && (n < uint64(l.Protocol.fixed) || int(n) > l.end-l.begin):
		return fmt.Sprintf("%s [bad length %d]", text, n)
	default:
		return text
	}
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

// otherText names the innermost layer that gopacket recognises in a frame that Dissect does not know; "" for none.
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
