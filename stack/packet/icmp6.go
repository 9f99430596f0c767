package packet

import (
	"fmt"
)

// missing describes a list that ends before all its entries.
func missing(n uint64, what string) string { return fmt.Sprintf("%d %s are not there whole", n, what) }

var icmp6TypeName = named(map[uint64]string{
	1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 4: "parameter problem", 128: "echo request", 129: "echo reply",
	130: "multicast listener query", 131: "multicast listener report", 132: "multicast listener done", 133: "router solicitation", 134: "router advertisement",
	135: "neighbor solicitation", 136: "neighbor advertisement", 137: "redirect", 143: "multicast listener report v2",
})

// icmp6Head returns the fields of every ICMPv6 message. typ is the value of an unset type field.
func icmp6Head(typ uint64) []Field {
	return []Field{
		{Name: "type", Bits: 8, Default: typ, Names: icmp6TypeName, Doc: "the type of message"},
		{Name: "code", Bits: 8, Doc: "the code, which refines the type"},
		{Name: "cksum", Bits: 16, Hex: true, Compute: Checksum, Sum: transportSum(2, 58), Doc: "the checksum of pseudo-header and message"},
	}
}

// ICMPv6 is an ICMPv6 message of any type. It is the Base of the tables for types with fields of their own.
var ICMPv6 = func() *Protocol {
	p := define(Protocol{
		Name: "ICMPv6", Attr: "icmp6", Doc: "ICMP for IPv6 (RFC 4443 §2.1)", On: []Place{{IPProtocols, 58}},
		Fields: icmp6Head(128), variants: ICMPv6Types,
	})
	p.kind = &p.Fields[0]
	return p
}()

// icmp6Message defines the table of messages of one type.
func icmp6Message(typ uint64, name, doc string, fields ...Field) *Protocol {
	return define(Protocol{Name: name, Attr: "icmp6", Doc: doc, Base: ICMPv6, On: []Place{{ICMPv6Types, typ}}, Fields: append(icmp6Head(typ), fields...), next: noLayer})
}

// noLayer returns nil: no layer follows, whatever the octets.
func noLayer(Layer, lookup) *Protocol { return nil }

// icmp6Quoted returns the last two fields of an error.
func icmp6Quoted() []Field {
	return []Field{
		{Name: "quoted", Kind: Other, Size: func(l Layer) int { return quotedLen(l, 8) }, Read: readQuoted, Write: writeQuoted, Doc: "the packet that the error is about, as a packet"},
		icmpExtensions(8, func(Layer) bool { return true }),
	}
}

func icmp6Error(typ uint64, name, doc string, fields ...Field) *Protocol {
	p := icmp6Message(typ, name, doc, append(fields, icmp6Quoted()...)...)
	if p.Field("length") != nil {
		p.prepare = func(l DraftLayer, _ *DraftLayer) (DraftLayer, error) { return l.withExtensions(8) }
	}
	return p
}

// Fields of several messages.
var (
	errorLength = Field{Name: "length", Bits: 8, Unit: "words of 8 octets", Doc: "the length of the quoted packet where extensions follow, otherwise 0 (RFC 4884 §4)"}
	errorUnused = Field{Name: "unused", Bits: 24, Hex: true, Doc: "zero"}
	reserved32  = Field{Name: "res", Bits: 32, Hex: true, Doc: "reserved"}
	echoID      = Field{Name: "id", Bits: 16, Compute: Host, Doc: "the identifier"}
	echoSeq     = Field{Name: "seq", Bits: 16, Doc: "the sequence number"}
	targetField = Field{Name: "tgt", Bits: 128, Kind: Addr, Doc: "the target's address"}
)

// listenerFields returns the fields of an MLD message (RFC 2710 §3).
func listenerFields() []Field {
	return []Field{
		{Name: "mrd", Bits: 16, Unit: "ms", Doc: "the longest delay of a response; from 32768 on a mantissa and an exponent (RFC 3810 §5.1.3)"},
		{Name: "reserved", Bits: 16, Hex: true, Doc: "zero"},
		{Name: "mladdr", Bits: 128, Kind: Addr, Doc: "the multicast address; :: in a general query"},
	}
}

