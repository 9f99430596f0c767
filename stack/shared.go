package stack

import (
	"encoding/binary"

	"smolsh/stack/wire"
)

// A shared interface (IfaceConfig.Shared) has the addresses of the operating system's kernel, which stays on the same cable with the
// same hardware address. The ports of the host's own sockets are the host's, and everything else is the kernel's:
//
//   - The host sends requests for neighbours, because its packets need them. It answers none, announces and defends no
//     address, and probes for none.
//   - It sends no ICMP error, no echo reply, no report of IGMP or MLD, no router solicitation and no router advertisement. It learns
//     nothing from routers.
//   - It receives a packet to a port that a socket of the host has, ICMP errors and echo replies for its sockets, and
//     advertisements of neighbours that it has asked. It overhears all other packets: a packet to another port gets no reset.
//
// Host.WatchPorts lets the owner take the sockets' ports from the kernel.

// Shared reports whether the operating system's kernel has the interface's addresses on the same cable.
func (i *Iface) Shared() bool { return i.shared }

// kernels returns the verdict on a packet to the host's addresses on a shared interface, and true if the packet is the kernel's.
func (h *Host) kernels(p *packet) (v Verdict, yes bool) {
	b := p.payload
	switch {
	case p.proto == wire.ProtocolTCP && len(b) >= 4:
		yes = !h.ports.holds(portsTCP, binary.BigEndian.Uint16(b[2:]))
	case p.proto == wire.ProtocolUDP && len(b) >= 4:
		yes = !h.ports.holds(portsUDP, binary.BigEndian.Uint16(b[2:]))
	case p.proto == wire.ProtocolICMP && p.family == ipv4 && len(b) > 0:
		switch wire.ICMPType(b[0]) {
		case wire.ICMPEchoReply, wire.ICMPDestUnreachable, wire.ICMPTimeExceeded, wire.ICMPParameterProblem:
		default:
			yes = true
		}
	case p.proto == wire.ProtocolICMPv6 && p.family == ipv6 && len(b) > 0:
		typ := wire.ICMPv6Type(b[0])
		yes = !typ.IsError() && typ != wire.ICMPv6EchoReply && typ != wire.ICMPv6NeighborAdvertisement
	default:
		yes = true
	}
	if !yes {
		return Verdict{}, false
	}
	return h.leaveToKernel(p), true
}

// leaveToKernel is the verdict on a packet that the kernel processes.
func (h *Host) leaveToKernel(p *packet) Verdict {
	switch proto, b := p.upper(); {
	case p.family == ipv4 && proto == wire.ProtocolIGMP:
		return Verdict{Kind: Overheard, Proto: proto}
	case p.family == ipv6 && proto == wire.ProtocolICMPv6 && len(b) > 0 && wire.ICMPv6Type(b[0]).IsND():
		return h.overhearND()
	case p.family == ipv6 && proto == wire.ProtocolICMPv6 && len(b) > 0 && wire.ICMPv6Type(b[0]).IsMLD():
		return h.overhearMLD()
	}
	return Verdict{Kind: Overheard, Kernel: true}
}

// upper returns the packet's upper-layer protocol and its octets, before or after its extension headers were processed.
func (p *packet) upper() (wire.Protocol, []byte) {
	if p.family == ipv6 && p.headerLen == wire.IPv6Len {
		return wire.UpperLayer(p.proto, p.payload)
	}
	return p.proto, p.payload
}
