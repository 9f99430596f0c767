package script

import (
	"errors"
	"fmt"
	"net/netip"

	"smolsh/phy"
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
	for i := range x.d.Layers {
		if err := x.layer(i); err != nil {
			return out, err
		}
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
		if dst = x.groupOf(); !dst.IsValid() {
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

// groupOf returns the destination of a message of neighbour discovery that nobody has said: the group of a solicitation's target,
// or all routers (RFC 4861 §4.1, §4.3).
func (x *inFill) groupOf() (dst netip.Addr) {
	if x.ip+1 >= len(x.d.Layers) {
		return dst
	}
	switch x.d.Layers[x.ip+1].Protocol.Name {
	case "ICMPv6ND_NS":
		if to := x.address(x.ip+1, "tgt"); to.Is6() {
			dst = wire.SolicitedNode(to.WithZone(""))
		}
	case "ICMPv6ND_RS":
		dst = netip.IPv6LinkLocalAllRouters()
	}
	return dst
}

// link fills in the Ethernet header.
func (x *inFill) link() error {
	l := x.d.Layers[0]
	if l.Value(packet.Ether.Field("dst")) == nil {
		hw, err := x.destinationMAC()
		if err != nil {
			return err
		}
		x.set(0, "dst", hw)
	}
	x.fillIn(0, "src", x.route.Iface.MAC())
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
	switch v := x.d.Layers[i].Value(packet.ARP.Field("hwdst")).(type) {
	case wire.HardwareAddr:
		hw = v
	case []byte:
		copy(hw[:], v)
	}
	if n, set := x.number(i, "op"); set && n != 1 && !hw.IsZero() {
		return hw, nil
	}
	return wire.Broadcast, nil
}

// layer fills in the fields of one layer.
func (x *inFill) layer(i int) error {
	switch proto := x.d.Layers[i].Protocol; {
	case proto == packet.ARP:
		x.arp(i)
	case proto == packet.IP, proto == packet.IPv6:
		x.network(i)
	case proto == packet.UDP, proto == packet.TCP:
		return x.transport(i)
	case proto == packet.ICMP:
		if typ, set := x.number(i, "type"); !set || typ == 8 || typ == 13 || typ == 15 || typ == 17 {
			return x.query(i)
		}
	case proto.Name == "ICMPv6EchoRequest":
		return x.query(i)
	case proto == packet.Fragment:
		x.fillIn(i, "id", uint64(x.h.Random()))
	case proto == packet.DNS:
		x.fillIn(i, "id", uint64(x.h.Random()&0xffff))
	case proto == packet.DHCP:
		x.fillIn(i, "xid", uint64(x.h.Random()))
		mac := x.route.Iface.MAC()
		x.fillIn(i, "chaddr", append(mac[:], make([]byte, 10)...))
	}
	return nil
}

func (x *inFill) arp(i int) {
	mac := x.route.Iface.MAC()
	x.fillIn(i, "hwsrc", mac[:])
	src := netip.IPv4Unspecified()
	if to := x.address(i, "pdst"); to.Is4() {
		if r, err := x.h.RoutePacket(x.route.Iface, to); err == nil && r.Src.Is4() {
			src = r.Src
		}
	}
	x.fillIn(i, "psrc", src.AsSlice())
}

// network fills in an IP header. One inside of another is filled in as if it were sent itself.
func (x *inFill) network(i int) {
	l, r := x.d.Layers[i], x.route
	dst := x.address(i, "dst")
	if i != x.ip && dst.IsValid() {
		r, _ = x.h.RoutePacket(nil, dst)
	}
	v6 := l.Protocol == packet.IPv6
	if r.Src.IsValid() && r.Src.Is6() == v6 {
		x.fillIn(i, "src", r.Src.WithZone(""))
	}
	src := x.address(i, "src")
	if !v6 {
		x.fillIn(i, "id", uint64(x.h.PacketID(src, dst, 0)&0xffff))
		return
	}
	if i+1 < len(x.d.Layers) && discovers(x.d.Layers[i+1].Protocol) {
		x.fillIn(i, "hlim", uint64(255)) // RFC 4861 §4: a receiver drops any other
	}
	if src.IsValid() && dst.IsValid() {
		x.fillIn(i, "fl", uint64(x.h.FlowLabel(src, netip.AddrPortFrom(dst, 0), 0, 0)))
	}
}

// discovers reports whether a protocol is a message of neighbour discovery.
func discovers(p *packet.Protocol) bool {
	switch p.Name {
	case "ICMPv6ND_RS", "ICMPv6ND_RA", "ICMPv6ND_NS", "ICMPv6ND_NA", "ICMPv6ND_Redirect":
		return true
	}
	return false
}

// transport fills in the source port of a layer, unless the next layer's protocol has a port of its own there.
func (x *inFill) transport(i int) error {
	if _, set := x.number(i, "sport"); set {
		return nil
	}
	if i+1 < len(x.d.Layers) {
		switch x.d.Layers[i+1].Protocol {
		case packet.DHCP:
			return nil
		case packet.DNS:
			if qr, set := x.number(i+1, "qr"); set && qr == 1 {
				return nil
			}
		}
	}
	var src, dst netip.Addr
	for n := i - 1; n >= 0; n-- {
		if p := x.d.Layers[n].Protocol; p == packet.IP || p == packet.IPv6 {
			src, dst = x.address(n, "src"), x.address(n, "dst")
			break
		}
	}
	proto := wire.ProtocolUDP
	if x.d.Layers[i].Protocol == packet.TCP {
		proto = wire.ProtocolTCP
	}
	to, _ := x.number(i, "dport")
	port, err := x.port(proto, src, netip.AddrPortFrom(dst, uint16(to)))
	if err == nil {
		x.set(i, "sport", uint64(port))
	}
	return err
}

// query fills in the identifier and the sequence number of an echo request, or of another query.
func (x *inFill) query(i int) error {
	if _, set := x.number(i, "id"); !set {
		id, err := x.echo()
		if err != nil {
			return err
		}
		x.set(i, "id", uint64(id))
	}
	if _, set := x.number(i, "seq"); !set {
		x.set(i, "seq", x.filling.seq&0xffff)
		x.filling.seq++
	}
	return nil
}

// number returns the number of a field; set is false if the field is unset.
func (x *inFill) number(i int, name string) (n uint64, set bool) {
	v := x.d.Layers[i].Value(x.d.Layers[i].Protocol.Field(name))
	switch v := v.(type) {
	case uint64:
		return v, true
	case []byte:
		for _, b := range v {
			n = n<<8 | uint64(b)
		}
		return n, true
	}
	return 0, v != nil
}

// address returns the address of a field; the zero Addr if the field is unset or holds no address.
func (x *inFill) address(i int, name string) (a netip.Addr) {
	switch v := x.d.Layers[i].Value(x.d.Layers[i].Protocol.Field(name)).(type) {
	case netip.Addr:
		return v
	case []byte:
		a, _ = netip.AddrFromSlice(v)
	}
	return a
}

// fillIn sets a field that is unset.
func (x *inFill) fillIn(i int, name string, v any) {
	if x.d.Layers[i].Value(x.d.Layers[i].Protocol.Field(name)) == nil {
		x.set(i, name, v)
	}
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
