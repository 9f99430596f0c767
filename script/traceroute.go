package script

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

func tracerouteBuiltins() []*builtin {
	return []*builtin{{
		Name: "traceroute", Sig: `host, max_hops=30, timeout="1s", probes=3, size=32`, Kinds: "ip int:1..255 duration int:1..10 int:0..1472",
		Args:   "host: an address; max_hops: largest TTL, or hop limit of IPv6; timeout: time to wait for the answers of a hop; probes: number of probes per hop, sent at once; size: octets of data",
		Result: "result", Fields: "reached hops (ttl addr times error: !N no route, !H host unreachable, !P protocol, !F too big, !X prohibited, !S source) error", Host: true,
		Doc:     "Send UDP datagrams with a rising TTL and print each router that returns an ICMP time exceeded error.",
		Example: `traceroute("192.168.69.100").reached`, See: "ping, icmp.listen", Fn: builtinTraceroute,
	}}
}

// tracePort is the port of the first probe. Each probe has the next port, so that an answer identifies its probe.
const tracePort = 33434

// traceProbe is one probe, a datagram, and its answer.
type traceProbe struct {
	sentAt clock.Instant
	done   bool
	from   netip.Addr
	rtt    time.Duration
	note   string // mark of an ICMP error: "!H" and the like
}

// tracerouter is the state of one traceroute() call. All probes of a hop are sent together.
type tracerouter struct {
	h       *hostValue
	to      netip.Addr
	timeout time.Duration
	data    []byte
	udp     *stack.UDPConn
	icmp    *stack.ICMPConn
	port    uint16       // port of the hop's first probe
	probes  []traceProbe // probes of the hop
	reached bool
	ended   bool  // true if an ICMP error shows that no later probe will get further
	fail    error // error of sending a probe, or of the next hop that does not answer; nil if there is none
	buf     []byte
}

func builtinTraceroute(c *call) (starlark.Value, error) {
	t := &tracerouter{
		h: c.on(), to: arg[netip.Addr](c, "host"), timeout: arg[time.Duration](c, "timeout"),
		data: make([]byte, arg[int](c, "size")), buf: make([]byte, 65536), port: tracePort,
	}
	var err error
	c.t.Do(t.h.w, func(clock.Instant) { err = t.open() })
	if err != nil {
		return nil, failed(c.t, "traceroute", t.to, err)
	}
	defer c.s.tasks.Do(t.h.w, func(clock.Instant) { t.close() })
	count, most := arg[int](c, "probes"), arg[int](c, "max_hops")
	c.s.say(fmt.Sprintf("to %v, at most %d hops, %d octets", t.to, most, len(t.data)))
	defer c.t.Keeping()()
	var hops []starlark.Value
	for ttl := 1; ttl <= most && !t.reached && !t.ended && t.fail == nil; ttl++ {
		if err := t.hop(c, ttl, count); err != nil {
			if !c.interrupted(err, func() { c.s.out.Print(fmt.Sprintf("%2d  %s", ttl, t.line())) }) {
				return nil, err
			}
			hops = append(hops, t.value(ttl))
			break
		}
		if t.fail != nil {
			t.fail = t.h.explain(t.to, t.fail)
			if ttl == 1 && !errors.Is(t.fail, tcp.ErrHostUnreach) {
				return nil, failed(c.t, "traceroute", t.to, t.fail)
			}
			c.s.say(fmt.Sprintf("%v: %v", t.to, t.fail))
			break
		}
		c.s.say(fmt.Sprintf("%2d  %s", ttl, t.line()))
		hops = append(hops, t.value(ttl))
	}
	d := starlark.StringDict{"reached": starlark.Bool(t.reached), "hops": starlark.NewList(hops), "error": starlark.None}
	if t.fail != nil {
		d["error"] = starlark.String(t.fail.Error())
	}
	return result{starlarkstruct.FromStringDict(starlark.String("traceroute"), d)}, nil
}

func (t *tracerouter) open() (err error) {
	if t.to, err = t.h.h.Scoped(t.to); err != nil {
		return err
	}
	if t.udp, err = t.h.h.BindUDP(netip.AddrPort{}); err != nil {
		return err
	}
	if t.icmp, err = t.h.h.ListenICMP(t.udp.Local().Port()); err != nil {
		t.udp.Close()
	}
	return err
}

func (t *tracerouter) close() {
	t.udp.Close()
	t.icmp.Close()
}

// hop sends the probes with one TTL and waits for their answers.
func (t *tracerouter) hop(c *call, ttl, count int) error {
	t.probes = make([]traceProbe, count)
	c.t.Do(t.h.w, func(now clock.Instant) {
		t.udp.SetTTL(uint8(ttl))
		t.udp.OnEvent = func(clock.Instant) { t.icmp.Signal.Fire() } // makes one signal enough to wait for
		for k := range t.probes {
			t.probes[k].sentAt = now
			if err := t.udp.Send(now, t.data, netip.AddrPortFrom(t.to, t.port+uint16(k))); err != nil {
				t.fail = err
				return
			}
		}
	})
	if t.fail != nil {
		return nil
	}
	err := c.t.Await(t.h.w, fmt.Sprintf("answers from hop %d to %v", ttl, t.to), &t.icmp.Signal, t.timeout, func(now clock.Instant) bool {
		t.receive(now)
		open := 0
		for _, p := range t.probes {
			if !p.done {
				open++
			}
		}
		return open == 0 || t.fail != nil
	})
	t.port += uint16(count)
	if err == task.ErrTimedOut {
		return nil
	}
	return err
}

