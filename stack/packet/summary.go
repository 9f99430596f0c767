package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gopacket/gopacket/layers"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// flowKey identifies one direction of a TCP connection.
type flowKey struct{ src, dst netip.AddrPort }

// Sequences remembers the initial sequence number of each direction of a connection, so that Line prints sequence
// numbers relative to it, as tcpdump does. The zero value is ready to use. A nil *Sequences prints the numbers of
// the wire.
type Sequences struct {
	base  map[flowKey]wire.Seq
	order []flowKey
}

// maxFlows is how many directions Sequences remembers; a further one replaces the oldest.
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

// relative returns a segment's sequence and acknowledgement numbers as they are printed. In a connection whose SYN
// was not seen, numbers are relative to the first segment seen.
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

// Summary describes a packet in one line. Sequence numbers are those of the wire.
func Summary(b []byte, m phy.Medium) string { return (*Sequences)(nil).Line(b, m) }

// Line describes a packet in one line, by the innermost layer that it recognises. Lengths are those that the headers
// state, so that b may be only the head of the packet.
func (q *Sequences) Line(b []byte, m phy.Medium) string {
	d := Dissect(b, m)
	if m == phy.MediumEthernet && !d.HasEthernet {
		return fmt.Sprintf("%d octets: %v", len(b), d.Err)
	}
	return tagText(d.VLANs) + q.network(&d)
}

// tagText names the VLANs of a packet's tags.
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

// transport describes an IP packet.
func (q *Sequences) transport(d *Dissected) string {
	text := q.message(d)
	if d.MoreFragments && d.FragmentOffset == 0 {
		text += ", first fragment"
	}
	return text
}

// message describes the payload of an IP packet, or of its first fragment.
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
		if ok && len(d.Payload) >= 8 { // an ICMP error quotes at least 8 octets (RFC 792)
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

// protocolName returns the name of an IP protocol, or its number if it has no name.
func protocolName(p wire.Protocol) string {
	if name := layers.IPProtocol(p).String(); !strings.HasPrefix(name, "Unknown") {
		return strings.ToLower(name)
	}
	return p.String()
}

// tcp describes a segment with n octets of data.
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

// flagText writes TCP's flags as tcpdump does: S F P R U W E, and a dot for ACK.
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

// optionText describes a segment's options. It names timestamps only for a SYN, because every later segment of the
// connection has them. It adds shift to the sequence numbers of SACK blocks, to print them relative.
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
