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

// ICMPHeaderLen is the length of the header of every ICMP and ICMPv6 message, in octets.
const ICMPHeaderLen = 8

// icmpText describes an ICMP message that carries n octets; data may be only the first of them.
func icmpText(h *wire.ICMP, data []byte, n int) string {
	switch h.Type {
	case wire.ICMPEchoRequest:
		return fmt.Sprintf("echo request id %d seq %d, %d octets", h.ID, h.Seq, n)
	case wire.ICMPEchoReply:
		return fmt.Sprintf("echo reply id %d seq %d, %d octets", h.ID, h.Seq, n)
	}
	if !h.IsError() {
		return h.String()
	}
	text := h.String()
	if h.Type == wire.ICMPDestUnreachable && h.Code == wire.UnreachableFragNeeded {
		text += fmt.Sprintf(", mtu %d", h.MTU)
	}
	return text + quotedText(data)
}

// quotedText describes the packet that an ICMP error quotes, in parentheses; "" if there is no IP header.
func quotedText(b []byte) string {
	if d := Dissect(b, phy.MediumIP); d.IPVersion != 0 {
		return " (" + (*Sequences)(nil).transport(&d) + ")"
	}
	return ""
}

// The types of ICMPv6 messages (RFC 4443, RFC 4861) that icmp6Text describes by more than their names.
const (
	icmp6Unreachable = 1
	icmp6TooBig      = 2
	icmp6TimeExceed  = 3
	icmp6Parameter   = 4
	icmp6EchoRequest = 128
	icmp6EchoReply   = 129
	icmp6RouterAdv   = 134
	icmp6Solicit     = 135
	icmp6Advertise   = 136
	icmp6Redirect    = 137
)

// unreachable6 are the codes of ICMPv6's destination unreachable (RFC 4443 §3.1).
var unreachable6 = []string{"no route", "prohibited", "beyond scope", "host unreachable", "port unreachable", "source policy", "rejected"}

// listenerMessages names the messages of multicast listener discovery (RFC 2710, RFC 3810).
var listenerMessages = map[byte]string{
	130: "multicast listener query", 131: "multicast listener report", 132: "multicast listener done", 143: "multicast listener report v2",
}

// icmp6Text describes an ICMPv6 message b of at least 8 octets. The message carries n octets after those 8.
func icmp6Text(b []byte, n int) string {
	typ, code, word := b[0], b[1], binary.BigEndian.Uint32(b[4:])
	target := func() string {
		if len(b) < 24 {
			return ""
		}
		return " " + netip.AddrFrom16([16]byte(b[8:24])).String()
	}
	switch typ {
	case icmp6Unreachable:
		text := "unreachable"
		if int(code) < len(unreachable6) {
			text = unreachable6[code]
		}
		return text + quotedText(b[8:])
	case icmp6TooBig:
		return fmt.Sprintf("packet too big, mtu %d%s", word, quotedText(b[8:]))
	case icmp6TimeExceed:
		return "time exceeded" + quotedText(b[8:])
	case icmp6Parameter:
		return fmt.Sprintf("parameter problem at octet %d%s", word, quotedText(b[8:]))
	case icmp6EchoRequest, icmp6EchoReply:
		what := map[byte]string{icmp6EchoRequest: "request", icmp6EchoReply: "reply"}[typ]
		return fmt.Sprintf("echo %s id %d seq %d, %d octets", what, word>>16, word&0xffff, max(0, n))
	case icmp6RouterAdv:
		return fmt.Sprintf("router advertisement, lifetime %ds", word&0xffff)
	case icmp6Solicit:
		return "neighbor solicitation, who has" + target()
	case icmp6Advertise:
		return "neighbor advertisement, it is" + target()
	case icmp6Redirect:
		return "redirect to" + target()
	}
	if name := listenerMessages[typ]; name != "" {
		return name
	}
	name, _, _ := strings.Cut(layers.CreateICMPv6TypeCode(typ, 0).String(), "(")
	if strings.Trim(name, "0123456789") == "" {
		return fmt.Sprintf("type %d code %d", typ, code)
	}
	return strings.ToLower(spaced(name))
}

// spaced puts blanks between the words of a name such as RouterSolicitation.
func spaced(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
