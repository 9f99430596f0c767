package script

import (
	"net/netip"
	"slices"

	"smolsh/stack/packet"
)

// answerIndex finds the packet that an arriving packet answers without looking at all that were sent.
type answerIndex struct {
	open map[answerKey][]*probe // packets without an answer, in the order in which they were sent
	n    int                    // number of packets in open
}

// maxAlike is the number of packets with one key to which an arriving packet is compared. Packets that sr() fills in have keys of their own,
// so that only packets whose ports and identifiers the script has set can have more.
const maxAlike = 256

// answerKey is what a packet and its answer have in common: what, the other end's address (the zero Addr for a packet to several
// stations), and ports or identifiers as the packet's sender wrote them.
type answerKey struct {
	what   byte
	remote netip.Addr
	x      uint32
}

// The values of answerKey.what.
const (
	keyARP    byte = iota // a request for the hardware address of remote
	keyND                 // a solicitation of remote
	keyRouter             // a router solicitation
	keyTCP
	keyUDP
	keyQuery // an echo request, or another query with an identifier
	keyIP    // a packet of any other protocol
)

// add stores a packet that waits for its answer.
func (x *answerIndex) add(p *probe) {
	k, ok := requestKey(p.out.packet)
	if !ok {
		return
	}
	if x.open == nil {
		x.open = map[answerKey][]*probe{}
	}
	x.open[k] = append(x.open[k], p)
	x.n++
}

// take removes and returns the packet that p answers, nil if it answers none.
func (x *answerIndex) take(p *packet.Packet) *probe {
	for _, k := range answerKeys(p) {
		list := x.open[k]
		for i, q := range list[:min(len(list), maxAlike)] {
			if !p.Answers(q.out.packet) {
				continue
			}
			x.n--
			if len(list) == 1 {
				delete(x.open, k)
			} else if i == 0 {
				list[0] = nil
				x.open[k] = list[1:]
			} else {
				x.open[k] = slices.Delete(list, i, i+1)
			}
			return q
		}
	}
	return nil
}

// requestKey returns the key of a packet that was sent; ok is false if nothing can answer it.
func requestKey(p *packet.Packet) (k answerKey, ok bool) {
	if l, there := p.Layer(packet.ARP); there {
		return arpKey(l, "pdst")
	}
	_, dst, l, ok := p.OuterEnds()
	if !ok {
		return k, false
	}
	if dst.IsMulticast() || dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		dst = netip.Addr{} // any station may answer
	}
	switch l.Protocol.Name {
	case "ICMPv6ND_NS":
		tgt, there := l.Value(l.Protocol.Field("tgt")).(netip.Addr)
		return answerKey{what: keyND, remote: tgt}, there
	case "ICMPv6ND_RS":
		return answerKey{what: keyRouter}, true
	}
	return transportKey(l, dst, "sport", "dport"), true
}

func arpKey(l packet.Layer, field string) (k answerKey, ok bool) {
	a, ok := l.Value(packet.ARP.Field(field)).(netip.Addr)
	return answerKey{what: keyARP, remote: a}, ok
}

// transportKey returns the key of a packet with the layer l above IP, to or from remote. first and second name the ports of our end and of
// the other.
func transportKey(l packet.Layer, remote netip.Addr, first, second string) answerKey {
	num := func(name string) (uint32, bool) {
		f := l.Protocol.Field(name)
		if f == nil {
			return 0, false
		}
		n, ok := l.Uint(f)
		return uint32(n), ok
	}
	k := answerKey{what: keyIP, remote: remote}
	switch {
	case l.Protocol == packet.TCP:
		k.what = keyTCP
	case l.Protocol == packet.UDP:
		k.what = keyUDP
	case l.Protocol == packet.ICMP, l.Protocol.Is(packet.ICMPv6):
		id, ok := num("id")
		seq, _ := num("seq")
		if ok {
			k.what, k.x = keyQuery, id<<16|seq
		}
		return k
	default:
		return k
	}
	ours, _ := num(first)
	theirs, _ := num(second)
	k.x = ours<<16 | theirs
	return k
}

// answerKeys returns the keys that the packets may have which p answers.
func answerKeys(p *packet.Packet) []answerKey {
	if l, there := p.Layer(packet.ARP); there {
		if k, ok := arpKey(l, "psrc"); ok {
			return []answerKey{k}
		}
		return nil
	}
	from, _, l, ok := p.OuterEnds()
	if !ok {
		return nil
	}
	switch l.Protocol.Name {
	case "ICMPv6ND_NA":
		if tgt, there := l.Value(l.Protocol.Field("tgt")).(netip.Addr); there {
			return []answerKey{{what: keyND, remote: tgt}}
		}
		return nil
	case "ICMPv6ND_RA":
		return []answerKey{{what: keyRouter}}
	}
	if f := l.Protocol.Field("quoted"); f != nil {
		if q, there := l.Value(f).(*packet.Packet); there && q != nil {
			if k, ok := requestKey(q); ok {
				return []answerKey{k}
			}
			return nil
		}
	}
	k := transportKey(l, from, "dport", "sport")
	anyone := k
	anyone.remote = netip.Addr{}
	return []answerKey{k, anyone}
}
