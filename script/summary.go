package script

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// flowKey is one direction of a TCP connection.
type flowKey struct{ src, dst netip.AddrPort }

// Sequences remembers where connections began, so that their numbers print from there, as tcpdump's do.
type Sequences struct {
	base  map[flowKey]wire.Seq
	order []flowKey
}

// maxFlows bounds what sequences remembers; the oldest is forgotten.
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

// relative gives the segment's numbers as they are printed. A connection whose beginning was not seen
// begins with its first segment.
func (q *Sequences) relative(k flowKey, h *wire.TCP) (seq, ack uint32) {
	if h.Flags.Has(wire.SYN) {
		q.set(k, h.Seq)
	} else if _, ok := q.base[k]; !ok {
		q.set(k, h.Seq.Add(-1))
	}
	back := flowKey{k.dst, k.src}
	if _, ok := q.base[back]; !ok && h.Flags.Has(wire.ACK) {
		q.set(back, h.Ack.Add(-1))
	}
	seq = uint32(h.Seq.Sub(q.base[k]))
	if h.Flags.Has(wire.SYN) && !h.Flags.Has(wire.ACK) {
		seq = uint32(h.Seq)
	}
	return seq, uint32(h.Ack.Sub(q.base[back]))
}

// Summary is a packet in one line, its numbers as they are on the wire.
func Summary(b []byte, m phy.Medium) string { return (*Sequences)(nil).Line(b, m) }

// Line is a packet in one line: the innermost layer that is understood. Where the octets are but the head of a
// packet, what it says of itself is told.
func (q *Sequences) Line(b []byte, m phy.Medium) string {
	d := Dissect(b, m)
	if m == phy.MediumEthernet && !d.HasEthernet {
		return fmt.Sprintf("%d octets: %v", len(b), d.Err)
	}
	return tagText(d.VLANs) + q.network(&d)
}

// tagText names the VLANs in front of a packet.
func tagText(tags []uint16) (s string) {
	for _, t := range tags {
		s += fmt.Sprintf("vlan %d, ", t&0xfff)
	}
	return s
}

func (q *Sequences) network(d *Dissected) string {
	switch {
	case d.IPVersion != 0:
		return q.transport(d)
	case d.EtherType == wire.EtherTypeARP:
		return arpLine(&d.Ethernet, d.Network)
	case d.EtherType == wire.EtherTypeIPv4:
		return fmt.Sprintf("ip, %d octets: %v", len(d.Network), d.Err)
	case d.EtherType == wire.EtherTypeIPv6:
		return fmt.Sprintf("ip6, %d octets: %v", len(d.Network), d.Err)
	case !d.HasEthernet:
		return fmt.Sprintf("%d octets, no IP", len(d.Network))
	}
	if name := otherText(d.Octets, layers.LayerTypeEthernet); name != "" {
		return fmt.Sprintf("%v from %v, %s", d.Ethernet.Dst, d.Ethernet.Src, name)
	}
	return fmt.Sprintf("%v from %v, %v", d.Ethernet.Dst, d.Ethernet.Src, d.EtherType)
}

func arpLine(eth *wire.Ethernet, b []byte) string {
	a, err := wire.ParseARP(b)
	switch {
	case err != nil:
		return fmt.Sprintf("arp from %v: %v", eth.Src, err)
	case a.SenderIP == a.TargetIP:
		return fmt.Sprintf("arp %v is-at %v, announced", a.SenderIP, a.SenderHW)
	case a.Op == wire.ARPRequest:
		return fmt.Sprintf("arp who-has %v tell %v", a.TargetIP, a.SenderIP)
	}
	return fmt.Sprintf("arp %v is-at %v", a.SenderIP, a.SenderHW)
}

// transport is what is said of an IP packet.
func (q *Sequences) transport(d *Dissected) string {
	text := q.message(d)
	if d.MoreFragments && d.FragmentOffset == 0 {
		text += ", first fragment"
	}
	return text
}

