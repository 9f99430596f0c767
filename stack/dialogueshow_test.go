package stack

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"smolsh/phy"
	dissector "smolsh/stack/packet"
	"smolsh/stack/wire"
)

// routerAlert is the option of every IGMP message, in hexadecimal.
const routerAlert = "94040000"

// frameDefaults returns the values of an IP header with the protocol p that a line does not show.
func frameDefaults(p wire.Protocol) (ttl, tos uint8, df bool, options string) {
	if p == wire.ProtocolIGMP {
		return 1, 0xc0, true, routerAlert
	}
	return 64, 0, false, ""
}

// showFrame returns the line of a frame on an interface. out is true if the host sends the frame. After a bar the line
// has words for what the summary does not show, each under the condition that follows it, in this order:
//
//	from HW, to HW   hardware addresses of the frame
//	at HW            of an ARP request: the sender's hardware address, if it is not the frame's
//	target HW        of an ARP reply: the target's hardware address, if the frame is to another
//	for ADDR         of an ARP reply to the host: the target, if that is not the interface's first address
//	ttl N            if it is not 64
//	tos N            the type of service without ECN, if it is not 0
//	ect0 ect1 ce     ECN
//	df               must not be fragmented
//	id N             of a fragment: the identification
//	N octets         of UDP's first fragment: its octets of data; of another fragment, or of an IGMP message that is cut: all its octets
//	seq N            of a segment without data or SYN, FIN, RST
//	options HEX      IP options
//	quoting N        of an error about TCP, or that quotes no whole UDP header: the length of the quoted packet
//	quoted ECN       ECN of the quoted packet
//	no checksum      of UDP
//	bad checksum     of UDP, TCP, ICMP or IGMP
//	bad ip checksum
//	other data       than the pattern, of UDP or an echo
//
// An IPv6 packet has these words:
//
//	hlim N           if it is not 64, or 255 for neighbour discovery and 1 for MLD
//	class N          the traffic class without ECN, if it is not 0
//	label N          the flow label, if a packet that the host sends lacks one, or one of discovery or MLD has one
//	id N, more, of N of a fragment: the identification, whether more follow, and the protocol
//	ext N HEX        extension headers and the number of the first one; an MLD message has a router alert
//	quoted hlim N, quoted ext N HEX
//	of discovery the fields lifetime, hops, pref, reachable, retrans, flags, code, and the options sll, tll, prefix, mtu, route, dns, option
//	of MLD the fields resp and record, whose number is the type of the record
//
// An IGMP message has TTL 1, type of service 192, DF and the router alert option; only what differs is shown.
func showFrame(i *Iface, f *phy.Frame, out bool) string {
	var attrs []string
	note := func(format string, args ...any) { attrs = append(attrs, fmt.Sprintf(format, args...)) }
	d := dissect(f.Bytes(), i.caps.Medium)
	src, dst := usualStations(i, &d, out)
	if d.HasEthernet && d.Ethernet.Src != src {
		note("from %v", d.Ethernet.Src)
	}
	if d.HasEthernet && d.Ethernet.Dst != dst {
		note("to %v", d.Ethernet.Dst)
	}
	if a, err := wire.ParseARP(d.Network); d.EtherType == wire.EtherTypeARP && err == nil {
		showARP(i, &d, &a, out, note)
	}
	if d.IPVersion == 4 {
		showIPv4(&d, note)
	}
	if p, ok := dissect6(d.Network); ok && d.EtherType == wire.EtherTypeIPv6 {
		showIPv6(&p, out, note)
	}
	line := dissector.Summary(f.Bytes(), i.caps.Medium)
	if len(attrs) > 0 {
		line += " | " + strings.Join(attrs, ", ")
	}
	return line
}

// usualStations returns the hardware addresses that a frame has if its line names none.
func usualStations(i *Iface, d *dissected, out bool) (src, dst wire.HardwareAddr) {
	from, to := d.Src, d.Dst
	claim := wire.HardwareAddr{}
	if d.EtherType == wire.EtherTypeARP {
		a, err := wire.ParseARP(d.Network)
		if err != nil {
			return i.mac, i.mac
		}
		from, to = a.SenderIP, a.TargetIP
		if claim = a.SenderHW; a.Op == wire.ARPRequest {
			to = limitedBroadcast
			if a.SenderIP != a.TargetIP {
				claim = wire.HardwareAddr{}
			}
		}
	} else if p, ok := dissect6(d.Network); ok && d.EtherType == wire.EtherTypeIPv6 {
		return usualStations6(i, &p, out)
	} else if d.IPVersion != 4 {
		return i.mac, i.mac
	}
	group, isGroup := groupOf(i, to)
	if out {
		src, dst = i.mac, stationOf(i, to)
	} else {
		src, dst = stationOf(i, from), i.mac
		if !claim.IsZero() {
			src = claim
		}
	}
	if isGroup {
		dst = group
	}
	return src, dst
}

