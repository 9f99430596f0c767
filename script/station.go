package script

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/script/handheld"
	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/lab"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// stationValue is a station without a stack, as scripts see it.
type stationValue struct {
	s        *Session
	l        *labValue
	w        *task.World
	st       *lab.BareStation
	fill     handheld.Filler
	ends     []*endValue // TCP ends, whose numbers follow the packets that are read
	isn      uint32      // first sequence number of the next TCP end
	reported uint64      // number of the latest lost arrival for which a wait has failed
}

func (v *stationValue) String() string {
	return since("station "+v.st.Name(), v.closed(), "closed")
}
func (v *stationValue) Type() string          { return "station" }
func (v *stationValue) Freeze()               {}
func (v *stationValue) Truth() starlark.Bool  { return true }
func (v *stationValue) Hash() (uint32, error) { return starlark.String(v.st.Name()).Hash() }

func (v *stationValue) do(fn func(now clock.Instant)) { v.s.tasks.Do(v.w, fn) }

func (v *stationValue) closed() (closed bool) {
	v.do(func(clock.Instant) { closed = v.st.Closed() })
	return closed
}

// stationFields are the names of a station's attributes that are not methods.
var stationFields = []string{"addr", "link", "lost", "mac", "pending"}

// AttrNames implements starlark.HasAttrs.
func (v *stationValue) AttrNames() []string {
	return append(stationFields[:len(stationFields):len(stationFields)], v.s.reg.Members["station"]...)
}

// Attr returns a field or a method of the station.
func (v *stationValue) Attr(name string) (x starlark.Value, err error) {
	switch name {
	case "addr":
		if a := v.st.Addrs(); len(a) > 0 {
			return registry.Address(a[0]), nil
		}
		return starlark.None, nil
	case "mac":
		return starlark.String(v.st.MAC().String()), nil
	case "link":
		if v.st.Link() == nil {
			return starlark.None, nil
		}
		return v.s.linkOf(v.st.Link(), v.w), nil
	case "pending":
		v.do(func(clock.Instant) { x = num(len(v.st.Arrived())) })
		return x, nil
	case "lost":
		v.do(func(clock.Instant) { x = num(v.st.Lost()) })
		return x, nil
	}
	return suggest.Attr(v, name, v.s.member("station", v, name))
}

// stationArgs explains the arguments of the builtins that make a station.
const stationArgs = "addresses: its IP addresses, of either family; mac: its hardware address; " +
	"answers_arp: whether it answers ARP requests and neighbour solicitations for its addresses; "

const duplicatesArg = "duplicates: whether a host or station there may have one of its addresses, or its hardware address"

