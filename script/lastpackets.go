package script

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// LastPackets returns the last n packets seen by the hosts of the session's virtual labs and by its own host, in order,
// as trace prints them. With marked it returns only packets that a rule lost, changed, copied or delayed. It omits what hosts say by
// themselves (isChatter). Where the script has labs of its own, it omits all discovery of the shell's own hosts as well. A line stands
// for the packets of a lab of the script's that are nothing else.
func (s *Session) LastPackets(n int, marked bool) []string {
	type line struct {
		order uint64
		text  func(verdict string) string
		said  string
		idle  bool // discovery of the shell's own hosts
	}
	var lines []line
	others := false // the script has labs of its own
	chatter := 0    // packets of those that are omitted
	for h, r := range s.watching.recent {
		var list []seen
		h.do(func(clock.Instant) { list = r.all() })
		t := &tracer{s: s, name: s.prefix(h)}
		own := h.lab == s.local.lab
		others = others || !own
		for i := range list {
			p := &list[i]
			what := t.line(p.head[:p.n], p.medium, p.gso)
			if marked && p.marks == (phy.Marks{}) && !strings.Contains(p.verdict.String(), ": fault ") {
				continue
			}
			if !marked && isChatter(p.head[:p.n], p.medium) {
				if !own {
					chatter++
				}
				continue
			}
			lines = append(lines, line{p.order, func(v string) string { return t.text(p.now, p.iface, p.dir, p.head[:p.n], p.medium, what, v) },
				p.marks.After(p.verdict.String()), own && isDiscovery(p.head[:p.n], p.medium)})
		}
	}
	lines = slices.DeleteFunc(lines, func(l line) bool { return others && l.idle })
	if len(lines) == 0 && chatter > 0 {
		return []string{fmt.Sprintf("nothing but what hosts say by themselves: %d packets of discovery and reports of groups", chatter)}
	}
	slices.SortFunc(lines, func(a, b line) int { return int(int64(a.order - b.order)) })
	lines = lines[max(0, len(lines)-n):]
	out := make([]string, len(lines))
	widest := 0
	for _, l := range lines {
		widest = max(widest, utf8.RuneCountInString(l.text("")))
	}
	at := s.watching.verdictAt.Swap(int32(min(widest+2, verdictColumn)))
	for i, l := range lines {
		out[i] = l.text(l.said)
	}
	s.watching.verdictAt.Store(at)
	return out
}

// Busy reports whether the session's own host has seen a packet other than what hosts say by themselves.
func (s *Session) Busy() bool {
	r := s.watching.recent[s.local]
	if r == nil {
		return false
	}
	busy := false
	s.local.do(func(clock.Instant) {
		busy = slices.ContainsFunc(r.kept, func(p seen) bool { return !isChatter(p.head[:p.n], p.medium) })
	})
	return busy
}

// isDiscovery reports whether a packet is of neighbour discovery or MLD.
func isDiscovery(b []byte, m phy.Medium) bool {
	_, t, _, ok := icmp6Of(b, m)
	return ok && (t.IsND() || t.IsMLD())
}

// isChatter reports whether a packet is one that hosts send by themselves and that says nothing of a test: reports of groups,
// solicitations of routers, and probes and announcements of an address.
func isChatter(b []byte, m phy.Medium) bool {
	if m == phy.MediumEthernet {
		if eth, payload, err := wire.ParseEthernet(b); err == nil && eth.Type == wire.EtherTypeARP {
			arp, err := wire.ParseARP(payload)
			return err == nil && arp.Op == wire.ARPRequest && (arp.SenderIP == arp.TargetIP || arp.SenderIP.IsUnspecified())
		}
	}
	ip, t, solicited, ok := icmp6Of(b, m)
	if !ok {
		return false
	}
	switch t {
	case wire.ICMPv6RouterSolicitation:
		return true
	case wire.ICMPv6NeighborSolicitation:
		return ip.Src.IsUnspecified()
	case wire.ICMPv6NeighborAdvertisement:
		return ip.Dst.IsMulticast() && !solicited
	}
	return t.IsMLD()
}

// icmp6Of returns the header of IPv6 and the type of a message of ICMPv6, and whether the flag of a solicited advertisement is set in
// it. ok is false for another packet.
func icmp6Of(b []byte, m phy.Medium) (ip wire.IPv6, t wire.ICMPv6Type, solicited, ok bool) {
	if m == phy.MediumEthernet {
		eth, payload, err := wire.ParseEthernet(b)
		if err != nil || eth.Type != wire.EtherTypeIPv6 {
			return ip, 0, false, false
		}
		b = payload
	}
	b, err := ip.Parse(b)
	if err != nil {
		return ip, 0, false, false
	}
	proto, b := wire.UpperLayer(ip.NextHeader, b)
	if proto != wire.ProtocolICMPv6 || len(b) == 0 {
		return ip, 0, false, false
	}
	return ip, wire.ICMPv6Type(b[0]), len(b) > 4 && b[4]&0x40 != 0, true
}
