package stack

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"smolsh/phy"
	dissector "smolsh/stack/packet"
	"smolsh/stack/wire"
)

// packet6 returns the IPv6 packet of the line, whose ends are given and whose further text is s. An error may quote it.
func (l *frameLine) packet6(src, dst netip.AddrPort, s string) []byte {
	proto, payload := l.payload6(ends{src, dst}, s)
	t := wire.ICMPv6Type(0)
	if proto == wire.ProtocolICMPv6 && len(payload) > 0 {
		t = wire.ICMPv6Type(payload[0])
	}
	hopLimit, ext := frame6Defaults(t)
	first := proto
	if l.has("of") { // a fragment
		f := wire.IPv6Fragment{Next: proto, ID: uint32(l.number("id", 0)), More: l.has("more")}
		f.Offset = l.scan(s[strings.Index(s, "frag (")+len("frag ("):], "%d")
		var b [wire.IPv6FragmentLen]byte
		f.Put(b[:])
		first, ext = 44, hex.EncodeToString(b[:])
	} else if isMLD(t) {
		first = 0
	}
	if v, ok := l.attrs["ext"]; ok {
		n, rest, _ := strings.Cut(v, " ")
		first, ext = wire.Protocol(l.scan(n, "%d")), rest
	}
	x, err := hex.DecodeString(ext)
	must(l.t, err)
	h := wire.IPv6{HopLimit: uint8(l.number("hlim", int(hopLimit))), TrafficClass: uint8(l.number("class", 0)), NextHeader: first,
		Src: src.Addr(), Dst: dst.Addr(), PayloadLen: l.number("quoting", wire.IPv6Len+len(x)+len(payload)) - wire.IPv6Len}
	for e, word := range ecnWords {
		if word != "" && l.has(word) {
			h.TrafficClass |= byte(e)
		}
	}
	b := make([]byte, wire.IPv6Len)
	h.Put(b)
	return append(append(b, x...), payload...)
}

// payload6 makes the payload of an IPv6 packet, and returns its protocol.
func (l *frameLine) payload6(e ends, s string) (proto wire.Protocol, b []byte) {
	src, dst := e.src.Addr(), e.dst.Addr()
	for strings.HasPrefix(s, "HBH ") || strings.HasPrefix(s, "DSTOPT ") {
		_, s, _ = strings.Cut(s, " ")
	}
	if rest, ok := strings.CutPrefix(s, "RT6 ("); ok {
		_, s, _ = strings.Cut(rest, ") ")
	}
	if rest, ok := strings.CutPrefix(s, "frag ("); ok {
		return l.part6(e, rest)
	}
	switch word, rest, _ := strings.Cut(s, " "); {
	case word == "UDP,":
		data := octets(l.scan(rest, "length %d"))
		b = append(make([]byte, wire.UDPLen), data...)
		(&wire.UDP{SrcPort: e.src.Port(), DstPort: e.dst.Port()}).Put(b, src, dst)
		proto = wire.ProtocolUDP
	case word == "Flags":
		proto, b = wire.ProtocolTCP, l.segment(e, s)
	case word == "tcp,": // what an error quotes of a segment
		b = make([]byte, 20)
		(&wire.TCP{SrcPort: e.src.Port(), DstPort: e.dst.Port(), Seq: wire.Seq(l.scan(rest, "seq %d"))}).Put(b)
		proto = wire.ProtocolTCP
	case word == "ICMP6,":
		proto, b = wire.ProtocolICMPv6, l.icmp6(e, rest)
	case word == "no":
		return 59, nil
	default:
		name, _, _ := strings.Cut(s, ",")
		if proto = protocols[name]; proto == 0 {
			proto = wire.Protocol(l.scan(name, "ip-proto-%d"))
		}
		b = octets(l.length())
	}
	if l.has("no checksum") {
		b[6], b[7] = 0, 0
	}
	if l.has("bad checksum") {
		b[map[wire.Protocol]int{wire.ProtocolICMPv6: 2, wire.ProtocolUDP: 6, wire.ProtocolTCP: 16}[proto]]++
	}
	return proto, b
}