// message is what is said of the packet that a datagram, or its first fragment, carries.
func (q *Sequences) message(d *Dissected) string {
	hosts := fmt.Sprintf("%v > %v: ", d.Src, d.Dst)
	switch {
	case d.FragmentOffset > 0 && d.MoreFragments:
		return fmt.Sprintf("%s%v fragment at %d", hosts, d.Protocol, d.FragmentOffset)
	case d.FragmentOffset > 0:
		return fmt.Sprintf("%s%v last fragment at %d", hosts, d.Protocol, d.FragmentOffset)
	}
	src, dst, ok := d.Ports()
	ends := fmt.Sprintf("%v.%d > %v.%d: ", d.Src, src, d.Dst, dst)
	switch d.Protocol {
	case wire.ProtocolTCP:
		if h, data, ok := d.TCP(); ok {
			n := d.PayloadLen - h.HeaderLen()
			if len(d.Payload) == d.PayloadLen {
				n = len(data)
			}
			return ends + q.tcp(d.Src, d.Dst, &h, max(n, 0))
		}
		if ok && len(d.Payload) >= 8 { // what an ICMP error has to quote
			return fmt.Sprintf("%stcp, seq %d", ends, binary.BigEndian.Uint32(d.Payload[4:]))
		}
	case wire.ProtocolUDP:
		if data, n, ok := d.UDP(); ok {
			if text := applicationText(src, dst, data, n); text != "" {
				return ends + text
			}
			return fmt.Sprintf("%sudp %d", ends, n)
		}
	case wire.ProtocolICMP:
		if h, data, err := wire.ParseICMP(d.Payload, false); err == nil && d.IPVersion == 4 {
			return hosts + "icmp " + icmpText(&h, data, max(len(data), d.PayloadLen-ICMPHeaderLen))
		}
	case wire.ProtocolICMPv6:
		if len(d.Payload) >= ICMPHeaderLen && d.IPVersion == 6 {
			return hosts + "icmp6 " + icmp6Text(d.Payload, d.PayloadLen-ICMPHeaderLen)
		}
	case wire.ProtocolIGMP:
		if h, err := wire.ParseIGMP(d.Payload); err == nil {
			return fmt.Sprintf("%sigmp %v", hosts, &h)
		}
	default:
		return fmt.Sprintf("%s%s, %d octets", hosts, protocolName(d.Protocol), d.PayloadLen)
	}
	return fmt.Sprintf("%s%v, %d octets", hosts, d.Protocol, d.PayloadLen)
}

// protocolName is the name of a protocol, or its number.
func protocolName(p wire.Protocol) string {
	if name := layers.IPProtocol(p).String(); !strings.HasPrefix(name, "Unknown") {
		return strings.ToLower(name)
	}
	return p.String()
}

// tcp is what is said of a segment with n octets of data.
func (q *Sequences) tcp(from, to netip.Addr, h *wire.TCP, n int) string {
	seq, ack := uint32(h.Seq), uint32(h.Ack)
	if q != nil {
		src, dst := netip.AddrPortFrom(from, h.SrcPort), netip.AddrPortFrom(to, h.DstPort)
		seq, ack = q.relative(flowKey{src, dst}, h)
	}
	var b strings.Builder
	b.WriteString(flagText(h.Flags))
	if n > 0 || h.Flags&(wire.SYN|wire.FIN|wire.RST) != 0 {
		fmt.Fprintf(&b, " %d:%d(%d)", seq, seq+uint32(n), n)
	}
	if h.Flags.Has(wire.ACK) {
		fmt.Fprintf(&b, " ack %d", ack)
	}
	fmt.Fprintf(&b, " win %d", h.Window)
	if h.Flags.Has(wire.URG) {
		fmt.Fprintf(&b, " urg %d", h.Urgent)
	}
	if o := optionText(&h.Options, h.Flags.Has(wire.SYN), ack-uint32(h.Ack)); o != "" {
		fmt.Fprintf(&b, " <%s>", o)
	}
	return b.String()
}

// flagText is tcpdump's: S F P R U W E, a dot for ACK.
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

// optionText names a segment's options. The timestamps that every segment of a connection has are told of
// its SYN alone. What relative numbers of acknowledgements are more than those on the wire is shift.
func optionText(o *wire.TCPOptions, syn bool, shift uint32) string {
	var parts []string
	if o.MSS != 0 {
		parts = append(parts, fmt.Sprintf("mss %d", o.MSS))
	}
	if o.SACKPermitted {
		parts = append(parts, "sackOK")
	}
	if o.HasTimestamps && syn {
		parts = append(parts, "TS")
	}
	if o.HasWindowScale {
		parts = append(parts, fmt.Sprintf("wscale %d", o.WindowScale))
	}
	if o.NumSACK > 0 {
		sack := "sack"
		for _, r := range o.SACK[:o.NumSACK] {
			sack += fmt.Sprintf(" %d:%d", uint32(r.Left)+shift, uint32(r.Right)+shift)
		}
		parts = append(parts, sack)
	}
	return strings.Join(parts, ",")
}
