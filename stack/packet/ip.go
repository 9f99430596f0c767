package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"smolsh/stack/wire"
)

// protocolNames returns the name of an IP protocol number.
func protocolNames(v uint64) string {
	if v > 255 {
		return ""
	}
	return protocolName(wire.Protocol(v))
}

// protocol4Names is protocolNames for IPv4, which has no hop-by-hop options under the number 0.
func protocol4Names(v uint64) string {
	if v == hopByHop {
		return ""
	}
	return protocolNames(v)
}

// hopByHop is the protocol number of hop-by-hop options, which only IPv6 has.
const hopByHop = 0

// experimentalProtocol is the protocol number for experiments (RFC 3692 §2.1), in front of a payload without a number of its own.
const experimentalProtocol = uint64(253)

// source and destination return the address fields of an IP header. bits is the width of an address.
func source(bits int) Field {
	return Field{Name: "src", Bits: bits, Kind: Addr, Compute: Host, Doc: "the source's address"}
}

func destination(bits int) Field {
	return Field{Name: "dst", Bits: bits, Kind: Addr, Doc: "the destination's address"}
}

// ecnName returns the name of the ECN codepoint in a TOS octet or traffic class (RFC 3168 §5).
func ecnName(v uint64) string { return [...]string{"", "ECT(1)", "ECT(0)", "CE"}[v&3] }

// bitOf returns the Read of a derived field that is true if a bit of a flags field is set.
func bitOf(flags string, bit uint64) func(Layer, []byte) (any, string) {
	return func(l Layer, _ []byte) (any, string) {
		v, ok := l.num(flags)
		if !ok {
			return nil, ""
		}
		return v&bit != 0, ""
	}
}

// listed returns a list of options in the form of a field's value.
func listed(list []Option, damage string) (any, string) { return list, damage }

// IP is IPv4.
var IP = define(Protocol{
	Name: "IP", Doc: "Internet Protocol version 4 (RFC 791 §3.1)",
	On:         []Place{{EtherTypes, 0x0800}, {IPProtocols, 4}, {NullFamilies, 2}},
	zeroLength: true,
	Fields: []Field{
		{Name: "version", Bits: 4, Default: uint64(4), Doc: "4", check: only(4)},
		{Name: "ihl", Bits: 4, Unit: "words of 4 octets", Compute: HeaderLength, Scale: 4, Doc: "the length of the header"},
		{Name: "tos", Bits: 8, Hex: true, Names: ecnName, Doc: "DSCP and ECN (RFC 2474, RFC 3168)"},
		{Name: "len", Bits: 16, Unit: "octets", Compute: TotalLength, Doc: "the length of header and payload"},
		{Name: "id", Bits: 16, Compute: Host, Doc: "the identification, the same in all fragments of a datagram"},
		{Name: "flags", Bits: 3, Kind: Letters, Letters: []string{"MF", "DF", "evil"}, Doc: "more fragments, don't fragment, reserved"},
		{Name: "frag", Bits: 13, Unit: "octets", Factor: 8, Doc: "the fragment offset", check: fragmentEnd},
		{Name: "ttl", Bits: 8, Unit: "hops", Default: uint64(64), Doc: "time to live"},
		{Name: "proto", Bits: 8, Names: protocol4Names, Compute: NextProtocol, Table: IPProtocols, Default: experimentalProtocol, Doc: "the protocol of the payload"},
		{Name: "chksum", Bits: 16, Hex: true, Compute: Checksum, Sum: ipSum, Doc: "the checksum of the header"},
		source(32), destination(32),
		optionsField(ipOptions, extensionRest, func(b []byte) ([]Option, string) { return headerOptions(b, ipOptions) },
			`the options, such as "nop", ("rr", (pointer, [addresses])), (kind, octets)`),
		{Name: "df", Kind: Bool, Doc: "the flag don't fragment", Read: bitOf("flags", 2)},
		{Name: "mf", Kind: Bool, Doc: "the flag more fragments", Read: bitOf("flags", 1)},
	},
	next: nextUnlessFragment,
})

