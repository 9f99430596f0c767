package script

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// labValue is a lab as scripts see it: hosts and links in a world, with a seed.
type labValue struct {
	s   *Session
	w   *task.World
	lab *lab.Lab
}

func (l *labValue) String() string        { return fmt.Sprintf("lab of %d hosts", len(l.lab.Hosts())) }
func (l *labValue) Type() string          { return "lab" }
func (l *labValue) Freeze()               {}
func (l *labValue) Truth() starlark.Bool  { return true }
func (l *labValue) Hash() (uint32, error) { return uint32(l.lab.Seed()), nil }

// Attr returns a field or a method of the lab.
func (l *labValue) Attr(name string) (starlark.Value, error) {
	if name == "seed" {
		return starlark.MakeUint64(l.lab.Seed()), nil
	}
	if name == "wire" {
		return nil, fmt.Errorf("lab.wire is not there yet")
	}
	return suggest.Attr(l, name, l.s.member("lab", l, name))
}

// AttrNames implements starlark.HasAttrs.
func (l *labValue) AttrNames() []string { return append([]string{"seed"}, l.s.reg.Members["lab"]...) }

const linkSig = `delay=0, jitter=0, rate=None, queue=100, loss=0.0, mtu=None, offload=False`
const linkKinds = "duration duration rate int:1.. chance int:68..65535 bool"

func labBuiltins() []*builtin {
	const two = `l = lab(seed=1); a = l.host("a", "10.0.0.1/24"); b = l.host("b", "10.0.0.2/24"); `
	const switched = two + `s = l.switch("s"); s.attach(a); s.attach(b); `
	const linked = two + `w = l.link(a, b, delay="20ms"); `
	return []*builtin{
		{Name: "lab", Sig: "seed=1", Kinds: "int:0..", Result: "lab",
			Doc: "Make a virtual lab; its seed is mixed with the run's seed.", Example: linked + `a.ping("10.0.0.2", count=1).avg`, See: "lab.host, lab.link", Fn: newLab},
		{Name: "lab.host", Sig: "name, *addresses, mac=None, gateway=None, mtu=1500, forward=None, share=True", Kinds: "str mac ip int:68..65535 bool bool",
			Args: "forward: whether it forwards packets, as a router does (by default with several addresses); share: whether, in the live lab, it joins the shell's host on the TAP and uses its first address there", Result: "host",
			Doc: "Add a host; each new link uses the host's next address.", Example: `lab().host("r", "10.0.0.254/24", "10.0.1.254/24").name`, Fn: labHost},
		{Name: "lab.link", Sig: "a, b, " + linkSig, Kinds: "host host " + linkKinds, Args: "a: one host; b: the other", Result: "link",
			Doc: "Link two hosts.", Example: two + `l.link(a, b, delay="20ms", rate="10mbit")`, Fn: labLink},
		{Name: "lab.switch", Sig: "name, flood=None", Kinds: "str int:0..1000000000", Args: floodArg, Result: "switch", See: "switch.ports, switch.stations",
			Doc: "Add a learning switch.", Example: `lab().switch("s", flood=1000)`, Fn: labSwitch},
		{Name: "lab.switches", Result: "list",
			Doc: "Return the switches of the lab, with that of a shared TAP.", Example: `lab().switches()`, Fn: labSwitches},
		{Name: "switch.attach", Sig: "host, " + linkSig, Kinds: "host " + linkKinds, Result: "link",
			Doc: "Link a host to the switch.", Example: switched + `b.ping("10.0.0.1", count=1).received`, Fn: switchAttach},
		{Name: "switch.set", Sig: "flood", Kinds: "int:0..1000000000", Args: floodArg,
			Doc: "Limit the rate at which each port floods frames.", Example: switched + `s.set(flood=100)`, Fn: switchSet},
		{Name: "switch.ports", Result: "table", Fields: fieldsOf(portColumns),
			Doc: "The ports: frames received (RX) and sent (TX), and received frames sent to every other port (FLOODED).", Example: switched + `s.ports()["a"].drops.get("flood limit", 0)`, Fn: portsTable},
		{Name: "switch.stations", Result: "table", Fields: fieldsOf(stationColumns),
			Doc: "The hardware addresses that the switch has learnt, with their ports.", Example: switched + `s.stations().cols("hwaddr", "port")`, Fn: stationsTable},
		{Name: "lab.run", Sig: "d", Kinds: "duration",
			Doc: "Run the lab for a time.", Example: linked + `l.run("2s")`, Fn: labRun},
		{Name: "lab.run_until", Sig: `fn, within="1m"`, Kinds: "fn duration", Args: "fn: a function, called after each event; within: the longest time to run",
			Doc: "Run the lab until fn() is true; an error if it is not true within that time.", Example: linked + `t = spawn(a.ping, "10.0.0.2", count=1); l.run_until(lambda: t.done)`, Fn: labRunUntil},
		{Name: "lab.step", Result: "bool",
			Doc: "Run the next event; returns False if there is none.", Example: linked + `l.step()`, Fn: labStep},
		{Name: "lab.now", Result: "float",
			Doc: "Return the seconds since the start of the lab.", Example: `lab().now()`, Fn: labNow},
		{Name: "lab.partition", Sig: "a, b", Kinds: "host host",
			Doc: "Drop every packet between two hosts.", Example: linked + `l.partition(a, b)`, Fn: labPartition},
		{Name: "lab.heal",
			Doc: "End every partition.", Example: linked + `l.partition(a, b); l.heal()`, Fn: labHeal},
		{Name: "lab.capture", Sig: "path, filter=None", Kinds: "outfile str", Result: "capture",
			Doc: "Write every packet of every host to a file.", Example: two + `l.capture("x.pcapng")`, Fn: labCapture},
		{Name: "link.up", Doc: "Switch the link on.", Example: linked + `w.up()`, Fn: linkSet(true)},
		{Name: "link.down", Doc: "Switch the link off.", Example: linked + `w.down()`, Fn: linkSet(false)},
	}
}

