// Package packetvalue holds packets as Starlark values: a frame with the time and place where it was seen, whose layers
// scripts read as attributes. It knows nothing of sessions and sockets.
package packetvalue

import (
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"smolsh/phy"
	"smolsh/script/suggest"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
)

// Environment provides a packet with methods from the program.
type Environment interface {
	// Member returns the builtin prefix.name bound to recv, nil if there is none.
	Member(prefix string, recv starlark.Value, name string) starlark.Value
	// Members returns the names of the builtins under a prefix, sorted.
	Members(prefix string) []string
}

// A Value is a frame as scripts see it. Each layer is parsed when a script reads it.
type Value struct {
	Octets []byte // the frame, or its first octets; must not be changed
	Medium phy.Medium
	First  *packet.Protocol // set for a frame whose link layer is not that of the medium; otherwise nil
	Length int              // octets of the whole frame
	Seen   *Sighting        // nil for a packet that another packet quotes
	env    Environment
	layers *packet.Packet // nil until a script reads a layer
}

// A Sighting records when and where a packet was seen, and its verdict.
type Sighting struct {
	Time    clock.Instant
	Untimed bool // true for a packet of a file that does not have its time
	Dev     string
	Dir     string // "rx" or "tx", on a link "a->b"; "" if a file does not record it
	Verdict string
}

// sighted returns a field of the sighting, None for a packet without one, or without that field.
func (p *Value) sighted(name string) starlark.Value {
	if p.Seen == nil || p.Seen.Untimed && (name == "time" || name == "time_ns") {
		return starlark.None
	}
	switch name {
	case "time":
		return starlark.Float(p.Seen.Time.Seconds())
	case "time_ns":
		return starlark.MakeInt64(int64(p.Seen.Time))
	case "dev":
		return starlark.String(p.Seen.Dev)
	case "dir":
		if p.Seen.Dir == "" {
			return starlark.None
		}
		return starlark.String(p.Seen.Dir)
	}
	return starlark.String(p.Seen.Verdict)
}

// New returns a packet with a copy of a frame. seen says where the frame was seen; it may be nil.
func New(env Environment, frame []byte, m phy.Medium, seen *Sighting) *Value {
	return NewHead(env, append([]byte(nil), frame...), len(frame), m, seen)
}

// NewHead returns a packet of length octets with only its first octets, head. It keeps head.
func NewHead(env Environment, head []byte, length int, m phy.Medium, seen *Sighting) *Value {
	return &Value{env: env, Octets: head, Medium: m, Length: length, Seen: seen}
}

// Line describes the packet in one line. Sequence numbers are relative to those that seqs stores.
func (p *Value) Line(seqs *packet.Sequences) string {
	if p.First != nil {
		return seqs.Describe(p.dissected())
	}
	if p.Length == len(p.Octets) {
		return seqs.Describe(p.dissected())
	}
	return seqs.Line(p.Octets, p.Medium)
}

// String implements starlark.Value: the packet in one line.
func (p *Value) String() string { return p.Line(nil) }

// Type implements starlark.Value.
func (p *Value) Type() string { return "packet" }

// Freeze implements starlark.Value; a packet never changes.
func (p *Value) Freeze() {}

// Truth implements starlark.Value.
func (p *Value) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (p *Value) Hash() (uint32, error) { return starlark.Bytes(p.Octets).Hash() }

// CompareSameType implements starlark.Comparable. Packets are equal if their octets and first layers are equal; time,
// device and verdict do not count.
func (p *Value) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	q := y.(*Value)
	return equality(op, p, y, string(p.Octets) == string(q.Octets) && p.dissected().First == q.dissected().First)
}

// wholeFields are the names of the attributes that are neither methods nor layers.
var wholeFields = []string{"bytes", "dev", "dir", "layers", "len", "malformed", "payload", "time", "time_ns", "verdict"}

// packetFields are the names of the attributes that are not methods, sorted.
var packetFields = slices.Sorted(slices.Values(append(packet.LayerNames(), wholeFields...)))

// AttrNames implements starlark.HasAttrs.
func (p *Value) AttrNames() []string {
	return append(packetFields[:len(packetFields):len(packetFields)], p.env.Members("packet")...)
}

// Completions returns the attributes that a prompt offers: those of AttrNames without the layers that the packet does not have.
func (p *Value) Completions() []string {
	names := append(wholeFields[:len(wholeFields):len(wholeFields)], p.env.Members("packet")...)
	for _, l := range p.dissected().Layers {
		names = append(names, l.Protocol.Attr)
	}
	return names
}

// Attr returns a layer, a field of the whole packet, or a method. A layer that the packet lacks is None.
func (p *Value) Attr(name string) (starlark.Value, error) {
	switch name {
	case "time", "time_ns", "dev", "dir", "verdict":
		return p.sighted(name), nil
	case "len":
		return starlark.MakeInt(p.Length), nil
	case "bytes":
		return starlark.Bytes(p.Octets), nil
	case "layers":
		return p.layerNames(), nil
	case "malformed":
		return p.malformed(), nil
	}
	if isLayer(name) {
		return p.named(name), nil
	}
	return suggest.Attr(p, name, p.env.Member("packet", p, name))
}
