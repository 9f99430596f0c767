package packetvalue

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/stack/filter"
	"smolsh/stack/packet"
)

// A Pattern describes a set of packets: those that fit a packet with unset fields, those for which a filter's expression holds, or those
// for which a script's function returns a true value. It is compiled once, and used by one goroutine at a time.
type Pattern struct {
	source starlark.Value
	env    Environment
	negate bool

	draft  *packet.Draft // nil for a filter or function
	judges []*judge      // functions of fields in the draft
	filter *filter.Filter
	fn     starlark.Callable

	view      *packet.Packet    // storage for the layers of a frame; nil before the first packet
	catalogue *packet.Catalogue // protocols with which view dissects, and which draft has

	scripted bool // true if dissecting one of the layers calls a script
}

// NewPattern compiles a pattern: a packet, a protocol, ~packet, a filter's expression, or a function of a packet. The error says what a
// pattern may be.
func NewPattern(env Environment, v starlark.Value) (*Pattern, error) {
	pt := &Pattern{source: v, env: env}
	for {
		switch n := v.(type) {
		case *Negated:
			v, pt.negate = n.Of, !pt.negate
			continue
		case *Not:
			v, pt.negate = n.Of, !pt.negate
			continue
		}
		break
	}
	switch v := v.(type) {
	case *Value:
		pt.draft = compiled(v.Draft())
		for _, l := range pt.draft.Layers {
			pt.scripted = pt.scripted || l.Protocol.Scripted()
			for i := range l.Protocol.Fields {
				pt.collect(l.Value(&l.Protocol.Fields[i]))
			}
		}
	case Protocol:
		pt.draft = packet.NewDraft(packet.DraftLayer{Protocol: v.Table})
		pt.scripted = v.Table.Scripted()
	case starlark.String:
		f, err := filter.Compile(string(v))
		if err != nil {
			return nil, err
		}
		pt.filter = f
	case starlark.Callable:
		pt.fn = v
	default:
		return nil, fmt.Errorf("a pattern is a packet such as TCP(dport=80), ~packet, a filter string or a function of a packet, got %s", v.Type())
	}
	return pt, nil
}

// compiled returns the draft with the packets that its fields quote as patterns of their own.
func compiled(d *packet.Draft) *packet.Draft {
	for i, l := range d.Layers {
		for j := range l.Protocol.Fields {
			f := &l.Protocol.Fields[j]
			quoted, ok := l.Value(f).(*packet.Draft)
			if !ok {
				continue
			}
			if with, err := l.With(f, &single{from{starlark.String("packet")}, compiled(quoted)}); err == nil {
				l = with
				d = d.Replace(i, l)
			}
		}
	}
	return d
}

// collect finds the functions in a field's value.
func (pt *Pattern) collect(v any) {
	switch m := v.(type) {
	case *judge:
		pt.judges = append(pt.judges, m)
	case *negation:
		pt.collect(m.of)
	case *alternative:
		for _, x := range m.of {
			pt.collect(x)
		}
	case *single:
		pt.collect(m.want)
	case *packet.Draft:
		for _, l := range m.Layers {
			for i := range l.Protocol.Fields {
				pt.collect(l.Value(&l.Protocol.Fields[i]))
			}
		}
	}
}

// String returns the pattern as a script writes it, and a filter as its expression alone.
func (pt *Pattern) String() string {
	if text, ok := pt.source.(starlark.String); ok {
		return string(text)
	}
	if p, ok := pt.source.(*Value); ok {
		return p.Code()
	}
	return sourceText(pt.source)
}

// Match reports whether a packet fits the pattern. The error is that of a script's function, or says why a composed packet can't be
// built.
func (pt *Pattern) Match(p *Value) (bool, error) {
	for _, j := range pt.judges {
		j.fail = nil
	}
	ok, err := pt.fits(p)
	for _, j := range pt.judges {
		if j.fail != nil {
			err = j.fail
		}
	}
	return ok != pt.negate && err == nil, err
}

