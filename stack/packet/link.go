package packet

import "fmt"

// named returns a function that looks a value's name up in a map.
func named(names map[uint64]string) func(uint64) string {
	return func(v uint64) string { return names[v] }
}

// etherTypeName returns the protocol name of an EtherType.
var etherTypeName = named(map[uint64]string{
	0x0800: "IPv4", 0x0806: "ARP", 0x8035: "RARP", 0x8100: "802.1Q", 0x86dd: "IPv6", 0x8847: "MPLS", 0x8863: "PPPoE discovery",
	0x8864: "PPPoE", 0x88a8: "802.1ad", 0x88cc: "LLDP", 0x8870: "jumbo", 0x6558: "Ethernet", 0x9100: "QinQ", 0x9000: "loopback",
})

// hardwareName returns the name of a hardware type of ARP, DHCP and the cooked headers (RFC 826, the registry of
// RFC 5494).
var hardwareName = named(map[uint64]string{1: "Ethernet", 6: "IEEE 802", 512: "Linux TUN", 768: "IP in IP", 772: "loopback", 778: "GRE"})

// experimentalEtherType is the EtherType for local experiments (RFC 9542 §3), in front of a payload without an EtherType of its own.
const experimentalEtherType = 0x88b5

// etherField returns the field for the EtherType of the payload of a frame, a tag or a tunnel.
func etherField(name, doc string) Field {
	return Field{Name: name, Bits: 16, Hex: true, Names: etherTypeName, Compute: NextProtocol, Table: EtherTypes, Default: uint64(experimentalEtherType), Doc: doc}
}

// frameType returns the field for the EtherType of a frame, or for the length of one of IEEE 802.3 (§3.2.6).
func frameType(doc string) Field {
	f := etherField("type", doc)
	f.note = func(v uint64) string {
		if v <= maxFrameLength {
			return fmt.Sprintf("length %d", v)
		}
		return ""
	}
	return f
}

// maxFrameLength is the largest number that is a length and no EtherType.
const maxFrameLength = 1500

// Ether is the header of an Ethernet II frame.
var Ether = define(Protocol{
	Name: "Ether", Attr: "eth", Doc: "Ethernet II (IEEE 802.3 §3.2)",
	On: []Place{{EtherTypes, 0x6558}},
	Fields: []Field{
		{Name: "dst", Bits: 48, Kind: MAC, Compute: Host, Doc: "the destination's address; a host fills in the neighbour's"},
		{Name: "src", Bits: 48, Kind: MAC, Compute: Host, Doc: "the source's address"},
		frameType("the EtherType; a number up to 1500 is the length of an IEEE 802.3 frame"),
	},
})

// Dot1Q is an IEEE 802.1Q tag; service tags (802.1ad) have the same form.
var Dot1Q = define(Protocol{
	Name: "Dot1Q", Attr: "vlan", Doc: "VLAN tag (IEEE 802.1Q §9.6)",
	On: []Place{{EtherTypes, 0x8100}, {EtherTypes, 0x88a8}, {EtherTypes, 0x9100}},
	Fields: []Field{
		{Name: "prio", Bits: 3, Doc: "the priority code point"},
		{Name: "dei", Bits: 1, Doc: "drop eligible indicator"},
		{Name: "vlan", Bits: 12, Doc: "the VLAN identifier; 0 is a priority tag"},
		frameType("the EtherType of the tagged packet, or the length of an IEEE 802.3 frame"),
		{Name: "id", Kind: Other, Doc: "another name of vlan", Read: func(l Layer, _ []byte) (any, string) {
			return l.Value(&l.Protocol.Fields[2]), ""
		}},
		{Name: "ids", Kind: Other, Doc: "the VLAN identifiers of this tag and of those directly after it", Read: func(l Layer, _ []byte) (any, string) {
			ids := []any{}
			for _, tag := range l.packet.Layers[l.index:] {
				if !tag.Protocol.Is(l.Protocol) {
					break
				}
				ids = append(ids, tag.Value(&tag.Protocol.Fields[2]))
			}
			return ids, ""
		}},
	},
})

// cookedTypes returns the name of a packet type in Linux's cooked headers.
var cookedTypes = named(map[uint64]string{0: "to us", 1: "broadcast", 2: "multicast", 3: "to another host", 4: "from us"})

