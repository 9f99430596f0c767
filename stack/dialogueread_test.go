package stack

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"smolsh/phy"
	dissector "smolsh/stack/packet"
	"smolsh/stack/wire"
)

// frameLine is a frame's line while it is parsed: its summary, and its attributes by their first word.
type frameLine struct {
	t     *testing.T
	text  string
	attrs map[string]string
	order []string // the names of the attributes in their order; one that is repeated has a mark
}

func (l *frameLine) fail(what string) {
	l.t.Helper()
	l.t.Fatalf("no such frame: %s: %s", l.text, what)
}

// number returns the value of an attribute, or def if the line does not have it.
func (l *frameLine) number(name string, def int) int {
	v, ok := l.attrs[name]
	if !ok {
		return def
	}
	n, err := strconv.Atoi(v)
	must(l.t, err)
	return n
}

func (l *frameLine) has(name string) bool { _, ok := l.attrs[name]; return ok }

// hw returns the hardware address in the attribute name, or def if the line has no such attribute.
func (l *frameLine) hw(name string, def wire.HardwareAddr) wire.HardwareAddr {
	if v, ok := l.attrs[name]; ok {
		return parseHW(l.t, v)
	}
	return def
}

func parseHW(t *testing.T, s string) (a wire.HardwareAddr) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	must(t, err)
	copy(a[:], b)
	return a
}

func parseAddr(t *testing.T, s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	must(t, err)
	return a
}

// readFrame makes the frame that a line of a dialogue describes, in the form in which it arrives on the interface.
func readFrame(t *testing.T, i *Iface, s string) *phy.Frame {
	l := &frameLine{t: t, attrs: map[string]string{}}
	text, list, _ := strings.Cut(s, " | ")
	l.text = text
	for _, a := range strings.Split(list, ", ") {
		switch k, v, _ := strings.Cut(a, " "); {
		case k == "":
		case k == "no" || k == "bad" || k == "other": // "no checksum"
			l.attrs[a] = ""
		case k == "quoted" && strings.Contains(v, " "): // "quoted hlim 1"
			name, value, _ := strings.Cut(v, " ")
			l.attrs["quoted "+name] = value
		case v == "octets":
			l.attrs["octets"] = k
		default:
			for l.has(k) {
				k += "'"
			}
			l.attrs[k] = v
			l.order = append(l.order, k)
		}
	}
	typ := wire.EtherTypeIPv4
	var b []byte
	if strings.HasPrefix(text, "ARP, ") {
		typ, b = wire.EtherTypeARP, make([]byte, l.length())
		l.arp(i, b)
	} else {
		b = l.packet()
		if b[0]>>4 == 6 {
			typ = wire.EtherTypeIPv6
		}
	}
	f := phy.NewFrame(phy.FrameSize)
	copy(f.Extend(len(b)), b)
	(&wire.Ethernet{Type: typ}).Put(f.Prepend(wire.EthernetLen))
	d := dissect(f.Bytes(), phy.MediumEthernet)
	src, dst := usualStations(i, &d, false)
	(&wire.Ethernet{Src: l.hw("from", src), Dst: l.hw("to", dst), Type: typ}).Put(f.Bytes())
	if typ == wire.EtherTypeARP {
		l.arpHardware(f.Bytes())
	}
	return f
}

// length returns the number that follows the word "length" in the line.
func (l *frameLine) length() int {
	_, n, _ := strings.Cut(l.text, ", length ")
	return l.scan(n, "%d")
}

// arp writes an ARP packet. arpHardware writes the hardware addresses that the line does not give.
func (l *frameLine) arp(i *Iface, b []byte) {
	w := strings.Fields(strings.ReplaceAll(l.text, ",", ""))
	a := wire.ARP{Op: wire.ARPRequest}
	switch {
	case w[1] == "Request" && w[2] == "who-has":
		a.TargetIP = parseAddr(l.t, w[3])
		if strings.HasPrefix(w[4], "(") {
			a.TargetHW = parseHW(l.t, strings.Trim(w[4], "()"))
			w = append(w[:4], w[5:]...)
		}
		a.SenderIP = parseAddr(l.t, w[5])
		if a.SenderIP == a.TargetIP {
			a.SenderHW = parseHW(l.t, w[len(w)-1])
		}
	case w[1] == "Reply" && w[3] == "is-at":
		a.Op, a.SenderIP, a.SenderHW, a.TargetIP = wire.ARPReply, parseAddr(l.t, w[2]), parseHW(l.t, w[4]), i.addresses.list[0].Addr()
		if to, ok := l.attrs["for"]; ok {
			a.TargetIP = parseAddr(l.t, to)
		}
		if w[len(w)-1] == "announced" {
			a.TargetIP = a.SenderIP
		}
	default:
		l.fail("not ARP")
	}
	a.Put(b)
}