func (pt *Pattern) fits(p *Value) (bool, error) {
	if pt.fn != nil {
		v, err := pt.env.Judge(pt.fn, p)
		return err == nil && bool(v.Truth()), err
	}
	d, err := p.Built()
	if err != nil {
		return false, err
	}
	if pt.filter != nil {
		head, length, m := p.frame(d)
		return pt.filter.MatchHead(head, length, m), nil
	}
	pt.refresh()
	return pt.draft.Match(d), nil
}

// refresh makes the pattern describe packets of the protocols that scripts have defined by now. A layer of a protocol that has been defined
// again has its set fields by their names. If the new definition does not have them or take their values, no packet has the layer. The
// pattern may call a script's function from then on (Calls).
func (pt *Pattern) refresh() {
	c := pt.env.Catalogue()
	if pt.view != nil && pt.catalogue == c {
		return
	}
	pt.view, pt.catalogue = c.View(), c
	for i, l := range pt.draft.Layers {
		q := c.ByName(l.Protocol.Name)
		if q == nil || q == l.Protocol {
			continue
		}
		again := packet.DraftLayer{Protocol: q}
		var err error
		for j := range l.Protocol.Fields {
			old := &l.Protocol.Fields[j]
			v := l.Value(old)
			f := q.Field(old.Name)
			if v != nil && f == nil {
				err = errors.New("the field is gone")
			} else if v != nil && err == nil {
				again, err = again.With(f, v)
			}
		}
		if err == nil {
			pt.draft = pt.draft.Replace(i, again)
			pt.scripted = pt.scripted || q.Scripted()
		}
	}
}

// Calls reports whether the pattern calls a script's function, so that Match needs the interpreter.
func (pt *Pattern) Calls() bool { return pt.fn != nil || len(pt.judges) > 0 || pt.scripted }

// Ports returns the destination ports of which a packet must have one to fit the pattern, for TCP or UDP. They are empty for a pattern that fits
// other packets too, and for one that gives its ports otherwise than as numbers.
func (pt *Pattern) Ports(proto *packet.Protocol) (ports []uint16) {
	if pt.draft == nil || pt.negate {
		return nil
	}
	for _, l := range pt.draft.Layers {
		if l.Protocol != proto {
			continue
		}
		of := []part{}
		switch v := l.Value(proto.Field("dport")).(type) {
		case uint64:
			return []uint16{uint16(v)}
		case *alternative:
			of = v.of
		}
		for _, x := range of {
			if one, ok := x.(*single); ok {
				if n, ok := one.want.(uint64); ok {
					ports = append(ports, uint16(n))
					continue
				}
			}
			return nil
		}
	}
	return ports
}

// IsFilter reports whether the pattern is a filter's expression.
func (pt *Pattern) IsFilter() bool { return pt.filter != nil }

// MatchFrame is Match for a frame of length octets, of which head has the first ones. It keeps head only for a pattern that calls a function.
func (pt *Pattern) MatchFrame(head []byte, length int, m phy.Medium) (bool, error) {
	switch {
	case pt.filter != nil:
		return pt.filter.MatchHead(head, length, m) != pt.negate, nil
	case pt.Calls():
		return pt.Match(NewHead(pt.env, bytes.Clone(head), length, m, nil))
	}
	return pt.MatchLayers(head, length, packet.First(head, m)), nil
}

// MatchLayers is MatchFrame for octets whose first header is of the protocol first. The pattern is neither a filter nor one that calls a
// function. It dissects with the protocols that scripts have defined by now.
func (pt *Pattern) MatchLayers(head []byte, length int, first *packet.Protocol) bool {
	pt.refresh()
	return pt.draft.MatchFrame(pt.view, head, length, first) != pt.negate
}

// Copy returns the same pattern with storage of its own, so that another goroutine may use it. The goroutines of a pattern that calls a
// function need the interpreter, and share the functions' errors.
func (pt *Pattern) Copy() *Pattern {
	other := *pt
	other.view = nil
	return &other
}

