package packet

// limitHops sets the unset hop limits of IP headers whose payload has one of its own.
func limitHops(layers []DraftLayer) {
	for i := range layers {
		name := ""
		switch layers[i].Protocol {
		case IP:
			name = "ttl"
		case IPv6:
			name = "hlim"
		default:
			continue
		}
		for _, above := range layers[i+1:] {
			if above.Protocol.extension() {
				continue
			}
			if n := hopLimit(above); n > 0 {
				layers[i] = layers[i].fill(name, n)
			}
			break
		}
	}
}

// hopLimit returns the hop limit that a message is sent with, 0 for that of the host: 255 of neighbour discovery, whose receivers drop any
// other (RFC 4861 §7.1), and 1 of MLD and IGMP (RFC 3810 §5, RFC 3376 §4).
func hopLimit(l DraftLayer) int {
	if l.Protocol == IGMP {
		return 1
	}
	if !l.Protocol.Is(ICMPv6) {
		return 0
	}
	n, ok := l.of("type").(uint64)
	if !ok {
		n, _ = l.Protocol.number(ICMPv6Types)
	}
	switch {
	case n >= 133 && n <= 137:
		return 255
	case n >= 130 && n <= 132 || n == 143:
		return 1
	}
	return 0
}
