package script

import (
	"strings"

	"smolsh/phy"
	"smolsh/stack/packet"
)

// hue is the colour of a part of a packet's line: the parameter of the terminal's sequence (ECMA-48 SGR).
type hue string

const (
	plain   hue = ""
	faint   hue = "2"
	red     hue = "31"
	green   hue = "32"
	yellow  hue = "33"
	blue    hue = "34"
	magenta hue = "35"
	cyan    hue = "36"
)

// paint colours a text where the session's output is to have colours.
func (s *Session) paint(h hue, text string) string {
	if !s.cfg.Colour || h == plain || text == "" {
		return text
	}
	return "\x1b[" + string(h) + "m" + text + "\x1b[0m"
}

// protocolHue tells protocols apart, of packets in lines of a trace.
func (s *Session) protocolHue(b []byte, m phy.Medium) hue {
	if !s.cfg.Colour {
		return plain
	}
	for _, l := range packet.OfMedium(b, m).Layers {
		switch p := l.Protocol; {
		case p == packet.ARP:
			return faint
		case p == packet.TCP:
			return green
		case p == packet.UDP:
			return blue
		case p == packet.ICMP || p.Is(packet.ICMPv6) || p == packet.IGMP:
			return yellow
		}
	}
	return plain
}

// directionHue tells directions apart; so does the arrow itself.
func directionHue(arrow string) hue {
	if strings.HasPrefix(arrow, "<") {
		return cyan
	}
	return magenta
}

// verdictHue makes what did not arrive stand out.
func verdictHue(verdict string) hue {
	for _, bad := range []string{"dropped", "lost", "corrupted"} {
		if strings.Contains(verdict, bad) {
			return red
		}
	}
	return faint
}
