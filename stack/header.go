package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// ipHeader is what the host chooses for the header of a packet that it sends.
type ipHeader struct {
	src, dst     netip.Addr
	proto        wire.Protocol
	ttl          uint8 // hop limit
	ecn          wire.ECN
	dontFragment bool   // routers must not fragment the packet; they never fragment one of IPv6
	label        uint32 // flow label of IPv6; 0 if the host must compute it
}

// putIP prepends the header of the addresses' family to the payload in f, and counts the packet.
func (h *Host) putIP(f *phy.Frame, p *ipHeader) {
	if familyOf(p.dst) == ipv6 {
		h.putIPv6(f, p)
		return
	}
	h.putIPv4(f, nil, p)
}

// putIPv4 prepends an IPv4 header with options. The identification of a packet with DF set has no meaning (RFC 6864
// §4.1). It is random, so that packets can be distinguished in captures.
func (h *Host) putIPv4(f *phy.Frame, options []byte, p *ipHeader) {
	var ip wire.IPv4 // set field by field, because a composite literal would be built elsewhere and copied
	if p.dontFragment {
		ip.ID = uint16(h.rng.Uint32())
	} else {
		ip.ID = uint16(h.identification(p.src, p.dst, p.proto))
	}
	ip.TOS, ip.DontFragment, ip.TTL, ip.Protocol = uint8(p.ecn), p.dontFragment, p.ttl, p.proto
	ip.Src, ip.Dst, ip.PayloadLen = p.src, p.dst, f.Len()
	h.count(mib.IPOutRequests)
	if len(options) == 0 {
		ip.Put(f.Prepend(wire.IPv4Len))
		return
	}
	ip.PutWithOptions(f.Prepend(wire.IPv4Len+len(options)), options)
}

// putIPv6 prepends an IPv6 header without extension headers.
func (h *Host) putIPv6(f *phy.Frame, p *ipHeader) {
	var ip wire.IPv6
	ip.TrafficClass, ip.FlowLabel, ip.HopLimit, ip.NextHeader = uint8(p.ecn), p.label, p.ttl, p.proto
	if p.label == 0 {
		last := &h.net.lastLabel
		if last.dst.Addr() != p.dst || last.src != p.src || last.proto != p.proto {
			*last = labelCache{p.src, netip.AddrPortFrom(p.dst, 0), p.proto, h.flowLabel(p.src, netip.AddrPortFrom(p.dst, 0), uint64(p.proto))}
		}
		ip.FlowLabel = last.label
	}
	ip.Src, ip.Dst, ip.PayloadLen = p.src, p.dst, f.Len()
	if needsZone(p.src) || needsZone(p.dst) {
		f.Zone = uint16(max(h.net.zoneOf(p.src), h.net.zoneOf(p.dst)))
	}
	h.countIP(ipv6, mib.IPOutRequests)
	ip.Put(f.Prepend(wire.IPv6Len))
}

// flowLabel returns the label of the packets from src to dst (RFC 6437 §3): a keyed hash of both and of extra, which is the
// protocol and the port of the source. It is not 0, which would mean no label.
func (h *Host) flowLabel(src netip.Addr, dst netip.AddrPort, extra uint64) uint32 {
	return max(1, uint32(h.hash(src, dst, extra|1<<63))&0xfffff)
}

// labelCache keeps the flow label of the last datagram of a socket, or the last one that the host has sent without a socket's label.
type labelCache struct {
	src   netip.Addr
	dst   netip.AddrPort
	proto wire.Protocol
	label uint32
}

// of returns the flow label for a datagram by the route p from the socket, which has the port srcPort, to dstPort. It is 0 over
// IPv4.
func (c *labelCache) of(h *Host, p *datagramRoute, srcPort, dstPort uint16) uint32 {
	if familyOf(p.dst) == ipv4 {
		return 0
	}
	if dst := netip.AddrPortFrom(p.dst, dstPort); c.dst != dst || c.src != p.src {
		extra := uint64(srcPort)<<8 | uint64(wire.ProtocolUDP)
		*c = labelCache{src: p.src, dst: dst, label: h.flowLabel(p.src, dst, extra)}
	}
	return c.label
}
