package packet

import (
	"fmt"
	"strings"
)

// extensionText describes the extension headers of the IPv6 header ip, as they precede the payload in a packet's line:
// each one is followed by a space. Before IPv4's payload there may be authentication headers.
func extensionText(p *Packet, ip Layer) string {
	var b strings.Builder
	for _, x := range p.extensions(ip) {
		switch x.Protocol {
		case HopByHop:
			b.WriteString("HBH ")
		case DestinationOptions:
			b.WriteString("DSTOPT ")
		case Routing:
			b.WriteString(routingText(x))
		case AH:
			b.WriteString(authenticationText(x))
		case Fragment:
			offset, _ := x.num("offset")
			fmt.Fprintf(&b, "frag (%d|%d) ", offset, x.PayloadLen())
		}
	}
	return b.String()
}

// authenticationText describes an authentication header, with the first octets of its check value.
func authenticationText(l Layer) string {
	spi, _ := l.num("spi")
	seq, _ := l.num("seq")
	icv, _ := l.Value(l.Protocol.Field("icv")).([]byte)
	text := fmt.Sprintf("AH(spi=0x%08x,seq=0x%x", spi, seq)
	if len(icv) > 0 {
		text += fmt.Sprintf(",icv=0x%x", icv[:min(len(icv), maxCheckText)])
	}
	if len(icv) > maxCheckText {
		text += "…"
	}
	return text + "): "
}

// maxCheckText is the largest number of octets of a check value in a line.
const maxCheckText = 16

// routingText describes a routing header, with the addresses that it lists.
func routingText(l Layer) string {
	number := func(name string) uint64 {
		v, _ := l.numOr(name)
		return v
	}
	typ, word := number("type"), number("reserved")
	text := fmt.Sprintf("RT6 (len=%d, type=%d", number("len"), typ)
	if typ == 0 {
		text += " [Deprecated]"
	}
	text += fmt.Sprintf(", segleft=%d", number("segleft"))
	switch {
	case typ == 4: // segment routing: last entry, flags and tag (RFC 8754 §2)
		text += fmt.Sprintf(", last-entry=%d", word>>24)
		if flags := word >> 16 & 0xff; flags != 0 {
			text += fmt.Sprintf(", flags=0x%x", flags)
		}
		text += fmt.Sprintf(", tag=%x", word&0xffff)
	case word != 0:
		text += fmt.Sprintf(", rsv=0x%x", word)
	}
	list, _ := l.Value(l.Protocol.Field("addresses")).([]any)
	for i, a := range list[:min(len(list), maxRoutingText)] {
		text += fmt.Sprintf(", [%d]%v", i, a)
	}
	if len(list) > maxRoutingText {
		text += fmt.Sprintf(", … %d more", len(list)-maxRoutingText)
	}
	return text + ") "
}

// maxRoutingText is the largest number of addresses of a routing header in a line.
const maxRoutingText = 4
