package script

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"smolsh/phy"
	"smolsh/script/handheld"
	"smolsh/script/packetvalue"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// filling fills in the fields of packets that only the sending host knows: addresses by its routes and neighbours, ports,
// identifiers. Only the host's owner uses it.
type filling struct {
	h    *lab.Host
	dev  *stack.Iface // interface that the call names; nil for that of the route
	port func(proto wire.Protocol, src netip.Addr, dst netip.AddrPort) (uint16, error)
	echo func() (uint16, error) // chooses the identifier of an echo request
	seq  uint64                 // sequence number of the next echo request

	// resolved is called when a neighbour has answered or failed for which ready returned errResolving, even if the call has ended by then.
	resolved func(now clock.Instant, err error)
}

// unclaimed makes the packets have free ports, and one free identifier of echo requests, without claims.
func (f *filling) unclaimed() {
	f.port = f.h.EphemeralPort
	id := uint16(0)
	f.echo = func() (_ uint16, err error) {
		if id == 0 {
			id, err = f.h.EchoID()
		}
		return id, err
	}
}

// outgoing is a packet with all its octets, and its way.
type outgoing struct {
	packet *packet.Packet
	route  stack.PacketRoute // Iface is set; the rest is not, for a frame
	frame  bool              // true if the packet begins with Ether and leaves as it is
}

// errResolving is returned by ready for a frame whose next hop has no known hardware address yet. resolved is called later.
var errResolving = errors.New("the neighbour is not resolved")

// inFill is a draft that is being filled in.
type inFill struct {
	*filling
	now   clock.Instant
	d     *packet.Draft
	ip    int // index of the outermost IP header; -1 if there is none
	route stack.PacketRoute
}

// ready returns a packet with all octets: as it is if it was received, filled in if it is composed.
func (f *filling) ready(now clock.Instant, p *packetvalue.Value) (out outgoing, err error) {
	if p.Composed() {
		return f.fill(now, p.Draft())
	}
	whole, err := p.Built()
	if err != nil {
		return out, err
	}
	return f.asIs(whole)
}

// fill returns the packet of a draft. A frame whose fields are all set needs no way; its interface is dev, or the only one with frames.
func (f *filling) fill(now clock.Instant, d *packet.Draft) (out outgoing, err error) {
	if len(d.Layers) > 0 && d.Layers[0].Protocol == packet.ARP {
		d = packet.NewDraft(packet.DraftLayer{Protocol: packet.Ether}).Over(d)
	}
	x := &inFill{filling: f, now: now, d: d, ip: -1}
	if out.frame, err = x.findNetworkLayer(); err != nil {
		return out, err
	}
	if err := x.chooseRoute(); err != nil {
		return out, err
	}
	if out.route = x.route; out.frame {
		if err := x.link(); err != nil {
			return out, err
		}
	}
	if err := x.fields(); err != nil {
		return out, err
	}
	out.packet, err = x.d.Build()
	return out, err
}

// medium returns the medium with whose header the packet begins.
func (o *outgoing) medium() phy.Medium {
	if o.frame {
		return phy.MediumEthernet
	}
	return phy.MediumIP
}

// findNetworkLayer finds the outermost IP header and reports whether the packet is a frame.
func (x *inFill) findNetworkLayer() (frame bool, err error) {
	if len(x.d.Layers) == 0 {
		return false, errors.New("a packet without layers can't be sent")
	}
	for i, l := range x.d.Layers {
		switch l.Protocol {
		case packet.Ether, packet.Dot1Q:
			if l.Protocol == packet.Ether && i > 0 || l.Protocol == packet.Dot1Q && i == 0 {
				return false, fmt.Errorf("%s at layer %d: a packet begins with IP, IPv6, ARP or Ether", l.Protocol.Name, i+1)
			}
			continue
		case packet.IP, packet.IPv6:
			x.ip = i
			return i > 0, nil
		}
		if i == 0 {
			return false, fmt.Errorf("the packet begins with %s: put IP(dst=…), IPv6(dst=…) or Ether(…) in front of it", l.Protocol.Name)
		}
		break
	}
	return true, nil
}

// chooseRoute finds the interface and, for IP, the next hop.
func (x *inFill) chooseRoute() error {
	if x.ip >= 0 {
		return x.chooseIPRoute()
	}
	if i, ok := x.d.Layer(packet.ARP); ok && x.dev == nil {
		if to := x.address(i, "pdst"); to.Is4() {
			if r, err := x.h.RoutePacket(nil, to); err == nil && r.Iface.Medium() == phy.MediumEthernet {
				x.route = r
				return nil
			}
		}
	}
	return x.onlyIface()
}

func (x *inFill) chooseIPRoute() error {
	dst := x.address(x.ip, "dst")
	if !dst.IsValid() {
		if dst = handheld.DiscoveryGroup(x.d.Layers, x.ip); !dst.IsValid() {
			name := x.d.Layers[x.ip].Protocol.Name
			if x.ip > 0 && x.linkSet() {
				return x.onlyIface()
			}
			return fmt.Errorf("%s.dst is not set: %s(dst=…) says where the packet goes", name, name)
		}
		x.set(x.ip, "dst", dst)
	}
	r, err := x.h.RoutePacket(x.dev, dst)
	switch {
	case err == nil && (x.ip == 0 || r.Iface.Medium() == phy.MediumEthernet):
		x.route = r
		return nil
	case x.ip > 0 && (err == nil || x.linkSet()): // a frame goes where its own header says
		return x.onlyIface()
	}
	return &routeError{dst, err}
}

