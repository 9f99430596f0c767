package script

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/suggest"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// labValue is a lab: hosts, links and a seed in a world.
type labValue struct {
	s   *Session
	w   *world
	lab *lab.Lab
}

func (l *labValue) String() string        { return fmt.Sprintf("lab of %d hosts", len(l.lab.Hosts())) }
func (l *labValue) Type() string          { return "lab" }
func (l *labValue) Freeze()               {}
func (l *labValue) Truth() starlark.Bool  { return true }
func (l *labValue) Hash() (uint32, error) { return uint32(l.lab.Seed()), nil }

// Attr is a field or a method of the lab.
func (l *labValue) Attr(name string) (starlark.Value, error) {
	if name == "seed" {
		return starlark.MakeUint64(l.lab.Seed()), nil
	}
	if name == "wire" {
		return nil, fmt.Errorf("lab.wire is not there yet")
	}
	return suggest.Attr(l, name, l.s.member("lab", l, name))
}

// AttrNames is starlark.HasAttrs'.
func (l *labValue) AttrNames() []string { return append([]string{"seed"}, l.s.reg.members["lab"]...) }

const linkSig = `delay=0, jitter=0, rate=None, queue=100, loss=0.0, mtu=None, offload=False`
const linkKinds = "duration duration rate int:1.. chance int:68..65535 bool"

func labBuiltins() []*builtin {
	const two = `l = lab(seed=1); a = l.host("a", "10.0.0.1/24"); b = l.host("b", "10.0.0.2/24"); `
	const switched = two + `s = l.switch("s"); s.attach(a); s.attach(b); `
	const linked = two + `w = l.link(a, b, delay="20ms"); `
	return []*builtin{
		{name: "lab", sig: "seed=1", kinds: "int:0..", result: "lab",
			doc: "A virtual lab; its seed is mixed with the run's.", example: linked + `a.ping("10.0.0.2", count=1).avg`, see: "lab.host, lab.link", fn: newLab},
		{name: "lab.host", sig: "name, *addresses, mac=None, gateway=None, mtu=1500, forward=None, share=True", kinds: "str mac ip int:68..65535 bool bool",
			args: "forward: whether it sends packets for others on, as a router does (where it is not said, one of several addresses does); share: whether it is put beside the shell's host on its TAP, in the live lab, and takes its first address there", result: "host",
			doc: "Add a host; each link takes its next address.", example: `lab().host("r", "10.0.0.254/24", "10.0.1.254/24").name`, fn: labHost},
		{name: "lab.link", sig: "a, b, " + linkSig, kinds: "host host " + linkKinds, args: "a: one host; b: the other", result: "link",
			doc: "Join two hosts.", example: two + `l.link(a, b, delay="20ms", rate="10mbit")`, fn: labLink},
		{name: "lab.switch", sig: "name, flood=None", kinds: "str int:0..1000000000", args: floodArg, result: "switch", see: "switch.ports, switch.stations",
			doc: "Add a learning switch.", example: `lab().switch("s", flood=1000)`, fn: labSwitch},
		{name: "lab.switches", result: "list",
			doc: "The switches of the lab, the one of a shared TAP among them.", example: `lab().switches()`, fn: labSwitches},
		{name: "switch.attach", sig: "host, " + linkSig, kinds: "host " + linkKinds, result: "link",
			doc: "Join a host to the switch.", example: switched + `b.ping("10.0.0.1", count=1).received`, fn: switchAttach},
		{name: "switch.set", sig: "flood", kinds: "int:0..1000000000", args: floodArg,
			doc: "Limit what each port floods.", example: switched + `s.set(flood=100)`, fn: switchSet},
		{name: "switch.ports", result: "table", fields: fieldsOf(portColumns),
			doc: "The ports and what passed them: RX came in there, TX left; FLOODED of what came in went to every other port.", example: switched + `s.ports()["a"].drops.get("flood limit", 0)`, fn: portsTable},
		{name: "switch.stations", result: "table", fields: fieldsOf(stationColumns),
			doc: "The addresses the switch has learnt, and at which port.", example: switched + `s.stations().cols("hwaddr", "port")`, fn: stationsTable},
		{name: "lab.run", sig: "d", kinds: "duration",
			doc: "Let that much time pass.", example: linked + `l.run("2s")`, fn: labRun},
		{name: "lab.run_until", sig: `fn, within="1m"`, kinds: "fn duration", args: "fn: asked after each event; within: how long to go on",
			doc: "Let time pass until fn() is true; an error when it does not come true.", example: linked + `t = spawn(a.ping, "10.0.0.2", count=1); l.run_until(lambda: t.done)`, fn: labRunUntil},
		{name: "lab.step", result: "bool",
			doc: "Let the next event happen; False when there is none.", example: linked + `l.step()`, fn: labStep},
		{name: "lab.now", result: "float",
			doc: "Seconds since the start.", example: `lab().now()`, fn: labNow},
		{name: "lab.partition", sig: "a, b", kinds: "host host",
			doc: "Let nothing pass between two hosts.", example: linked + `l.partition(a, b)`, fn: labPartition},
		{name: "lab.heal",
			doc: "End every partition.", example: linked + `l.partition(a, b); l.heal()`, fn: labHeal},
		{name: "lab.capture", sig: "path, filter=None", kinds: "outfile str", result: "capture",
			doc: "Write every packet of every host to a file.", example: two + `l.capture("x.pcapng")`, fn: labCapture},
		{name: "link.up", doc: "Let the link carry packets.", example: linked + `w.up()`, fn: linkSet(true)},
		{name: "link.down", doc: "Stop the link from carrying packets.", example: linked + `w.down()`, fn: linkSet(false)},
	}
}

