package script

import (
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/script/suggest"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
)

// packetValue is a frame as a script sees it: its layers are parsed when they are asked for. The octets are
// the packet's own.
type packetValue struct {
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

func (p *packetValue) sighted(name string) starlark.Value {
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

func newPacket(s *Session, frame []byte, m phy.Medium) *packetValue {
	return &packetValue{s: s, octets: append([]byte(nil), frame...), medium: m, length: len(frame)}
}

func (p *packetValue) String() string        { return packet.Summary(p.octets, p.medium) }
func (p *packetValue) Type() string          { return "packet" }
func (p *packetValue) Freeze()               {}
func (p *packetValue) Truth() starlark.Bool  { return true }
func (p *packetValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: packet") }

var packetFields = []string{"arp", "bytes", "dev", "dhcp", "dir", "dns", "eth", "icmp", "icmp6", "ip", "ip6", "len", "payload", "tcp", "time", "udp", "verdict", "vlan"}

// AttrNames is starlark.HasAttrs'.
func (p *packetValue) AttrNames() []string {
	return append(packetFields[:len(packetFields):len(packetFields)], p.s.reg.Members["packet"]...)
}

// Attr is a layer, None where the packet has none, or a field of the whole.
func (p *packetValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "time", "dev", "dir", "verdict":
		return p.sighted(name), nil
	case "len":
		return num(p.length), nil
	case "bytes":
		return starlark.Bytes(p.octets), nil
	}
	if isLayer(name) {
		if v := p.layer(name); v != nil {
			return v, nil
		}
		return starlark.None, nil
	}
	return suggest.Attr(p, name, p.s.member("packet", p, name))
}