// only returns the check of a field that has one value.
func only(want uint64) func(Layer, uint64) string {
	return func(_ Layer, v uint64) string {
		if v != want {
			return fmt.Sprintf("%d, and %d is right", v, want)
		}
		return ""
	}
}

// fragmentEnd is the check of a fragment's offset: the end of the datagram is at most at 65535 octets (RFC 791 §3.2, RFC 8200 §4.5).
func fragmentEnd(l Layer, offset uint64) string {
	if end := offset + uint64(l.PayloadLen()); offset > 0 && end > 65535 {
		return fmt.Sprintf("the fragment ends at %d, beyond 65535", end)
	}
	return ""
}

// fragmentUnits is the check of the flag more fragments of IPv6: all but the last fragment have a multiple of 8 octets (RFC 8200 §4.5).
func fragmentUnits(l Layer, more uint64) string {
	if n := l.PayloadLen(); more == 1 && n%8 != 0 {
		return fmt.Sprintf("more fragments follow, and %d octets are no multiple of 8", n)
	}
	return ""
}

// nextUnlessFragment returns the protocol of the payload, nil for a fragment that is not the first.
func nextUnlessFragment(l Layer, carried lookup) *Protocol {
	proto, ok := l.uint(l.Protocol.follow)
	if proto == hopByHop && l.Protocol.header != nil { // of IPv4
		return nil
	}
	if offset, known := l.uint(l.Protocol.part); ok && known && offset == 0 {
		return carried(IPProtocols, proto)
	}
	return nil
}

// ipSum computes the checksum of an IPv4 header. ok is false if the header is incomplete.
func ipSum(l Layer) (want uint64, ok bool) {
	h := l.Header()
	if len(h) < l.body-l.begin || len(h) < wire.IPv4Len {
		return 0, false
	}
	return uint64(wire.Sum(0).AddBytes(h[:10]).AddBytes(h[12:]).Checksum()), true
}

// IPv6 is the fixed header of IPv6.
var IPv6 = define(Protocol{
	Name: "IPv6", Attr: "ip6", Doc: "Internet Protocol version 6 (RFC 8200 §3)",
	On:         []Place{{EtherTypes, 0x86dd}, {IPProtocols, 41}, {NullFamilies, 10}, {NullFamilies, 24}, {NullFamilies, 28}, {NullFamilies, 30}},
	zeroLength: true,
	Fields: []Field{
		{Name: "version", Bits: 4, Default: uint64(6), Doc: "6", check: only(6)},
		{Name: "tc", Bits: 8, Hex: true, Names: ecnName, Doc: "the traffic class: DSCP and ECN"},
		{Name: "fl", Bits: 20, Hex: true, Compute: Host, Doc: "the flow label (RFC 6437)"},
		{Name: "plen", Bits: 16, Unit: "octets", Compute: PayloadLength, Doc: "the length of the payload, with extension headers"},
		{Name: "nh", Bits: 8, Names: protocolNames, Compute: NextProtocol, Table: IPProtocols, Default: experimentalProtocol, Last: uint64(noNextHeader), Doc: "the next header"},
		{Name: "hlim", Bits: 8, Unit: "hops", Default: uint64(64), Doc: "the hop limit"},
		source(128), destination(128),
		{Name: "proto", Kind: Uint, Names: protocolNames, Doc: "the protocol after the extension headers", Read: func(l Layer, _ []byte) (any, string) {
			v, ok := l.packet.transportProtocol(l)
			if !ok {
				return nil, ""
			}
			return v, ""
		}},
		{Name: "frag", Kind: Uint, Unit: "octets", Doc: "the fragment offset of the fragment header, 0 without one", Read: func(l Layer, _ []byte) (any, string) {
			offset, _ := l.packet.fragment(l)
			return offset, ""
		}},
	},
})

