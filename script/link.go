package script

import (
	"errors"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/lab"
)

const (
	linkSig   = `delay=0, jitter=0, rate=None, queue=100, loss=0.0, mtu=None, offload=False, duplicates=False`
	linkKinds = "duration duration rate int:1.. chance int:68..65535 bool bool"

	linkColumns = "LINK ENDS STATE DELAY JITTER RATE LOSS QUEUE MTU TX-PACKETS TX-BYTES TX-DROPPED RX-PACKETS RX-BYTES RX-DROPPED"
	hostColumns = "NAME STATE ADDRESSES FORWARDING"
)

func linkBuiltins() []*builtin {
	const linked = `l = lab(seed=1); a = l.host("a", "10.0.0.1/24"); b = l.host("b", "10.0.0.2/24"); w = l.link(a, b, delay="20ms"); `
	return []*builtin{
		{Name: "link.set", Sig: "delay=None, jitter=None, rate=None, queue=None, loss=None, mtu=None", Kinds: "duration duration rate int:1.. chance int:68..65535",
			Args: `rate: bits per second, "10mbit", and 0 for no limit (a row of links() keeps its values)`, See: "link.info, lab.link, fault",
			Doc:     "Change the link in force; packets in flight keep their instants, and without jitter their order.",
			Example: linked + `w.set(delay="5ms", rate="10mbit"); a.ping("10.0.0.2", count=1).avg`, Fn: linkChange},
		{Name: "link.info", Result: "struct", Fields: "a b state delay jitter rate queue loss mtu ab ba; ab from a to b and ba back: frames octets delivered lost queue_full faulted drops queued in_flight",
			See: "link.set, lab.links", Doc: "The settings, and counters of each direction: lost by the link's loss, queue_full, faulted by rules.",
			Example: linked + `a.ping("10.0.0.2", count=1); w.info().ab.frames`, Fn: linkInfo},
		{Name: "link.up", See: "link.down", Doc: "Give the link's ends their carrier again.", Example: linked + `w.down(); w.up()`, Fn: linkSet(true)},
		{Name: "link.down", See: "lab.partition", Doc: "Take the carrier from the link's ends; l.partition() loses packets and tells nobody.",
			Example: linked + `w.down(); a.ifaces()[0].state`, Fn: linkSet(false)},
	}
}

func (c *call) linkConfig() lab.LinkConfig {
	return lab.LinkConfig{
		Delay: arg[time.Duration](c, "delay"), Jitter: arg[time.Duration](c, "jitter"), RateBps: arg[uint64](c, "rate"),
		Queue: arg[int](c, "queue"), Loss: arg[float64](c, "loss"), MTU: arg[int](c, "mtu"), Offload: arg[bool](c, "offload"), Duplicates: arg[bool](c, "duplicates"),
	}
}

// linkValue is a link between two hosts, or a host and a switch.
type linkValue struct {
	s    *Session
	w    *task.World
	k    *lab.Link
	a, b string // names of the ends
	name string // from a topology; a-b if the link was made without one
}

func (k *linkValue) String() string        { return "link " + k.label() }
func (k *linkValue) Type() string          { return "link" }
func (k *linkValue) Freeze()               {}
func (k *linkValue) Truth() starlark.Bool  { return true }
func (k *linkValue) Hash() (uint32, error) { return starlark.String(k.a + k.b).Hash() }

// label returns the link's name, or those of its ends.
func (k *linkValue) label() string {
	if k.name != "" {
		return k.name
	}
	return k.a + "-" + k.b
}

// Attr returns a field or a method of the link.
func (k *linkValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "a":
		return starlark.String(k.a), nil
	case "b":
		return starlark.String(k.b), nil
	case "state", "delay", "jitter", "rate", "queue", "loss", "mtu":
		return k.settings()[name], nil
	}
	return suggest.Attr(k, name, k.s.member("link", k, name))
}

// settings returns the link's present settings, and whether it has a carrier.
func (k *linkValue) settings() (d starlark.StringDict) {
	k.s.tasks.Do(k.w, func(clock.Instant) {
		cfg := k.k.Config()
		d = starlark.StringDict{
			"state": linkState(k.k), "delay": registry.Seconds(cfg.Delay), "jitter": registry.Seconds(cfg.Jitter), "rate": linkRate(cfg.RateBps),
			"queue": num(cfg.Queue), "loss": starlark.Float(cfg.Loss), "mtu": num(cfg.MTU),
		}
	})
	return d
}

// AttrNames implements starlark.HasAttrs.
func (k *linkValue) AttrNames() []string {
	return append([]string{"a", "b", "delay", "jitter", "loss", "mtu", "queue", "rate", "state"}, k.s.reg.Members["link"]...)
}

// linkError returns the error err of package lab with the name of the builtin in front. If the addresses of the link
// are duplicates, the text names the argument that allows them.
func (c *call) linkError(err error) error {
	text := strings.TrimPrefix(err.Error(), "link: ")
	if errors.Is(err, lab.ErrDuplicateAddr) {
		text += ": duplicates=True allows it"
	}
	return c.errorf("%s", text)
}

// linkOf returns the value of a link. Each link has one value, so that scripts can compare values.
func (s *Session) linkOf(k *lab.Link, w *task.World) *linkValue {
	if v := s.links[k]; v != nil {
		return v
	}
	v := &linkValue{s: s, w: w, k: k}
	v.a, v.b = k.Ends()
	s.links[k] = v
	return v
}