// cookedAddress reads the link-layer address of a cooked header. The address may be shorter than its field.
func cookedAddress(length string) func(l Layer, b []byte) (any, string) {
	return func(l Layer, b []byte) (any, string) {
		n, _ := l.Uint(l.Protocol.Field(length))
		if n > uint64(len(b)) {
			return b, fmt.Sprintf("an address of %d octets in %d", n, len(b))
		}
		return arpHardware(l, b[:n])
	}
}

// SLL is Linux's cooked header of version 1 (LINKTYPE_LINUX_SLL), used in captures on the device "any".
var SLL = define(Protocol{
	Name: "CookedLinux", Attr: "sll", Doc: "Linux cooked capture v1 (LINKTYPE_LINUX_SLL)",
	Fields: []Field{
		{Name: "pkttype", Bits: 16, Names: cookedTypes, Doc: "the direction of the packet"},
		{Name: "lladdrtype", Bits: 16, Names: hardwareName, Doc: "the type of the device (ARPHRD)"},
		{Name: "lladdrlen", Bits: 16, Unit: "octets", Doc: "the length of the sender's address"},
		{Name: "src", Bits: 64, Kind: Other, Doc: "the sender's link-layer address", Read: cookedAddress("lladdrlen"), Write: writeHardware},
		etherField("proto", "the EtherType"),
	},
	prepare: prepareCooked,
})

// SLL2 is Linux's cooked header of version 2 (LINKTYPE_LINUX_SLL2).
var SLL2 = define(Protocol{
	Name: "CookedLinuxV2", Attr: "sll2", Doc: "Linux cooked capture v2 (LINKTYPE_LINUX_SLL2)",
	Fields: []Field{
		etherField("proto", "the EtherType"),
		{Name: "reserved", Bits: 16, Hex: true, Doc: "zero"},
		{Name: "ifindex", Bits: 32, Doc: "the index of the interface"},
		{Name: "lladdrtype", Bits: 16, Names: hardwareName, Doc: "the type of the device (ARPHRD)"},
		{Name: "pkttype", Bits: 8, Names: cookedTypes, Doc: "the direction of the packet"},
		{Name: "lladdrlen", Bits: 8, Unit: "octets", Doc: "the length of the sender's address"},
		{Name: "src", Bits: 64, Kind: Other, Doc: "the sender's link-layer address", Read: cookedAddress("lladdrlen"), Write: writeHardware},
	},
	prepare: prepareCooked,
})

// prepareCooked sets the length of the address of a cooked header, unless the address fills the whole field.
func prepareCooked(l DraftLayer, _ *DraftLayer) (DraftLayer, error) {
	return l.fillLength("lladdrlen", "src", 8), nil
}

// nullFamily is the field of a BSD loopback header. The capturing machine wrote it in its own byte order. The field is
// read in the byte order that results in the smaller number.
var nullFamily = Field{Name: "type", Bits: 32, Kind: Other, Names: named(map[uint64]string{2: "IPv4", 10: "IPv6", 24: "IPv6", 28: "IPv6", 30: "IPv6"}),
	Doc: "the address family: 2 for IPv4; 10, 24, 28 or 30 for IPv6", Write: writeFamily, Read: func(_ Layer, b []byte) (any, string) {
		if len(b) < 4 {
			return nil, ""
		}
		return nullNumber(b), ""
	}}

// nullNumber returns the smaller number of the two byte orders.
func nullNumber(b []byte) uint64 {
	big := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	little := uint64(b[3])<<24 | uint64(b[2])<<16 | uint64(b[1])<<8 | uint64(b[0])
	return min(big, little)
}

// Null is the header of BSD's loopback devices (LINKTYPE_NULL, LINKTYPE_LOOP).
var Null = define(Protocol{
	Name: "Loopback", Attr: "null", Doc: "BSD loopback (LINKTYPE_NULL)",
	Fields: []Field{nullFamily},
	prepare: func(l DraftLayer, next *DraftLayer) (DraftLayer, error) {
		if next != nil {
			if n, ok := next.Protocol.number(NullFamilies); ok {
				l = l.fill("type", n)
			}
		}
		return l, nil
	},
	next: func(l Layer, carried lookup) *Protocol {
		if b := l.Header(); len(b) == 4 {
			return carried(NullFamilies, nullNumber(b))
		}
		return nil
	},
})

// arpAddress reads a protocol address of ARP: an IPv4 address if it has four octets.
func arpAddress(l Layer, b []byte) (any, string) {
	if len(b) == 4 {
		return addr4(b), ""
	}
	return b, ""
}