func (l *frameLine) arpHardware(b []byte) {
	eth, p, err := wire.ParseEthernet(b)
	must(l.t, err)
	a, err := wire.ParseARP(p)
	must(l.t, err)
	if a.SenderHW.IsZero() {
		a.SenderHW = l.hw("at", eth.Src)
	}
	if a.Op == wire.ARPReply {
		a.TargetHW = l.hw("target", eth.Dst)
	}
	a.Put(p)
}

// protocols maps the names of protocols in a summary to their numbers.
var protocols = map[string]wire.Protocol{"icmp": wire.ProtocolICMP, "igmp": wire.ProtocolIGMP, "tcp": wire.ProtocolTCP, "udp": wire.ProtocolUDP, "ospf": 89}

// ends holds the addresses and ports of a packet.
type ends struct{ src, dst netip.AddrPort }

// packet returns the IP packet of the line.
func (l *frameLine) packet() []byte {
	from, rest, ok := strings.Cut(l.text, " > ")
	to, rest, ok2 := strings.Cut(rest, ": ")
	if !ok || !ok2 {
		l.fail("no hosts")
	}
	e := ends{l.end(from), l.end(to)}
	if e.src.Addr().Is6() {
		return l.packet6(e.src, e.dst, rest)
	}
	proto, off, more, payload := l.payload(e, rest)
	ttl, tos, df, options := frameDefaults(proto)
	h := wire.IPv4{TTL: uint8(l.number("ttl", int(ttl))), TOS: uint8(l.number("tos", int(tos))), DontFragment: df != l.has("df"),
		Protocol: proto, Src: e.src.Addr(), Dst: e.dst.Addr(), ID: uint16(l.number("id", 7)), FragmentOffset: off, MoreFragments: more,
		PayloadLen: l.number("quoting", wire.IPv4Len+len(payload)) - wire.IPv4Len}
	for e, word := range ecnWords {
		if word != "" && l.has(word) {
			h.TOS |= byte(e)
		}
	}
	if o, ok := l.attrs["options"]; ok {
		options = o
	}
	o, err := hex.DecodeString(options)
	must(l.t, err)
	b := make([]byte, wire.IPv4Len+wire.MaxIPv4Options+len(payload))
	n := h.PutWithOptions(b, o)
	if l.has("bad ip checksum") {
		b[10]++
	}
	return b[:n+copy(b[n:], payload)]
}

// end parses an address, which a fourth dot and a port may follow.
func (l *frameLine) end(s string) netip.AddrPort {
	p := 0
	if strings.Count(s, ".") == 4 || strings.Contains(s, ":") && strings.Contains(s, ".") {
		k := strings.LastIndexByte(s, '.')
		n, err := strconv.ParseUint(s[k+1:], 10, 16)
		must(l.t, err)
		s, p = s[:k], int(n)
	}
	return port(parseAddr(l.t, s), uint16(p))
}

// payload makes the payload of an IP packet, and returns its protocol, its offset, whether more fragments follow, and
// its octets.
func (l *frameLine) payload(e ends, s string) (proto wire.Protocol, off int, more bool, b []byte) {
	word, rest, _ := strings.Cut(s, " ")
	name, isOther := strings.CutSuffix(word, ",")
	switch {
	case strings.Contains(s, "fragment at "):
		proto = protocols[word]
		more = !strings.HasPrefix(rest, "last ")
		n := l.number("octets", 0)
		off = l.scan(rest[strings.LastIndexByte(rest, ' ')+1:], "%d")
		return proto, off, more, octets(off + n)[off-wire.UDPLen:][:n]
	case word == "UDP,":
		more = strings.HasSuffix(s, ", first fragment")
		n := l.scan(rest, "length %d")
		b = udpPacket(e.src, e.dst, octets(n))[wire.IPv4Len:][:wire.UDPLen+l.number("octets", n)]
		if l.has("no checksum") {
			b[6], b[7] = 0, 0
		}
		proto = wire.ProtocolUDP
	case word == "ICMP":
		proto, b = wire.ProtocolICMP, l.icmp(s)
	case strings.HasPrefix(word, "igmp") && !isOther:
		proto, b = wire.ProtocolIGMP, igmpMessage(l, s)
	case s == "[|udp]": // quoted by an error
		proto, b = wire.ProtocolUDP, octets(wire.UDPLen)
	case s == "[|igmp]":
		proto, b = wire.ProtocolIGMP, igmpMessage(l, "igmp-134")[:l.number("octets", 0)]
	case word == "Flags":
		proto, b = wire.ProtocolTCP, l.segment(e, s)
	case word == "tcp,": // what an error quotes of a segment
		b = make([]byte, 20)
		h := wire.TCP{SrcPort: e.src.Port(), DstPort: e.dst.Port(), Seq: wire.Seq(l.scan(rest, "seq %d"))}
		h.Put(b)
		proto = wire.ProtocolTCP
	default:
		if proto = protocols[name]; proto == 0 {
			proto = wire.Protocol(l.scan(name, "ip-proto-%d"))
		}
		b = octets(l.scan(rest, "length %d"))
	}
	if l.has("bad checksum") {
		b[map[wire.Protocol]int{wire.ProtocolICMP: 2, wire.ProtocolIGMP: 2, wire.ProtocolUDP: 6, wire.ProtocolTCP: 16}[proto]]++
	}
	return proto, 0, more, b
}

