package script

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/kernel"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/script/topology"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// labValue is a lab as scripts see it: a seed, and hosts and links in a world.
type labValue struct {
	s   *Session
	w   *task.World
	lab *lab.Lab

	tracer *labTracer // nil without l.trace or --trace
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
	return suggest.Attr(l, name, l.s.member("lab", l, name))
}

// AttrNames implements starlark.HasAttrs.
func (l *labValue) AttrNames() []string { return append([]string{"seed"}, l.s.reg.Members["lab"]...) }

// hostArgs explains the arguments of lab.host.
const hostArgs = "addresses: of either family, with prefix length (without any the host speaks IPv6, and takes what routers advertise); " +
	"gateway: an address or a host, or a list of one for each family; " +
	"mtu: octets of the longest packet, without it 1500 or the link's; " +
	"forward: whether it forwards packets, as a router does (by default with several addresses of a family); " +
	"advertise: for a router of IPv6 that its hosts find by themselves: " + advertiseArg + "; " +
	"ipv6: whether interfaces without an address of IPv6 speak it (by default if another has one, or the host has no address at all); " +
	"share: whether, in the live lab, it joins the shell's host on the TAP and uses its first address of each family there"

func labBuiltins() []*builtin {
	const two = `l = lab(seed=1); a = l.host("a", "10.0.0.1/24"); b = l.host("b", "10.0.0.2/24"); `
	const switched = two + `s = l.switch("s"); s.attach(a); s.attach(b); `
	const linked = two + `w = l.link(a, b, delay="20ms"); `
	return []*builtin{
		{Name: "lab", Sig: "seed=1", Kinds: "int:0..", Result: "lab",
			Doc: "Make a virtual lab; its seed is mixed with the run's seed.", Example: linked + `a.ping("10.0.0.2", count=1).avg`, See: "lab.host, lab.link", Fn: newLab},
		{Name: "lab.host", Sig: "name, *addresses, mac=None, gateway=None, mtu=None, forward=None, advertise=None, ipv6=None, share=True", Kinds: "str mac any int:68..65535 bool any bool bool",
			Args: hostArgs, Result: "host",
			Doc: "Add a host; each new link uses the host's next address of each family.", Example: `lab().host("r", "10.0.0.254/24", "fd00::1/64", advertise=True).name`, Fn: labHost},
		{Name: "lab.link", Sig: "a, b, " + linkSig, Kinds: "host host " + linkKinds, Args: "a: one host; b: the other", Result: "link",
			Doc: "Link two hosts.", Example: two + `l.link(a, b, delay="20ms", rate="10mbit")`, Fn: labLink},
		{Name: "lab.hosts", Result: "table", Fields: fieldsOf(hostColumns), See: "lab.host, lab.links",
			Doc: "The hosts of the lab; a row has what its host has.", Example: two + `l.hosts()["a"].ifaces()`, Fn: hostsTable},
		{Name: "lab.links", Result: "table", Fields: fieldsOf(linkColumns), See: "lab.link, link.info",
			Doc: "The links of the lab and the interfaces at their ends; TX is from the first. A row is its link.", Example: linked + `l.links()["a-b"].set(delay="5ms")`, Fn: linksTable},
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
		{Name: "lab.trace", Sig: "filter=None, absolute=False", Kinds: "any bool", Args: filterArg + ", or False to stop; " + absoluteArg, See: "trace, lab.capture",
			Doc:     "Print a line per packet of every host, where it is received, or where it was lost; l.trace(False) stops.",
			Example: linked + `l.trace("icmp"); a.ping("10.0.0.2", count=1); l.trace(False)`, Fn: labTrace},
		{Name: "lab.capture", Sig: "path, filter=None", Kinds: "outfile pattern", Args: filterArg, Result: "capture", See: "capture, lab.trace, captures",
			Doc: "Write every packet of every host to a file, once, as sent, with its fate at each receiver as comment.", Example: two + `l.capture("x.pcapng")`, Fn: labCapture},
	}
}

func newLab(c *call) (starlark.Value, error) {
	w := c.s.virtual()
	l := &labValue{s: c.s, w: w}
	seed := mixSeed(c.s.cfg.Seed, uint64(arg[int](c, "seed")))
	c.s.tasks.Do(w, func(clock.Instant) { l.lab = lab.New(w.World(), seed) })
	l.watchLab()
	return l, nil
}

