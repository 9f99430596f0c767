package topology

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/stack"
	"smolsh/stack/lab"
	"smolsh/stack/wire"
)

// The keys that the file may have in each kind of mapping.
var (
	fileKeys   = []string{"hosts", "switches", "links", "timetable"}
	hostKeys   = []string{"addresses", "gateway", "mac", "mtu", "forward", "ipv6", "advertise"}
	switchKeys = []string{"flood"}
	impairKeys = []string{"delay", "jitter", "rate", "queue", "loss", "mtu"}
	linkKeys   = append([]string{"ends", "name", "offload", "duplicates"}, impairKeys...)
	changeKeys = []string{"at", "link", Up, Down, Set, Partition, Heal}
)

// parser holds the part of the topology that was read so far.
type parser struct {
	t     *Topology
	names map[string]string // "host" or "switch", by the name of a host or switch
	links map[string]*Link  // links by name
}

func (p *parser) document(n *yaml.Node) error {
	list, err := entries(n, "the file", fileKeys)
	if err != nil {
		return err
	}
	for _, key := range fileKeys { // in this order, since links name hosts and switches
		i := slices.IndexFunc(list, func(e entry) bool { return e.key.Value == key })
		if i < 0 || list[i].value.Tag == "!!null" {
			continue
		}
		read := map[string]func(*yaml.Node) error{"hosts": p.hosts, "switches": p.switches, "links": p.readLinks, "timetable": p.timetable}[key]
		if err := read(list[i].value); err != nil {
			return err
		}
	}
	return nil
}

// claim records the name of a host or switch, whose kind is what. It refuses an invalid name and a name that is already
// in use.
func (p *parser) claim(k *yaml.Node, what string) error {
	if err := lab.CheckName(k.Value); err != nil {
		return errorAt(k, "%v", err)
	}
	if p.names[k.Value] != "" {
		return errorAt(k, "a %s is named %s already", p.names[k.Value], k.Value)
	}
	p.names[k.Value] = what
	return nil
}

func (p *parser) hosts(n *yaml.Node) error {
	list, err := entries(n, "hosts", nil)
	if err != nil {
		return err
	}
	for _, e := range list {
		h := Host{Line: e.key.Line}
		h.Name = e.key.Value
		if err := p.claim(e.key, "host"); err != nil {
			return err
		}
		if e.value.Kind != yaml.MappingNode {
			err = h.addresses(e.value)
		} else {
			err = h.read(e.value)
		}
		if err != nil {
			return err
		}
		p.t.Hosts = append(p.t.Hosts, h)
	}
	for i := range p.t.Hosts {
		if err := p.resolveGateway(&p.t.Hosts[i]); err != nil {
			return err
		}
	}
	return nil
}

// addresses reads one address or a list. A host with several addresses of one family forwards packets, unless the key forward changes
// that.
func (h *Host) addresses(n *yaml.Node) error {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, n := range nodes {
		a, err := scalar[netip.Prefix](n, "an address of "+h.Name, registry.KindCIDR)
		if err != nil {
			return err
		}
		h.Addrs = append(h.Addrs, a)
	}
	h.Forward = ForwardsByDefault(h.Addrs)
	return nil
}

func (h *Host) read(n *yaml.Node) error {
	list, err := entries(n, "host "+h.Name, hostKeys)
	if err != nil {
		return err
	}
	forward := false
	slices.SortStableFunc(list, func(a, b entry) int { // the key forward is read after addresses, whose default it overrides
		return cmp.Compare(slices.Index(hostKeys, a.key.Value), slices.Index(hostKeys, b.key.Value))
	})
	for _, e := range list {
		switch e.key.Value {
		case "addresses":
			err = h.addresses(e.value)
		case "gateway":
			h.gateway = e.value
		case "mac":
			h.MAC, err = scalar[wire.HardwareAddr](e.value, "mac", registry.KindMAC)
		case "mtu":
			h.MTU, err = scalar[int](e.value, "mtu", "int:68..65535")
		case "forward":
			h.Forward, err = scalar[bool](e.value, "forward", registry.KindBool)
			forward = true
		case "ipv6":
			err = h.speak(e.value)
		case "advertise":
			h.Advertise, err = advertising(e.value)
			h.Forward = h.Forward || h.Advertise != nil && !forward
		}
		if err != nil {
			return err
		}
	}
	if err := Check(&h.HostConfig); err != nil {
		return errorAt(n, "host %s: %v", h.Name, err)
	}
	return nil
}

// speak reads the key ipv6.
func (h *Host) speak(n *yaml.Node) error {
	on, err := scalar[bool](n, "ipv6", registry.KindBool)
	h.IPv6 = lab.IPv6Off
	if on {
		h.IPv6 = lab.IPv6On
	}
	return err
}