// extension reports whether the layer is an extension header of IPv6.
func (p *Protocol) extension() bool {
	return p == HopByHop || p == DestinationOptions || p == Routing || p == Fragment || p == AH
}

// extensions returns the extension headers after the IPv6 header l.
func (p *Packet) extensions(l Layer) []Layer {
	n := l.index + 1
	for n < len(p.Layers) && p.Layers[n].Protocol.extension() {
		n++
	}
	return p.Layers[l.index+1 : n]
}

// transportProtocol returns the protocol number of an IP header's payload, after extension headers and AH. ok is false if it
// is not known.
func (p *Packet) transportProtocol(l Layer) (proto uint64, ok bool) {
	headers := p.extensions(l)
	if l.Protocol == IP && len(headers) == 0 {
		return l.num("proto")
	}
	if len(headers) > 0 {
		l = headers[len(headers)-1]
	}
	return l.num("nh")
}

// fragment returns a fragment's offset in octets, and whether more fragments follow. For an unfragmented packet it
// returns zero and false. l is the IP header.
func (p *Packet) fragment(l Layer) (offset uint64, more bool) {
	if l.Protocol == IP {
		offset, _ = l.num("frag")
		flags, _ := l.num("flags")
		return offset, flags&1 != 0
	}
	for _, x := range p.extensions(l) {
		if x.Protocol == Fragment {
			offset, _ = x.num("offset")
			m, _ := x.num("m")
			return offset, m != 0
		}
	}
	return 0, false
}

// The first fields of IPv6 extension headers.
func nextHeader() Field {
	return Field{Name: "nh", Bits: 8, Names: protocolNames, Compute: NextProtocol, Table: IPProtocols, Default: experimentalProtocol, Last: uint64(noNextHeader), Doc: "the next header"}
}

func extensionLength() Field {
	return Field{Name: "len", Bits: 8, Unit: "words of 8 octets", Compute: HeaderLength, Scale: 8, Plus: 8, Doc: "the length of the header after its first 8 octets"}
}

// extensionRest returns the size of the field that fills the rest of an extension header.
func extensionRest(l Layer) int { return l.body - l.begin - l.Protocol.fixed }

// extension6Options returns the field of options of two extension headers (RFC 8200 §4.2).
func extension6Options() Field {
	return optionsField(ip6OptionTable, extensionRest, ip6Options, `the options, such as "pad1", ("padn", octets), ("router_alert", n), (kind, octets)`)
}

// HopByHop and DestinationOptions carry options of IPv6.
var (
	HopByHop = define(Protocol{Name: "IPv6ExtHdrHopByHop", Doc: "IPv6 hop-by-hop options (RFC 8200 §4.3)", On: []Place{{IPProtocols, 0}},
		Fields: []Field{nextHeader(), extensionLength(), extension6Options()}})
	DestinationOptions = define(Protocol{Name: "IPv6ExtHdrDestOpt", Doc: "IPv6 destination options (RFC 8200 §4.6)", On: []Place{{IPProtocols, 60}},
		Fields: []Field{nextHeader(), extensionLength(), extension6Options()}})
)

// ip6OptionTable has the IPv6 options that have a name.
var ip6OptionTable = newOptions([]string{"pad1"}, 0, map[int]optionKind{
	1:    {"padn", nil},
	5:    {"router_alert", number(2)},
	0x22: {"calipso", nil},
	0xc2: {"jumbo", number(4)},
	0xc9: {"home_address", nil},
})