// mixSeed returns a seed for a lab, mixed from the seed run of the session and the lab's seed own (splitmix64's
// finaliser).
func mixSeed(run, own uint64) uint64 {
	x := run*0x9e3779b97f4a7c15 + own
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func labHost(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	cfg := lab.HostConfig{Name: arg[string](c, "name"), MTU: arg[int](c, "mtu"), MAC: arg[hardwareAddr](c, "mac")}
	for _, v := range c.Rest {
		p, err := registry.KindCIDR.Convert(v)
		if err != nil {
			return nil, c.errorf("an address is %s, got %s %v%s", registry.KindCIDR.Describe(), v.Type(), v, registry.Reason(err))
		}
		cfg.Addrs = append(cfg.Addrs, p.(netip.Prefix))
	}
	if err := c.hostRole(&cfg); err != nil {
		return nil, c.errorf("%v", err)
	}
	if err := c.gateways(&cfg); err != nil {
		return nil, c.errorf("%v", err)
	}
	placed := len(cfg.Addrs) > 0 || cfg.IPv6 == lab.IPv6On
	v, err := l.addHost(c.t, cfg, arg[bool](c, "share") && l.lab == c.s.cfg.Lab && placed)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return v, nil
}

// hostRole sets what the new host of lab.host speaks, and whether it is a router. cfg has its addresses.
func (c *call) hostRole(cfg *lab.HostConfig) (err error) {
	if c.Given("ipv6") {
		cfg.IPv6 = lab.IPv6Off
		if arg[bool](c, "ipv6") {
			cfg.IPv6 = lab.IPv6On
		}
	}
	if cfg.Advertise, err = advertisingOf(arg[starlark.Value](c, "advertise")); err != nil {
		return err
	}
	cfg.Forward = topology.ForwardsByDefault(cfg.Addrs) || cfg.Advertise != nil
	if c.Given("forward") {
		cfg.Forward = arg[bool](c, "forward")
	}
	return topology.Check(cfg)
}

// gateways sets the gateways of the new host of lab.host: an address, a host, or a list of those.
func (c *call) gateways(cfg *lab.HostConfig) error {
	given := arg[starlark.Value](c, "gateway")
	if given == nil || given == starlark.None {
		return nil
	}
	list := []starlark.Value{given}
	switch v := given.(type) {
	case *starlark.List, starlark.Tuple:
		list = list[:0]
		for x := range starlark.Elements(v.(starlark.Iterable)) {
			list = append(list, x)
		}
	}
	for _, v := range list {
		if err := c.gateway(cfg, v); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) gateway(cfg *lab.HostConfig, v starlark.Value) error {
	if a, err := registry.KindIP.Convert(v); err == nil {
		return topology.SetGateway(cfg, a.(netip.Addr))
	}
	x, err := c.HostOf(v)
	if err != nil {
		return err
	}
	h, ok := x.(*hostValue)
	switch {
	case !ok:
		return fmt.Errorf("a gateway is %s, got %s %v", registry.KindIP.Describe(), v.Type(), v)
	case h.lab.lab != c.recv.(*labValue).lab:
		return fmt.Errorf("host %s is in another lab", h.name)
	}
	var addrs []netip.Prefix
	h.do(func(clock.Instant) { addrs = h.h.Addrs() })
	return topology.SetGatewayHost(cfg, h.name, addrs)
}

// addHost adds a host. With share it puts the host beside the shell's on that one's device; where there is no device that
// could be shared, the host is left for links.
func (l *labValue) addHost(t *taskValue, cfg lab.HostConfig, share bool) (*hostValue, error) {
	var h *lab.Host
	var err error
	t.Do(l.w, func(clock.Instant) {
		if slices.ContainsFunc(l.lab.Switches(), func(sw *lab.Switch) bool { return sw.Name() == cfg.Name }) {
			err = fmt.Errorf("a switch is named %q already", cfg.Name)
			return
		}
		var sw *lab.Switch
		if share {
			sw = l.s.sharedSwitch()
		}
		if sw != nil {
			if err = l.s.taken(sw, &cfg); err != nil {
				return
			}
		}
		if h, err = l.lab.AddHost(cfg); err == nil && sw != nil {
			_, err = sw.Attach(h, lab.LinkConfig{Offload: true}) // costs nothing
		}
	})
	if err != nil {
		return nil, err
	}
	v := l.s.hostOf(h, l, cfg.Name)
	l.s.record(v)
	l.watchHost(v)
	return v, nil
}

// taken returns an error if a host or station on the switch, or the kernel behind the switch's device, has an address that a new host would have
// there: its first of a family.
func (s *Session) taken(sw *lab.Switch, cfg *lab.HostConfig) error {
	for _, is4 := range [...]bool{true, false} {
		i := slices.IndexFunc(cfg.Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() == is4 })
		if i < 0 {
			continue
		}
		if other := s.holder(sw, cfg.Addrs[i].Addr()); other != "" {
			return fmt.Errorf("%s has the address %v already, and share=False leaves %s for links", other, cfg.Addrs[i].Addr(), cfg.Name)
		}
	}
	return nil
}

// holder returns the name of the host, station or kernel that has an address at the switch, "" for none. The kernel's addresses are those of its end of a
// TAP, or of its interface below a packet socket.
func (s *Session) holder(sw *lab.Switch, at netip.Addr) string {
	if other := sw.Holder(at); other != "" {
		return other
	}
	if d := sw.Shared(); d != nil && kernel.HasAddr(d.Name(), at) {
		return "the kernel"
	}
	return ""
}

// sharedSwitch returns the switch by which hosts share the device of the shell's host, nil if there is no device that could
// be shared.
func (s *Session) sharedSwitch() *lab.Switch {
	for _, p := range s.cfg.Local.Ports() {
		if sw, err := p.Share(); err == nil {
			return sw
		}
	}
	return nil
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
	for _, h := range []*hostValue{a, b} {
		if h.lab.lab != l.lab {
			return nil, c.errorf("host %s is in another lab", h.name)
		}
	}
	c.t.Do(l.w, func(clock.Instant) { l.lab.Partition(a.h, b.h) })
	return starlark.None, nil
}

func labHeal(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	c.t.Do(l.w, func(clock.Instant) { l.lab.Heal() })
	return starlark.None, nil
}

func labTrace(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	f, stop, err := c.traceFilter(l.w)
	switch {
	case err != nil:
		return nil, err
	case stop:
		l.traceOff()
	default:
		l.traceOn(f, arg[bool](c, "absolute"))
	}
	return starlark.None, nil
}
