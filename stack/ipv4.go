package stack

import (
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// parseIPv4 is parse for IPv4.
func (p *packet) parseIPv4(b []byte) (err error) {
	var ip wire.IPv4
	payload, err := ip.Parse(b)
	if err != nil {
		return err
	}
	p.src, p.dst, p.proto, p.ttl, p.class = ip.Src, ip.Dst, ip.Protocol, ip.TTL, ip.TOS
	p.fragment.offset, p.fragment.more, p.fragment.dontFragment = ip.FragmentOffset, ip.MoreFragments, ip.DontFragment
	p.fragment.id = uint32(ip.ID)
	p.headerLen, p.payload, p.octets = ip.HeaderLen, payload, b[:ip.HeaderLen+ip.PayloadLen]
	return nil
}

// checkIPv4Addresses returns the reason for which a packet's addresses forbid its delivery, else drop.None. A source is
// martian if it is not the address of one station, or that station can't be reached through the interface. A
// destination is martian if it can't arrive on the interface (RFC 1122 §3.2.1.3, §3.3.6). linkGroup is true for a frame
// that was sent to a link-layer broadcast or group address.
func (h *Host) checkIPv4Addresses(p *packet, linkGroup bool) drop.Reason {
	i, src, dst := p.iface, p.src, p.dst
	if !unicast(src) && !p.mayLackSource() || i.isBroadcast(src) {
		return drop.MartianSource // RFC 1122 §3.2.1.3: the source is not a single host
	}
	if i.loop {
		return h.checkLoopAddresses(p)
	}
	if src.IsLoopback() || h.net.localAddrs[src] != nil {
		return drop.MartianSource // a packet from the host's own addresses can only arrive on the loop
	}
	switch {
	case dst.IsMulticast():
		h.count(mib.IPInMcastPkts)
		if !h.findMembers(p) {
			return drop.MulticastUnknown
		}
	case i.isBroadcast(dst):
		p.broadcast = true
	case dst.IsLoopback() || !unicast(dst):
		return drop.MartianDest // 127/8 must not appear on a link, RFC 1122 §3.2.1.3 (g)
	case h.net.localAddrs[dst] == nil:
		return drop.NotForUs
	case linkGroup:
		return drop.MartianDest // a unicast packet in a broadcast frame, RFC 1122 §3.3.6: every host would answer it
	}
	return drop.None
}

// checkLoopAddresses is the check of a packet of either family on the loop, where only the host's own packets may be.
func (h *Host) checkLoopAddresses(p *packet) drop.Reason {
	if !p.src.IsLoopback() && h.net.localAddrs[p.src] == nil {
		return drop.MartianSource
	}
	if !p.dst.IsLoopback() && h.net.localAddrs[p.dst] == nil && !p.dst.IsMulticast() {
		return drop.MartianDest
	}
	if p.dst.IsMulticast() && !h.findMembers(p) {
		return drop.MulticastUnknown
	}
	return drop.None
}

// mayLackSource reports whether a packet's source may be 0.0.0.0 (RFC 1122 §3.2.1.3 (a)). That is allowed for a DHCP
// broadcast (RFC 2131 §4.1) and for a switch's query for group members (RFC 4541 §2.1.1).
func (p *packet) mayLackSource() bool {
	if !p.src.IsUnspecified() {
		return false
	}
	return p.proto == wire.ProtocolUDP && p.dst == limitedBroadcast ||
		p.proto == wire.ProtocolIGMP && p.dst.IsMulticast()
}