func (l *frameLine) scan(s, format string) (n int) {
	if _, err := fmt.Sscanf(s, format, &n); err != nil {
		l.fail(err.Error())
	}
	return n
}

// segment makes a TCP segment from "Flags [F], seq N[:N], ack N, win N[, options [mss N]], length N".
func (l *frameLine) segment(e ends, s string) []byte {
	h := wire.TCP{Seq: wire.Seq(l.number("seq", 0))}
	for _, part := range strings.Split(s, ", ") {
		switch word, value, _ := strings.Cut(part, " "); word {
		case "Flags":
			for _, r := range strings.Trim(value, "[]") {
				h.Flags |= 1 << strings.IndexRune("FSRP.UEW", r)
			}
		case "seq":
			h.Seq = wire.Seq(l.scan(value, "%d"))
		case "ack":
			h.Ack = wire.Seq(l.scan(value, "%d"))
		case "win":
			h.Window = uint16(l.scan(value, "%d"))
		case "options":
			h.Options.MSS = uint16(l.scan(value, "[mss %d]"))
		case "length":
		default:
			l.fail("no such word: " + word)
		}
	}
	h.SrcPort, h.DstPort = e.src.Port(), e.dst.Port()
	data := octets(l.length())
	b := make([]byte, h.HeaderLen()+len(data))
	copy(b[h.Put(b):], data)
	wire.PutTCPChecksum(b, e.src.Addr(), e.dst.Addr())
	return b
}

// icmp makes the ICMP message whose summary is s. An error quotes a packet, in parentheses after the length.
func (l *frameLine) icmp(s string) []byte {
	m := wire.ICMP{Gateway: netip.IPv4Unspecified()}
	text, quoted, isError := strings.Cut(s, " (1")
	if isError {
		quoted = "1" + quoted
	}
	if rest, ok := strings.CutPrefix(s, text+" (0"); ok {
		quoted, isError = "0"+rest, true
	}
	n := l.length() - wire.ICMPLen
	var data []byte
	switch {
	case isError:
		q := frameLine{t: l.t, text: strings.TrimSuffix(quoted, ")"), attrs: map[string]string{"df": ""}}
		if n, ok := l.attrs["quoting"]; ok {
			q.attrs["quoting"] = n
			delete(l.attrs, "quoting")
		}
		data = q.packet()
		data = data[:min(len(data), n)]
	case strings.HasPrefix(s, "ICMP echo "):
		_, ids, _ := strings.Cut(s, ", id ")
		_, err := fmt.Sscanf(ids, "%d, seq %d", &m.ID, &m.Seq)
		must(l.t, err)
		data = octets(n)
	default:
		data = make([]byte, n)
	}
	if _, mtu, ok := strings.Cut(text, "(mtu "); ok {
		m.MTU = uint16(l.scan(mtu, "%d)"))
	}
	if _, octet, ok := strings.Cut(text, " - octet "); ok {
		m.Pointer = uint8(l.scan(octet, "%d"))
	}
	if w := strings.Fields(text); strings.HasPrefix(w[1], "redirect") {
		m.Gateway = parseAddr(l.t, strings.TrimSuffix(w[5], ","))
	}
	const types, codes = 256, 17
	for k := range types * codes {
		m.Type, m.Code = wire.ICMPType(k/codes), uint8(k%codes)
		p := icmpPacket(ipA, ipB, m, data)
		if line := dissector.Summary(p, phy.MediumIP); strings.HasSuffix(line, ": "+s) {
			return p[wire.IPv4Len:]
		}
	}
	l.fail("no such message")
	return nil
}

// usualMaxResp is the longest response time of an IGMPv2 query whose line does not give one, in tenths of a second.
const usualMaxResp = 100

// igmpMessage makes the IGMP message whose summary is s.
func igmpMessage(l *frameLine, s string) []byte {
	m := wire.IGMP{Group: netip.IPv4Unspecified()}
	w := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" []", r) })
	if a, err := netip.ParseAddr(w[len(w)-1]); err == nil {
		m.Group = a
	}
	if strings.HasPrefix(s, "igmp query v2") {
		m.MaxResp = usualMaxResp
	}
	if _, within, ok := strings.Cut(s, "[max resp time "); ok {
		m.MaxResp = uint8(l.scan(within, "%d"))
	}
	for k := range 256 {
		m.Type = wire.IGMPType(k)
		b := make([]byte, wire.IGMPLen)
		m.Put(b)
		if line := dissector.Summary(ipPacket(wire.ProtocolIGMP, ipA, ipB, b, nil), phy.MediumIP); strings.HasSuffix(line, ": "+s) {
			return b
		}
	}
	l.fail("no such message")
	return nil
}
