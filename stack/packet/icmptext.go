package packet

import (
	"fmt"
	"net/netip"
	"strings"

	"smolsh/stack/wire"
)

// ICMPHeaderLen is the length of the header of every ICMP and ICMPv6 message, in octets.
const ICMPHeaderLen = 8

// unreachable4 are the texts of the codes of ICMP's destination unreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812
// §5.2.7.1), with %v for the destination of the quoted packet. The texts of codes 2 to 4 have further values, and are
// made elsewhere.
var unreachable4 = [...]string{
	0: "net %v unreachable", 1: "host %v unreachable", 5: "%v unreachable - source route failed", 6: "net %v unreachable - unknown",
	7: "host %v unreachable - unknown", 8: "%v unreachable - source host isolated", 9: "net %v unreachable - admin prohibited",
	10: "host %v unreachable - admin prohibited", 11: "net %v unreachable - tos prohibited", 12: "host %v unreachable - tos prohibited",
	13: "host %v unreachable - admin prohibited filter", 14: "host %v unreachable - host precedence violation", 15: "host %v unreachable - precedence cutoff",
}

// icmpText describes an ICMP message.
func icmpText(l Layer) string {
	return fmt.Sprintf("ICMP %s, length %d", icmpMessage(l), l.end-l.begin) + quotedText(l)
}

// icmpMessage describes an ICMP message without its length.
func icmpMessage(l Layer) string {
	typ, _ := l.num("type")
	code, _ := l.num("code")
	id, _ := l.num("id")
	seq, _ := l.num("seq")
	name := icmpTypeName(typ)
	switch typ {
	case 0, 8:
		return fmt.Sprintf("%s, id %d, seq %d", name, id, seq)
	case 3:
		return icmpUnreachable(l, code)
	case 5:
		tos := [...]string{"redirect", "redirect-tos"}[code>>1&1]
		return fmt.Sprintf("%s %s to %s %v", tos, quotedDestination(l), [...]string{"net", "host"}[code&1], l.Value(l.Protocol.Field("gw")))
	case 11:
		switch code {
		case 0:
			return "time exceeded in-transit"
		case wire.ExceededReassembly:
			return "ip reassembly time exceeded"
		}
		return fmt.Sprintf("time exceeded-#%d", code)
	case 12:
		if code == 0 {
			octet, _ := l.num("ptr")
			return fmt.Sprintf("parameter problem - octet %d", octet)
		}
		return fmt.Sprintf("parameter problem - code %d", code)
	case 13, 14:
		return fmt.Sprintf("time stamp %s id %d seq %d", [...]string{"query", "reply"}[typ-13], id, seq)
	}
	if name == "" {
		return fmt.Sprintf("type-#%d", typ)
	}
	return name
}

// icmpUnreachable describes destination unreachable.
func icmpUnreachable(l Layer, code uint64) string {
	to := quotedDestination(l)
	ip, transport := quotedLayers(l)
	number, _ := ip.numOr("proto")
	switch code {
	case wire.UnreachableProtocol:
		return fmt.Sprintf("%s protocol %d unreachable", to, number)
	case wire.UnreachablePort:
		if port, ok := transport.numOr("dport"); ok {
			return fmt.Sprintf("%s %s port %d unreachable", to, strings.ToLower(transport.Protocol.Name), port)
		}
		return fmt.Sprintf("%s protocol %d port unreachable", to, number)
	case wire.UnreachableFragNeeded:
		text := to + " unreachable - need to frag"
		if mtu, ok := l.num("nexthopmtu"); ok && mtu != 0 {
			text += fmt.Sprintf(" (mtu %d)", mtu)
		}
		return text
	}
	if code < uint64(len(unreachable4)) {
		return fmt.Sprintf(unreachable4[code], to)
	}
	return fmt.Sprintf("%s unreachable - #%d", to, code)
}

// quotedLayers returns the IP header that an ICMP error quotes, and the layer after it. A layer that the error does not
// quote is zero.
func quotedLayers(l Layer) (ip, transport Layer) {
	none := Layer{Protocol: Raw, packet: l.packet}
	f := l.Protocol.Field("quoted")
	if f == nil {
		return none, none
	}
	p, _ := l.Value(f).(*Packet)
	if p == nil {
		return none, none
	}
	ip, ok := p.network()
	if !ok || ip.known()-ip.begin < ip.Protocol.fixed {
		return none, none
	}
	for _, above := range p.Layers[ip.index+1:] {
		if !above.Protocol.extension() {
			return ip, above
		}
	}
	return ip, none
}

// quotedDestination returns the destination of the packet that an ICMP error quotes, "?" where the error does not quote it.
func quotedDestination(l Layer) string {
	ip, _ := quotedLayers(l)
	if ip.Protocol == Raw {
		return "?"
	}
	_, to, _ := ip.addresses()
	return to.String()
}

// quotedText describes the packet that an ICMP error quotes, in parentheses; "" if there is no IP header.
func quotedText(l Layer) string {
	ip, _ := quotedLayers(l)
	if ip.Protocol == Raw {
		return ""
	}
	return " (" + (*Sequences)(nil).transport(ip.packet, ip.index) + ")"
}

// usualResponseTime is the longest time to respond to an IGMP query, in tenths of a second, that a line leaves out (RFC 2236 §8.3).
const usualResponseTime = 100

// igmpText describes an IGMP message.
func igmpText(l Layer) string {
	typ, _ := l.num("type")
	group, _ := l.Value(l.Protocol.Field("gaddr")).(netip.Addr)
	switch typ {
	case 0x11:
		return igmpQuery(l, group)
	case 0x12:
		return fmt.Sprintf("igmp v1 report %v", group)
	case 0x16:
		return fmt.Sprintf("igmp v2 report %v", group)
	case 0x17:
		return fmt.Sprintf("igmp leave %v", group)
	case 0x22:
		n, _ := l.num("numgrp")
		return fmt.Sprintf("igmp v3 report, %d group record(s)", n)
	}
	return fmt.Sprintf("igmp-%d", typ)
}

// igmpQuery describes a query of any version (RFC 3376 §7.1).
func igmpQuery(l Layer, group netip.Addr) string {
	version, limit := 2, ""
	code, _ := l.num("mrcode")
	switch {
	case igmpV3Query(l):
		version = 3
	case code == 0:
		version = 1
	}
	if code != usualResponseTime && version > 1 {
		limit = fmt.Sprintf(" [max resp time %d]", code)
	}
	text := fmt.Sprintf("igmp query v%d%s", version, limit)
	if group.IsUnspecified() {
		return text
	}
	if n, _ := l.num("numsrc"); n > 0 {
		return fmt.Sprintf("%s [gaddr %v, %d source(s)]", text, group, n)
	}
	return fmt.Sprintf("%s [gaddr %v]", text, group)
}