func newLab(c *call) (starlark.Value, error) {
	w := c.s.virtual()
	l := &labValue{s: c.s, w: w}
	seed := mixSeed(c.s.cfg.Seed, uint64(arg[int](c, "seed")))
	c.s.tasks.Do(w, func(clock.Instant) { l.lab = lab.New(w.World(), seed) })
	return l, nil
}

// mixSeed mixes a lab's seed with the run's (splitmix64's finaliser).
func mixSeed(run, own uint64) uint64 {
	x := run*0x9e3779b97f4a7c15 + own
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func labHost(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	cfg := lab.HostConfig{
		Name: arg[string](c, "name"), MTU: arg[int](c, "mtu"),
		MAC: arg[hardwareAddr](c, "mac"), Gateway: arg[netip.Addr](c, "gateway"), Forward: len(c.Rest) > 1,
	}
	if c.given("forward") {
		cfg.Forward = arg[bool](c, "forward")
	}
	reached := !cfg.Gateway.IsValid()
	for _, v := range c.Rest {
		p, err := registry.KindCIDR.Convert(v)
		if err != nil {
			return nil, c.errorf("an address is %s, got %s %v", registry.KindCIDR.Describe(), v.Type(), v)
		}
		if p.(netip.Prefix).Addr().Is6() {
			return nil, c.errorf("%v: %v", p, errNoIPv6)
		}
		cfg.Addrs = append(cfg.Addrs, p.(netip.Prefix))
		reached = reached || p.(netip.Prefix).Masked().Contains(cfg.Gateway)
	}
	if !reached {
		return nil, c.errorf("the gateway %v is on no network of the host's addresses", cfg.Gateway)
	}
	var h *lab.Host
	var err error
	share := arg[bool](c, "share") && l.lab == c.s.cfg.Lab && len(cfg.Addrs) > 0
	c.t.Do(l.w, func(clock.Instant) {
		if h, err = l.lab.AddHost(cfg); err == nil && share {
			err = c.s.share(h)
		}
	})
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	v := c.s.hostOf(h, l, cfg.Name)
	c.s.record(v)
	return v, nil
}

// share connects h to the device of the shell's host, by a link without delay. If no device can be shared, h stays
// without a link.
func (s *Session) share(h *lab.Host) error {
	for _, p := range s.cfg.Local.Ports() {
		sw, err := p.Share()
		if err != nil {
			continue
		}
		_, err = sw.Attach(h, lab.LinkConfig{Offload: true})
		return err
	}
	return nil
}

func (c *call) linkConfig() lab.LinkConfig {
	return lab.LinkConfig{
		Delay: arg[time.Duration](c, "delay"), Jitter: arg[time.Duration](c, "jitter"), RateBps: arg[uint64](c, "rate"),
		Queue: arg[int](c, "queue"), Loss: arg[float64](c, "loss"), MTU: arg[int](c, "mtu"), Offload: arg[bool](c, "offload"),
	}
}

// linkValue is a link between two hosts, or between a host and a switch.
type linkValue struct {
	s    *Session
	w    *task.World
	k    *lab.Link
	a, b string
}

func (k *linkValue) String() string        { return "link " + k.a + "-" + k.b }
func (k *linkValue) Type() string          { return "link" }
func (k *linkValue) Freeze()               {}
func (k *linkValue) Truth() starlark.Bool  { return true }
func (k *linkValue) Hash() (uint32, error) { return starlark.String(k.a + k.b).Hash() }

// Attr returns a method of the link.
func (k *linkValue) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(k, name, k.s.member("link", k, name))
}

