package packet

import "smolsh/stack/wire"

// serviceName returns the name of a few services' ports.
var serviceName = named(map[uint64]string{
	7: "echo", 9: "discard", 19: "chargen", 20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 37: "time", 53: "domain", 67: "bootps", 68: "bootpc",
	69: "tftp", 80: "http", 110: "pop3", 123: "ntp", 143: "imap", 161: "snmp", 179: "bgp", 443: "https", 514: "syslog", 4789: "vxlan", 5353: "mdns",
})

func port(name, doc string) Field {
	return Field{Name: name, Bits: 16, Names: serviceName, Compute: Host, Doc: doc}
}

// byPort returns the protocol of the destination port, or else of the source port.
func byPort(l Layer, t Table, carried lookup) *Protocol {
	for _, f := range l.Protocol.ports {
		if n, ok := l.uint(f); ok {
			if p := carried(t, n); p != nil {
				return p
			}
		}
	}
	return nil
}

// withPorts returns the layer of UDP or TCP with the ports that follow from the next layer, where they are unset: the number of the
// service's port is the destination, or the source of a response. Clients and servers of DHCP have a port each.
func (l DraftLayer) withPorts(next *DraftLayer, t Table) DraftLayer {
	if next == nil {
		return l
	}
	service, ok := next.Protocol.number(t)
	if !ok {
		return l
	}
	switch next.Protocol.Name {
	case "DHCP":
		if next.of("op") == uint64(2) {
			return l.fill("sport", 67).fill("dport", 68)
		}
		return l.fill("sport", 68).fill("dport", 67)
	case "DNS":
		if next.of("qr") == uint64(1) {
			return l.fill("sport", service)
		}
	}
	return l.fill("dport", service)
}

// UDP is the User Datagram Protocol.
var UDP = define(Protocol{
	Name: "UDP", Doc: "User Datagram Protocol (RFC 768)", On: []Place{{IPProtocols, 17}},
	Fields: []Field{
		port("sport", "the source's port"), port("dport", "the destination's port"),
		{Name: "len", Bits: 16, Unit: "octets", Compute: TotalLength, Doc: "the length of header and data"},
		{Name: "chksum", Bits: 16, Hex: true, Compute: Checksum, Sum: udpSum, check: udpNone, Doc: "the checksum of pseudo-header, header and data; 0 over IPv4 for none"},
	},
	prepare: func(l DraftLayer, next *DraftLayer) (DraftLayer, error) { return l.withPorts(next, UDPPorts), nil },
	next: func(l Layer, carried lookup) *Protocol {
		p := byPort(l, UDPPorts, carried)
		switch {
		case p == nil:
		case p.Name == "DNS" && l.PayloadLen() < dnsHeaderLen:
			return nil
		case p.Name == "DHCP" && !bootMessage(l):
			return nil
		}
		return p
	},
})

// bootMessage reports whether a datagram can be a BOOTP or DHCP message, since these ports may carry other data too.
func bootMessage(l Layer) bool {
	b := l.Payload()
	return l.PayloadLen() >= dhcpFixed && len(b) > 0 && (b[0] == 1 || b[0] == 2)
}

// udpSum computes the checksum of a UDP datagram. ok is false if it can't be computed. A sum of zero is sent as all
// ones. A datagram may have no checksum (needsNoSum).
func udpSum(l Layer) (want uint64, ok bool) {
	if ip, there := l.ip(); there && !l.packet.built && l.needsNoSum(ip) && l.is("chksum", 0) {
		return 0, true
	}
	want, ok = udpTransportSum(l)
	if want == 0 {
		want = 0xffff
	}
	return want, ok
}

// needsNoSum reports whether a datagram may be without a checksum: over IPv4, and over IPv6 if it carries a tunnel (RFC 6935 §5).
func (l Layer) needsNoSum(ip Layer) bool {
	above := l.index + 1
	return ip.Protocol == IP || above < len(l.packet.Layers) && l.packet.Layers[above].Protocol.Name == "VXLAN"
}

// udpNone is the check of UDP's checksum, which is not 0 over IPv6 (RFC 8200 §8.1).
func udpNone(l Layer, sum uint64) string {
	if ip, ok := l.ip(); ok && sum == 0 && l.complete() && !l.needsNoSum(ip) {
		return "none over IPv6, which needs one"
	}
	return ""
}

var udpTransportSum = transportSum(6, wire.ProtocolUDP)

