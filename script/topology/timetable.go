package topology

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack/lab"
)

func (p *parser) timetable(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return errorAt(n, "timetable is a list, got %s", describe(n))
	}
	for _, n := range n.Content {
		c, err := p.change(n)
		if err != nil {
			return err
		}
		p.t.Changes = append(p.t.Changes, *c)
	}
	slices.SortStableFunc(p.t.Changes, func(a, b Change) int { return cmp.Compare(a.At, b.At) })
	return nil
}

// change reads one entry of the timetable: an instant and one action.
func (p *parser) change(n *yaml.Node) (*Change, error) {
	list, err := entries(n, "a change", changeKeys)
	if err != nil {
		return nil, err
	}
	c := &Change{Line: n.Line, At: -1}
	for _, e := range list {
		switch key := e.key.Value; key {
		case "at":
			c.At, err = scalar[time.Duration](e.value, "at", registry.KindDuration)
		case "link":
			err = p.known(e.value)
			c.Link = e.value.Value
		default:
			if c.Action != "" {
				return nil, errorAt(e.key, "a change does one thing, and this one has %s already", c.Action)
			}
			c.Action = key
			err = p.action(e, c)
		}
		if err != nil {
			return nil, err
		}
	}
	byLink := c.Action == Up || c.Action == Down || c.Action == Set
	switch {
	case c.At < 0:
		return nil, errorAt(n, "a change has an instant, such as at: 2s")
	case c.Action == "":
		return nil, errorAt(n, "a change has one of up: true, down: true, set: {…}, partition: [a, b] and heal: true")
	case byLink && c.Link == "":
		return nil, errorAt(n, "%s is about a link, such as link: a-b", c.Action)
	case !byLink && c.Link != "":
		return nil, errorAt(n, "%s is about no link", c.Action)
	}
	if c.MTU != 0 {
		return c, p.checkMTU(p.links[c.Link], c.MTU, n)
	}
	return c, nil
}

// known returns an error if n names a link that the file does not define.
func (p *parser) known(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && p.links[n.Value] != nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(p.links))
	hint := ": there are " + strings.Join(names, ", ")
	if near := suggest.Nearest(n.Value, names); near != "" {
		hint = " (did you mean " + near + "?)"
	}
	return errorAt(n, "no link is named %s%s", n.Value, hint)
}

// action reads the entry e, an action and its value, into c.
func (p *parser) action(e entry, c *Change) (err error) {
	switch e.key.Value {
	case Partition:
		c.A, c.B, err = p.pair(e.value, Partition, "host")
	case Set:
		var list []entry
		if list, err = entries(e.value, "set", impairKeys); err != nil {
			return err
		}
		if len(list) == 0 {
			return errorAt(e.value, "set changes one or more of %s", strings.Join(impairKeys, ", "))
		}
		var sets []func(*lab.LinkConfig)
		for _, e := range list {
			set, err := impairment(e)
			if err != nil {
				return err
			}
			sets = append(sets, set)
		}
		c.Set = func(cfg *lab.LinkConfig) {
			for _, set := range sets {
				set(cfg)
			}
		}
		var given lab.LinkConfig
		c.Set(&given)
		c.MTU = given.MTU
	default:
		if on, err := scalar[bool](e.value, e.key.Value, registry.KindBool); err != nil || !on {
			return errorAt(e.value, "%s is true, got %s", e.key.Value, describe(e.value))
		}
	}
	return err
}
