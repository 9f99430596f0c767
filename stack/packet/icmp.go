package packet

import (
	"encoding/binary"
	"fmt"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// oneOf returns a function that reports whether the type field of a header has one of the given values.
func oneOf(types ...uint64) func(l Layer) bool {
	return func(l Layer) bool {
		v, ok := l.Uint(&l.Protocol.Fields[0])
		for _, t := range types {
			if v == t {
				return ok
			}
		}
		return false
	}
}

// icmpError reports whether an ICMP message is an error, which quotes a packet.
var icmpError = oneOf(3, 4, 5, 11, 12)

// fragNeeded reports whether l is the error "fragmentation needed" (RFC 1191 §4).
func fragNeeded(l Layer) bool { return l.is("type", 3) && l.is("code", 4) }

var icmpTypeName = named(map[uint64]string{
	0: "echo reply", 3: "destination unreachable", 4: "source quench", 5: "redirect", 8: "echo request", 9: "router advertisement", 10: "router solicitation",
	11: "time exceeded", 12: "parameter problem", 13: "timestamp request", 14: "timestamp reply", 15: "information request", 16: "information reply",
	17: "address mask request", 18: "address mask reply",
})

// milliseconds is the unit of ICMP's timestamps, since midnight UTC.
const milliseconds = "ms since midnight UTC"

// ICMP is ICMP for IPv4. The four octets after the checksum depend on the type.
var ICMP = define(Protocol{
	Name: "ICMP", Doc: "Internet Control Message Protocol (RFC 792)", On: []Place{{IPProtocols, 1}},
	Fields: []Field{
		{Name: "type", Bits: 8, Default: uint64(8), Names: icmpTypeName, Doc: "the type of message"},
		{Name: "code", Bits: 8, Doc: "the code, which refines the type"},
		{Name: "chksum", Bits: 16, Hex: true, Compute: Checksum, Sum: messageSum, Doc: "the checksum of the message"},
		{Name: "id", Bits: 16, When: oneOf(0, 8, 13, 14, 15, 16, 17, 18), Compute: Host, Doc: "the identifier of queries"},
		{Name: "seq", Bits: 16, When: oneOf(0, 8, 13, 14, 15, 16, 17, 18), Doc: "the sequence number of queries"},
		{Name: "ts_ori", Bits: 32, When: oneOf(13, 14), Unit: milliseconds, Doc: "the originate timestamp"},
		{Name: "ts_rx", Bits: 32, When: oneOf(13, 14), Unit: milliseconds, Doc: "the receive timestamp"},
		{Name: "ts_tx", Bits: 32, When: oneOf(13, 14), Unit: milliseconds, Doc: "the transmit timestamp"},
		{Name: "addr_mask", Bits: 32, Kind: Addr, When: oneOf(17, 18), Doc: "the address mask (RFC 950)"},
		{Name: "gw", Bits: 32, Kind: Addr, When: oneOf(5), Doc: "the gateway of a redirect"},
		{Name: "ptr", Bits: 8, When: oneOf(12), Unit: "octets", Doc: "the octet at fault of a parameter problem"},
		{Name: "reserved", Bits: 8, When: oneOf(3, 11), Hex: true, Doc: "zero"},
		{Name: "length", Bits: 8, When: oneOf(3, 11, 12), Unit: "words of 4 octets", Doc: "the length of the quoted packet where extensions follow, otherwise 0 (RFC 4884 §4)"},
		{Name: "nexthopmtu", Bits: 16, When: fragNeeded, Unit: "octets", Doc: "the MTU of the next hop (RFC 1191 §4)"},
		{Name: "unused", Kind: Octets, When: hasUnused, Sent: usesNone, Size: unusedLen, Doc: "octets that the type does not use"},
		{Name: "quoted", Kind: Other, When: icmpError, Size: func(l Layer) int {
			return quotedLen(l, 4)
		}, Read: readQuoted, Write: writeQuoted, Doc: "the packet that the error is about, as a packet"},
		icmpExtensions(4, icmpError),
		{Name: "mtu", Kind: Uint, Unit: "octets", Doc: "another name of nexthopmtu", Read: func(l Layer, _ []byte) (any, string) {
			return l.Value(l.Protocol.Field("nexthopmtu")), ""
		}},
	},
	prepare: func(l DraftLayer, _ *DraftLayer) (DraftLayer, error) {
		if n := unusedOctets(l.number("type"), l.number("code")); n > 0 {
			l = l.fill("unused", make([]byte, n))
		}
		if typ := l.number("type"); typ == 3 || typ == 11 || typ == 12 {
			return l.withExtensions(4)
		}
		return l, nil
	},
})

// unusedOctets returns how many of the octets 4 to 8 a message of a type and code does not use.
func unusedOctets(typ, code uint64) int {
	switch typ {
	case 3, 11, 12:
		if typ == 3 && code == 4 {
			return 0
		}
		return 2
	case 0, 5, 8, 13, 14, 15, 16, 17, 18:
		return 0
	}
	return 4
}

// usesNone is the condition of the unused octets of a message that is built: its type has some, however short it is so far.
func usesNone(l Layer) bool {
	typ, _ := l.num("type")
	code, _ := l.num("code")
	return unusedOctets(typ, code) > 0
}

// withExtensions returns an ICMP error with the length of the quoted packet, if extensions are set. That packet is padded with
// zeros to whole words of unit octets, and to at least 128 octets (RFC 4884 §4).
func (l DraftLayer) withExtensions(unit int) (DraftLayer, error) {
	extensions, err := l.octets("extensions")
	if err != nil || len(extensions) == 0 || l.of("length") != nil {
		return l, err
	}
	quoted, err := l.octets("quoted")
	if err != nil {
		return l, err
	}
	n := max(leastQuoted, (len(quoted)+unit-1)/unit*unit)
	if n > 255*unit {
		return l, fmt.Errorf("quoted has at most %d octets before extensions, got %d", 255*unit, len(quoted))
	}
	padded := append(make([]byte, 0, n), quoted...)[:n:n]
	return l.put(l.Protocol.Field("quoted"), padded).fill("length", n/unit), nil
}

// leastQuoted is the length to which a quoted packet is padded before extensions, in octets.
const leastQuoted = 128

// unusedLen returns how many of the octets 4 to 8 a message of ICMP does not use.
func unusedLen(l Layer) int {
	typ, _ := l.Uint(&l.Protocol.Fields[0])
	code, _ := l.Uint(&l.Protocol.Fields[1])
	n := unusedOctets(typ, code)
	if n == 4 {
		return min(n, l.end-l.begin-4)
	}
	return n
}

func hasUnused(l Layer) bool { return unusedLen(l) > 0 }

// icmpExtensions returns the field of the extensions after the packet that an error quotes. The length of that packet
// counts words of unit octets. errors is the condition of errors. An error without extensions does not have the field.
func icmpExtensions(unit int, errors func(l Layer) bool) Field {
	size := func(l Layer) int { return max(0, l.end-l.begin-ICMPHeaderLen-quotedLen(l, unit)) }
	return Field{Name: "extensions", Kind: Octets, When: func(l Layer) bool { return errors(l) && size(l) > 0 }, Size: size,
		Doc: "extensions after the quoted packet (RFC 4884 §7)"}
}

// messageSum computes the checksum of an ICMP or IGMP message, which covers only the message. ok is false if the
// message is incomplete.
func messageSum(l Layer) (want uint64, ok bool) {
	if !l.complete() || l.end-l.begin < 4 {
		return 0, false
	}
	if l.inFragment() {
		return 0, false
	}
	b := l.packet.Octets[l.begin:l.end]
	return uint64(wire.Sum(0).AddBytes(b[:2]).AddBytes(b[4:]).Checksum()), true
}

// quotedLen returns the length in octets of the packet that an ICMP error quotes. If extensions follow, that length is
// the value of the length field times unit. Otherwise the packet is the rest of the message.
func quotedLen(l Layer, unit int) int {
	room := max(0, l.end-l.begin-ICMPHeaderLen)
	if n, ok := l.numOr("length"); ok && n != 0 && int(n)*unit < room {
		return int(n) * unit
	}
	return room
}

// readQuoted dissects the packet that an ICMP error quotes; it returns nil if there is none. The packet's length is
// taken from the quoted header, since the quotation may be shorter.
func readQuoted(l Layer, b []byte) (any, string) {
	if len(b) == 0 {
		return nil, ""
	}
	if l.packet.depth == maxQuotes {
		return &Packet{Octets: b, Length: len(b), First: Raw}, ""
	}
	p := quote(b, l.packet.carried)
	p.depth = l.packet.depth + 1
	return p, ""
}

// maxQuotes is the largest depth of nested quotations that are read. No host sends an error about an error (RFC 1122
// §3.2.2).
const maxQuotes = 3

// quote dissects the first octets of an IP packet.
func quote(b []byte, carried lookup) *Packet {
	first, length := First(b, phy.MediumIP), len(b)
	switch {
	case first == IP && len(b) >= 4:
		length = int(binary.BigEndian.Uint16(b[2:]))
	case first == IPv6 && len(b) >= 6:
		length = int(binary.BigEndian.Uint16(b[4:])) + wire.IPv6Len
	}
	return dissect(b, length, first, carried)
}

var igmpTypeName = named(map[uint64]string{0x11: "query", 0x12: "v1 report", 0x16: "v2 report", 0x17: "leave", 0x22: "v3 report"})

// igmpV3Query reports whether l is a query with IGMPv3's fields (RFC 3376 §7.1).
func igmpV3Query(l Layer) bool { return l.is("type", 0x11) && l.end-l.begin >= 12 }

func igmpV3Report(l Layer) bool { return l.is("type", 0x22) }

// IGMP is IGMP of all versions.
var IGMP = define(Protocol{
	Name: "IGMP", Doc: "Internet Group Management Protocol (RFC 2236 §2, RFC 3376 §4)", On: []Place{{IPProtocols, 2}},
	Fields: []Field{
		{Name: "type", Bits: 8, Hex: true, Default: uint64(0x11), Names: igmpTypeName, Doc: "the type of message"},
		{Name: "mrcode", Bits: 8, Unit: "1/10 s", Doc: "the longest time to respond; from 128 on a mantissa and an exponent (RFC 3376 §4.1.1)"},
		{Name: "chksum", Bits: 16, Hex: true, Compute: Checksum, Sum: messageSum, Doc: "the checksum of the message"},
		{Name: "gaddr", Bits: 32, Kind: Addr, When: func(l Layer) bool { return !igmpV3Report(l) }, Doc: "the group; 0.0.0.0 in a general query"},
		{Name: "resv", Bits: 4, When: igmpV3Query, Doc: "reserved"},
		{Name: "s", Bits: 1, When: igmpV3Query, Doc: "1: routers suppress the processing of timers"},
		{Name: "qrv", Bits: 3, When: igmpV3Query, Doc: "the querier's robustness variable"},
		{Name: "qqic", Bits: 8, When: igmpV3Query, Unit: "s", Doc: "the querier's query interval code"},
		{Name: "numsrc", Bits: 16, When: igmpV3Query, Compute: Count, Doc: "the number of sources"},
		{Name: "srcaddrs", Kind: Other, When: igmpV3Query, Size: rest, Read: sourceList("numsrc", 4), Write: writeAddresses(4), canonical: canonicalAddresses(4), Doc: "the sources"},
		{Name: "res2", Bits: 16, When: igmpV3Report, Hex: true, Doc: "reserved"},
		{Name: "numgrp", Bits: 16, When: igmpV3Report, Compute: Count, Doc: "the number of records"},
		{Name: "records", Kind: Other, When: igmpV3Report, Size: rest, Read: groupRecords("numgrp", 4), Write: writeRecords(4), canonical: canonicalRecords(4), Doc: "the group records (RFC 3376 §4.2.4)"},
	},
})

// sourceList reads addresses of a size; the field called count has their number.
func sourceList(count string, size int) func(l Layer, b []byte) (any, string) {
	return func(l Layer, b []byte) (any, string) {
		n, _ := l.num(count)
		list := []any{}
		for ; n > 0 && len(b) >= size; n-- {
			list, b = append(list, address(b[:size])), b[size:]
		}
		if n > 0 {
			return list, missing(n, "addresses")
		}
		return list, ""
	}
}

// groupRecords reads the records of a membership report. Those of IGMPv3 and MLDv2 differ only in the size of
// addresses.
func groupRecords(count string, size int) func(l Layer, b []byte) (any, string) {
	return func(l Layer, b []byte) (any, string) {
		n, _ := l.num(count)
		list := []any{}
		for ; n > 0 && len(b) >= 4+size; n-- {
			sources, aux := int(big16(b[2:])), 4*int(b[1])
			r := Record{Name: "record", Parts: []Part{{"rtype", uint64(b[0])}, {"auxdlen", uint64(b[1])}, {"numsrc", uint64(sources)}, {"maddr", address(b[4 : 4+size])}}}
			b = b[4+size:]
			addrs := []any{}
			for ; sources > 0 && len(b) >= size; sources-- {
				addrs, b = append(addrs, address(b[:size])), b[size:]
			}
			list = append(list, Record{r.Name, append(r.Parts, Part{"srcaddrs", addrs})})
			if sources > 0 || aux > len(b) {
				return list, missing(n, "records")
			}
			b = b[aux:]
		}
		if n > 0 {
			return list, missing(n, "records")
		}
		return list, ""
	}
}
