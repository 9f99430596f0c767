package packet

import (
	"fmt"
	"slices"
)

// A Catalogue holds the protocols that a user has defined, which a packet may have beside those of the package. It never changes: With
// returns a new one. A nil Catalogue is empty.
type Catalogue struct {
	own    []*Protocol
	places map[Place]*Protocol
}

// Own returns the protocols of the catalogue, in the order of their definition. The caller must not change the slice.
func (c *Catalogue) Own() []*Protocol {
	if c == nil {
		return nil
	}
	return c.own
}

// ByName returns the protocol with a name, of the catalogue or of the package; nil if there is none.
func (c *Catalogue) ByName(name string) *Protocol {
	for _, p := range c.Own() {
		if p.Name == name {
			return p
		}
	}
	return ByName(name)
}

// IsLayer reports whether a packet may have a layer with the attribute.
func (c *Catalogue) IsLayer(attr string) bool {
	return IsLayer(attr) || slices.ContainsFunc(c.Own(), func(p *Protocol) bool { return p.Attr == attr })
}

// Carried returns the protocol with a number in a table, nil if there is none. Protocols of the catalogue come before those of the package.
func (c *Catalogue) Carried(t Table, number uint64) *Protocol {
	if c != nil {
		if p := c.places[Place{t, number}]; p != nil {
			return p
		}
	}
	return Carried(t, number)
}

// Unscripted returns the protocol with a number in a table, if dissecting it calls no function of a script.
func (c *Catalogue) Unscripted(t Table, number uint64) *Protocol {
	if p := c.Carried(t, number); p == nil || !p.scripted {
		return p
	}
	return nil
}

// Dissect is Dissect with the protocols of the catalogue. It may call functions of a script (FieldDefinition.When).
func (c *Catalogue) Dissect(b []byte, length int, first *Protocol) *Packet {
	return dissect(b, length, first, c.Carried)
}

// View returns an empty packet for Draft.MatchFrame, which dissects with the protocols that call no script.
func (c *Catalogue) View() *Packet { return &Packet{carried: c.Unscripted} }

// With returns a catalogue with one more protocol, which replaces one of the same name, and that protocol. The error names the fault
// in the definition.
func (c *Catalogue) With(d *Definition) (*Catalogue, *Protocol, error) {
	if ByName(d.Name) != nil {
		return nil, nil, fmt.Errorf("%s is the name of a protocol that is there already", d.Name)
	}
	p, err := d.define()
	if err != nil {
		return nil, nil, err
	}
	if IsLayer(p.Attr) || slices.ContainsFunc(c.Own(), func(q *Protocol) bool { return q.Attr == p.Attr && q.Name != p.Name }) {
		return nil, nil, fmt.Errorf("%s: a packet's attribute %s is another layer: choose another name", d.Name, p.Attr)
	}
	next := &Catalogue{places: map[Place]*Protocol{}}
	for _, q := range c.Own() {
		if q.Name != p.Name {
			next.own = append(next.own, q)
		}
	}
	next.own = append(next.own, p)
	for _, q := range next.own {
		for i := range q.Fields {
			for carried, number := range q.Fields[i].carries { // map order does not matter
				next.places[Place{q.Fields[i].Table, number}] = carried
			}
		}
		for _, at := range q.On {
			next.places[at] = q
		}
	}
	return next, p, nil
}
