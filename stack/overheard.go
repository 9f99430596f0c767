package stack

import (
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// overhearND is the verdict on a message of neighbour discovery that concerns other stations.
func (h *Host) overhearND() Verdict { return Verdict{Kind: Overheard, Proto: wire.ProtocolICMPv6} }

// overhearMLD is the verdict on a message of MLD that concerns other stations.
func (h *Host) overhearMLD() Verdict {
	return Verdict{Kind: Overheard, Proto: wire.ProtocolICMPv6, MLD: true}
}

// receiveUnknownGroup returns the verdict on a packet to a group without a member on the host. Stations send neighbour discovery, MLD
// and IGMP to the groups of others all the time, and a link that does not filter groups brings them to every host. The host overhears
// these messages. It does not check them, except that no router has forwarded them: their hop limit is 255 (RFC 4861 §3.1) or 1
// (RFC 3810 §5, RFC 2236 §2). Any other packet is dropped.
func (h *Host) receiveUnknownGroup(p *packet) Verdict {
	if p.family == ipv4 {
		if p.proto == wire.ProtocolIGMP && p.ttl == mldHopLimit {
			return Verdict{Kind: Overheard, Proto: wire.ProtocolIGMP}
		}
		return dropped(drop.MulticastUnknown)
	}
	if proto, b := wire.UpperLayer(p.proto, p.payload); proto == wire.ProtocolICMPv6 && len(b) > 0 {
		switch typ := wire.ICMPv6Type(b[0]); {
		case typ.IsND() && p.ttl == ndHopLimit:
			return h.overhearND()
		case typ.IsMLD() && p.ttl == mldHopLimit:
			return h.overhearMLD()
		}
	}
	return dropped(drop.MulticastUnknown)
}