func stationBuiltins() []*builtin {
	const (
		wired     = `l = lab(); a = l.host("a", "10.0.0.1/24"); st = l.wire(a, "10.0.0.9"); `
		pinged    = wired + `t = spawn(a.ping, "10.0.0.9", count=1, timeout="1s"); `
		patternIs = `pattern: a packet such as TCP(flags="S") whose unset fields match anything, ~packet, a filter string, or a function`
		withinIs  = "; within: longest time to wait"
	)
	return []*builtin{
		{Name: "lab.wire", Sig: "host, *addresses, mac=None, answers_arp=True, delay=0, jitter=0, rate=None, queue=100, loss=0.0, mtu=None, duplicates=False",
			Kinds: "host mac bool duration duration rate int:1.. chance int:68..65535 bool", Args: stationArgs + duplicatesArg, Result: "station", See: "lab.link, switch.wire, wire",
			Doc: "Link a host to a station without a stack; the host uses its next address of each family.", Example: wired + `st.mac`, Fn: labWire},
		{Name: "switch.wire", Sig: "*addresses, mac=None, answers_arp=True, duplicates=False", Kinds: "mac bool bool", Args: stationArgs + duplicatesArg, Result: "station", See: "lab.wire, switch.attach",
			Doc: "Put a station without a stack on the switch.", Example: `lab().switch("s").wire("10.0.0.9").addr`, Fn: switchWire},
		{Name: "wire", Sig: "*addresses, mac=None, answers_arp=True, duplicates=False", Kinds: "mac bool bool", Args: stationArgs + duplicatesArg, Result: "station", See: "lab.wire, switch.wire",
			Doc: "Put a station without a stack beside the shell's host, on its TAP or link.", Example: `wire("192.168.69.9").addr`, Fn: builtinWire},
		{Name: "station.send", Sig: "packet", Kinds: "any", Args: "packet: a packet, whose unset fields and Ethernet header are filled in from the station", Result: "packet", See: "station.sr1, station.tcp",
			Doc:     "Send a packet and return it as sent; its neighbour is resolved first, unless Ether is in front.",
			Example: pinged + `p = st.expect("icmp"); st.send(p)`, Fn: stationSend},
		{Name: "station.sr1", Sig: `packet, timeout="1s", retry=0`, Kinds: "any duration int:0..1000", Args: "packet: a packet, as for send(); retry: how often to send it again", Result: "packet", See: "station.send",
			Doc: "Send a packet and return the first answer, or None.", Example: pinged + `st.sr1(st.expect("icmp"), timeout="10ms")`, Fn: stationAsk},
		{Name: "station.recv", Sig: "filter=None, timeout=", Kinds: "pattern duration", Args: "filter: a pattern, as of packet.matches (packets that do not fit are discarded)", Result: "packet", See: "station.expect",
			Doc: "Return the next packet.", Example: pinged + `st.recv("icmp").icmp.type`, Fn: stationRecv},
		{Name: "station.expect", Sig: `pattern, within="1s", skip=None`, Kinds: "pattern duration pattern", Args: patternIs + withinIs + "; skip: a pattern of packets that may come in between", Result: "packet", See: "station.expect_none, station.recv",
			Doc:     "Return the next packet, which must match; ARP, neighbour discovery, MLD and IGMP may come in between.",
			Example: pinged + `st.expect(ICMP(type="echo-request")).icmp.seq`, Fn: stationExpect},
		{Name: "station.expect_none", Sig: `pattern=None, within="100ms"`, Kinds: "pattern duration", Args: patternIs + ", None for any packet but ARP, neighbour discovery, MLD and IGMP; within: time to wait", See: "station.expect",
			Doc: "Wait, and fail if a packet that matches has arrived or arrives.", Example: wired + `st.expect_none(TCP(flags="S"))`, Fn: stationExpectNone},
		{Name: "station.close",
			Doc: "Take the station off its link, which goes down, or off its switch.", Example: wired + `st.close()`, Fn: stationClose},
	}
}

// stationConfig returns the station that the call's arguments describe. Its addresses are c.Rest.
func (c *call) stationConfig() (lab.StationConfig, error) {
	cfg := lab.StationConfig{MAC: arg[hardwareAddr](c, "mac"), Silent: !arg[bool](c, "answers_arp"), Duplicates: arg[bool](c, "duplicates")}
	for _, v := range c.Rest {
		a, err := registry.KindIP.Convert(v)
		if err != nil {
			if p, fail := registry.KindCIDR.Convert(v); fail == nil { // as lab.host takes it
				a, err = p.(netip.Prefix).Addr(), nil
			}
		}
		if err != nil {
			return cfg, c.errorf(`an address is one such as "10.0.0.9" or "fd00::9", got %s %v`, v.Type(), v)
		}
		cfg.Addrs = append(cfg.Addrs, a.(netip.Addr))
	}
	return cfg, nil
}

// station returns the value of a new station.
func (s *Session) station(l *labValue, st *lab.BareStation) *stationValue {
	m := st.MAC()
	seed := mixSeed(l.lab.Seed(), uint64(m[2])<<24|uint64(m[3])<<16|uint64(m[4])<<8|uint64(m[5]))
	return &stationValue{s: s, l: l, w: l.w, st: st, fill: handheld.NewFiller(seed), isn: uint32(seed >> 32)}
}

