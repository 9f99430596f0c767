package packet

import (
	"net/netip"

	"smolsh/phy"
)

// A Flow is the pair of endpoints between which a segment of TCP or a datagram of UDP is sent.
type Flow struct{ Src, Dst netip.AddrPort }

// Flow returns the endpoints of the outermost TCP or UDP header, and that layer. ok is false for another packet, for a fragment, and where
// the capture has not kept the addresses or ports.
func (p *Packet) Flow() (f Flow, transport Layer, ok bool) {
	ip, ok := p.network()
	if !ok {
		return f, transport, false
	}
	src, dst, ok := ip.addresses()
	if !ok {
		return f, transport, false
	}
	if offset, more := p.fragment(ip); offset != 0 || more {
		return f, transport, false
	}
	for _, l := range p.Layers[ip.index+1:] {
		if l.Protocol.extension() {
			continue
		}
		if l.Protocol != TCP && l.Protocol != UDP {
			return f, transport, false
		}
		sport, ok1 := l.num("sport")
		dport, ok2 := l.num("dport")
		return Flow{netip.AddrPortFrom(src, uint16(sport)), netip.AddrPortFrom(dst, uint16(dport))}, l, ok1 && ok2
	}
	return f, transport, false
}

// Number returns the number in the field called name. ok is false if the layer does not have the field.
func (l Layer) Number(name string) (n uint64, ok bool) { return l.numOr(name) }

// Medium returns the medium of the packet's frame. ok is false if the packet begins with another layer than Ethernet or IP.
func (p *Packet) Medium() (m phy.Medium, ok bool) {
	switch p.First {
	case Ether:
		return phy.MediumEthernet, true
	case IP, IPv6:
		return phy.MediumIP, true
	}
	return m, false
}