// listenerV2 reports whether the query l has MLDv2's fields (RFC 3810 §8.1).
func listenerV2(l Layer) bool { return l.end-l.begin >= 28 }

// icmp6Messages are the messages of ICMPv6 with fields of their own.
var icmp6Messages = []*Protocol{
	icmp6Error(1, "ICMPv6DestUnreach", "ICMPv6 destination unreachable (RFC 4443 §3.1)", errorLength, errorUnused),
	icmp6Error(2, "ICMPv6PacketTooBig", "ICMPv6 packet too big (RFC 4443 §3.2)", Field{Name: "mtu", Bits: 32, Unit: "octets", Doc: "the MTU of the next hop"}),
	icmp6Error(3, "ICMPv6TimeExceeded", "ICMPv6 time exceeded (RFC 4443 §3.3)", errorLength, errorUnused),
	icmp6Error(4, "ICMPv6ParamProblem", "ICMPv6 parameter problem (RFC 4443 §3.4)", Field{Name: "ptr", Bits: 32, Unit: "octets", Doc: "the octet at fault"}),
	echo6(128, "ICMPv6EchoRequest", "ICMPv6 echo request (RFC 4443 §4.1)"),
	echo6(129, "ICMPv6EchoReply", "ICMPv6 echo reply (RFC 4443 §4.2)"),
	icmp6Message(130, "ICMPv6MLQuery", "multicast listener query (RFC 2710 §3, RFC 3810 §5.1)", append(listenerFields(),
		Field{Name: "resv", Bits: 4, When: listenerV2, Doc: "reserved"},
		Field{Name: "s", Bits: 1, When: listenerV2, Doc: "1: routers suppress the processing of timers"},
		Field{Name: "qrv", Bits: 3, When: listenerV2, Doc: "the querier's robustness variable"},
		Field{Name: "qqic", Bits: 8, When: listenerV2, Unit: "s", Doc: "the querier's query interval code"},
		Field{Name: "sources_number", Bits: 16, When: listenerV2, Compute: Count, Doc: "the number of sources"},
		Field{Name: "sources", Kind: Other, When: listenerV2, Size: rest, Read: sourceList("sources_number", 16), Write: writeAddresses(16), canonical: canonicalAddresses(16), Doc: "the sources"},
	)...),
	icmp6Message(131, "ICMPv6MLReport", "multicast listener report (RFC 2710 §3)", listenerFields()...),
	icmp6Message(132, "ICMPv6MLDone", "multicast listener done (RFC 2710 §3)", listenerFields()...),
	icmp6Message(143, "ICMPv6MLReport2", "multicast listener report, version 2 (RFC 3810 §5.2)",
		Field{Name: "reserved", Bits: 16, Hex: true, Doc: "zero"},
		Field{Name: "records_number", Bits: 16, Compute: Count, Doc: "the number of records"},
		Field{Name: "records", Kind: Other, Size: rest, Read: groupRecords("records_number", 16), Write: writeRecords(16), canonical: canonicalRecords(16), Doc: "the multicast address records (RFC 3810 §5.2.4)"}),
	discovery(133, "ICMPv6ND_RS", "router solicitation (RFC 4861 §4.1)", reserved32),
	discovery(134, "ICMPv6ND_RA", "router advertisement (RFC 4861 §4.2)",
		Field{Name: "chlim", Bits: 8, Unit: "hops", Doc: "the hop limit that hosts send with; 0 for none said"},
		Field{Name: "M", Bits: 1, Doc: "1: addresses by DHCPv6"},
		Field{Name: "O", Bits: 1, Doc: "1: other configuration by DHCPv6"},
		Field{Name: "H", Bits: 1, Doc: "1: a home agent"},
		Field{Name: "prf", Bits: 2, Names: preferenceName, Doc: "the router's preference (RFC 4191 §2.2)"},
		Field{Name: "P", Bits: 1, Doc: "1: a proxy"},
		Field{Name: "res", Bits: 2, Doc: "reserved"},
		Field{Name: "routerlifetime", Bits: 16, Unit: "s", Default: uint64(1800), Doc: "how long the router is a default router"},
		Field{Name: "reachabletime", Bits: 32, Unit: "ms", Doc: "how long a neighbour counts as reachable"},
		Field{Name: "retranstimer", Bits: 32, Unit: "ms", Doc: "the time between solicitations"}),
	discovery(135, "ICMPv6ND_NS", "neighbor solicitation (RFC 4861 §4.3)", reserved32, targetField),
	discovery(136, "ICMPv6ND_NA", "neighbor advertisement (RFC 4861 §4.4)",
		Field{Name: "R", Bits: 1, Doc: "1: the sender is a router"},
		Field{Name: "S", Bits: 1, Doc: "1: solicited"},
		Field{Name: "O", Bits: 1, Doc: "1: override the entry of the cache"},
		Field{Name: "res", Bits: 29, Hex: true, Doc: "reserved"}, targetField),
	discovery(137, "ICMPv6ND_Redirect", "redirect (RFC 4861 §4.5)", reserved32, targetField,
		Field{Name: "dst", Bits: 128, Kind: Addr, Doc: "the destination that is redirected to the target"}),
}