func labWire(c *call) (starlark.Value, error) {
	l, h := c.recv.(*labValue), arg[*hostValue](c, "host")
	if h.lab.lab != l.lab {
		return nil, c.errorf("host %s is in another lab", h.name)
	}
	cfg, err := c.stationConfig()
	if err != nil {
		return nil, err
	}
	link := lab.LinkConfig{
		Delay: arg[time.Duration](c, "delay"), Jitter: arg[time.Duration](c, "jitter"), RateBps: arg[uint64](c, "rate"),
		Queue: arg[int](c, "queue"), Loss: arg[float64](c, "loss"), MTU: arg[int](c, "mtu"),
	}
	name := "station"
	if len(cfg.Addrs) > 0 {
		name = cfg.Addrs[0].String()
	}
	c.planLink(&link, h.name, name)
	var st *lab.BareStation
	c.t.Do(l.w, func(clock.Instant) { st, err = l.lab.Wire(h.h, cfg, link) })
	if err != nil {
		return nil, c.linkError(err)
	}
	return c.s.station(l, st), nil
}

func switchWire(c *call) (starlark.Value, error) {
	v := c.recv.(*switchValue)
	cfg, err := c.stationConfig()
	if err != nil {
		return nil, err
	}
	var st *lab.BareStation
	c.t.Do(v.l.w, func(clock.Instant) { st, err = c.s.wireAt(v.sw, cfg) })
	if err != nil {
		return nil, c.linkError(err)
	}
	return c.s.station(v.l, st), nil
}

// builtinWire puts a station on the switch of the shell's host, which is inserted if there is none.
func builtinWire(c *call) (starlark.Value, error) {
	cfg, err := c.stationConfig()
	if err != nil {
		return nil, err
	}
	var st *lab.BareStation
	c.t.Do(c.s.home, func(clock.Instant) {
		var sw *lab.Switch
		if sw, err = c.s.networkOfLocal(); err == nil {
			st, err = c.s.wireAt(sw, cfg)
		}
	})
	if err != nil {
		return nil, c.linkError(err)
	}
	return c.s.station(c.s.main.host.lab, st), nil
}

// wireAt puts a station on a switch, unless the kernel behind the switch's device has one of its addresses.
func (s *Session) wireAt(sw *lab.Switch, cfg lab.StationConfig) (*lab.BareStation, error) {
	for _, a := range cfg.Addrs {
		if other := s.holder(sw, a); other != "" && !cfg.Duplicates {
			return nil, fmt.Errorf("%s and the station %w %v", other, lab.ErrDuplicateAddr, a)
		}
	}
	return sw.Wire(cfg)
}

// networkOfLocal returns the switch of the shell's host on its device, or on its first link. It inserts a switch if there is none.
func (s *Session) networkOfLocal() (*lab.Switch, error) {
	if sw := s.sharedSwitch(); sw != nil {
		return sw, nil
	}
	for _, p := range s.cfg.Local.Ports() {
		if k := p.Link(); k != nil {
			return k.Share()
		}
	}
	return nil, errors.New("the shell's host has no link or device that carries Ethernet")
}

func stationClose(c *call) (starlark.Value, error) {
	v := c.recv.(*stationValue)
	v.do(func(clock.Instant) { v.st.Close() })
	return starlark.None, nil
}

// packetArg returns the packet that an argument is.
func (c *call) packetArg(name string) (*packetvalue.Value, error) {
	p, ok := arg[starlark.Value](c, name).(*packetvalue.Value)
	if !ok {
		return nil, c.errorf("argument 1 (%s) is a packet, got %s", name, arg[starlark.Value](c, name).Type())
	}
	return p, nil
}

// transmit sends a packet and returns it as it was sent. It waits for the neighbour's address first, if the packet leaves that open. latest is the
// number of the latest arrival when the packet left.
func (v *stationValue) transmit(c *call, p *packetvalue.Value) (sent *packetvalue.Value, latest uint64, err error) {
	frame, err := v.frame(c, p)
	if err != nil {
		return nil, 0, err
	}
	var at clock.Instant
	v.do(func(now clock.Instant) { at, latest, err = now, v.st.Latest(), v.st.Send(now, frame) })
	if err != nil {
		return nil, 0, c.stationError(err, len(frame))
	}
	return v.value(at, frame, "tx"), latest, nil
}