// receive processes the pending messages: ICMP errors, and answers of the destination's own sockets.
func (t *tracerouter) receive(now clock.Instant) {
	for {
		n, from, _, err := t.icmp.Recv(t.buf)
		if n < 0 || err != nil {
			break
		}
		if m, err := parseMessage(t.buf[:n], t.to); err == nil && m.isError && m.dst == t.to {
			t.answer(now, m.dstPort, from, &m)
		}
	}
	for {
		n, from, err := t.udp.Recv(t.buf)
		if err != nil {
			t.fail = err
		}
		if n < 0 {
			return
		}
		if from.Addr() == t.to {
			t.answer(now, from.Port(), from.Addr(), nil)
		}
	}
}

// errorMark is what traceroute makes of an error about a probe. An error without a mark is from a router on the way.
type errorMark struct {
	note    string // the printed mark, "" for the expected answer of the destination
	arrived bool   // true if only the destination sends the error
}

// errorMarks are the marks for types and codes of ICMP, and errorMarks6 those for ICMPv6. The source of an error that only the
// destination sends may be another of the destination's addresses (RFC 1812 §4.3.2.4).
var (
	errorMarks = map[[2]uint8]errorMark{
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableNet}:            {note: "!N"},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableHost}:           {note: "!H"},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableProtocol}:       {note: "!P", arrived: true},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachablePort}:           {arrived: true},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableFragNeeded}:     {note: "!F"},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableSourceRoute}:    {note: "!S"},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableNetProhibited}:  {note: "!X"},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableHostProhibited}: {note: "!X"},
		{uint8(wire.ICMPDestUnreachable), wire.UnreachableProhibited}:     {note: "!X"},
	}
	errorMarks6 = map[[2]uint8]errorMark{
		{uint8(wire.ICMPv6DestUnreachable), wire.Unreachable6NoRoute}:      {note: "!N"},
		{uint8(wire.ICMPv6DestUnreachable), wire.Unreachable6Prohibited}:   {note: "!X"},
		{uint8(wire.ICMPv6DestUnreachable), wire.Unreachable6BeyondScope}:  {note: "!S"},
		{uint8(wire.ICMPv6DestUnreachable), wire.Unreachable6Address}:      {note: "!H"},
		{uint8(wire.ICMPv6DestUnreachable), wire.Unreachable6Port}:         {arrived: true},
		{uint8(wire.ICMPv6DestUnreachable), wire.Unreachable6SourcePolicy}: {note: "!X"},
		{uint8(wire.ICMPv6DestUnreachable), wire.Unreachable6RejectRoute}:  {note: "!X"},
		{uint8(wire.ICMPv6PacketTooBig), 0}:                                {note: "!F"},
		{uint8(wire.ICMPv6ParameterProblem), wire.ParamUnknownNextHeader}:  {note: "!P", arrived: true},
	}
)

// markOf returns the mark of an error. A code of destination unreachable without a mark of its own is printed as its number.
func markOf(m *icmpMessage, to netip.Addr) errorMark {
	marks, unreachable := errorMarks, uint8(wire.ICMPDestUnreachable)
	if to.Is6() {
		marks, unreachable = errorMarks6, uint8(wire.ICMPv6DestUnreachable)
	}
	mark, known := marks[[2]uint8{m.typ, m.code}]
	if !known && m.typ == unreachable {
		mark.note = fmt.Sprintf("!%d", m.code)
	}
	return mark
}

// answer closes the probe to a port. m is the error that quotes the probe, nil for a reply.
func (t *tracerouter) answer(now clock.Instant, port uint16, from netip.Addr, m *icmpMessage) {
	k := int(port) - int(t.port)
	if k < 0 || k >= len(t.probes) || t.probes[k].done {
		return // late answer to a probe of an earlier hop
	}
	mark := errorMark{arrived: true}
	if m != nil {
		mark = markOf(m, t.to)
	}
	p := &t.probes[k]
	p.done, p.from, p.rtt, p.note = true, from, now.Sub(p.sentAt), mark.note
	t.reached = t.reached || mark.arrived
	t.ended = t.ended || mark.note != ""
}

// line returns the printed line of a hop: each round trip after the address that answered, "*" for no answer.
func (t *tracerouter) line() string {
	var parts []string
	var last netip.Addr
	for _, p := range t.probes {
		if !p.done {
			parts = append(parts, "*")
			continue
		}
		if p.from != last {
			last = p.from
			parts = append(parts, p.from.String())
		}
		parts = append(parts, millis(p.rtt)+" ms")
		if p.note != "" {
			parts[len(parts)-1] += " " + p.note
		}
	}
	return strings.Join(parts, "  ")
}

func (t *tracerouter) value(ttl int) starlark.Value {
	d := starlark.StringDict{"ttl": num(ttl), "addr": starlark.None, "error": starlark.None}
	var times []starlark.Value
	for _, p := range t.probes {
		if !p.done {
			times = append(times, starlark.None)
			continue
		}
		d["addr"] = registry.Address(p.from)
		times = append(times, registry.Seconds(p.rtt))
		if p.note != "" {
			d["error"] = starlark.String(p.note)
		}
	}
	d["times"] = starlark.NewList(times)
	return starlarkstruct.FromStringDict(starlark.String("hop"), d)
}