// ip6Options reads the options of an extension header. Kind 0 is one octet of padding; all other options have a length.
func ip6Options(b []byte) (list []Option, damage string) {
	list = []Option{}
	for len(b) > 0 {
		kind := int(b[0])
		if kind == 0 {
			list, b = append(list, Option{Kind: 0, Name: "pad1"}), b[1:]
			continue
		}
		if len(b) < 2 {
			return list, cutOption(kind, 0, 0)
		}
		n := int(b[1])
		if n > len(b)-2 {
			return list, cutOption(kind, n, len(b)-2)
		}
		o := Option{Kind: kind, Value: b[2 : 2+n]}
		if row, known := ip6OptionTable.kinds[kind]; known {
			o.Name = row.name
			if row.form != nil {
				if v, ok := row.form.read(b[2 : 2+n]); ok {
					o.Value = v
				} else {
					o.Name = ""
					if damage == "" {
						damage = badOption(row.name, n)
					}
				}
			}
		}
		list, b = append(list, o), b[2+n:]
	}
	return list, damage
}

// Routing is the routing header of any type. Addresses are read for types 0, 2 and 4.
var Routing = define(Protocol{
	Name: "IPv6ExtHdrRouting", Doc: "IPv6 routing header (RFC 8200 §4.4)", On: []Place{{IPProtocols, 43}},
	Fields: []Field{
		nextHeader(), extensionLength(),
		{Name: "type", Bits: 8, Names: named(map[uint64]string{0: "source route, deprecated", 2: "mobile IPv6", 3: "RPL", 4: "segment routing"}), Doc: "the type of routing"},
		{Name: "segleft", Bits: 8, Compute: Count, Doc: "segments left: the number of addresses, one less for segment routing"},
		{Name: "reserved", Bits: 32, Hex: true, Doc: "of the type's own use"},
		{Name: "addresses", Kind: Other, Size: extensionRest, Doc: "the addresses", Write: writeAddresses(16), canonical: canonicalAddresses(16), Read: func(l Layer, b []byte) (any, string) {
			list := []any{}
			if !l.is("type", 0) && !l.is("type", 2) && !l.is("type", 4) {
				return list, ""
			}
			if l.is("type", 4) { // segment routing: Last Entry determines the number of addresses before the TLVs (RFC 8754 §2)
				if h := l.Header(); len(h) > 4 {
					b = b[:min(len(b), 16*(int(h[4])+1))]
				}
			}
			for ; len(b) >= 16; b = b[16:] {
				list = append(list, addr16(b[:16]))
			}
			return list, ""
		}},
	},
	prepare: prepareRouting,
})

// prepareRouting sets the numbers that follow from the addresses of a routing header: segments left, and the last entry of segment routing
// (RFC 8754 §2). The checksums of the layers above depend on them.
func prepareRouting(l DraftLayer, _ *DraftLayer) (DraftLayer, error) {
	addresses, ok := l.of("addresses").([]any)
	if !ok || len(addresses) == 0 {
		return l, nil
	}
	left := uint64(len(addresses))
	if l.of("type") == uint64(4) {
		left--
		l = l.fill("reserved", left<<24)
	}
	return l.fill("segleft", left), nil
}

// Fragment is the fragment header.
var Fragment = define(Protocol{
	Name: "IPv6ExtHdrFragment", Doc: "IPv6 fragment header (RFC 8200 §4.5)", On: []Place{{IPProtocols, 44}},
	Fields: []Field{
		nextHeader(),
		{Name: "res1", Bits: 8, Hex: true, Doc: "reserved"},
		{Name: "offset", Bits: 13, Unit: "octets", Factor: 8, Doc: "the fragment offset", check: fragmentEnd},
		{Name: "res2", Bits: 2, Doc: "reserved"},
		{Name: "m", Bits: 1, Doc: "1: more fragments follow", check: fragmentUnits},
		{Name: "id", Bits: 32, Hex: true, Compute: Host, Doc: "the identification, the same in all fragments of a packet"},
	},
	next: nextUnlessFragment,
})