// stationError explains why the station could not send a frame.
func (c *call) stationError(err error, octets int) error {
	switch err {
	case drop.TooBig:
		return c.errorf("the frame of %d octets is too long for the link: fragment(p), or send less", octets)
	case drop.LinkDown:
		return c.errorf("the link is down: st.link.up()")
	case drop.Truncated:
		return c.errorf("a frame has at least an Ethernet header of %d octets, got %d", wire.EthernetLen, octets)
	}
	return c.errorf("%v", err)
}

// frame returns the octets of a packet as the station sends it. A received frame is sent as it is.
func (v *stationValue) frame(c *call, p *packetvalue.Value) ([]byte, error) {
	built := p.Draft()
	if !p.Composed() {
		if packet, err := p.Built(); err == nil && packet.First.Name == "Ether" {
			return p.Octets, nil
		}
	}
	d, hop, err := v.fill.Fill(built, v.st)
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	if hop.IsValid() {
		mac, err := v.resolve(c, hop)
		if err != nil {
			return nil, err
		}
		if d, err = handheld.To(d, mac); err != nil {
			return nil, c.errorf("%v", err)
		}
	}
	b, err := d.Build()
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return b.Octets, nil
}

// Requests for a neighbour's address: how many, and the time between them (RFC 4861 §10).
const (
	stationRequests = 3
	requestEvery    = time.Second
)

// resolve returns the hardware address of a neighbour: the last one heard from it, or the answer to requests.
func (v *stationValue) resolve(c *call, hop netip.Addr) (mac wire.HardwareAddr, err error) {
	for range stationRequests {
		known, fail := false, error(nil)
		v.do(func(now clock.Instant) {
			if mac, known = v.st.Neighbor(hop); !known {
				fail = v.st.Ask(now, hop)
			}
		})
		if known {
			return mac, nil
		}
		if fail != nil {
			return mac, c.errorf("%v", fail)
		}
		err := c.t.Await(v.w, "the hardware address of "+hop.String(), &v.st.Signal, requestEvery, func(clock.Instant) bool {
			_, known = v.st.Neighbor(hop)
			return known || v.st.Closed()
		})
		if err != nil && err != task.ErrTimedOut {
			return mac, err
		}
	}
	return mac, c.errorf("nobody answers for %v, asked %d times: with Ether(dst=…) in front the frame needs no answer", hop, stationRequests)
}

// value returns a frame that the station has sent or received as a packet.
func (v *stationValue) value(at clock.Instant, frame []byte, dir string) *packetvalue.Value {
	return packetvalue.NewHead(environment{v.s}, frame, len(frame), phy.MediumEthernet,
		&packetvalue.Sighting{Time: at, Dev: v.st.Name(), Dir: dir, Verdict: ""})
}

func stationSend(c *call) (starlark.Value, error) {
	p, err := c.packetArg("packet")
	if err != nil {
		return nil, err
	}
	sent, _, err := c.recv.(*stationValue).transmit(c, p)
	if err != nil {
		return nil, err
	}
	return sent, nil
}

// arrived prints a frame that has arrived at a station without a stack: no host's line shows it.
func (t *labTracer) arrived(st *lab.BareStation, now clock.Instant, frame []byte) {
	if t.filter != nil && !t.filter.Match(frame, phy.MediumEthernet) {
		return
	}
	t.printed++
	line := t.s.line(packetLine{at: now.String(), dev: st.Name(), arrow: "< ", what: t.line(frame, phy.MediumEthernet, 0), hue: t.s.protocolHue(frame, phy.MediumEthernet), verdict: "arrived"})
	t.s.out.Offer([]byte(line))
}

// dissected returns the packet of an arrival, for tests that need no script.
func dissected(frame []byte) *packet.Packet {
	return packet.Dissect(frame, len(frame), packet.First(frame, phy.MediumEthernet))
}

// timeLeft returns the time until a deadline, 0 if it has passed.
func (v *stationValue) timeLeft(deadline clock.Instant) time.Duration {
	return max(0, deadline.Sub(v.w.Now()))
}

// errStationClosed is the error of a wait at a station that is closed.
var errStationClosed = lab.ErrStationClosed
