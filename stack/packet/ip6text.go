package packet

import (
	"fmt"
	"strings"
)

// extensionText describes the headers between an IP header and its payload, as they precede the payload in a packet's line: the
// extension headers of IPv6, and the authentication header of either family. Each one is followed by a space.
func extensionText(p *Packet, ip Layer) string {
	var b strings.Builder
	for _, x := range p.extensions(ip) {
		if ip.Protocol == IP && x.Protocol != AH {
			continue
		}
		switch x.Protocol {
		case HopByHop:
			b.WriteString("HBH ")
		case DestinationOptions:
			b.WriteString("DSTOPT ")
		case Routing:
			b.WriteString(routingText(x))
		case Fragment:
			offset, _ := x.num("offset")
			fmt.Fprintf(&b, "frag (%d|%d) ", offset, x.PayloadLen())
		case AH:
			spi, _ := x.num("spi")
			if seq, ok := x.num("seq"); ok {
				fmt.Fprintf(&b, "AH (spi=0x%08x,seq=0x%x) ", spi, seq)
			}
		}
	}
	return b.String()
}

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
