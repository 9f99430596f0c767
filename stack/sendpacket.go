package stack

import (
	"fmt"
	"net/netip"

	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// PacketRoute is the way of a packet that a caller has made: RoutePacket returns it, SendRouted sends by it.
type PacketRoute struct {
	Iface *Iface
	Dst   netip.Addr // destination, with the zone that a link-local address or group needs
	Src   netip.Addr // source address that the host would choose; the zero Addr if it has none
	Next  netip.Addr // next hop: the destination itself, a gateway, a group or a broadcast address

	broadcast bool // all stations on the link receive the packet
}

// RoutePacket returns the way of a packet to dst: by the routing table if i is nil, otherwise by interface i, with the gateway of the
// longest route by i, or without one. Errors: ErrNoRoute, ErrDown, ErrZone, ErrInvalid.
func (h *Host) RoutePacket(i *Iface, dst netip.Addr) (r PacketRoute, err error) {
	if !dst.IsValid() {
		return r, ErrInvalid
	}
	if i != nil {
		return h.routeBy(i, dst)
	}
	if dst.Is4In6() {
		return r, fmt.Errorf("%w: %v leads to no station (RFC 4291 §2.5.5.2)", ErrNoRoute, dst)
	}
	if dst, err = h.net.scope(dst, netip.Addr{}); err != nil {
		return r, err
	}
	p, ok := h.net.routeFor(netip.Addr{}, dst)
	if !ok {
		h.countIP(familyOf(dst), mib.IPOutNoRoutes)
		return r, ErrNoRoute
	}
	return h.packetRoute(p, dst), nil
}

func (h *Host) packetRoute(p hop, dst netip.Addr) PacketRoute {
	r := PacketRoute{Iface: p.iface, Dst: dst, Next: p.next, broadcast: p.broadcast && !p.next.IsMulticast()}
	r.Src, _ = h.net.source(p, p.strip(dst))
	return r
}

// routeBy returns the way to dst by interface i.
func (h *Host) routeBy(i *Iface, dst netip.Addr) (r PacketRoute, err error) {
	if linkScope(dst) {
		if z := dst.Zone(); z != "" && z != i.name {
			return r, fmt.Errorf("%w: %v is not on %s", ErrInvalid, dst, i.name)
		}
		dst = dst.WithZone(i.name)
	}
	p := hop{iface: i, next: dst.WithZone("")}
	switch {
	case !i.up:
		return r, ErrDown
	case !i.hasNeighbors() || dst.IsMulticast():
	case dst == limitedBroadcast || i.isBroadcast(dst):
		p.broadcast = true
	case !unicast(dst):
		return r, fmt.Errorf("%w: no station can have the address %v", ErrNoRoute, dst)
	case dst.Is6() && !i.speaksIPv6():
		return r, h.net.zoneError(dst.WithZone(i.name))
	default:
		p.next = h.gatewayBy(i, dst)
	}
	return h.packetRoute(p, dst), nil
}

// gatewayBy returns the next hop to dst by interface i: the gateway of the longest route, or dst itself.
func (h *Host) gatewayBy(i *Iface, dst netip.Addr) netip.Addr {
	if needsZone(dst) {
		return dst
	}
	for _, r := range h.net.routes.All() { // longest first
		if r.Out == int(i.index) && r.Dst.Contains(dst) {
			if r.Gateway.IsValid() {
				return r.Gateway
			}
			break
		}
	}
	return dst
}

// SendPacket sends a whole IP packet exactly as it is: no field is changed or checked, and the packet is not fragmented. The interface
// is i, or that of the route to the destination if i is nil. If the neighbour must be resolved first, the packet waits for it.
//
// If SendPacket returns nil, it calls done once, unless done is nil: with nil when the packet has left for the queue of its interface,
// which may be before SendPacket returns, or with the error for which it never will, such as ErrHostUnreach.
//
// Errors: those of RoutePacket; ErrInvalid: the octets tell no destination, and i needs one; ErrTooBig: they are longer than the MTU of the
// interface; ErrQueueFull: the queue of the interface or of the neighbour is full, and a later call may succeed; ErrLimit: too many
// neighbours are not resolved yet.
func (h *Host) SendPacket(now clock.Instant, i *Iface, octets []byte, done func(now clock.Instant, err error)) error {
	dst, ok := destinationOf(octets)
	if !ok {
		if i == nil || i.hasNeighbors() {
			return fmt.Errorf("%w: %d octets are no header of IP with a destination", ErrInvalid, len(octets))
		}
		return h.SendRouted(now, PacketRoute{Iface: i}, octets, done)
	}
	r, err := h.RoutePacket(i, dst)
	if err != nil {
		return err
	}
	return h.SendRouted(now, r, octets, done)
}

// destinationOf returns the destination in the header of an IP packet.
func destinationOf(b []byte) (dst netip.Addr, ok bool) {
	switch {
	case len(b) >= wire.IPv4Len && b[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(b[16:])), true
	case len(b) >= wire.IPv6Len && b[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(b[24:])), true
	}
	return dst, false
}

// SendRouted is SendPacket for a packet whose way is known, so that its header need not tell it. The EtherType and the counters are those of the
// family of r.Dst. On a medium without link headers r.Dst may be the zero Addr; the packet then counts in neither family. Errors: those
// of SendPacket, and ErrInvalid for a packet without octets.
func (h *Host) SendRouted(now clock.Instant, r PacketRoute, octets []byte, done func(now clock.Instant, err error)) error {
	i := r.Iface
	switch {
	case len(octets) == 0, !r.Dst.IsValid() && i.hasNeighbors():
		return ErrInvalid
	case !i.up:
		return ErrDown
	case len(octets) > i.MTU():
		h.countRouted(r, mib.IPFragFails)
		return ErrTooBig
	}
	hw, e, err := i.resolve(now, &r)
	if err != nil {
		return err
	}
	if err := i.roomFor(e); err != nil {
		h.countRouted(r, mib.IPOutDiscards)
		return err
	}
	f := h.frames.get(len(octets))
	copy(f.Extend(len(octets)), octets)
	f.Zone = uint16(max(h.net.zoneOf(r.Src), h.net.zoneOf(r.Dst)))
	h.countRouted(r, mib.IPOutRequests)
	if r.Dst.IsMulticast() {
		h.countRouted(r, mib.IPOutMcastPkts)
	}
	what := pendingPacket{frame: f, owner: exactSender{r.Dst, done}, exact: true}
	if e != nil {
		i.addPending(now, e, what)
		return nil
	}
	i.sendExact(now, what, hw)
	return nil
}

// countRouted increments a counter of IP in the table of the family of r's destination, and none if the destination is not known.
func (h *Host) countRouted(r PacketRoute, c mib.Counter) {
	if r.Dst.IsValid() {
		h.countIP(familyOf(r.Dst), c)
	}
}

// Resolve returns the hardware address of the next hop of r, which is zero on a medium without such addresses. If ok is false, the host
// asks for it, and calls done when it knows the address, or with an error if the neighbour does not answer. Errors: ErrQueueFull, ErrLimit.
func (h *Host) Resolve(now clock.Instant, r PacketRoute, done func(now clock.Instant, err error)) (hw wire.HardwareAddr, ok bool, err error) {
	i := r.Iface
	hw, e, err := i.resolve(now, &r)
	if err != nil || e == nil {
		return hw, err == nil, err
	}
	if err := i.roomFor(e); err != nil {
		return hw, false, err
	}
	i.addPending(now, e, pendingPacket{owner: exactSender{r.Dst, done}, exact: true})
	return hw, false, nil
}

// resolve returns the hardware address of the next hop. If the host must wait for it, wait is the neighbour's entry.
func (i *Iface) resolve(now clock.Instant, r *PacketRoute) (hw wire.HardwareAddr, wait *neighbor, err error) {
	switch {
	case !i.hasNeighbors():
		return hw, nil, nil
	case r.Next.IsMulticast():
		return wire.GroupMAC(r.Next), nil, nil
	case r.broadcast:
		return wire.Broadcast, nil, nil
	}
	e := i.neighborsOf(r.Next).Resolve(now, i.scoped(r.Next), false)
	i.host.raiseNeighbors(now)
	switch {
	case e == nil:
		return hw, nil, i.host.noNeighbor(i, r.Next)
	case !e.Usable():
		return hw, e, nil
	}
	return e.HW, nil, nil
}

// roomFor returns ErrQueueFull if the queue of the interface is full or, where wait is not nil, that of this neighbour.
func (i *Iface) roomFor(wait *neighbor) error {
	h := i.host
	switch {
	case i.out.datagrams.n >= h.limits.SendQueue:
		h.countRefused(limitSendQueue)
		return ErrQueueFull
	case wait != nil && wait.Pending.datagrams.n >= h.cfg.Neighbor.Queue:
		h.countRefused(limitNeighborQueue)
		return ErrQueueFull
	}
	return nil
}

// exactSender is the owner of a packet that is sent as it is.
type exactSender struct {
	dst    netip.Addr                         // destination of the packet; the zero Addr if it is not known
	report func(now clock.Instant, err error) // called once, with the error for which the packet has not left, nil if it has; may be nil
}

// sendFailed implements sendErrorSink.
func (s exactSender) sendFailed(now clock.Instant, err error) { s.done(now, err) }

// done reports that the packet has left, or with an error that it never will.
func (s exactSender) done(now clock.Instant, err error) {
	if s.report != nil {
		s.report(now, err)
	}
}

// sendExact queues a packet without a change, for the hardware address hw, and tells its owner.
func (i *Iface) sendExact(now clock.Instant, p pendingPacket, hw wire.HardwareAddr) {
	h, owner := i.host, p.owner.(exactSender)
	if p.frame != nil {
		if i.out.datagrams.n >= h.limits.SendQueue {
			h.countRefused(limitSendQueue)
			i.dropPending(now, p, drop.QueueFull)
			owner.done(now, ErrQueueFull)
			return
		}
		if i.hasNeighbors() {
			i.putLinkHeader(p.frame, hw, familyOf(owner.dst).etherType())
		}
		i.out.datagrams.push(p.frame, h.limits.SendQueue)
	}
	h.workPending()
	owner.done(now, nil)
}

// FlowLabel returns the label of IPv6 packets from src to dst of a protocol, as the host's sockets would choose it (RFC 6437 §3).
func (h *Host) FlowLabel(src netip.Addr, dst netip.AddrPort, proto wire.Protocol, srcPort uint16) uint32 {
	return h.flowLabel(src, dst, uint64(srcPort)<<8|uint64(proto))
}

// PacketID returns the identification of the host's next datagram from src to dst, of which IPv4 uses the low 16 bits.
func (h *Host) PacketID(src, dst netip.Addr, proto wire.Protocol) uint32 {
	return h.identification(src, dst, proto)
}

// Random returns a number for an identifier that only has to be hard to guess, from the host's own generator.
func (h *Host) Random() uint32 { return h.rng.Uint32() }

// EphemeralPort returns a local port of TCP or UDP for packets from the address local to remote, which no socket is bound to and no claim
// has. Errors: ErrNoPorts.
func (h *Host) EphemeralPort(proto wire.Protocol, local netip.Addr, remote netip.AddrPort) (uint16, error) {
	if proto == wire.ProtocolTCP {
		return h.ephemeralTo(netip.AddrPortFrom(local, 0), remote)
	}
	return h.ephemeral(portsUDP, netip.AddrPortFrom(local, 0), remote, nil)
}
