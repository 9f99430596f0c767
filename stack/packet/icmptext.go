package packet

import (
	"fmt"
	"net/netip"

	"smolsh/stack/wire"
)

// ICMPHeaderLen is the length of the header of every ICMP and ICMPv6 message, in octets.
const ICMPHeaderLen = 8

// icmpText describes an ICMP message.
func icmpText(l Layer) string {
	typ, _ := l.num("type")
	code, _ := l.num("code")
	id, _ := l.num("id")
	seq, _ := l.num("seq")
	switch wire.ICMPType(typ) {
	case wire.ICMPEchoRequest:
		return fmt.Sprintf("echo request id %d seq %d, %d octets", id, seq, l.PayloadLen())
	case wire.ICMPEchoReply:
		return fmt.Sprintf("echo reply id %d seq %d, %d octets", id, seq, l.PayloadLen())
	}
	h := wire.ICMP{Type: wire.ICMPType(typ), Code: uint8(code)}
	text := h.String()
	if mtu, ok := l.num("nexthopmtu"); ok {
		text += fmt.Sprintf(", mtu %d", mtu)
	}
	return text + quotedText(l)
}

// quotedText describes the packet that an ICMP error quotes, in parentheses; "" if there is no IP header.
func quotedText(l Layer) string {
	f := l.Protocol.Field("quoted")
	if f == nil {
		return ""
	}
	p, _ := l.Value(f).(*Packet)
	if p == nil || len(p.Layers) == 0 {
		return ""
	}
	if ip, ok := p.network(); ok && ip.known()-ip.begin >= ip.Protocol.fixed {
		return " (" + (*Sequences)(nil).transport(p, ip.index) + ")"
	}
	return ""
}

// igmpText describes an IGMP message.
func igmpText(l Layer) string {
	typ, _ := l.num("type")
	group, _ := l.Value(l.Protocol.Field("gaddr")).(netip.Addr)
	if typ == 0x22 {
		n, _ := l.num("numgrp")
		return fmt.Sprintf("v3 report, %d records", n)
	}
	h := wire.IGMP{Type: wire.IGMPType(typ), Group: group}
	return h.String()
}

// unreachable6 are the codes of ICMPv6's destination unreachable (RFC 4443 §3.1).
var unreachable6 = []string{"no route", "prohibited", "beyond scope", "host unreachable", "port unreachable", "source policy", "rejected"}

// icmp6Text describes an ICMPv6 message.
func icmp6Text(l Layer) string {
	typ, _ := l.num("type")
	code, _ := l.num("code")
	value := func(name string) uint64 {
		v, _ := l.numOr(name)
		return v
	}
	target := func() string {
		if a, ok := l.Value(l.Protocol.Field("tgt")).(netip.Addr); ok {
			return " " + a.String()
		}
		return ""
	}
	name := icmp6TypeName(typ)
	switch typ {
	case 1:
		if int(code) < len(unreachable6) {
			name = unreachable6[code]
		}
		return name + quotedText(l)
	case 2:
		return fmt.Sprintf("packet too big, mtu %d%s", value("mtu"), quotedText(l))
	case 3:
		return name + quotedText(l)
	case 4:
		return fmt.Sprintf("parameter problem at octet %d%s", value("ptr"), quotedText(l))
	case 128, 129:
		return fmt.Sprintf("%s id %d seq %d, %d octets", name, value("id"), value("seq"), l.PayloadLen())
	case 134:
		return fmt.Sprintf("router advertisement, lifetime %ds", value("routerlifetime"))
	case 135:
		return "neighbor solicitation, who has" + target()
	case 136:
		return "neighbor advertisement, it is" + target()
	case 137:
		return "redirect to" + target()
	}
	if name == "" {
		return fmt.Sprintf("type %d code %d", typ, code)
	}
	return name
}