// part6 makes the payload of a fragment of a UDP datagram or of one without a known protocol. s is "OFFSET|LENGTH) …".
func (l *frameLine) part6(e ends, s string) (wire.Protocol, []byte) {
	proto := wire.Protocol(l.number("of", 0))
	at, n := l.scan(s, "%d"), l.number("octets", 0)
	if at > 0 {
		return proto, octets(at + n)[max(0, at-wire.UDPLen):][:n]
	}
	_, text, _ := strings.Cut(s, ") ")
	whole := frameLine{t: l.t, text: l.text, attrs: map[string]string{}}
	_, b := whole.payload6(e, text)
	return proto, b[:n]
}

// icmp6 makes the ICMPv6 message whose summary after "ICMP6, " is s.
func (l *frameLine) icmp6(e ends, s string) []byte {
	src, dst := e.src.Addr(), e.dst.Addr()
	word := func(after string) netip.Addr {
		_, v, _ := strings.Cut(s, after)
		return parseAddr(l.t, strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" ,]", r) })[0])
	}
	switch {
	case strings.HasPrefix(s, "echo "):
		m := wire.ICMPv6{Type: wire.ICMPv6EchoRequest}
		if strings.HasPrefix(s, "echo reply") {
			m.Type = wire.ICMPv6EchoReply
		}
		_, ids, _ := strings.Cut(s, ", id ")
		m.ID, m.Seq = uint16(l.scan(ids, "%d")), uint16(l.scan(ids[strings.Index(ids, "seq "):], "seq %d"))
		b := append(make([]byte, wire.ICMPv6Len), octets(l.length()-wire.ICMPv6Len)...)
		m.Put(b, src, dst)
		return b
	case strings.HasPrefix(s, "neighbor solicitation"):
		b := l.withOptions(wire.NeighborMessageLen)
		(&wire.NeighborSolicitation{Target: word("who has ")}).Put(b, src, dst)
		return l.coded(b, src, dst)
	case strings.HasPrefix(s, "neighbor advertisement"):
		b, f := l.withOptions(wire.NeighborMessageLen), l.attrs["flags"]
		has := func(r string) bool { return strings.Contains(f, r) }
		m := wire.NeighborAdvertisement{Router: has("R"), Solicited: has("S"), Override: has("O"), Target: word("tgt is ")}
		m.Put(b, src, dst)
		return l.coded(b, src, dst)
	case strings.HasPrefix(s, "router solicitation"):
		b := l.withOptions(wire.RouterSolicitationLen)
		wire.PutRouterSolicitation(b, src, dst)
		return l.coded(b, src, dst)
	case strings.HasPrefix(s, "router advertisement"):
		b := l.withOptions(wire.RouterAdvertisementLen)
		m := wire.RouterAdvertisement{HopLimit: uint8(l.number("hops", 0)), RouterLifetime: uint16(l.number("lifetime", 0)),
			Preference: wire.Preference(l.number("pref", 0)), ReachableTime: uint32(l.number("reachable", 0)),
			RetransTimer: uint32(l.number("retrans", 0)), Managed: strings.Contains(l.attrs["flags"], "M"), Other: strings.Contains(l.attrs["flags"], "O")}
		m.Put(b, src, dst)
		return l.coded(b, src, dst)
	case strings.HasPrefix(s, "redirect"):
		b := l.withOptions(wire.RedirectLen)
		(&wire.Redirect{Dest: word("redirect, "), Target: word(" to ")}).Put(b, src, dst)
		return l.coded(b, src, dst)
	case strings.HasPrefix(s, "multicast listener query v2"):
		b := make([]byte, wire.MLDv2QueryLen)
		(&wire.MLDQuery{Version: 2, Group: word("gaddr "), ResponseCode: uint16(l.number("resp", 0)), Robustness: 2, IntervalCode: 125}).Put(b, src, dst)
		return b
	case strings.HasPrefix(s, "multicast listener query"):
		b := make([]byte, wire.MLDLen)
		_, resp, _ := strings.Cut(s, "delay: ")
		(&wire.MLDQuery{Version: 1, Group: word("addr: "), ResponseCode: uint16(l.scan(resp, "%d"))}).Put(b, src, dst)
		return b
	}
	return l.error6(src, dst, s)
}

// coded gives a message of neighbour discovery the code of the line, and its checksum.
func (l *frameLine) coded(b []byte, src, dst netip.Addr) []byte {
	if c := l.number("code", 0); c != 0 {
		b[1], b[2], b[3] = byte(c), 0, 0
		sum := wire.PseudoHeader(src, dst, wire.ProtocolICMPv6, len(b)).AddBytes(b).Checksum()
		b[2], b[3] = byte(sum>>8), byte(sum)
	}
	return b
}

