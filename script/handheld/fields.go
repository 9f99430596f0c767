package handheld

import (
	"fmt"
	"net/netip"

	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// A Sender knows the values of the fields that only the sender of a packet can fill in.
type Sender interface {
	// MAC returns the hardware address of the interface by which the packet leaves.
	MAC() wire.HardwareAddr
	// Source returns the sender's address for packets to dst, the zero Addr if it has none. dst is the zero Addr if the packet has no destination.
	Source(dst netip.Addr, in Header) (netip.Addr, error)
	// Port returns a free source port for packets from src to dst.
	Port(proto wire.Protocol, src netip.Addr, dst netip.AddrPort) (uint16, error)
	// EchoID returns the identifier of an echo request, or of another query of ICMP. EchoSeq returns its sequence number.
	EchoID() (uint16, error)
	EchoSeq() uint16
	// PacketID returns the identification of an IPv4 packet, of which the low 16 bits count.
	PacketID(src, dst netip.Addr) uint32
	// FlowLabel returns the flow label of IPv6 packets from src to dst.
	FlowLabel(src, dst netip.Addr) uint32
	// Random returns an identifier of a message of DNS or DHCP, or of a fragment.
	Random() uint32
}

// A Header is a place for the sender's address.
type Header int

const (
	Outermost Header = iota // the outermost IP header
	Inner                   // the IP header of a packet inside another one
	InARP                   // an ARP message
)

// Types of the queries of ICMP that have an identifier and a sequence number: echo (RFC 792), timestamp (RFC 792), information (RFC 792) and address mask
// (RFC 950).
var icmpQueries = [...]uint64{8, 13, 15, 17}

// inFill is a packet that is being filled in. err is the first error.
type inFill struct {
	Sender
	layers []packet.DraftLayer
	ip     int // index of the outermost IP header, -1 if there is none
	err    error
}

// FillFields fills in the unset fields of the layers that the sender determines, but for the frame's destination.
func FillFields(layers []packet.DraftLayer, s Sender) error {
	x := &inFill{Sender: s, layers: layers, ip: -1}
	for i := range layers {
		x.layer(i)
		if x.err != nil {
			return x.err
		}
	}
	return nil
}

// layer fills in the fields of one layer.
func (x *inFill) layer(i int) {
	switch l := &x.layers[i]; l.Protocol {
	case packet.Ether:
		x.set(i, "src", x.MAC())
	case packet.ARP:
		x.arp(i)
	case packet.IP, packet.IPv6:
		x.network(i)
	case packet.UDP, packet.TCP:
		x.transport(i)
	case packet.Fragment:
		x.set(i, "id", uint64(x.Random()))
	case packet.DNS:
		x.set(i, "id", uint64(x.Random()&0xffff))
	case packet.DHCP:
		mac := x.MAC()
		x.set(i, "xid", uint64(x.Random()))
		x.set(i, "chaddr", append(mac[:], make([]byte, 10)...))
	default:
		if isQuery(l) {
			x.query(i)
		}
	}
}

func (x *inFill) arp(i int) {
	mac := x.MAC()
	x.set(i, "hwsrc", mac[:])
	src := netip.IPv4Unspecified()
	if to := Address(&x.layers[i], "pdst"); to.Is4() {
		a, err := x.Source(to, InARP)
		if x.fail(err); a.Is4() {
			src = a
		}
	}
	x.set(i, "psrc", src.AsSlice())
}

// network fills in an IP header. One inside of another is filled in as if it were sent itself.
func (x *inFill) network(i int) {
	l, in := &x.layers[i], Inner
	if x.ip < 0 {
		x.ip, in = i, Outermost
	}
	v6, dst := l.Protocol == packet.IPv6, Address(l, "dst")
	if l.Value(l.Protocol.MustField("src")) == nil {
		src, err := x.Source(dst, in)
		if x.fail(err); src.IsValid() && src.Is6() == v6 {
			x.set(i, "src", src.WithZone(""))
		}
	}
	src := Address(l, "src")
	if !v6 {
		x.set(i, "id", uint64(x.PacketID(src, dst)&0xffff))
		return
	}
	if src.IsValid() && dst.IsValid() {
		x.set(i, "fl", uint64(x.FlowLabel(src, dst)))
	}
}

// transport fills in the source port of a layer, unless the next layer's protocol has a port of its own there.
func (x *inFill) transport(i int) {
	l := &x.layers[i]
	if portFollows(x.layers, i) || l.Value(l.Protocol.MustField("sport")) != nil {
		return
	}
	var src, dst netip.Addr
	for n := i - 1; n >= 0; n-- {
		if p := x.layers[n].Protocol; p == packet.IP || p == packet.IPv6 {
			src, dst = Address(&x.layers[n], "src"), Address(&x.layers[n], "dst")
			break
		}
	}
	proto := wire.ProtocolUDP
	if l.Protocol == packet.TCP {
		proto = wire.ProtocolTCP
	}
	to, _ := Number(l, "dport")
	port, err := x.Port(proto, src, netip.AddrPortFrom(dst, uint16(to)))
	if x.fail(err); err == nil {
		x.set(i, "sport", uint64(port))
	}
}

// portFollows reports whether the source's port follows from the next layer: of DHCP, and of a DNS response.
func portFollows(layers []packet.DraftLayer, i int) bool {
	if i+1 == len(layers) {
		return false
	}
	next := &layers[i+1]
	if next.Protocol == packet.DNS {
		qr, _ := Number(next, "qr")
		return qr == 1
	}
	return next.Protocol == packet.DHCP
}

// isQuery reports whether the layer is a query of ICMP, of which the echo request is the default, or an echo request of ICMPv6.
func isQuery(l *packet.DraftLayer) bool {
	if l.Protocol != packet.ICMP {
		return l.Protocol.Name == "ICMPv6EchoRequest"
	}
	typ, set := Number(l, "type")
	for _, q := range icmpQueries {
		if typ == q {
			return true
		}
	}
	return !set
}

// query fills in the identifier and the sequence number of a query.
func (x *inFill) query(i int) {
	l := &x.layers[i]
	if l.Value(l.Protocol.MustField("id")) == nil {
		id, err := x.EchoID()
		if x.fail(err); err != nil {
			return
		}
		x.set(i, "id", uint64(id))
	}
	if l.Value(l.Protocol.MustField("seq")) == nil {
		x.set(i, "seq", uint64(x.EchoSeq()))
	}
}

// set sets a field that is unset.
func (x *inFill) set(i int, name string, v any) {
	l := &x.layers[i]
	f := l.Protocol.MustField(name)
	if l.Value(f) != nil {
		return
	}
	filled, err := l.With(f, v)
	if err != nil {
		x.fail(fmt.Errorf("%s.%s: %w", l.Protocol.Name, name, err))
		return
	}
	*l = filled
}

func (x *inFill) fail(err error) {
	if x.err == nil {
		x.err = err
	}
}

// DiscoveryGroup returns the destination of a message of neighbour discovery that follows the IP header at an index: the group of a
// solicitation's target, or all routers (RFC 4861 §4.1, §4.3). It is the zero Addr for another packet.
func DiscoveryGroup(layers []packet.DraftLayer, ip int) netip.Addr {
	if ip+1 < len(layers) {
		switch l := &layers[ip+1]; l.Protocol.Name {
		case "ICMPv6ND_NS":
			if to := Address(l, "tgt"); to.Is6() {
				return wire.SolicitedNode(to.WithZone(""))
			}
		case "ICMPv6ND_RS":
			return netip.IPv6LinkLocalAllRouters()
		}
	}
	return netip.Addr{}
}

// ARPTarget returns the hardware address that is set in an ARP message. ok is false if that is zero or unset.
func ARPTarget(l *packet.DraftLayer) (hw wire.HardwareAddr, ok bool) {
	switch v := l.Value(packet.ARP.MustField("hwdst")).(type) {
	case wire.HardwareAddr:
		hw = v
	case []byte:
		copy(hw[:], v)
	}
	return hw, !hw.IsZero()
}

// IsARPRequest reports whether an ARP message is a request, which is the default.
func IsARPRequest(l *packet.DraftLayer) bool {
	op, set := Number(l, "op")
	return !set || op == uint64(wire.ARPRequest)
}

// Number returns the number that a field is set to, as such or in octets. set is false if the field is unset.
func Number(l *packet.DraftLayer, name string) (n uint64, set bool) {
	switch v := l.Value(l.Protocol.MustField(name)).(type) {
	case nil:
		return 0, false
	case uint64:
		return v, true
	case []byte:
		for _, b := range v {
			n = n<<8 | uint64(b)
		}
	}
	return n, true
}

// Address returns the address that a field is set to, the zero Addr if it is not set to one.
func Address(l *packet.DraftLayer, name string) netip.Addr {
	switch v := l.Value(l.Protocol.MustField(name)).(type) {
	case netip.Addr:
		return v
	case []byte:
		a, _ := netip.AddrFromSlice(v)
		return a
	}
	return netip.Addr{}
}
