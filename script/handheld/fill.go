// Package handheld composes what a station without a stack sends: it fills in the fields that a script has left unset, and keeps the numbers and
// windows of a TCP end that a script moves by hand (RFC 9293). It has no clock and does no I/O, and decides nothing: each segment is one that a
// script asked for.
//
// Left out on purpose: retransmission, timers, congestion control, checks of what arrives. A TCP end holds at most 1024 ranges of numbers that
// are out of order.
package handheld

import (
	"fmt"
	"net/netip"

	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// A Source is the station that sends a packet.
type Source interface {
	// MAC returns its hardware address.
	MAC() wire.HardwareAddr
	// Source returns its address for packets to dst, the zero Addr if it has none of that family.
	Source(dst netip.Addr) netip.Addr
}

// A Filler fills in the fields that the sender of a packet determines. Its ports and identifiers follow one another, so that equal runs
// send equal packets. The zero value starts with the first of each.
type Filler struct{ ports, ids, queries uint16 }

// NewFiller returns a Filler whose first port and identifiers depend on a seed.
func NewFiller(seed uint64) Filler {
	return Filler{uint16(seed), uint16(seed >> 16), uint16(seed >> 32)}
}

const (
	firstPort = 49152 // first of the dynamic ports (RFC 6335 §6)
	portCount = 1<<16 - firstPort
)

// Port returns the next ephemeral port.
func (f *Filler) Port() uint16 {
	p := firstPort + f.ports%portCount
	f.ports++
	return p
}

// Fill returns the frame of a draft: with an Ethernet header, and with the fields that only its sender knows (packet.Host). hop is the neighbour whose
// hardware address the caller must set as the frame's destination (To); the zero Addr if the destination is set. The error says
// which field or layer is missing.
func (f *Filler) Fill(d *packet.Draft, st Source) (frame *packet.Draft, hop netip.Addr, err error) {
	if len(d.Layers) == 0 {
		return nil, hop, fmt.Errorf("a packet without layers can't be sent")
	}
	first := d.Layers[0].Protocol
	switch {
	case first == packet.Ether:
		frame = packet.NewDraft(d.Layers...)
	case onEthernet(first):
		frame = packet.NewDraft(packet.DraftLayer{Protocol: packet.Ether}).Over(d)
	default:
		return nil, hop, fmt.Errorf("%s needs the layers below it, such as IP(dst=…)/%s(…)", first.Name, first.Name)
	}
	layers := append([]packet.DraftLayer(nil), frame.Layers...)
	frame = packet.NewDraft(layers...)
	network := false
	for i := range layers {
		outer := false
		if p := layers[i].Protocol; p == packet.IP || p == packet.IPv6 {
			outer, network = !network, true
		}
		if err := f.layer(layers, i, outer, st); err != nil {
			return nil, hop, err
		}
	}
	if layers[0].Value(field(packet.Ether, "dst")) != nil {
		return frame, hop, nil
	}
	mac, hop, err := destination(layers)
	if err == nil && !hop.IsValid() {
		frame, err = To(frame, mac)
	}
	return frame, hop, err
}

// To returns the frame with a destination.
func To(frame *packet.Draft, mac wire.HardwareAddr) (*packet.Draft, error) {
	l, err := frame.Layers[0].With(field(packet.Ether, "dst"), mac)
	return frame.Replace(0, l), err
}

// onEthernet reports whether a protocol has an EtherType.
func onEthernet(p *packet.Protocol) bool {
	for _, at := range p.On {
		if at.Table == packet.EtherTypes {
			return true
		}
	}
	return false
}

// layer fills in the layer at index i. outer is true for the outermost IP header, which has the station's address.
func (f *Filler) layer(layers []packet.DraftLayer, i int, outer bool, st Source) error {
	l := &layers[i]
	set := func(name string, v any) error {
		fd := field(l.Protocol, name)
		if l.Value(fd) != nil {
			return nil
		}
		filled, err := l.With(fd, v)
		*l = filled
		return err
	}
	mac := st.MAC()
	switch l.Protocol {
	case packet.Ether:
		return set("src", mac)
	case packet.ARP:
		if err := set("hwsrc", mac[:]); err != nil {
			return err
		}
		if src := st.Source(address(l, "pdst")); src.Is4() {
			return set("psrc", src.AsSlice())
		}
	case packet.IP, packet.IPv6:
		if l.Protocol == packet.IP {
			f.ids++
			if err := set("id", uint64(f.ids)); err != nil {
				return err
			}
		}
		if !outer || l.Value(field(l.Protocol, "src")) != nil {
			break
		}
		like := address(l, "dst")
		if !like.IsValid() {
			break // destination reports it
		}
		src := st.Source(like)
		if !src.IsValid() {
			return fmt.Errorf("the station has no address of the family of %v: %s(src=…)", like, l.Protocol.Name)
		}
		return set("src", src)
	case packet.TCP, packet.UDP:
		if !portFollows(layers, i) && l.Value(field(l.Protocol, "sport")) == nil {
			return set("sport", uint64(f.Port()))
		}
	case packet.DNS, packet.DHCP:
		f.queries++
		if l.Protocol == packet.DHCP {
			if err := set("chaddr", append(mac[:], make([]byte, 10)...)); err != nil {
				return err
			}
			return set("xid", uint64(f.queries))
		}
		return set("id", uint64(f.queries))
	default:
		if isEchoRequest(l) {
			f.queries++
			return set("id", uint64(f.queries))
		}
	}
	return nil
}

// portFollows reports whether the source's port follows from the next layer: of DHCP, and of a DNS response.
func portFollows(layers []packet.DraftLayer, i int) bool {
	if i+1 == len(layers) {
		return false
	}
	next := layers[i+1]
	return next.Protocol == packet.DHCP || next.Protocol == packet.DNS && next.Value(field(packet.DNS, "qr")) == uint64(1)
}

// isEchoRequest reports whether the layer is an echo request of either family, of which the message of ICMP is the default.
func isEchoRequest(l *packet.DraftLayer) bool {
	switch l.Protocol {
	case packet.ICMP:
		typ := l.Value(field(packet.ICMP, "type"))
		return typ == nil || typ == uint64(8)
	}
	return l.Protocol.Name == "ICMPv6EchoRequest"
}

// destination returns the hardware address of the frame's receiver, or the neighbour whose hardware address it is.
func destination(layers []packet.DraftLayer) (mac wire.HardwareAddr, hop netip.Addr, err error) {
	broadcast := wire.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for i := range layers {
		l := &layers[i]
		switch l.Protocol {
		case packet.ARP:
			if hw, ok := l.Value(field(packet.ARP, "hwdst")).(wire.HardwareAddr); ok && !hw.IsZero() {
				return hw, hop, nil
			}
			if op := l.Value(field(packet.ARP, "op")); op != nil && op != uint64(1) {
				if hop = address(l, "pdst"); hop.IsValid() {
					return mac, hop, nil
				}
			}
			return broadcast, hop, nil
		case packet.IP, packet.IPv6:
			dst := address(l, "dst")
			switch m, pattern := l.Value(field(l.Protocol, "dst")).(packet.Matcher); {
			case pattern:
				return mac, hop, fmt.Errorf("%s.dst is %v, which only a pattern may have", l.Protocol.Name, m)
			case !dst.IsValid():
				return mac, hop, fmt.Errorf("the packet has no destination: %s(dst=…)", l.Protocol.Name)
			case dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
				return broadcast, hop, nil
			case dst.IsMulticast():
				return wire.GroupMAC(dst), hop, nil
			}
			return mac, dst, nil
		}
	}
	return mac, hop, fmt.Errorf("the frame has no destination: Ether(dst=…)")
}

// address returns the address that a field is set to, the zero Addr if it is not set to one.
func address(l *packet.DraftLayer, name string) netip.Addr {
	switch v := l.Value(field(l.Protocol, name)).(type) {
	case netip.Addr:
		return v
	case []byte:
		a, _ := netip.AddrFromSlice(v)
		return a
	}
	return netip.Addr{}
}

// field returns the field of a protocol that must have it.
func field(p *packet.Protocol, name string) *packet.Field {
	f := p.Field(name)
	if f == nil {
		panic(p.Name + " has no field " + name)
	}
	return f
}