// routeError is the error of a destination to which there is no way.
type routeError struct {
	dst netip.Addr
	err error
}

func (e *routeError) Error() string { return fmt.Sprintf("%v: %v", e.dst, e.err) }
func (e *routeError) Unwrap() error { return e.err }

// linkSet reports whether the frame's addresses are set.
func (x *inFill) linkSet() bool {
	l := x.d.Layers[0]
	return l.Protocol == packet.Ether && l.Value(packet.Ether.Field("dst")) != nil
}

// onlyIface makes the interface that the call names the packet's, or the only one with frames.
func (x *inFill) onlyIface() error {
	if x.route.Iface = x.dev; x.dev != nil {
		return nil
	}
	for _, i := range x.h.Ifaces() {
		if i.Medium() == phy.MediumEthernet && !i.Loop() {
			if x.route.Iface != nil {
				return stack.ErrNotBound
			}
			x.route.Iface = i
		}
	}
	if x.route.Iface == nil {
		return stack.ErrNoFrames
	}
	return nil
}

// link fills in the destination of the Ethernet header.
func (x *inFill) link() error {
	l := x.d.Layers[0]
	if l.Value(packet.Ether.Field("dst")) == nil {
		hw, err := x.destinationMAC()
		if err != nil {
			return err
		}
		x.set(0, "dst", hw)
	}
	return nil
}

// destinationMAC returns the hardware address that a frame is for.
func (x *inFill) destinationMAC() (hw wire.HardwareAddr, err error) {
	if x.ip >= 0 {
		hw, ok, err := x.h.Resolve(x.now, x.route, x.resolved)
		if err == nil && !ok {
			err = errResolving
		}
		return hw, err
	}
	i, ok := x.d.Layer(packet.ARP)
	if !ok {
		return hw, errors.New("the packet needs Ether.dst, because what follows does not say where the frame goes")
	}
	l := &x.d.Layers[i]
	if hw, ok := handheld.ARPTarget(l); ok && !handheld.IsARPRequest(l) {
		return hw, nil
	}
	return wire.Broadcast, nil
}

// fields fills in the fields of all layers.
func (x *inFill) fields() error {
	layers := slices.Clone(x.d.Layers)
	err := handheld.FillFields(layers, x)
	x.d = packet.NewDraft(layers...)
	return err
}

// MAC implements handheld.Sender.
func (x *inFill) MAC() wire.HardwareAddr { return x.route.Iface.MAC() }

// Source implements handheld.Sender.
func (x *inFill) Source(dst netip.Addr, in handheld.Header) (netip.Addr, error) {
	r := x.route
	switch {
	case in == handheld.InARP:
		r, _ = x.h.RoutePacket(x.route.Iface, dst)
	case dst.IsValid() && (in == handheld.Inner || x.ip < 0):
		r, _ = x.h.RoutePacket(nil, dst)
	}
	return r.Src, nil
}

// Port implements handheld.Sender.
func (x *inFill) Port(proto wire.Protocol, src netip.Addr, dst netip.AddrPort) (uint16, error) {
	return x.port(proto, src, dst)
}

// EchoID implements handheld.Sender.
func (x *inFill) EchoID() (uint16, error) { return x.echo() }

// EchoSeq implements handheld.Sender.
func (x *inFill) EchoSeq() uint16 {
	x.seq++
	return uint16(x.seq - 1)
}

// PacketID implements handheld.Sender.
func (x *inFill) PacketID(src, dst netip.Addr) uint32 { return x.h.PacketID(src, dst, 0) }

// FlowLabel implements handheld.Sender.
func (x *inFill) FlowLabel(src, dst netip.Addr) uint32 {
	return x.h.FlowLabel(src, netip.AddrPortFrom(dst, 0), 0, 0)
}

// Random implements handheld.Sender.
func (x *inFill) Random() uint32 { return x.h.Random() }

func (x *inFill) address(i int, name string) netip.Addr {
	return handheld.Address(&x.d.Layers[i], name)
}

// set sets a field to a value that it can have.
func (x *inFill) set(i int, name string, v any) {
	l := x.d.Layers[i]
	if a, ok := v.(netip.Addr); ok {
		v = a.WithZone("")
	}
	if l, err := l.With(l.Protocol.Field(name), v); err == nil {
		x.d = x.d.Replace(i, l)
	}
}

// asIs returns a received packet, whose octets leave as they are.
func (f *filling) asIs(p *packet.Packet) (out outgoing, err error) {
	x := &inFill{filling: f, d: &packet.Draft{}, ip: -1}
	out.packet, out.frame = p, p.First == packet.Ether
	switch {
	case out.frame:
		err = x.onlyIface()
	case p.First == packet.IP || p.First == packet.IPv6:
		l := p.Layers[0]
		dst, _ := l.Value(l.Protocol.Field("dst")).(netip.Addr)
		if x.route, err = f.h.RoutePacket(f.dev, dst); err != nil {
			err = &routeError{dst, err}
		}
	default:
		err = fmt.Errorf("the packet begins with %s, and not with IP, IPv6 or Ether", p.First.Name)
	}
	out.route = x.route
	return out, err
}
