package script

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/topology"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

func topologyBuiltins() []*builtin {
	return []*builtin{{
		Name: "lab.topology", Sig: "path", Kinds: "ownfile", Args: "path: YAML with hosts, switches, links and timetable, relative to the script's file",
		Result: "struct", Fields: "hosts switches links (dicts by name)", See: "lab.hosts, lab.links, link.set",
		Doc:     "Make the network of a file, whose timetable begins now.",
		Example: `net = lab(seed=1).topology("net.yaml"); net.hosts["a"].ping("b", count=1).received`, Fn: labTopology,
	}}
}

// labTopology reads the file and makes its network.
func labTopology(c *call) (starlark.Value, error) {
	path := arg[string](c, "path")
	if c.t.thread.CallStackDepth() > 1 {
		path = beside(c.t.thread.CallFrame(1).Pos.Filename(), path)
	}
	if err := c.s.mayLoad(path); err != nil {
		return nil, c.errorf("%v", err)
	}
	text, err := c.t.source(path)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	t, err := topology.Parse([]byte(text))
	if err != nil {
		return nil, c.errorf("%v", inFile(path, err))
	}
	m := &topologyMaker{c: c, l: c.recv.(*labValue), hosts: map[string]*hostValue{}, switches: map[string]*switchValue{}, links: map[string]*linkValue{}}
	if err := m.make(t); err != nil {
		return nil, c.errorf("%v", inFile(path, err))
	}
	return m.value(t), nil
}

// inFile returns an error with the file's name, and its line in front.
func inFile(path string, err error) error {
	var at *topology.Error
	if errors.As(err, &at) {
		return fmt.Errorf("%s:%d: %s", path, at.Line, at.Text)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// topologyMaker makes the network of a file in a lab.
type topologyMaker struct {
	c        *call
	l        *labValue
	hosts    map[string]*hostValue
	switches map[string]*switchValue
	links    map[string]*linkValue
}

func (m *topologyMaker) make(t *topology.Topology) (err error) {
	at := func(line int, err error) error { return &topology.Error{Line: line, Text: err.Error()} }
	for _, h := range t.Hosts {
		if m.hosts[h.Name], err = m.l.addHost(m.c.t, h.HostConfig, false); err != nil {
			return at(h.Line, err)
		}
	}
	for _, s := range t.Switches {
		if m.switches[s.Name], err = m.l.addSwitch(m.c.t, s.Name, s.Flood); err != nil {
			return at(s.Line, err)
		}
	}
	for _, k := range t.Links {
		if err := m.link(&k); err != nil {
			return at(k.Line, err)
		}
	}
	m.c.t.Do(m.l.w, func(now clock.Instant) {
		for _, ch := range t.Changes {
			m.l.w.World().At(now.Add(ch.At), func(clock.Instant) { m.change(&ch) })
		}
	})
	return nil
}

func (m *topologyMaker) link(k *topology.Link) (err error) {
	cfg, a, b, sw := k.LinkConfig, m.hosts[k.A], m.hosts[k.B], m.switches[k.B]
	m.c.planLink(&cfg, k.A, k.B)
	var made *lab.Link
	m.c.t.Do(m.l.w, func(clock.Instant) {
		if sw != nil {
			made, err = sw.sw.Attach(a.h, cfg)
		} else {
			made, err = m.l.lab.Link(a.h, b.h, cfg)
		}
	})
	if err == nil {
		m.links[k.Name] = m.c.s.linkOf(made, m.l.w)
		if k.Name != k.A+"-"+k.B && k.Name != k.B+"-"+k.A {
			m.links[k.Name].name = k.Name
		}
	}
	return err
}

// change makes one change of the timetable; on the owner. The file was checked for everything that Link.Set refuses.
func (m *topologyMaker) change(ch *topology.Change) {
	switch ch.Action {
	case topology.Partition:
		m.l.lab.Partition(m.hosts[ch.A].h, m.hosts[ch.B].h)
	case topology.Heal:
		m.l.lab.Heal()
	case topology.Set:
		k := m.links[ch.Link].k
		cfg := k.Config()
		cfg.MTU = 0 // 0 keeps the MTU
		ch.Set(&cfg)
		if err := k.Set(cfg); err != nil {
			m.c.s.out.Offer([]byte(m.c.s.clean(fmt.Sprintf("the timetable's change of %s: %v", ch.Link, err))))
		}
	default:
		m.links[ch.Link].k.SetUp(ch.Action == topology.Up)
	}
}

// value returns the network as the script gets it, in the file's order.
func (m *topologyMaker) value(t *topology.Topology) starlark.Value {
	hosts, switches, links := starlark.NewDict(len(t.Hosts)), starlark.NewDict(len(t.Switches)), starlark.NewDict(len(t.Links))
	for _, h := range t.Hosts {
		_ = hosts.SetKey(starlark.String(h.Name), m.hosts[h.Name])
	}
	for _, s := range t.Switches {
		_ = switches.SetKey(starlark.String(s.Name), m.switches[s.Name])
	}
	for _, k := range t.Links {
		_ = links.SetKey(starlark.String(k.Name), m.links[k.Name])
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"hosts": hosts, "switches": switches, "links": links})
}
