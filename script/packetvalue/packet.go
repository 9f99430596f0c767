// Package packetvalue holds packets as Starlark values: a frame with the time and place where it was seen, whose layers
// scripts read as attributes. It knows nothing of sessions and sockets.
package packetvalue

import (
	"net/netip"
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
	// Addresses returns the addresses of the host that a value is or names, as a Resolver does. thread is that of the call.
	Addresses(thread *starlark.Thread, v starlark.Value) ([]netip.Addr, error)
	// Judge calls a script's function about packets, which may neither wait nor reach a host, with a limit on its steps.
	Judge(fn starlark.Callable, v starlark.Value) (starlark.Value, error)
	// Catalogue returns the protocols that scripts have defined, nil for none.
	Catalogue() *packet.Catalogue
	// Complain reports an error of a script's function that no caller waits for.
	Complain(err error)
}

// A Value is a packet as scripts see it: a frame, each layer of which is parsed when a script reads it, or a draft, which a
// script has composed. It never changes.
type Value struct {
	Octets []byte // the frame, or its first octets; must not be changed
	Medium phy.Medium
	First  *packet.Protocol // set for a frame whose link layer is not that of the medium; otherwise nil
	Length int              // octets of the whole frame
	Seen   *Sighting        // nil for a packet that another packet quotes
	env    Environment
	layers *packet.Packet // nil until a script reads a layer
	draft  *packet.Draft  // set for a composed packet; the fields above are then empty

	built    *packet.Packet // a composed packet with its octets, nil until it is built
	unbuilt  error          // set instead of built for a composed packet that can't be built
	received bool           // true for a composed packet that was made of a frame
}

// Compose returns the packet of a draft.
func Compose(env Environment, d *packet.Draft) *Value { return &Value{env: env, draft: d} }

// Composed reports whether a script has composed the packet, so that fields may be unset.
func (p *Value) Composed() bool { return p.draft != nil }

// Draft returns the packet as a draft. Of a frame, all fields are set.
func (p *Value) Draft() *packet.Draft {
	if p.draft != nil {
		return p.draft
	}
	return p.dissected().Draft()
}

// Built returns the packet with all its octets. The unset fields of a composed packet are filled in without a host. The error names a field
// that can't be sent.
func (p *Value) Built() (*packet.Packet, error) {
	if p.draft == nil {
		return p.dissected(), nil
	}
	if p.built == nil && p.unbuilt == nil {
		p.built, p.unbuilt = p.draft.Build()
	}
	return p.built, p.unbuilt
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
	if seqs == nil {
		seqs = &packet.Sequences{Absolute: true, Carried: p.env.Catalogue().Carried}
	}
	if p.draft != nil {
		d, err := p.Built()
		if err != nil {
			return p.Code()
		}
		return seqs.Describe(d)
	}
	return seqs.Describe(p.dissected())
}

// String implements starlark.Value: the packet in one line.
func (p *Value) String() string { return p.Line(nil) }

// Type implements starlark.Value.
func (p *Value) Type() string { return "packet" }

// Freeze implements starlark.Value; a packet never changes.
func (p *Value) Freeze() {}

// Truth implements starlark.Value.
func (p *Value) Truth() starlark.Bool { return true }

// Hash implements starlark.Value. Equal packets have equal hashes, also if one of the two is composed.
func (p *Value) Hash() (uint32, error) { return draftHash(p.Draft()), nil }

// CompareSameType implements starlark.Comparable. Packets are equal if they have the same layers with equal fields: frames if their octets
// and first layers are equal, a composed packet only if the same fields are unset. Time, device and verdict do not count.
func (p *Value) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	q := y.(*Value)
	if p.draft == nil && q.draft == nil {
		return equality(op, p, y, string(p.Octets) == string(q.Octets) && p.Length == q.Length && p.dissected().First == q.dissected().First)
	}
	same, err := sameDraft(p.Draft(), q.Draft())
	if err != nil {
		return false, err
	}
	return equality(op, p, y, same)
}

// wholeFields are the names of the attributes that are neither methods nor layers.
var wholeFields = []string{"bytes", "dev", "dir", "layers", "len", "malformed", "payload", "time", "time_ns", "verdict"}

// packetFields are the names of the attributes that are not methods, sorted.
var packetFields = slices.Sorted(slices.Values(append(packet.LayerNames(), wholeFields...)))

// AttrNames implements starlark.HasAttrs.
func (p *Value) AttrNames() []string {
	names := append(packetFields[:len(packetFields):len(packetFields)], p.env.Members("packet")...)
	for _, q := range p.env.Catalogue().Own() {
		names = append(names, q.Attr)
	}
	return names
}

// Completions returns the attributes that a prompt offers: those of AttrNames without the layers that the packet does not have.
func (p *Value) Completions() []string {
	names := append(wholeFields[:len(wholeFields):len(wholeFields)], p.env.Members("packet")...)
	if p.draft != nil {
		for _, l := range p.draft.Layers {
			names = append(names, l.Protocol.Attr)
		}
		return names
	}
	d := p.dissected()
	for _, l := range d.Layers {
		names = append(names, l.Protocol.Attr)
	}
	if l, ok := d.Padding(); ok {
		names = append(names, l.Protocol.Attr)
	}
	return names
}

// Attr returns a layer, a field of the whole packet, or a method. A layer that the packet lacks is None.
func (p *Value) Attr(name string) (starlark.Value, error) {
	switch name {
	case "time", "time_ns", "dev", "dir", "verdict":
		return p.sighted(name), nil
	case "len", "bytes":
		d, err := p.Built()
		switch {
		case err != nil:
			return nil, err
		case name == "len":
			return starlark.MakeInt(d.Length), nil
		}
		return starlark.Bytes(d.Octets), nil
	case "layers":
		return p.layerNames(), nil
	case "malformed":
		return p.malformed(), nil
	}
	if name == "payload" || p.env.Catalogue().IsLayer(name) {
		return p.named(name), nil
	}
	return suggest.Attr(p, name, p.env.Member("packet", p, name))
}
