package script

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// flowKey is one direction of a TCP connection.
type flowKey struct{ src, dst netip.AddrPort }

// sequences remembers where connections began, so that their numbers print from there, as tcpdump's do.
type sequences struct {
	base  map[flowKey]wire.Seq
	order []flowKey
}

// maxFlows bounds what sequences remembers; the oldest is forgotten.
const maxFlows = 4096

func (q *sequences) set(k flowKey, s wire.Seq) {
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
func (q *sequences) relative(k flowKey, h *wire.TCP) (seq, ack uint32) {
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

// summary is a packet in one line, its numbers as they are on the wire.
func summary(b []byte, m phy.Medium) string { return (*sequences)(nil).line(b, m) }

// line is a packet in one line: the innermost layer that is understood.
func (q *sequences) line(b []byte, m phy.Medium) string {
	if m == phy.MediumIP {
		return q.ip(b)
	}
	eth, payload, err := wire.ParseEthernet(b)
	if err != nil {
		return fmt.Sprintf("%d octets: %v", len(b), err)
	}
	switch eth.Type {
	case wire.EtherTypeARP:
		return arpLine(&eth, payload)
	case wire.EtherTypeIPv4:
		return q.ip(payload)
	}
	return fmt.Sprintf("%v from %v, %v", eth.Dst, eth.Src, eth.Type)
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

func (q *sequences) ip(b []byte) string {
	ip, payload, err := wire.ParseIPv4(b)
	if err != nil {
		// The head of a packet, or its addresses alone, may still be told.
		if ip, payload, err = wire.ParseQuotedIPv4(b); err != nil {
			return fmt.Sprintf("ip, %d octets: %v", len(b), err)
		}
	}
	if ip.FragmentOffset > 0 {
		return fmt.Sprintf("%v > %v: %v fragment at %d", ip.Src, ip.Dst, ip.Protocol, ip.FragmentOffset)
	}
	switch ip.Protocol {
	case wire.ProtocolTCP:
		if h, data, err := wire.ParseTCP(payload); err == nil {
			n := ip.PayloadLen - h.HeaderLen()
			if h.HeaderLen()+len(data) == len(payload) && len(payload) == ip.PayloadLen {
				n = len(data)
			}
			return q.tcp(&ip, &h, max(n, 0))
		}
	case wire.ProtocolUDP:
		if h, data, err := wire.ParseUDP(payload, ip.Src, ip.Dst, false); err == nil {
			return fmt.Sprintf("%v.%d > %v.%d: udp %d", ip.Src, h.SrcPort, ip.Dst, h.DstPort, len(data))
		} else if cut := len(payload); cut >= wire.UDPLen && cut < ip.PayloadLen {
			port := binary.BigEndian.Uint16
			return fmt.Sprintf("%v.%d > %v.%d: udp %d", ip.Src, port(payload), ip.Dst, port(payload[2:]), ip.PayloadLen-wire.UDPLen)
		}
	case wire.ProtocolICMP:
		if h, data, err := wire.ParseICMP(payload, false); err == nil {
			return fmt.Sprintf("%v > %v: icmp %s", ip.Src, ip.Dst, icmpText(&h, data, max(len(data), ip.PayloadLen-icmpHeader)))
		}
	case wire.ProtocolIGMP:
		if h, err := wire.ParseIGMP(payload); err == nil {
			return fmt.Sprintf("%v > %v: igmp %v", ip.Src, ip.Dst, &h)
		}
	}
	return fmt.Sprintf("%v > %v: %v, %d octets", ip.Src, ip.Dst, ip.Protocol, ip.PayloadLen)
}

// icmpHeader is the length of every ICMP message's header, in octets.
const icmpHeader = 8

// icmpText is a message in words; n is how many octets it carries, of which data may be the first.
func icmpText(h *wire.ICMP, data []byte, n int) string {
	switch h.Type {
	case wire.ICMPEchoRequest:
		return fmt.Sprintf("echo request id %d seq %d, %d octets", h.ID, h.Seq, n)
	case wire.ICMPEchoReply:
		return fmt.Sprintf("echo reply id %d seq %d, %d octets", h.ID, h.Seq, n)
	}
	text := h.String()
	if quote, err := wire.ParseQuoted(data); err == nil && h.IsError() {
		text += fmt.Sprintf(" (%v.%d > %v.%d: %v)", quote.IP.Src, quote.SrcPort, quote.IP.Dst, quote.DstPort, quote.IP.Protocol)
	}
	return text
}

func (q *sequences) tcp(ip *wire.IPv4, h *wire.TCP, n int) string {
	seq, ack := uint32(h.Seq), uint32(h.Ack)
	if q != nil {
		src, dst := netip.AddrPortFrom(ip.Src, h.SrcPort), netip.AddrPortFrom(ip.Dst, h.DstPort)
		seq, ack = q.relative(flowKey{src, dst}, h)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v.%d > %v.%d: %s", ip.Src, h.SrcPort, ip.Dst, h.DstPort, flagText(h.Flags))
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
	if o := optionText(&h.Options, h.Flags.Has(wire.SYN)); o != "" {
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
// its SYN alone.
func optionText(o *wire.TCPOptions, syn bool) string {
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
		parts = append(parts, fmt.Sprintf("sack %d", o.NumSACK))
	}
	return strings.Join(parts, ",")
}
