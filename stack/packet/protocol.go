package packet

import (
	"slices"
	"strings"
)

// A Protocol is the table of one protocol's header, used for dissecting, values of scripts, Show, completion and help.
// Tables do not change after the package is initialised.
type Protocol struct {
	Name   string  // Scapy's name of the layer, such as "TCP"
	Attr   string  // attribute of a packet that is the layer, such as "tcp"
	Doc    string  // short description of the protocol, with its source
	Fields []Field // fields in the order of the wire; derived fields last
	Base   *Protocol
	On     []Place // numbers under which lower layers carry this protocol

	// next returns the protocol of the payload, nil if it is not known. It is set if more than a NextProtocol field
	// determines that protocol. carried looks numbers up; it is an argument because the tables refer to each other.
	next func(l Layer, carried lookup) *Protocol
	// variants is the table of messages of this protocol that have tables of their own, selected by the field kind.
	variants Table
	kind     *Field
	// prepare returns the layer with fields computed from derived fields that are set. next is the layer that follows, or nil.
	prepare func(l DraftLayer, next *DraftLayer) (DraftLayer, error)
	// describe returns a layer of a draft with derived fields set instead of octets that they describe wholly; nil for none.
	describe func(l Layer, d DraftLayer) DraftLayer
	own      bool // true for a protocol of a Definition
	varies   bool // true if the offset of a field depends on fields before it
	scripted bool // true if dissecting the protocol calls functions of a script
	// zeroLength is true if a length field of 0 means the rest of the frame, as segmentation offload leaves it.
	zeroLength bool

	fixed  int  // octets of the header's fields of fixed width, up to the first optional field
	whole  bool // true if all fields have a fixed width, so that fixed is the length of the header
	header *Field
	length *Field
	follow *Field
	part   *Field    // offset of a fragment; nil for a protocol without fragments
	ports  [2]*Field // destination's and source's port; nil for a protocol without ports
}

// A lookup returns the protocol with a number in a table, nil if there is none.
type lookup func(t Table, number uint64) *Protocol

// A Place is a number by which a lower layer identifies a protocol.
type Place struct {
	Table  Table
	Number uint64
}

// A Table is the name of an assignment of numbers to protocols.
type Table string

// The tables of numbers.
const (
	EtherTypes   Table = "EtherType"
	IPProtocols  Table = "IP protocol"
	UDPPorts     Table = "UDP port"
	TCPPorts     Table = "TCP port"
	ICMPv6Types  Table = "ICMPv6 type"
	NDOptions    Table = "ND option"
	NullFamilies Table = "address family"
)

// anyNumber stands for all numbers of a table without a protocol of their own.
const anyNumber = 1 << 63

// Field returns the field called name, nil if the protocol has none. Another name of a field stands for that field.
func (p *Protocol) Field(name string) *Field {
	for i := range p.Fields {
		if f := &p.Fields[i]; f.Name == name {
			if f.of != "" {
				return p.Field(f.of)
			}
			return f
		}
	}
	return nil
}

// MustField is Field for a protocol that has the field. It panics if the protocol has none.
func (p *Protocol) MustField(name string) *Field {
	f := p.Field(name)
	if f == nil {
		panic(p.Name + " has no field " + name)
	}
	return f
}

// Is reports whether p is q, or a message of q with a table of its own.
func (p *Protocol) Is(q *Protocol) bool { return p == q || p.Base == q && q != nil }

// Scripted reports whether dissecting the protocol calls functions of a script.
func (p *Protocol) Scripted() bool { return p.scripted }