// advertising reads the key advertise: true, false or a mapping.
func advertising(n *yaml.Node) (*stack.Advertising, error) {
	if n.Kind != yaml.MappingNode {
		on, err := scalar[bool](n, "advertise, which may be a mapping,", registry.KindBool)
		if err != nil || !on {
			return nil, err
		}
		return &stack.Advertising{}, nil
	}
	list, err := entries(n, "advertise", advertiseKeys)
	if err != nil {
		return nil, err
	}
	keys, values := []string{}, map[string]starlark.Value{}
	for _, e := range list {
		keys = append(keys, e.key.Value)
		if values[e.key.Value], err = anyValue(e.value, e.key.Value); err != nil {
			return nil, err
		}
	}
	a, err := Advertising(keys, func(key string) starlark.Value { return values[key] })
	if err != nil {
		return nil, errorAt(n, "%v", err)
	}
	return a, nil
}

// anyValue returns a scalar or a list of scalars as a script would write it.
func anyValue(n *yaml.Node, what string) (starlark.Value, error) {
	if n.Kind != yaml.SequenceNode {
		return scalar[starlark.Value](n, what, registry.KindAny)
	}
	list := starlark.NewList(nil)
	for _, n := range n.Content {
		v, err := scalar[starlark.Value](n, what, registry.KindAny)
		if err != nil {
			return nil, err
		}
		_ = list.Append(v)
	}
	return list, nil
}

// resolveGateway sets the host's gateways from the file's address or name of a host, or a list of those. Each must be on
// one of the host's networks.
func (p *parser) resolveGateway(h *Host) error {
	n := h.gateway
	if n == nil {
		return nil
	}
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, n := range nodes {
		if err := p.addGateway(h, n); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) addGateway(h *Host, n *yaml.Node) (err error) {
	i := slices.IndexFunc(p.t.Hosts, func(o Host) bool { return o.Name == n.Value })
	a, bad := netip.ParseAddr(n.Value)
	switch {
	case n.Kind == yaml.ScalarNode && bad == nil:
		err = SetGateway(&h.HostConfig, a)
	case n.Kind != yaml.ScalarNode || i < 0:
		err = fmt.Errorf("the gateway is an address or a host, got %s%s", describe(n), p.nearest(n.Value, "host"))
	default:
		err = SetGatewayHost(&h.HostConfig, n.Value, p.t.Hosts[i].Addrs)
	}
	if err != nil {
		return errorAt(n, "%v", err)
	}
	return nil
}

// nearest returns the hint that follows the error about an unknown name: the most similar name of the kind what ("host"
// or "switch"), or of either kind if the argument what is "".
func (p *parser) nearest(name, what string) string {
	var known []string
	for n, is := range p.names {
		if what == "" || is == what {
			known = append(known, n)
		}
	}
	if n := suggest.Nearest(name, known); n != "" {
		return " (did you mean " + n + "?)"
	}
	return ""
}

func (p *parser) switches(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		for _, k := range n.Content {
			if k.Kind != yaml.ScalarNode {
				return errorAt(k, "a switch of a list is a name, got %s", describe(k))
			}
			if err := p.claim(k, "switch"); err != nil {
				return err
			}
			p.t.Switches = append(p.t.Switches, Switch{Name: k.Value, Line: k.Line})
		}
		return nil
	}
	list, err := entries(n, "switches", nil)
	if err != nil {
		return err
	}
	for _, e := range list {
		s := Switch{Name: e.key.Value, Line: e.key.Line}
		if err := p.claim(e.key, "switch"); err != nil {
			return err
		}
		if e.value.Tag != "!!null" {
			keys, err := entries(e.value, "switch "+s.Name, switchKeys)
			if err != nil {
				return err
			}
			for _, k := range keys {
				if s.Flood, err = scalar[int](k.value, "flood", "int:0..1000000000"); err != nil {
					return err
				}
			}
		}
		p.t.Switches = append(p.t.Switches, s)
	}
	return nil
}

func (p *parser) readLinks(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return errorAt(n, "links is a list, got %s", describe(n))
	}
	for _, n := range n.Content {
		k, err := p.link(n)
		if err != nil {
			return err
		}
		if p.links[k.Name] != nil {
			return errorAt(n, "there is a link %s already: give this one a name", k.Name)
		}
		p.t.Links = append(p.t.Links, *k)
		p.links[k.Name] = k
	}
	return nil
}