func showARP(i *Iface, d *dissected, a *wire.ARP, out bool, note func(string, ...any)) {
	if a.Op == wire.ARPRequest && a.SenderIP != a.TargetIP && a.SenderHW != d.Ethernet.Src {
		note("at %v", a.SenderHW)
	}
	if a.Op == wire.ARPReply && a.TargetHW != d.Ethernet.Dst {
		note("target %v", a.TargetHW)
	}
	if a.Op == wire.ARPReply && !out && a.SenderIP != a.TargetIP && a.TargetIP != i.addresses.list[0].Addr() {
		note("for %v", a.TargetIP)
	}
}

func showIPv4(d *dissected, note func(string, ...any)) {
	h := &d.IPv4
	ttl, tos, df, options := frameDefaults(h.Protocol)
	if h.TTL != ttl {
		note("ttl %d", h.TTL)
	}
	if v := h.TOS &^ 3; v != tos {
		note("tos %d", v)
	}
	if e := h.ECN(); e != wire.NotECT {
		note("%s", ecnWords[e])
	}
	if h.DontFragment != df {
		note("df")
	}
	if h.IsFragment() {
		note("id %d", h.ID)
	}
	showPayload(d, note)
	if o := hex.EncodeToString(h.IPv4Options(d.Network)); o != options {
		note("options %s", o)
	}
	showChecksums(d, note)
}

var ecnWords = [...]string{"", "ect1", "ect0", "ce"}

// showPayload notes the parts of a packet's payload that the summary does not show.
func showPayload(d *dissected, note func(string, ...any)) {
	p, off := d.Payload, d.FragmentOffset
	switch {
	case off > 0:
		note("%d octets", len(p))
		if want := octets(off + len(p)); off >= wire.UDPLen && !bytes.Equal(p, want[off-wire.UDPLen:][:len(p)]) {
			note("other data")
		}
	case d.Protocol == wire.ProtocolUDP && len(p) >= wire.UDPLen:
		if d.MoreFragments {
			note("%d octets", len(p)-wire.UDPLen)
		}
		if !bytes.Equal(p[wire.UDPLen:], octets(len(p)-wire.UDPLen)) {
			note("other data")
		}
	case d.Protocol == wire.ProtocolICMP && len(p) >= wire.ICMPLen:
		showICMP(p, note)
	case d.Protocol == wire.ProtocolTCP:
		h, data, ok := d.TCP()
		if ok && len(data) == 0 && h.Flags&(wire.SYN|wire.FIN|wire.RST) == 0 {
			note("seq %d", uint32(h.Seq))
		}
	case d.Protocol == wire.ProtocolIGMP:
		if len(p) < wire.IGMPLen {
			note("%d octets", len(p))
		}
	}
}

func showICMP(p []byte, note func(string, ...any)) {
	m, data, _ := wire.ParseICMP(p, false)
	switch {
	case m.IsError():
		q := dissect(data, phy.MediumIP)
		if q.Protocol == wire.ProtocolTCP || q.Protocol == wire.ProtocolUDP && len(q.Payload) < wire.UDPLen {
			note("quoting %d", q.IPv4.HeaderLen+q.PayloadLen)
		}
		if q.IPv4.ECN() != wire.NotECT {
			note("quoted %s", ecnWords[q.IPv4.ECN()])
		}
	case m.Type != wire.ICMPEchoRequest && m.Type != wire.ICMPEchoReply:
	case !bytes.Equal(data, octets(len(data))):
		note("other data")
	}
}

// showChecksums notes each checksum that is wrong.
func showChecksums(d *dissected, note func(string, ...any)) {
	if wire.Checksum(d.Network[:d.IPv4.HeaderLen]) != 0 {
		note("bad ip checksum")
	}
	if d.IPv4.IsFragment() || len(d.Payload) < 8 {
		return
	}
	bad := false
	switch d.Protocol {
	case wire.ProtocolUDP:
		if d.Payload[6] == 0 && d.Payload[7] == 0 {
			note("no checksum")
		}
		_, _, err := wire.ParseUDP(d.Payload, d.Src, d.Dst, true)
		bad = err != nil
	case wire.ProtocolTCP:
		bad = wire.PseudoHeader(d.Src, d.Dst, wire.ProtocolTCP, len(d.Payload)).AddBytes(d.Payload).Checksum() != 0
	case wire.ProtocolICMP, wire.ProtocolIGMP:
		bad = wire.Checksum(d.Payload) != 0
	}
	if bad {
		note("bad checksum")
	}
}

// quoteOf returns the packet that an ICMP error in a frame quotes. ok is false if the frame has no ICMP error.
func quoteOf(b []byte) (quote []byte, ok bool) {
	d := dissect(b, phy.MediumEthernet)
	if d.Protocol != wire.ProtocolICMP || d.FragmentOffset > 0 {
		return nil, false
	}
	m, quote, err := wire.ParseICMP(d.Payload, false)
	return quote, err == nil && m.IsError()
}