// echo6 defines an echo message.
func echo6(typ uint64, name, doc string) *Protocol {
	return icmp6Message(typ, name, doc, echoID, echoSeq)
}

// discovery defines a message of neighbour discovery, whose options are layers.
func discovery(typ uint64, name, doc string, fields ...Field) *Protocol {
	p := icmp6Message(typ, name, doc, fields...)
	p.next = nextOption
	return p
}

// nextOption returns the Protocol of the next option, which its type selects in carried.
func nextOption(l Layer, carried lookup) *Protocol {
	if b := l.Payload(); len(b) > 0 {
		return carried(NDOptions, uint64(b[0]))
	}
	return nil
}

var preferenceName = named(map[uint64]string{0: "medium", 1: "high", 2: "reserved", 3: "low"})

// ndOption defines an option of neighbour discovery (RFC 4861 §4.6).
func ndOption(typ uint64, name, doc string, fields ...Field) *Protocol {
	at := []Place{{NDOptions, typ}}
	head := []Field{
		{Name: "type", Bits: 8, Default: typ & 255, Doc: "the type of option"},
		{Name: "len", Bits: 8, Unit: "words of 8 octets", Compute: HeaderLength, Scale: 8, Doc: "the length of the option"},
	}
	return define(Protocol{Name: name, Doc: doc, On: at, Fields: append(head, fields...), next: nextOption})
}

// linkAddress returns the field of a link-layer address option: an Ethernet address if it has six octets.
func linkAddress() Field {
	return Field{Name: "lladdr", Kind: Other, Size: extensionRest, Read: arpHardware, Write: writeHardware, Doc: "the link-layer address"}
}

