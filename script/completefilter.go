package script

import (
	"slices"
	"strconv"
	"strings"

	"smolsh/stack/clock"
	"smolsh/stack/filter"
)

// filterWords completes the last word of a filter's expression, by the word before it: after host an address, after port a port.
// Each item is the whole expression up to the end of that word.
func (s *Session) filterWords(h *hostValue, expr string) []string {
	from := strings.LastIndexAny(expr, " ([&|!=<>+*/") + 1 // not after a dash, which names of flags have
	before := strings.Fields(expr[:from])
	last := ""
	if n := len(before); n > 0 {
		last = before[n-1]
	}
	var words []string
	switch last {
	case "host", "src", "dst":
		for _, a := range s.addresses(h) {
			a, _, _ = strings.Cut(a, "%") // packets have no zones, and a filter knows no names
			if strings.ContainsAny(a, ".:") {
				words = append(words, a)
			}
		}
		if last != "host" {
			words = append(words, "host", "net", "port", "portrange")
		}
	case "port":
		words = append(filter.Services(), s.ports(h)...)
	default:
		words = filter.Words()
	}
	for i := range words {
		words[i] = expr[:from] + words[i]
	}
	return words
}

// ports returns the ports of the sockets of the hosts of me's lab.
func (s *Session) ports(me *hostValue) (ports []string) {
	for _, h := range known(me.lab) {
		h.do(func(now clock.Instant) {
			for _, k := range h.h.SocketInfos(now) {
				if k.NetID == "tcp" || k.NetID == "udp" {
					ports = append(ports, strconv.Itoa(int(k.Local.Port())))
				}
			}
		})
	}
	return slices.DeleteFunc(ports, func(p string) bool { return p == "0" })
}