// withOptions returns n octets for the fixed part of a message of neighbour discovery, and the options of the line behind them.
func (l *frameLine) withOptions(n int) []byte {
	b := make([]byte, n, 1500)
	add := func(size int) []byte {
		b = append(b, make([]byte, size)...)
		return b[len(b)-size:]
	}
	for _, name := range l.order {
		f := strings.Fields(l.attrs[name])
		switch strings.TrimRight(name, "'") {
		case "sll":
			wire.PutNDLinkAddr(add(wire.NDLinkAddrLen), wire.NDSourceLinkAddr, parseHW(l.t, f[0]))
		case "tll":
			wire.PutNDLinkAddr(add(wire.NDLinkAddrLen), wire.NDTargetLinkAddr, parseHW(l.t, f[0]))
		case "mtu":
			wire.PutNDMTU(add(wire.NDMTULen), uint32(l.scan(f[0], "%d")))
		case "prefix":
			p := wire.PrefixInfo{Prefix: netip.MustParsePrefix(f[0])}
			if len(f) == 4 {
				p.OnLink, p.Autonomous = strings.Contains(f[1], "L"), strings.Contains(f[1], "A")
				f = slices.Delete(f, 1, 2)
			}
			p.ValidLifetime, p.Preferred = uint32(l.scan(f[1], "%d")), uint32(l.scan(f[2], "%d"))
			p.Put(add(wire.NDPrefixLen))
		case "route":
			r := wire.RouteInfo{Prefix: netip.MustParsePrefix(f[0]), Preference: wire.Preference(l.scan(f[1], "%d")), Lifetime: uint32(l.scan(f[2], "%d"))}
			r.Put(add(wire.NDRouteLen))
		case "dns":
			var list []netip.Addr
			for _, a := range f[1:] {
				list = append(list, parseAddr(l.t, a))
			}
			wire.PutNDDNSServers(add(8+16*len(list)), uint32(l.scan(f[0], "%d")), list...)
		case "option":
			data, err := hex.DecodeString(f[1])
			must(l.t, err)
			o := add(len(data) + 2)
			o[0], o[1] = byte(l.scan(f[0], "%d")), byte(len(o)/8)
			copy(o[2:], data)
		}
	}
	return b
}

// error6 makes the error whose summary after "ICMP6, " is s. It quotes the packet in parentheses.
func (l *frameLine) error6(src, dst netip.Addr, s string) []byte {
	_, quoted, ok := strings.Cut(s, " (")
	if strings.HasPrefix(quoted, "reassembly)") {
		_, quoted, ok = strings.Cut(quoted, " (")
	}
	if !ok {
		l.fail("no quoted packet")
	}
	q := frameLine{t: l.t, text: strings.TrimSuffix(quoted, ")"), attrs: map[string]string{}}
	for _, name := range []string{"quoting", "quoted hlim", "quoted ext"} {
		if v, ok := l.attrs[name]; ok {
			q.attrs[strings.TrimPrefix(name, "quoted ")] = v
			delete(l.attrs, name)
		}
	}
	data := q.packet()
	m := wire.ICMPv6{}
	n := l.scan(s[strings.Index(s, ", length "):], ", length %d")
	data = data[:min(len(data), n-wire.ICMPv6Len)]
	if _, mtu, ok := strings.Cut(s, ", mtu "); ok {
		m.MTU = uint32(l.scan(mtu, "%d"))
	}
	if _, at, ok := strings.Cut(s, " - octet "); ok {
		m.Pointer = uint32(l.scan(at, "%d"))
	}
	b := append(make([]byte, wire.ICMPv6Len), data...)
	for k := range 5 * 8 {
		m.Type, m.Code = wire.ICMPv6Type(k/8), uint8(k%8)
		m.Put(b, src, dst)
		h := wire.IPv6{NextHeader: wire.ProtocolICMPv6, HopLimit: 64, Src: src, Dst: dst, PayloadLen: len(b)}
		p := make([]byte, wire.IPv6Len)
		h.Put(p)
		if strings.HasSuffix(dissector.Summary(append(p, b...), phy.MediumIP), ": ICMP6, "+s) {
			return b
		}
	}
	l.fail("no such message")
	return nil
}