// define completes a table: it computes the offsets of fixed fields, and finds the length fields.
func define(p Protocol) *Protocol {
	if p.Attr == "" {
		p.Attr = strings.ToLower(p.Name)
	}
	p.Fields = slices.Clone(p.Fields)
	at := 0
	for i := range p.Fields {
		f := &p.Fields[i]
		f.index, f.at = i, at
		f.derived = f.Bits == 0 && f.Size == nil
		p.varies = p.varies || at < 0 && !f.derived
		switch {
		case f.derived || at < 0:
		case f.Size != nil || f.When != nil:
			p.fixed, at = max(p.fixed, at/8), -1
		default:
			at += f.Bits
		}
		switch f.Compute {
		case HeaderLength:
			p.header = f
		case TotalLength, PayloadLength, RestLength:
			p.length = f
		case NextProtocol:
			p.follow = f
		}
	}
	if at >= 0 {
		p.fixed, p.whole = at/8, p.header == nil
	}
	p.ports = [2]*Field{p.Field("dport"), p.Field("sport")}
	if p.part = p.Field("frag"); p.part == nil || p.part.derived {
		p.part = p.Field("offset")
	}
	return &p
}

// protocols lists every table, in the order of help.
var protocols = slices.Concat([]*Protocol{Ether, Dot1Q, SLL, SLL2, Null, ARP, IP, IPv6, HopByHop, DestinationOptions, Routing, Fragment, AH, ICMP, ICMPv6},
	icmp6Messages, ndOptions, []*Protocol{IGMP, UDP, TCP, GRE, VXLAN, DNS, DHCP, Raw, Padding})

// Protocols returns all tables, from the link layer up. The caller must not change the slice.
func Protocols() []*Protocol { return protocols }

// ByName returns the table with a name such as "TCP", nil if there is none.
func ByName(name string) *Protocol { return byName[name] }

var byName = func() map[string]*Protocol {
	m := map[string]*Protocol{}
	for _, p := range protocols {
		m[p.Name] = p
	}
	return m
}()

// assigned has the protocols of one table: those with a number of an octet, the others, and the one for anyNumber. A lookup
// happens several times per packet.
type assigned struct {
	low   [256]*Protocol
	high  []assignment
	other *Protocol
}

type assignment struct {
	number   uint64
	protocol *Protocol
}

var places = func() []*assigned {
	var all [8]*assigned
	for i := range all {
		all[i] = new(assigned)
	}
	for _, p := range protocols {
		for _, at := range p.On {
			switch t := all[at.Table.index()]; {
			case at.Number == anyNumber:
				t.other = p
			case at.Number < uint64(len(t.low)):
				t.low[at.Number] = p
			default:
				t.high = append(t.high, assignment{at.Number, p})
			}
		}
	}
	return all[:]
}()

// index returns the table's place in places. The last one is empty.
func (t Table) index() int {
	switch t {
	case EtherTypes:
		return 0
	case IPProtocols:
		return 1
	case UDPPorts:
		return 2
	case TCPPorts:
		return 3
	case ICMPv6Types:
		return 4
	case NDOptions:
		return 5
	case NullFamilies:
		return 6
	}
	return 7
}

// Carried returns the protocol with a number in a table, nil if there is none.
func Carried(t Table, number uint64) *Protocol {
	all := places[t.index()]
	if number < uint64(len(all.low)) {
		if p := all.low[number]; p != nil {
			return p
		}
		return all.other
	}
	for i := range all.high {
		if all.high[i].number == number {
			return all.high[i].protocol
		}
	}
	return all.other
}

// attributes lists the attributes of all protocols, in the order of the tables.
var attributes = func() (names []string) {
	for _, p := range protocols {
		if !slices.Contains(names, p.Attr) {
			names = append(names, p.Attr)
		}
	}
	return names
}()

// LayerNames returns the attributes of a packet that are layers, from the link layer up.
func LayerNames() []string { return slices.Clone(attributes) }

// IsLayer reports whether a packet may have a layer with the attribute.
func IsLayer(attr string) bool { return slices.Contains(attributes, attr) }

// FamilyHas reports whether a message of the protocol base has a field called field.
func FamilyHas(base *Protocol, field string) bool {
	return slices.ContainsFunc(protocols, func(p *Protocol) bool { return p.Is(base) && p.Field(field) != nil })
}