// AttrNames implements starlark.HasAttrs.
func (k *linkValue) AttrNames() []string { return k.s.reg.Members["link"] }

func labLink(c *call) (starlark.Value, error) {
	l, a, b := c.recv.(*labValue), arg[*hostValue](c, "a"), arg[*hostValue](c, "b")
	if a.lab.lab != l.lab || b.lab.lab != l.lab {
		return nil, c.errorf("both hosts are to be of this lab")
	}
	v := &linkValue{s: c.s, w: l.w, a: a.name, b: b.name}
	var err error
	cfg := c.linkConfig()
	c.planLink(&cfg, a.name, b.name)
	c.t.Do(l.w, func(clock.Instant) { v.k, err = l.lab.Link(a.h, b.h, cfg) })
	if err != nil {
		return nil, c.errorf("%s", strings.TrimPrefix(err.Error(), "link: "))
	}
	return v, nil
}

func linkSet(up bool) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) {
		k := c.recv.(*linkValue)
		c.t.Do(k.w, func(clock.Instant) { k.k.SetUp(up) })
		return starlark.None, nil
	}
}

func labRun(c *call) (starlark.Value, error) {
	w := c.recv.(*labValue).w
	defer w.Drive()()
	return starlark.None, c.t.Sleep(w, arg[time.Duration](c, "d"))
}

// labRunUntil calls fn after each event of a virtual world, and every millisecond in a live world.
func labRunUntil(c *call) (starlark.Value, error) {
	l, fn, within := c.recv.(*labValue), arg[starlark.Callable](c, "fn"), arg[time.Duration](c, "within")
	defer l.w.Drive()()
	deadline := l.w.Now().Add(within)
	late := false
	var ev *lab.Event
	c.t.Do(l.w, func(clock.Instant) {
		ev = l.w.World().At(deadline, func(clock.Instant) { late = true; c.t.Wake() })
	})
	defer c.t.Do(l.w, func(clock.Instant) { ev.Stop() })
	for {
		v, err := starlark.Call(c.t.thread, fn, nil, nil)
		if err != nil {
			return nil, err
		}
		if v.Truth() {
			return starlark.True, nil
		}
		expired := false
		c.t.Do(l.w, func(clock.Instant) { expired = late })
		if expired {
			return nil, c.errorf("%s() did not come true within %s", fn.Name(), shortDuration(within))
		}
		if l.w.Virtual() {
			err = c.t.AwaitEvent(l.w, fn.Name()+"() to come true")
		} else {
			err = c.t.Sleep(l.w, time.Millisecond)
		}
		if err != nil {
			return nil, err
		}
	}
}

// shortDuration returns d in Go's syntax without zero units at the end: 1m instead of 1m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func labStep(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	if !l.w.Virtual() {
		return nil, c.errorf("this lab runs by the wall clock, nobody can step it")
	}
	// Tasks that are ready run first, since their actions may cause the next event.
	if err := c.t.Yield(); err != nil {
		return nil, err
	}
	happened := c.s.tasks.Step(l.w)
	if err := c.t.Yield(); err != nil {
		return nil, err
	}
	return starlark.Bool(happened), nil
}

func labNow(c *call) (starlark.Value, error) {
	return starlark.Float(c.recv.(*labValue).w.Now().Seconds()), nil
}

func labPartition(c *call) (starlark.Value, error) {
	l, a, b := c.recv.(*labValue), arg[*hostValue](c, "a"), arg[*hostValue](c, "b")
	c.t.Do(l.w, func(clock.Instant) { l.lab.Partition(a.h, b.h) })
	return starlark.None, nil
}

func labHeal(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	c.t.Do(l.w, func(clock.Instant) { l.lab.Heal() })
	return starlark.None, nil
}