func labLink(c *call) (starlark.Value, error) {
	l, a, b := c.recv.(*labValue), arg[*hostValue](c, "a"), arg[*hostValue](c, "b")
	if a.lab.lab != l.lab || b.lab.lab != l.lab {
		return nil, c.errorf("both hosts are to be of this lab")
	}
	var k *lab.Link
	var err error
	cfg := c.linkConfig()
	c.planLink(&cfg, a.name, b.name)
	c.t.Do(l.w, func(clock.Instant) { k, err = l.lab.Link(a.h, b.h, cfg) })
	if err != nil {
		return nil, c.linkError(err)
	}
	return c.s.linkOf(k, l.w), nil
}

func linkSet(up bool) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) {
		k := c.recv.(*linkValue)
		c.t.Do(k.w, func(clock.Instant) { k.k.SetUp(up) })
		return starlark.None, nil
	}
}

func linkChange(c *call) (starlark.Value, error) {
	k := c.recv.(*linkValue)
	var cfg lab.LinkConfig
	c.t.Do(k.w, func(clock.Instant) { cfg = k.k.Config() })
	cfg.MTU = 0 // 0 keeps the MTU
	if c.Given("delay") {
		cfg.Delay = arg[time.Duration](c, "delay")
	}
	if c.Given("rate") {
		cfg.RateBps = arg[uint64](c, "rate")
	}
	if c.Given("queue") {
		cfg.Queue = arg[int](c, "queue")
	}
	if c.Given("mtu") {
		cfg.MTU = arg[int](c, "mtu")
	}
	stated := lab.LinkConfig{Jitter: arg[time.Duration](c, "jitter"), Loss: arg[float64](c, "loss")}
	c.planLink(&stated, k.a, k.b)
	if c.Given("jitter") {
		cfg.Jitter = stated.Jitter
	}
	if c.Given("loss") {
		cfg.Loss = stated.Loss
	}
	var err error
	c.t.Do(k.w, func(clock.Instant) { err = k.k.Set(cfg) })
	if err != nil {
		return nil, c.linkError(err)
	}
	return starlark.None, nil
}

func linkInfo(c *call) (starlark.Value, error) {
	k := c.recv.(*linkValue)
	d := k.settings()
	d["a"], d["b"] = starlark.String(k.a), starlark.String(k.b)
	c.t.Do(k.w, func(now clock.Instant) {
		ab, ba := k.k.Stats()
		qab, qba := k.k.Queued(now)
		d["ab"], d["ba"] = flowInfo(&ab, qab), flowInfo(&ba, qba)
	})
	return starlarkstruct.FromStringDict(starlarkstruct.Default, d), nil
}

// flowInfo returns the counters of one direction of a link as a value. queued is the number of frames that wait for the
// transmitter.
func flowInfo(f *lab.Flow, queued int) starlark.Value {
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"frames": num(f.In), "octets": num(f.Octets), "delivered": num(f.Delivered), "lost": num(f.Lost),
		"queue_full": num(f.Drops[drop.LinkQueueFull]), "faulted": num(f.Faulted), "drops": reasonsOf(f),
		"queued": num(queued), "in_flight": num(f.InFlight),
	})
}

// linkState returns UP, or DOWN for a link that link.down has taken down.
func linkState(k *lab.Link) starlark.Value {
	if k.Up() {
		return starlark.String("UP")
	}
	return starlark.String("DOWN")
}

// linkRate returns a rate in bits per second as a value, None if bps is 0, which means no limit.
func linkRate(bps uint64) starlark.Value {
	if bps == 0 {
		return starlark.None
	}
	return num(bps)
}

func linksTable(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	t := c.table(table.Columns(linkColumns)...)
	t.Columns[3].Show, t.Columns[4].Show, t.Columns[5].Show = showMillis, showMillis, showRate
	c.t.Do(l.w, func(clock.Instant) {
		for _, k := range l.lab.Links() {
			v, cfg := c.s.linkOf(k, l.w), k.Config()
			ab, ba := k.Stats()
			r := t.Add(starlark.String(v.label()), linkEnds(k), linkState(k), registry.Seconds(cfg.Delay), registry.Seconds(cfg.Jitter),
				linkRate(cfg.RateBps), starlark.Float(cfg.Loss), num(cfg.Queue), num(cfg.MTU),
				num(ab.In), num(ab.Octets), num(ab.Dropped()), num(ba.In), num(ba.Octets), num(ba.Dropped()))
			r.Actions, r.About = "link", v
		}
	})
	return t, nil
}

// linkEnds returns the interfaces of a link's ends as a list, such as ["a.eth0", "r.eth1"]. The end at a switch is the switch's name.
func linkEnds(k *lab.Link) starlark.Value {
	a, b := k.Ends()
	if p, q := k.Ports(); q != nil {
		a, b = a+"."+p.Iface().Name(), b+"."+q.Iface().Name()
	} else {
		a += "." + p.Iface().Name()
	}
	list := starlark.NewList([]starlark.Value{starlark.String(a), starlark.String(b)})
	list.Freeze()
	return list
}

// showRate returns a rate as tables show it, such as "10mbit".
func showRate(v starlark.Value) string {
	if i, ok := v.(starlark.Int); ok {
		if bps, ok := i.Uint64(); ok {
			return rateText(bps)
		}
	}
	return ""
}

func hostsTable(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	t := c.table(table.Columns(hostColumns)...)
	for _, v := range l.hosts() {
		var addrs []starlark.Value
		state := starlark.String("UP")
		var forwarding bool
		v.do(func(clock.Instant) {
			for _, a := range v.h.Addrs() {
				addrs = append(addrs, starlark.String(a.String()))
			}
			if v.h.Broken() != nil {
				state = "OUT-OF-SERVICE"
			}
			forwarding = v.h.Forwarding()
		})
		list := starlark.NewList(addrs)
		list.Freeze()
		r := t.Add(starlark.String(v.name), state, list, starlark.Bool(forwarding))
		r.Actions, r.About = "host", v
	}
	return t, nil
}