// TCP is the Transmission Control Protocol.
var TCP = define(Protocol{
	Name: "TCP", Doc: "Transmission Control Protocol (RFC 9293 §3.1)", On: []Place{{IPProtocols, 6}},
	Fields: []Field{
		port("sport", "the source's port"), port("dport", "the destination's port"),
		{Name: "seq", Bits: 32, Doc: "the sequence number of the first octet, or of SYN"},
		{Name: "ack", Bits: 32, Doc: "the acknowledgement number"},
		{Name: "dataofs", Bits: 4, Unit: "words of 4 octets", Compute: HeaderLength, Scale: 4, Doc: "the length of the header"},
		{Name: "reserved", Bits: 3, Doc: "zero"},
		{Name: "flags", Bits: 9, Kind: Letters, Letters: []string{"F", "S", "R", "P", "A", "U", "E", "C", "N"}, Default: uint64(2), Doc: "the control bits, in the order FSRPAUECN; N is AccECN's third bit"},
		{Name: "window", Bits: 16, Unit: "octets, before scaling", Default: uint64(8192), Doc: "the receive window"},
		{Name: "chksum", Bits: 16, Hex: true, Compute: Checksum, Sum: transportSum(16, wire.ProtocolTCP), Doc: "the checksum of pseudo-header, header and data"},
		{Name: "urgptr", Bits: 16, Unit: "octets", Doc: "the urgent pointer"},
		optionsField(tcpOptions, extensionRest, func(b []byte) ([]Option, string) { return headerOptions(b, tcpOptions) },
			`the options: ("mss", n) ("wscale", n) "sackok" ("sack", [(l, r)]) ("ts", (val, ecr)) "nop" "eol" (kind, octets)`),
		tcpOption("mss", 2, "octets", "the maximum segment size"),
		tcpOption("wscale", 3, "", "the window scale, a shift"),
		{Name: "sack_ok", Kind: Bool, Doc: "the option SACK permitted", Read: func(l Layer, _ []byte) (any, string) {
			list := l.tcpOptions()
			for _, o := range list {
				if o.Name == "sackok" {
					return true, ""
				}
			}
			return list == nil, ""
		}},
		{Name: "tsval", Kind: Uint, Doc: "the timestamp option's value", Read: timestampPart(0)},
		{Name: "tsecr", Kind: Uint, Doc: "the timestamp option's echo reply", Read: timestampPart(1)},
		{Name: "sack", Kind: Other, Doc: "the blocks of the SACK option, [(left, right)]", Read: func(l Layer, _ []byte) (any, string) {
			blocks, _ := optionValue(l.tcpOptions(), 5).([]SequenceRange)
			return blocks, ""
		}},
	},
	prepare: func(l DraftLayer, next *DraftLayer) (DraftLayer, error) { return l.withPorts(next, TCPPorts), nil },
	next: func(l Layer, carried lookup) *Protocol {
		p := byPort(l, TCPPorts, carried)
		if p != nil && p.Name == "DNS" && !dnsFits(l.Payload()) {
			return nil
		}
		return p
	},
})

// tcpOptions returns the segment's options.
func (l Layer) tcpOptions() []Option {
	list, _ := l.Value(l.Protocol.Field("options")).([]Option)
	return list
}

// tcpOption returns the derived field for an option that is one number.
func tcpOption(name string, kind int, unit, doc string) Field {
	return Field{Name: name, Kind: Uint, Unit: unit, Doc: doc, Read: func(l Layer, _ []byte) (any, string) {
		return optionValue(l.tcpOptions(), kind), ""
	}}
}

// timestampPart returns the Read for one half of the timestamps option.
func timestampPart(i int) func(Layer, []byte) (any, string) {
	return func(l Layer, _ []byte) (any, string) {
		if ts, ok := optionValue(l.tcpOptions(), 8).([2]uint64); ok {
			return ts[i], ""
		}
		return nil, ""
	}
}

// present returns a function that reports whether the field called name is 1.
func present(name string) func(l Layer) bool {
	return func(l Layer) bool { return l.is(name, 1) }
}

// greSum is the condition for GRE's fields chksum and offset, which are present if either is (RFC 1701).
func greSum(l Layer) bool { return l.is("chksum_present", 1) || l.is("routing_present", 1) }

// GRE is Generic Routing Encapsulation.
var GRE = define(Protocol{
	Name: "GRE", Doc: "Generic Routing Encapsulation (RFC 2784, RFC 2890)", On: []Place{{IPProtocols, 47}},
	Fields: []Field{
		{Name: "chksum_present", Bits: 1, Doc: "1: chksum and offset are there"},
		{Name: "routing_present", Bits: 1, Doc: "1: routing is there (RFC 1701)"},
		{Name: "key_present", Bits: 1, Doc: "1: key is there"},
		{Name: "seqnum_present", Bits: 1, Doc: "1: sequence_number is there"},
		{Name: "strict_route_source", Bits: 1, Doc: "strict source route (RFC 1701)"},
		{Name: "recursion_control", Bits: 3, Doc: "recursion control (RFC 1701)"},
		{Name: "flags", Bits: 5, Hex: true, Doc: "reserved"},
		{Name: "version", Bits: 3, Doc: "0; 1 for PPTP"},
		etherField("proto", "the EtherType of the payload"),
		{Name: "chksum", Bits: 16, When: greSum, Hex: true, Compute: Checksum, Sum: greChecksum, Doc: "the checksum of header and payload"},
		{Name: "offset", Bits: 16, When: greSum, Unit: "octets", Doc: "the offset of the active source route; otherwise reserved"},
		{Name: "key", Bits: 32, When: present("key_present"), Hex: true, Doc: "the key"},
		{Name: "sequence_number", Bits: 32, When: present("seqnum_present"), Doc: "the sequence number"},
	},
})

// greChecksum computes the checksum of a GRE header and its payload. It returns false if octets of them are not known.
func greChecksum(l Layer) (uint64, bool) {
	if !l.complete() || l.end-l.begin < 8 {
		return 0, false
	}
	b := l.packet.Octets[l.begin:l.end]
	return uint64(wire.Sum(0).AddBytes(b[:4]).AddBytes(b[6:]).Checksum()), true
}

// VXLAN is Virtual eXtensible Local Area Network, whose payload is an Ethernet frame.
var VXLAN = define(Protocol{
	Name: "VXLAN", Doc: "Virtual eXtensible Local Area Network (RFC 7348 §5)", On: []Place{{UDPPorts, 4789}, {UDPPorts, 8472}},
	Fields: []Field{
		{Name: "flags", Bits: 8, Hex: true, Default: uint64(8), Doc: "8: the VNI is valid"},
		{Name: "reserved1", Bits: 24, Hex: true, Doc: "reserved"},
		{Name: "vni", Bits: 24, Doc: "the VXLAN network identifier"},
		{Name: "reserved2", Bits: 8, Hex: true, Doc: "reserved"},
	},
	next: func(_ Layer, carried lookup) *Protocol { return carried(EtherTypes, 0x6558) },
})