func newLab(c *call) (starlark.Value, error) {
	w := c.s.virtual()
	l := &labValue{s: c.s, w: w}
	seed := mixSeed(c.s.cfg.Seed, uint64(arg[int](c, "seed")))
	c.s.do(w, func(clock.Instant) { l.lab = lab.New(w.World(), seed) })
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
		p, err := kindCIDR.convert(v)
		if err != nil {
			return nil, c.errorf("an address is %s, got %s %v", kindCIDR.describe(), v.Type(), v)
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
	c.t.do(l.w, func(clock.Instant) {
		if h, err = l.lab.AddHost(cfg); err == nil && share {
			err = c.s.share(h)
		}
	})
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	v := c.s.hostOf(h, l, cfg.Name)
	c.s.keep(v)
	return v, nil
}

// share puts h beside the shell's host on that one's device, by a link that costs nothing. Where there is no device
// that could be shared, h is left for links.
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

// linkValue is a link between two hosts, or a host and a switch.
type linkValue struct {
	s    *Session
	w    *world
	k    *lab.Link
	a, b string
}

func (k *linkValue) String() string        { return "link " + k.a + "-" + k.b }
func (k *linkValue) Type() string          { return "link" }
func (k *linkValue) Freeze()               {}
func (k *linkValue) Truth() starlark.Bool  { return true }
func (k *linkValue) Hash() (uint32, error) { return starlark.String(k.a + k.b).Hash() }

// Attr is a method of the link.
func (k *linkValue) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(k, name, k.s.member("link", k, name))
}

// AttrNames is starlark.HasAttrs'.
func (k *linkValue) AttrNames() []string { return k.s.reg.members["link"] }

func labLink(c *call) (starlark.Value, error) {
	l, a, b := c.recv.(*labValue), arg[*hostValue](c, "a"), arg[*hostValue](c, "b")
	if a.lab.lab != l.lab || b.lab.lab != l.lab {
		return nil, c.errorf("both hosts are to be of this lab")
	}
	v := &linkValue{s: c.s, w: l.w, a: a.name, b: b.name}
	var err error
	cfg := c.linkConfig()
	c.planLink(&cfg, a.name, b.name)
	c.t.do(l.w, func(clock.Instant) { v.k, err = l.lab.Link(a.h, b.h, cfg) })
	if err != nil {
		return nil, c.errorf("%s", strings.TrimPrefix(err.Error(), "link: "))
	}
	return v, nil
}

func linkSet(up bool) func(c *call) (starlark.Value, error) {
	return func(c *call) (starlark.Value, error) {
		k := c.recv.(*linkValue)
		c.t.do(k.w, func(clock.Instant) { k.k.SetUp(up) })
		return starlark.None, nil
	}
}

func labRun(c *call) (starlark.Value, error) {
	w := c.recv.(*labValue).w
	defer w.drive()()
	return starlark.None, c.t.sleep(w, arg[time.Duration](c, "d"))
}

// labRunUntil asks fn after each event of a virtual world, and every millisecond of a live one.
func labRunUntil(c *call) (starlark.Value, error) {
	l, fn, within := c.recv.(*labValue), arg[starlark.Callable](c, "fn"), arg[time.Duration](c, "within")
	defer l.w.drive()()
	deadline := l.w.Now().Add(within)
	late := false
	var ev *lab.Event
	c.t.do(l.w, func(clock.Instant) {
		ev = l.w.World().At(deadline, func(clock.Instant) { late = true; c.s.makeReady(c.t) })
	})
	defer c.t.do(l.w, func(clock.Instant) { ev.Stop() })
	for {
		v, err := starlark.Call(c.t.thread, fn, nil, nil)
		if err != nil {
			return nil, err
		}
		if v.Truth() {
			return starlark.True, nil
		}
		expired := false
		c.t.do(l.w, func(clock.Instant) { expired = late })
		if expired {
			return nil, c.errorf("%s() did not come true within %s", fn.Name(), shortDuration(within))
		}
		if l.w.Virtual() {
			l.w.steppers = append(l.w.steppers, c.t)
			c.t.park(l.w, fn.Name()+"() to come true")
			err = c.t.fail
		} else {
			err = c.t.sleep(l.w, time.Millisecond)
		}
		if err != nil {
			return nil, err
		}
	}
}

// shortDuration is d without the zeros that Go ends it with: 1m, not 1m0s.
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
	// Tasks that are ready go first: what they do may be the next event.
	if err := c.t.yield(); err != nil {
		return nil, err
	}
	happened := false
	c.s.idle(func() { happened = l.w.World().Step() })
	if err := c.t.yield(); err != nil {
		return nil, err
	}
	return starlark.Bool(happened), nil
}

func labNow(c *call) (starlark.Value, error) {
	return starlark.Float(c.recv.(*labValue).w.Now().Seconds()), nil
}

func labPartition(c *call) (starlark.Value, error) {
	l, a, b := c.recv.(*labValue), arg[*hostValue](c, "a"), arg[*hostValue](c, "b")
	c.t.do(l.w, func(clock.Instant) { l.lab.Partition(a.h, b.h) })
	return starlark.None, nil
}

func labHeal(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	c.t.do(l.w, func(clock.Instant) { l.lab.Heal() })
	return starlark.None, nil
}
