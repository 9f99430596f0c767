package packet

import (
	"slices"
	"strings"
)

// A Protocol is the table of one protocol's header. From it come dissecting, the views of scripts, Show, completion and help.
// Tables never change once the package is initialised.
type Protocol struct {
	Name   string  // Scapy's name of the layer, such as "TCP"
	Attr   string  // the attribute of a packet that holds the layer, such as "tcp"
	Doc    string  // the protocol in a few words, with its source
	Fields []Field // in the order of the wire; derived fields last
	Base   *Protocol
	On     []Place // the layers that carry this one

	// next returns the protocol of the payload, nil for none that is known, where more than a field of NextProtocol
	// decides. carried looks numbers up; the function gets it as an argument since the tables refer to each other.
	next func(l Layer, carried lookup) *Protocol
	// variants is the table of the messages of this protocol that have tables of their own, by the field kind.
	variants Table
	kind     *Field
	// zeroLength says that a length field of 0 means the rest of the frame, which segmentation offload leaves so.
	zeroLength bool

	fixed  int // octets of the header's fields of fixed width, up to the first that is not always there
	header *Field
	length *Field
	follow *Field
}

// A lookup returns the protocol of a number; nil for a number without one.
type lookup func(t Table, number uint64) *Protocol

// A Place is a number by which a lower layer says that a protocol follows.
type Place struct {
	Table  Table
	Number uint64
}

// A Table names an assignment of numbers to protocols.
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
	anyNumber          = 1 << 63 // the number of the protocol that stands for all others of a table
)

// Field returns the field of a name, nil if the protocol has none of it.
func (p *Protocol) Field(name string) *Field {
	for i := range p.Fields {
		if p.Fields[i].Name == name {
			return &p.Fields[i]
		}
	}
	return nil
}

// Is reports whether p is q, or one of the messages of q that have tables of their own.
func (p *Protocol) Is(q *Protocol) bool { return p == q || p.Base == q && q != nil }

// define completes a table: where each field of fixed place begins, and which fields hold lengths.
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
		p.fixed = at / 8
	}
	return &p
}

// protocols has every table, in the order of help.
var protocols = slices.Concat([]*Protocol{Ether, Dot1Q, SLL, SLL2, Null, ARP, IP, IPv6, HopByHop, DestinationOptions, Routing, Fragment, AH, ICMP, ICMPv6},
	icmp6Messages, ndOptions, []*Protocol{IGMP, UDP, TCP, GRE, VXLAN, DNS, DHCP, Raw})

// Protocols returns all tables, from the link layer up. The caller must not change the slice.
func Protocols() []*Protocol { return protocols }

// ByName returns the table of a protocol's name, such as "TCP"; nil if there is none.
func ByName(name string) *Protocol { return byName[name] }

var byName = func() map[string]*Protocol {
	m := map[string]*Protocol{}
	for _, p := range protocols {
		m[p.Name] = p
	}
	return m
}()

// places has the protocol of each number of each table.
var places = func() map[Place]*Protocol {
	m := map[Place]*Protocol{}
	for _, p := range protocols {
		for _, at := range p.On {
			m[at] = p
		}
	}
	return m
}()

// Carried returns the protocol of a number; nil for a number without one.
func Carried(t Table, number uint64) *Protocol {
	if p := places[Place{t, number}]; p != nil {
		return p
	}
	return places[Place{t, anyNumber}]
}

// attributes are the attributes of all protocols, in the order of the tables.
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

// FamilyHas reports whether any message of a protocol has a field of a name.
func FamilyHas(base *Protocol, field string) bool {
	return slices.ContainsFunc(protocols, func(p *Protocol) bool { return p.Is(base) && p.Field(field) != nil })
}
