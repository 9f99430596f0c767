// Package handheld fills in the fields that a script has left unset in the packets of a host, or of a station without a stack, and keeps the numbers
// and windows of a TCP end that a script moves by hand (RFC 9293). It has no clock and does no I/O, and sends nothing by itself: each packet is one
// that a script asked for.
//
// Left out on purpose: retransmission, timers, congestion control, checks of what arrives. A TCP end holds at most 1024 ranges of numbers that
// are out of order.
package handheld

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"smolsh/stack/packet"
	"smolsh/stack/siphash"
	"smolsh/stack/wire"
)

// A Station is the station that sends a packet.
type Station interface {
	// MAC returns its hardware address.
	MAC() wire.HardwareAddr
	// Source returns its address for packets to dst, the zero Addr if it has none of that family.
	Source(dst netip.Addr) netip.Addr
}

// A Filler fills in the fields that the sender of a packet determines. Its ports and identifiers follow one another, so that equal runs
// send equal packets. Its echo requests have one identifier, and sequence numbers from 0. The zero value starts with the first of each.
type Filler struct {
	ports, ids, queries, echo, echoes uint16
	seed                              uint64
}

// NewFiller returns a Filler whose first port and identifiers depend on a seed.
func NewFiller(seed uint64) Filler {
	return Filler{ports: uint16(seed), ids: uint16(seed >> 16), queries: uint16(seed >> 32), seed: seed}
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

// next returns the next identifier.
func (f *Filler) next() uint16 {
	f.queries++
	return f.queries
}

// Fill returns the frame of a draft: with an Ethernet header, and with the fields that only its sender knows (packet.Host). hop is the neighbour whose
// hardware address the caller must set as the frame's destination (To); the zero Addr if the destination is set. The error says
// which field or layer is missing.
func (f *Filler) Fill(d *packet.Draft, st Station) (frame *packet.Draft, hop netip.Addr, err error) {
	if len(d.Layers) == 0 {
		return nil, hop, fmt.Errorf("a packet without layers can't be sent")
	}
	first := d.Layers[0].Protocol
	switch {
	case first == packet.Ether:
	case onEthernet(first):
		d = packet.NewDraft(packet.DraftLayer{Protocol: packet.Ether}).Over(d)
	default:
		return nil, hop, fmt.Errorf("%s needs the layers below it, such as IP(dst=…)/%s(…)", first.Name, first.Name)
	}
	layers := slices.Clone(d.Layers)
	if err := setGroup(layers); err != nil {
		return nil, hop, err
	}
	if err := FillFields(layers, sender{f, st}); err != nil {
		return nil, hop, err
	}
	frame = packet.NewDraft(layers...)
	if layers[0].Value(packet.Ether.MustField("dst")) != nil {
		return frame, hop, nil
	}
	mac, hop, err := destination(layers)
	if err == nil && !hop.IsValid() {
		frame, err = To(frame, mac)
	}
	return frame, hop, err
}

// setGroup sets the unset destination of a solicitation in the outermost IPv6 packet.
func setGroup(layers []packet.DraftLayer) (err error) {
	ip := slices.IndexFunc(layers, func(l packet.DraftLayer) bool { return l.Protocol == packet.IP || l.Protocol == packet.IPv6 })
	if ip < 0 || layers[ip].Protocol != packet.IPv6 || layers[ip].Value(packet.IPv6.MustField("dst")) != nil {
		return nil
	}
	if group := DiscoveryGroup(layers, ip); group.IsValid() {
		layers[ip], err = layers[ip].With(packet.IPv6.MustField("dst"), group)
	}
	return err
}

// To returns the frame with a destination.
func To(frame *packet.Draft, mac wire.HardwareAddr) (*packet.Draft, error) {
	l, err := frame.Layers[0].With(packet.Ether.MustField("dst"), mac)
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

// sender is a station as the sender of a packet.
type sender struct {
	f  *Filler
	st Station
}

func (s sender) MAC() wire.HardwareAddr { return s.st.MAC() }

func (s sender) Source(dst netip.Addr, in Header) (netip.Addr, error) {
	if !dst.IsValid() {
		return dst, nil // destination reports it
	}
	src := s.st.Source(dst)
	if in == Outermost && !src.IsValid() {
		name := packet.IPv6.Name
		if dst.Is4() {
			name = packet.IP.Name
		}
		return src, fmt.Errorf("the station has no address of the family of %v: %s(src=…)", dst, name)
	}
	return src, nil
}

func (s sender) Port(wire.Protocol, netip.Addr, netip.AddrPort) (uint16, error) {
	return s.f.Port(), nil
}

func (s sender) EchoID() (uint16, error) {
	for s.f.echo == 0 {
		s.f.echo = s.f.next()
	}
	return s.f.echo, nil
}

func (s sender) EchoSeq() uint16 {
	s.f.echoes++
	return s.f.echoes - 1
}

func (s sender) PacketID(netip.Addr, netip.Addr) uint32 {
	s.f.ids++
	return uint32(s.f.ids)
}

// FlowLabel returns a hash of the addresses, as hosts choose it (RFC 6437 §3).
func (s sender) FlowLabel(src, dst netip.Addr) uint32 {
	a, b := src.As16(), dst.As16()
	word := binary.BigEndian.Uint64
	return uint32(siphash.Sum([2]uint64{s.f.seed, 0}, [6]uint64{word(a[:8]), word(a[8:]), word(b[:8]), word(b[8:])})) & 0xfffff
}

func (s sender) Random() uint32 { return uint32(s.f.next()) }

// destination returns the hardware address of the frame's receiver, or the neighbour whose hardware address it is.
func destination(layers []packet.DraftLayer) (mac wire.HardwareAddr, hop netip.Addr, err error) {
	for i := range layers {
		l := &layers[i]
		switch l.Protocol {
		case packet.ARP:
			if hw, ok := ARPTarget(l); ok {
				return hw, hop, nil
			}
			if IsARPRequest(l) {
				return wire.Broadcast, hop, nil
			}
			if hop = Address(l, "pdst"); hop.IsValid() {
				return mac, hop, nil
			}
			return wire.Broadcast, hop, nil
		case packet.IP, packet.IPv6:
			dst := Address(l, "dst")
			switch m, pattern := l.Value(l.Protocol.MustField("dst")).(packet.Matcher); {
			case pattern:
				return mac, hop, fmt.Errorf("%s.dst is %v, which only a pattern may have", l.Protocol.Name, m)
			case !dst.IsValid():
				return mac, hop, fmt.Errorf("the packet has no destination: %s(dst=…)", l.Protocol.Name)
			case dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
				return wire.Broadcast, hop, nil
			case dst.IsMulticast():
				return wire.GroupMAC(dst), hop, nil
			}
			return mac, dst, nil
		}
	}
	return mac, hop, fmt.Errorf("the frame has no destination: Ether(dst=…)")
}
