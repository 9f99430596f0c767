package stack

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// frameLine is a frame's line while it is parsed: its summary, and its attributes by their first word.
type frameLine struct {
	t     *testing.T
	text  string
	attrs map[string]string
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

// readFrame makes the frame that a line describes, as it arrives on an interface.
func readFrame(t *testing.T, i *Iface, s string) *phy.Frame {
	l := &frameLine{t: t, attrs: map[string]string{}}
	text, list, _ := strings.Cut(s, " [")
	l.text = text
	for _, a := range strings.Split(strings.TrimSuffix(list, "]"), ", ") {
		switch k, v, _ := strings.Cut(a, " "); {
		case k == "":
		case k == "no" || k == "bad" || k == "other": // "no checksum"
			l.attrs[a] = ""
		case v == "octets":
			l.attrs["octets"] = k
		default:
			l.attrs[k] = v
		}
	}
	typ := wire.EtherTypeIPv4
	var b []byte
	if strings.HasPrefix(text, "arp ") {
		typ, b = wire.EtherTypeARP, make([]byte, 46)
		l.arp(i, b)
	} else {
		b = l.packet()
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

// arp writes an ARP packet. arpHardware writes its hardware addresses, which depend on those of the frame.
func (l *frameLine) arp(i *Iface, b []byte) {
	w := strings.Fields(strings.ReplaceAll(l.text, ",", ""))
	a := wire.ARP{Op: wire.ARPRequest}
	switch {
	case len(w) == 5 && w[1] == "who-has" && w[3] == "tell":
		a.TargetIP, a.SenderIP = parseAddr(l.t, w[2]), parseAddr(l.t, w[4])
	case len(w) == 5 && w[2] == "is-at" && w[4] == "announced":
		a.SenderIP, a.SenderHW = parseAddr(l.t, w[1]), parseHW(l.t, w[3])
		a.TargetIP = a.SenderIP
	case len(w) == 4 && w[2] == "is-at":
		a.Op, a.SenderIP, a.SenderHW, a.TargetIP = wire.ARPReply, parseAddr(l.t, w[1]), parseHW(l.t, w[3]), i.addresses.list[0].Addr()
		if to, ok := l.attrs["for"]; ok {
			a.TargetIP = parseAddr(l.t, to)
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
	target := eth.Dst
	if a.Op == wire.ARPRequest && target == wire.Broadcast {
		target = wire.HardwareAddr{}
	}
	a.TargetHW = l.hw("target", target)
	a.Put(p)
}

// protocols maps the names of protocols in a summary to their numbers.
var protocols = map[string]wire.Protocol{"icmp": wire.ProtocolICMP, "igmp": wire.ProtocolIGMP, "tcp": wire.ProtocolTCP, "udp": wire.ProtocolUDP, "ospf": 89}

// ends holds the addresses and ports of a packet.
type ends struct{ src, dst netip.AddrPort }

// packet returns the IP packet of the line.
func (l *frameLine) packet() []byte {
	hosts, rest, ok := strings.Cut(l.text, ": ")
	from, to, ok2 := strings.Cut(hosts, " > ")
	if !ok || !ok2 {
		l.fail("no hosts")
	}
	e := ends{l.end(from), l.end(to)}
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
	if strings.Count(s, ".") == 4 {
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
	var n int
	word, rest, _ := strings.Cut(s, " ")
	switch {
	case strings.Contains(s, "fragment at "):
		proto = protocols[word]
		more = !strings.HasPrefix(rest, "last ")
		off, n = l.scan(rest[strings.LastIndexByte(rest, ' ')+1:], "%d"), l.number("octets", 0)
		return proto, off, more, octets(off + n)[off-wire.UDPLen:][:n]
	case word == "udp":
		more = strings.HasSuffix(s, ", first fragment")
		n = l.scan(rest, "%d")
		b = udpPacket(e.src, e.dst, octets(l.number("of", n)))[wire.IPv4Len:][:wire.UDPLen+n]
		if l.has("no checksum") {
			b[6], b[7] = 0, 0
		}
		proto = wire.ProtocolUDP
	case word == "icmp":
		proto, b = wire.ProtocolICMP, l.icmp(rest)
	case word == "igmp":
		proto, b = wire.ProtocolIGMP, l.igmp(rest)
	case word == "proto":
		_, err := fmt.Sscanf(rest, "%d, %d octets", &proto, &n)
		must(l.t, err)
		b = octets(n)
	case strings.HasSuffix(word, ",") && strings.HasSuffix(rest, " octets"):
		if proto = protocols[word[:len(word)-1]]; proto == 0 {
			l.fail("no such protocol")
		}
		b = octets(l.scan(rest, "%d octets"))
	case word == "tcp,": // the part of a segment that an error quotes
		b = make([]byte, 20)
		h := wire.TCP{SrcPort: e.src.Port(), DstPort: e.dst.Port(), Seq: wire.Seq(l.scan(rest, "seq %d"))}
		h.Put(b)
		proto = wire.ProtocolTCP
	default:
		proto, b = wire.ProtocolTCP, l.segment(e, strings.Fields(s))
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

// segment makes a TCP segment from "FLAGS [SEQ:END(LEN)] [ack N] win N [<mss N>]".
func (l *frameLine) segment(e ends, w []string) []byte {
	h, n := wire.TCP{Seq: wire.Seq(l.number("seq", 0))}, 0
	for _, r := range w[0] {
		k := strings.IndexRune("FSRP.UEW", r)
		if k < 0 {
			l.fail("no such protocol or flag")
		}
		h.Flags |= 1 << k
	}
	for k := 1; k < len(w); k++ {
		switch w[k] {
		case "ack":
			h.Ack = wire.Seq(l.scan(w[k+1], "%d"))
			k++
		case "win":
			h.Window = uint16(l.scan(w[k+1], "%d"))
			k++
		case "<mss":
			h.Options.MSS = uint16(l.scan(w[k+1], "%d>"))
			k++
		default:
			var seq, end uint32
			if _, err := fmt.Sscanf(w[k], "%d:%d(%d)", &seq, &end, &n); err != nil {
				l.fail(err.Error())
			}
			h.Seq = wire.Seq(seq)
		}
	}
	return tcpPacket(e.src, e.dst, h, octets(n))[wire.IPv4Len:]
}

// icmp makes an ICMP message.
func (l *frameLine) icmp(s string) []byte {
	m := wire.ICMP{Pointer: uint8(l.number("pointer", 0)), Gateway: netip.IPv4Unspecified()}
	name, quoted, isError := strings.Cut(s, " (")
	name, mtu, _ := strings.Cut(name, ", mtu ")
	var data []byte
	switch {
	case isError:
		q := frameLine{t: l.t, text: strings.TrimSuffix(quoted, ")"), attrs: map[string]string{"df": ""}}
		if n, ok := l.attrs["quoting"]; ok {
			q.attrs["quoting"] = n
			delete(l.attrs, "quoting")
		}
		data = q.packet()
		data = data[:min(len(data), l.number("quotes", 28))]
	case strings.HasPrefix(name, "echo "):
		name, _, _ = strings.Cut(name, " id")
		var n int
		_, err := fmt.Sscanf(s[len(name):], " id %d seq %d, %d octets", &m.ID, &m.Seq, &n)
		must(l.t, err)
		data = octets(n)
	default:
		data = make([]byte, l.number("octets", 0))
	}
	if mtu != "" {
		m.MTU = uint16(l.scan(mtu, "%d"))
	}
	if g, ok := l.attrs["gateway"]; ok {
		m.Gateway = parseAddr(l.t, g)
	}
	for k := range 256 * 256 {
		if m.Type, m.Code = wire.ICMPType(k/256), uint8(k%256); m.String() == name {
			return icmpPacket(ipA, ipB, m, data)[wire.IPv4Len:]
		}
	}
	l.fail("no such message: " + name)
	return nil
}

// igmp makes an IGMP message.
func (l *frameLine) igmp(s string) []byte {
	m := wire.IGMP{MaxResp: uint8(l.number("within", 0)), Group: netip.IPv4Unspecified()}
	w := strings.Fields(s)
	if a, err := netip.ParseAddr(w[len(w)-1]); err == nil {
		m.Group = a
	}
	for k := range 256 {
		if m.Type = wire.IGMPType(k); m.String() == s || k == 0x22 && s == "v3 report, 0 records" {
			b := make([]byte, wire.IGMPLen)
			m.Put(b)
			return b
		}
	}
	l.fail("no such message")
	return nil
}