// arpHardware reads a hardware address of ARP: an Ethernet address if it has six octets.
func arpHardware(l Layer, b []byte) (any, string) {
	if len(b) == 6 {
		return mac(b), ""
	}
	return b, ""
}

// arpLength returns the check of the length of an address of ARP: that of an address of the kind that the field at an index names.
func arpLength(field int, kind, octets uint64, name string) func(Layer, uint64) string {
	return func(l Layer, n uint64) string {
		if k, ok := l.Uint(&l.Protocol.Fields[field]); ok && k == kind && n != octets {
			return fmt.Sprintf("%d, and an address of %s has %d octets", n, name, octets)
		}
		return ""
	}
}

// arpSize returns a function that returns the length of an address from a field of the header.
func arpSize(field int) func(l Layer) int {
	return func(l Layer) int {
		n, _ := l.Uint(&l.Protocol.Fields[field])
		return int(n)
	}
}

// ARP is the Address Resolution Protocol.
var ARP = define(Protocol{
	Name: "ARP", Doc: "Address Resolution Protocol (RFC 826)",
	On: []Place{{EtherTypes, 0x0806}, {EtherTypes, 0x8035}},
	Fields: []Field{
		{Name: "hwtype", Bits: 16, Default: uint64(1), Names: hardwareName, Doc: "the type of hardware"},
		{Name: "ptype", Bits: 16, Hex: true, Default: uint64(0x800), Names: etherTypeName, Doc: "the protocol whose addresses are resolved, as EtherType"},
		{Name: "hwlen", Bits: 8, Unit: "octets", Default: uint64(6), Doc: "the length of a hardware address", check: arpLength(0, 1, 6, "Ethernet")},
		{Name: "plen", Bits: 8, Unit: "octets", Default: uint64(4), Doc: "the length of a protocol address", check: arpLength(1, 0x800, 4, "IPv4")},
		{Name: "op", Bits: 16, Default: uint64(1), Names: named(map[uint64]string{1: "who-has", 2: "is-at", 3: "RARP request", 4: "RARP reply"}), Doc: "the operation"},
		{Name: "hwsrc", Kind: Other, Size: arpSize(2), Read: arpHardware, Write: writeHardware, Compute: Host, Doc: "the sender's hardware address"},
		{Name: "psrc", Kind: Other, Size: arpSize(3), Read: arpAddress, Write: writeProtocolAddress, Compute: Host, Doc: "the sender's protocol address"},
		{Name: "hwdst", Kind: Other, Size: arpSize(2), Read: arpHardware, Write: writeHardware, Doc: "the target's hardware address"},
		{Name: "pdst", Kind: Other, Size: arpSize(3), Read: arpAddress, Write: writeProtocolAddress, Doc: "the target's protocol address"},
	},
	prepare: prepareARP,
})

// prepareARP sets the lengths of ARP's addresses to those of the addresses that are set, and unset addresses to zeros.
func prepareARP(l DraftLayer, _ *DraftLayer) (DraftLayer, error) {
	for _, x := range [...]struct {
		length, of string
		also       string
	}{{"hwlen", "hwsrc", "hwdst"}, {"plen", "psrc", "pdst"}} {
		l = l.fillLength(x.length, x.of, 256).fillLength(x.length, x.also, 256)
		n, ok := l.of(x.length).(uint64)
		if !ok {
			n = l.Protocol.Field(x.length).Default.(uint64)
		}
		for _, name := range [...]string{x.of, x.also} {
			if l.of(name) == nil && n > 0 {
				l = l.put(l.Protocol.Field(name), make([]byte, n))
			}
		}
	}
	return l, nil
}

// Raw is the layer of octets that no table describes.
var Raw = define(Protocol{
	Name: "Raw", Doc: "octets without a table",
	Fields: loadFields,
})

// loadFields are the fields of a layer of octets. Scripts can't write load after a dot, since it is a word of Starlark.
var loadFields = []Field{
	{Name: "load", Kind: Octets, Size: rest, Doc: "the octets"},
	{Name: "data", Kind: Octets, Doc: "another name of load, which is a word of the language", of: "load", Read: func(l Layer, _ []byte) (any, string) { return l.Value(&l.Protocol.Fields[0]), "" }},
}

// rest returns the size of a field that fills the rest of its layer. A protocol has at most one such field, and no
// field of variable width before it.
func rest(l Layer) int {
	used := 0
	for i := range l.Protocol.Fields {
		if f := &l.Protocol.Fields[i]; f.Size == nil {
			used += l.width(f)
		}
	}
	return l.end - l.begin - used/8
}
