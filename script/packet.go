package script

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// packet is a frame as a script sees it: its layers are parsed when they are asked for. The octets are
// the packet's own.
type packet struct {
	s      *Session
	octets []byte
	medium phy.Medium
	length int // of the whole frame, of which octets may be the head
	seen   *sighting
}

// sighting is when and where a packet was seen, and what the stack did with it.
type sighting struct {
	now     clock.Instant
	dev     string
	dir     string // "rx", "tx", on a link "a->b", empty where a file does not say
	verdict string
}

func (p *packet) sighted(name string) starlark.Value {
	if p.seen == nil {
		return starlark.None
	}
	switch name {
	case "time":
		return starlark.Float(p.seen.now.Seconds())
	case "dev":
		return starlark.String(p.seen.dev)
	case "dir":
		if p.seen.dir == "" {
			return starlark.None
		}
		return starlark.String(p.seen.dir)
	}
	return starlark.String(p.seen.verdict)
}

func newPacket(s *Session, frame []byte, m phy.Medium) *packet {
	return &packet{s: s, octets: append([]byte(nil), frame...), medium: m, length: len(frame)}
}

func (p *packet) String() string        { return summary(p.octets, p.medium) }
func (p *packet) Type() string          { return "packet" }
func (p *packet) Freeze()               {}
func (p *packet) Truth() starlark.Bool  { return true }
func (p *packet) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: packet") }

var packetFields = []string{"arp", "bytes", "dev", "dir", "eth", "icmp", "ip", "len", "payload", "tcp", "time", "udp", "verdict"}

// AttrNames is starlark.HasAttrs'.
func (p *packet) AttrNames() []string {
	return append(packetFields[:len(packetFields):len(packetFields)], p.s.reg.members["packet"]...)
}

// Attr is a layer, None where the packet has none, or a field of the whole.
func (p *packet) Attr(name string) (starlark.Value, error) {
	switch name {
	case "time", "dev", "dir", "verdict":
		return p.sighted(name), nil
	case "len":
		return num(p.length), nil
	case "bytes":
		return starlark.Bytes(p.octets), nil
	case "eth", "arp":
		return p.link(name), nil
	case "ip", "tcp", "udp", "icmp", "payload":
		return p.internet(name), nil
	}
	return attr(p, name, p.s.member("packet", p, name))
}

func layer(name string, fields starlark.StringDict) starlark.Value {
	return starlarkstruct.FromStringDict(starlark.String(name), fields)
}

func (p *packet) link(name string) starlark.Value {
	eth, payload, err := wire.ParseEthernet(p.octets)
	if p.medium != phy.MediumEthernet || err != nil {
		return starlark.None
	}
	if name == "eth" {
		return layer("eth", starlark.StringDict{
			"dst": starlark.String(eth.Dst.String()), "src": starlark.String(eth.Src.String()), "type": num(int(eth.Type)),
		})
	}
	a, err := wire.ParseARP(payload)
	if eth.Type != wire.EtherTypeARP || err != nil {
		return starlark.None
	}
	return layer("arp", starlark.StringDict{
		"op": num(int(a.Op)), "hwsrc": starlark.String(a.SenderHW.String()), "psrc": address(a.SenderIP),
		"hwdst": starlark.String(a.TargetHW.String()), "pdst": address(a.TargetIP),
	})
}

func (p *packet) internet(name string) starlark.Value {
	b := p.octets
	if p.medium == phy.MediumEthernet {
		eth, payload, err := wire.ParseEthernet(b)
		if err != nil || eth.Type != wire.EtherTypeIPv4 {
			return starlark.None
		}
		b = payload
	}
	ip, payload, err := wire.ParseIPv4(b)
	if err != nil {
		return starlark.None
	}
	if name == "ip" {
		return layer("ip", starlark.StringDict{
			"src": address(ip.Src), "dst": address(ip.Dst), "ttl": num(int(ip.TTL)), "proto": num(int(ip.Protocol)),
			"id": num(int(ip.ID)), "tos": num(int(ip.TOS)), "df": starlark.Bool(ip.DontFragment), "len": num(ip.HeaderLen + ip.PayloadLen),
		})
	}
	v, data := transport(&ip, payload)
	if name == "payload" {
		return starlark.Bytes(data)
	}
	if s, ok := v.(*starlarkstruct.Struct); ok && s.Constructor() == starlark.String(name) {
		return v
	}
	return starlark.None
}

// transport is the layer above IP, None where it is not known, and what it carries.
func transport(ip *wire.IPv4, b []byte) (starlark.Value, []byte) {
	switch ip.Protocol {
	case wire.ProtocolTCP:
		if h, data, err := wire.ParseTCP(b); err == nil {
			return layer("tcp", starlark.StringDict{
				"sport": num(int(h.SrcPort)), "dport": num(int(h.DstPort)), "seq": num(uint32(h.Seq)), "ack": num(uint32(h.Ack)),
				"flags": starlark.String(scapyFlags(h.Flags)), "window": num(int(h.Window)), "urgptr": num(int(h.Urgent)),
			}), data
		}
	case wire.ProtocolUDP:
		if h, data, err := wire.ParseUDP(b, ip.Src, ip.Dst, false); err == nil {
			return layer("udp", starlark.StringDict{
				"sport": num(int(h.SrcPort)), "dport": num(int(h.DstPort)), "len": num(len(data) + wire.UDPLen),
			}), data
		}
	case wire.ProtocolICMP:
		if h, data, err := wire.ParseICMP(b, false); err == nil {
			return layer("icmp", starlark.StringDict{
				"type": num(int(h.Type)), "code": num(int(h.Code)), "id": num(int(h.ID)), "seq": num(int(h.Seq)),
			}), data
		}
	}
	return starlark.None, b
}

// scapyFlags are the flags as Scapy writes them: "SA", "PA", "F".
func scapyFlags(f wire.Flags) string {
	s := ""
	for i, c := range "FSRPAUEC" {
		if f.Has(1 << i) {
			s += string(c)
		}
	}
	return s
}