// frame returns the packet's octets from the first header that a filter knows, with the octets of the whole.
func (p *Value) frame(d *packet.Packet) (head []byte, length int, m phy.Medium) {
	if p.draft == nil && p.First == nil {
		return p.Octets, p.Length, p.Medium
	}
	for _, l := range d.Layers {
		from, _ := l.Span(&l.Protocol.Fields[0])
		from = min(from, len(d.Octets))
		switch l.Protocol {
		case packet.Ether:
			return d.Octets[from:], d.Length - from, phy.MediumEthernet
		case packet.IP, packet.IPv6:
			return d.Octets[from:], d.Length - from, phy.MediumIP
		}
	}
	return d.Octets, d.Length, phy.MediumIP
}

// Differences returns a line for each field by which a packet fails a pattern, such as "tcp.flags: want SA, got RA". It returns nil for a
// packet that fits.
func Differences(pt *Pattern, p *Value) []string {
	ok, err := pt.Match(p)
	switch {
	case err != nil:
		return []string{err.Error()}
	case ok:
		return nil
	case pt.negate:
		return []string{"it fits " + strings.TrimPrefix(pt.String(), "~") + ", and should not"}
	case pt.filter != nil:
		return []string{fmt.Sprintf("the filter %q does not match", pt.filter)}
	case pt.fn != nil:
		return []string{pt.fn.Name() + " returns a false value"}
	}
	d, _ := p.Built()
	var lines []string
	for _, diff := range pt.draft.Differences(d) {
		attr := diff.Layer.Protocol.Attr
		if diff.Field == nil {
			var have []string
			for _, l := range d.Layers {
				have = append(have, l.Protocol.Name)
			}
			lines = append(lines, fmt.Sprintf("%s: want %s, got %s", attr, diff.Layer.Protocol.Name, strings.Join(have, "/")))
			continue
		}
		want, got := diff.Layer.Value(diff.Field), diff.Got
		text := fmt.Sprintf("%s.%s: want %s, got %s", attr, diff.Field.Name, said(diff.Field, want), said(diff.Field, got))
		lines = append(lines, text+whereDiffer(want, got))
	}
	return lines
}

// farDiffer is the first octet at which whereDiffer says where values differ. Both are shown up to there.
const farDiffer = 32

// whereDiffer says from which octet on two values of octets differ, "" for other values and for a difference that is seen at once.
func whereDiffer(want, got any) string {
	w, ok := want.([]byte)
	g, ok2 := got.([]byte)
	if !ok || !ok2 {
		return ""
	}
	at := 0
	for at < len(w) && at < len(g) && w[at] == g[at] {
		at++
	}
	if at < farDiffer {
		return ""
	}
	octet := func(b []byte) string {
		if at == len(b) {
			return "the end"
		}
		return fmt.Sprintf("%#02x", b[at])
	}
	return fmt.Sprintf(" (octet %d: want %s, got %s; %d and %d octets)", at, octet(w), octet(g), len(w), len(g))
}

// said describes a field's value in a line.
func said(f *packet.Field, v any) string {
	switch v := v.(type) {
	case packet.Matcher:
		return v.String()
	case *packet.Draft:
		return codeOf(v)
	case uint64:
		if f.Kind == packet.Letters {
			if v == 0 {
				return "none"
			}
			if text, ok := f.LetterText(v); ok {
				return text
			}
		}
		return numberText(f, v)
	}
	return packet.Format(v)
}

// numberText returns a number as Show does: in hexadecimal if the protocol's documents do so, and with its name.
func numberText(f *packet.Field, n uint64) string {
	text := fmt.Sprint(n)
	switch {
	case f.Kind == packet.Bool:
		return map[bool]string{false: "False", true: "True"}[n != 0]
	case f.Hex:
		text = fmt.Sprintf("0x%0*x", (f.Bits+3)/4, n)
	}
	if f.Names != nil && f.Names(n) != "" {
		text += " " + f.Names(n)
	}
	return text
}
