package script

import (
	"strings"

	"smolsh/phy"
	"smolsh/stack/packet"
)

// hue is a colour: the parameter of the terminal's control sequence (ECMA-48 SGR).
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

// paint colours a text if the session's output is coloured.
func (s *Session) paint(h hue, text string) string {
	if !s.cfg.Colour || h == plain || text == "" {
		return text
	}
	return "\x1b[" + string(h) + "m" + text + "\x1b[0m"
}

// protocolHue returns the colour of a packet's line, which depends on the protocol.
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

// directionHue returns the colour of a direction's arrow.
func directionHue(arrow string) hue {
	if strings.HasPrefix(arrow, "<") {
		return cyan
	}
	return magenta
}

// verdictHue returns the colour of a verdict: red if the packet was dropped, lost or corrupted.
func verdictHue(verdict string) hue {
	for _, bad := range []string{"dropped", "lost", "corrupted"} {
		if strings.Contains(verdict, bad) {
			return red
		}
	}
	return faint
}