// AH is the authentication header, which IPv4 and IPv6 carry.
var AH = define(Protocol{
	Name: "AH", Doc: "IP authentication header (RFC 4302 §2)", On: []Place{{IPProtocols, 51}},
	Fields: []Field{
		nextHeader(),
		{Name: "payloadlen", Bits: 8, Unit: "words of 4 octets", Compute: HeaderLength, Scale: 4, Plus: 8, Doc: "the length of the header after its first 8 octets"},
		{Name: "reserved", Bits: 16, Hex: true, Doc: "zero"},
		{Name: "spi", Bits: 32, Hex: true, Doc: "the security parameters index"},
		{Name: "seq", Bits: 32, Doc: "the sequence number"},
		{Name: "icv", Kind: Octets, Size: extensionRest, Doc: "the integrity check value"},
	},
})

// transportSum returns a function that computes the checksum of a segment, datagram or message with the pseudo-header
// of its IP header. The offset at of the checksum field counts octets from the header's start.
func transportSum(at int, proto wire.Protocol) func(l Layer) (uint64, bool) {
	return func(l Layer) (uint64, bool) {
		ip, ok := l.ip()
		if !ok || !l.complete() {
			return 0, false
		}
		src, dst, ok := ip.addresses()
		if _, more := l.packet.fragment(ip); !ok || more {
			return 0, false
		}
		b := l.packet.Octets[l.begin:l.end]
		if len(b) < at+2 {
			return 0, false
		}
		return uint64(wire.PseudoHeader(src, ip.finalDestination(dst), proto, len(b)).AddBytes(b[:at]).AddBytes(b[at+2:]).Checksum()), true
	}
}

// ip returns the IP header below the layer, with at most extension headers between the two. It returns false if there
// is none.
func (l Layer) ip() (Layer, bool) {
	for i := l.index - 1; i >= 0; i-- {
		x := l.packet.Layers[i]
		if x.Protocol == IP || x.Protocol == IPv6 {
			return x, true
		}
		if !x.Protocol.extension() {
			break
		}
	}
	return Layer{}, false
}

// addresses returns the addresses of an IP header. ok is false if they are not both known.
func (l Layer) addresses() (src, dst netip.Addr, ok bool) {
	h := l.Header()
	switch {
	case l.Protocol == IP && len(h) >= 20:
		return addr4(h[12:16]), addr4(h[16:20]), true
	case l.Protocol == IPv6 && len(h) >= 40:
		return addr16(h[8:24]), addr16(h[24:40]), true
	}
	return src, dst, false
}

// OuterEnds returns the addresses in the outermost IP header, and the layer above its extension headers, which is an empty Raw layer if there
// is none. ok is false for a packet without the whole of such a header.
func (p *Packet) OuterEnds() (src, dst netip.Addr, above Layer, ok bool) {
	ip, ok := p.network()
	if !ok {
		return src, dst, above, false
	}
	above.Protocol = Raw
	for _, l := range p.Layers[ip.index+1:] {
		if !l.Protocol.extension() {
			above = l
			break
		}
	}
	src, dst, ok = ip.addresses()
	return src, dst, above, ok
}

// finalDestination returns the destination for the pseudo-header: the last address of a routing header with segments
// left (RFC 8200 §8.1), otherwise dst.
func (l Layer) finalDestination(dst netip.Addr) netip.Addr {
	if l.Protocol != IPv6 {
		return dst
	}
	for _, x := range l.packet.extensions(l) {
		left, _ := x.numOr("segleft")
		h := x.Header()
		if left == 0 || len(h) < 24 {
			continue
		}
		if x.is("type", 4) {
			return addr16(h[8:24]) // segment routing lists its segments in reverse order (RFC 8754 §2)
		}
		return addr16(h[len(h)-16:])
	}
	return dst
}

// numOr returns the number in the field called name, and false if the protocol or the packet does not have it.
func (l Layer) numOr(name string) (uint64, bool) {
	if f := l.Protocol.Field(name); f != nil {
		return l.Uint(f)
	}
	return 0, false
}

// big16 reads two octets. b must have them.
func big16(b []byte) uint64 { return uint64(binary.BigEndian.Uint16(b)) }