func (p *parser) link(n *yaml.Node) (*Link, error) {
	k := &Link{Line: n.Line}
	if n.Kind == yaml.SequenceNode { // - [a, b]
		return k, p.ends(n, k)
	}
	list, err := entries(n, "a link", linkKeys)
	if err != nil {
		return nil, err
	}
	var ends, mtu *yaml.Node
	for _, e := range list {
		switch e.key.Value {
		case "ends":
			ends, err = e.value, nil
		case "name":
			k.Name, err = scalar[string](e.value, "name", registry.KindStr)
		case "offload":
			k.Offload, err = scalar[bool](e.value, "offload", registry.KindBool)
		case "duplicates":
			k.Duplicates, err = scalar[bool](e.value, "duplicates", registry.KindBool)
		default:
			var set func(*lab.LinkConfig)
			if set, err = impairment(e); err == nil {
				set(&k.LinkConfig)
			}
			if e.key.Value == "mtu" {
				mtu = e.value
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if ends == nil {
		return nil, errorAt(n, "a link has ends, such as ends: [a, b]")
	}
	if err := p.ends(ends, k); err != nil {
		return nil, err
	}
	if mtu != nil {
		return k, p.checkMTU(k, k.MTU, mtu)
	}
	return k, nil
}

// ends reads the names of the two ends of a link. If one end is a switch, ends stores it as k.B. It refuses a link
// between two switches.
func (p *parser) ends(n *yaml.Node, k *Link) error {
	a, b, err := p.pair(n, "ends", "")
	if err != nil {
		return err
	}
	if k.Name == "" {
		k.Name = a + "-" + b
	}
	if p.names[a] == "switch" {
		a, b = b, a
	}
	if p.names[a] == "switch" {
		return errorAt(n, "a link joins two hosts, or a host and a switch")
	}
	k.A, k.B = a, b
	return nil
}

// pair reads a list of two different names, the value of key. The argument what is the kind of both, "host" or
// "switch". If the argument what is "", both kinds are allowed.
func (p *parser) pair(n *yaml.Node, key, what string) (a, b string, err error) {
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
		return "", "", errorAt(n, "%s is a list of two names, such as [a, b], got %s", key, describe(n))
	}
	for _, x := range n.Content {
		if is := p.names[x.Value]; x.Kind != yaml.ScalarNode || is == "" || what != "" && is != what {
			named := "host or switch"
			if what != "" {
				named = what
			}
			return "", "", errorAt(x, "no %s is named %s%s", named, x.Value, p.nearest(x.Value, what))
		}
	}
	if a, b = n.Content[0].Value, n.Content[1].Value; a == b {
		return "", "", errorAt(n, "%s are two", key)
	}
	return a, b, nil
}

// checkMTU returns an error if the MTU of a link is larger than the MTU that the file sets for one of the link's hosts.
func (p *parser) checkMTU(k *Link, mtu int, n *yaml.Node) error {
	for _, h := range p.t.Hosts {
		if (h.Name == k.A || h.Name == k.B) && h.MTU != 0 && mtu > h.MTU {
			return errorAt(n, "mtu %d is more than the mtu %d of host %s", mtu, h.MTU, h.Name)
		}
	}
	return nil
}

// impairment reads the entry e of a link or of a change, and returns a function that sets the entry's field in a
// LinkConfig. The function is nil if the key is not that of an impairment.
func impairment(e entry) (set func(*lab.LinkConfig), err error) {
	switch key, n := e.key.Value, e.value; key {
	case "delay", "jitter":
		var d time.Duration
		d, err = scalar[time.Duration](n, key, registry.KindDuration)
		set = func(c *lab.LinkConfig) { c.Delay = d }
		if key == "jitter" {
			set = func(c *lab.LinkConfig) { c.Jitter = d }
		}
	case "rate":
		var bps uint64
		bps, err = scalar[uint64](n, key, registry.KindRate)
		set = func(c *lab.LinkConfig) { c.RateBps = bps }
	case "queue":
		var frames int
		frames, err = scalar[int](n, key, "int:1..65536")
		set = func(c *lab.LinkConfig) { c.Queue = frames }
	case "loss":
		var p float64
		p, err = chance(n)
		set = func(c *lab.LinkConfig) { c.Loss = p }
	case "mtu":
		var octets int
		octets, err = scalar[int](n, key, "int:68..65535")
		set = func(c *lab.LinkConfig) { c.MTU = octets }
	}
	return set, err
}

// chance reads a probability: 0 to 1, or percent.
func chance(n *yaml.Node) (float64, error) {
	if s, ok := strings.CutSuffix(n.Value, "%"); ok && n.Kind == yaml.ScalarNode {
		if p, err := strconv.ParseFloat(s, 64); err == nil && p >= 0 && p <= 100 {
			return p / 100, nil
		}
	}
	return scalar[float64](n, `loss, which may be "5%",`, registry.KindChance)
}

// scalar converts the node n to a value of the kind k. The argument what names the value in errors.
func scalar[T any](n *yaml.Node, what string, k registry.Kind) (x T, err error) {
	wrong := func(why string) error {
		return errorAt(n, "%s is %s, got %s%s", what, k.Describe(), describe(n), why)
	}
	if n.Kind != yaml.ScalarNode {
		return x, wrong("")
	}
	var v starlark.Value = starlark.String(n.Value)
	switch n.Tag {
	case "!!null":
		return x, wrong("")
	case "!!bool":
		v = starlark.Bool(strings.EqualFold(n.Value, "true"))
	case "!!int":
		i, err := strconv.ParseInt(n.Value, 0, 64)
		if err != nil {
			return x, wrong("")
		}
		v = starlark.MakeInt64(i)
	case "!!float":
		f, err := strconv.ParseFloat(n.Value, 64)
		if err != nil {
			return x, wrong("")
		}
		v = starlark.Float(f)
	}
	if k == registry.KindStr || k == registry.KindMAC {
		v = starlark.String(n.Value)
	}
	got, err := k.Convert(v)
	if err != nil {
		return x, wrong("")
	}
	return got.(T), nil
}