// ndOptions are the options of neighbour discovery.
var ndOptions = []*Protocol{
	ndOption(anyNumber, "ICMPv6NDOptUnknown", "an option of neighbour discovery without a table",
		Field{Name: "data", Kind: Octets, Size: extensionRest, Doc: "the option's octets"}),
	ndOption(1, "ICMPv6NDOptSrcLLAddr", "source link-layer address (RFC 4861 §4.6.1)", linkAddress()),
	ndOption(2, "ICMPv6NDOptDstLLAddr", "target link-layer address (RFC 4861 §4.6.1)", linkAddress()),
	ndOption(3, "ICMPv6NDOptPrefixInfo", "prefix information (RFC 4861 §4.6.2)",
		Field{Name: "prefixlen", Bits: 8, Unit: "bits", Default: uint64(64), Doc: "the length of the prefix"},
		Field{Name: "L", Bits: 1, Default: uint64(1), Doc: "1: on-link"},
		Field{Name: "A", Bits: 1, Default: uint64(1), Doc: "1: addresses may be made of the prefix (RFC 4862)"},
		Field{Name: "R", Bits: 1, Doc: "1: the prefix holds the router's address (RFC 6275)"},
		Field{Name: "res1", Bits: 5, Doc: "reserved"},
		Field{Name: "validlifetime", Bits: 32, Unit: "s", Default: uint64(0xffffffff), Doc: "how long the prefix is valid"},
		Field{Name: "preferredlifetime", Bits: 32, Unit: "s", Default: uint64(0xffffffff), Doc: "how long addresses of the prefix are preferred"},
		Field{Name: "res2", Bits: 32, Hex: true, Doc: "reserved"},
		Field{Name: "prefix", Bits: 128, Kind: Addr, Doc: "the prefix"}),
	ndOption(4, "ICMPv6NDOptRedirectedHdr", "redirected header (RFC 4861 §4.6.3)",
		Field{Name: "res", Bits: 48, Hex: true, Doc: "reserved"},
		Field{Name: "quoted", Kind: Other, Size: extensionRest, Read: readQuoted, Write: writeQuoted, Doc: "the packet that was redirected"}),
	ndOption(5, "ICMPv6NDOptMTU", "MTU (RFC 4861 §4.6.4)",
		Field{Name: "res", Bits: 16, Hex: true, Doc: "reserved"}, Field{Name: "mtu", Bits: 32, Unit: "octets", Default: uint64(1280), Doc: "the MTU of the link"}),
	ndOption(14, "ICMPv6NDOptNonce", "nonce (RFC 3971 §5.3.2)", Field{Name: "nonce", Kind: Octets, Size: extensionRest, Doc: "the nonce"}),
	ndOption(24, "ICMPv6NDOptRouteInfo", "route information (RFC 4191 §2.3)",
		Field{Name: "plen", Bits: 8, Unit: "bits", Doc: "the length of the prefix"},
		Field{Name: "res1", Bits: 3, Doc: "reserved"},
		Field{Name: "prf", Bits: 2, Names: preferenceName, Doc: "the route's preference"},
		Field{Name: "res2", Bits: 3, Doc: "reserved"},
		Field{Name: "rtlifetime", Bits: 32, Unit: "s", Default: uint64(0xffffffff), Doc: "how long the route is valid"},
		Field{Name: "prefix", Kind: Other, Size: extensionRest, Doc: "the prefix", Write: writePrefix, Read: func(_ Layer, b []byte) (any, string) {
			var full [16]byte
			copy(full[:], b)
			return addr16(full[:]), ""
		}}),
	ndOption(25, "ICMPv6NDOptRDNSS", "recursive DNS servers (RFC 8106 §5.1)",
		Field{Name: "res", Bits: 16, Hex: true, Doc: "reserved"},
		Field{Name: "lifetime", Bits: 32, Unit: "s", Doc: "how long the servers may be used"},
		Field{Name: "dns", Kind: Other, Size: extensionRest, Doc: "the servers", Write: writeAddresses(16), canonical: canonicalAddresses(16), Read: func(_ Layer, b []byte) (any, string) {
			list := []any{}
			for ; len(b) >= 16; b = b[16:] {
				list = append(list, addr16(b[:16]))
			}
			return list, ""
		}}),
	ndOption(31, "ICMPv6NDOptDNSSL", "DNS search list (RFC 8106 §5.2)",
		Field{Name: "res", Bits: 16, Hex: true, Doc: "reserved"},
		Field{Name: "lifetime", Bits: 32, Unit: "s", Doc: "how long the names may be used"},
		Field{Name: "searchlist", Kind: Other, Size: extensionRest, Read: readSearchList, Write: writeSearchList, Doc: "the domain names"}),
}

// readSearchList reads consecutive uncompressed domain names. Zeros pad the last one (RFC 8106 §5.2).
func readSearchList(_ Layer, b []byte) (any, string) {
	list := []any{}
	var labels []string
	for len(b) > 0 {
		n := int(b[0])
		if n > 63 || n > len(b)-1 {
			return list, fmt.Sprintf("a label has the length %d, and %d octets are there", n, len(b)-1)
		}
		if n == 0 {
			if len(labels) > 0 {
				list = append(list, canonicalName(labels))
			}
			labels, b = nil, b[1:]
			continue
		}
		labels, b = append(labels, string(b[1:1+n])), b[1+n:]
	}
	return list, ""
}
