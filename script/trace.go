package script

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/packet"
)

// tracer prints a line per packet of one host.
type tracer struct {
	s      *Session
	name   string // printed in front of the device where there are several hosts
	only   string // name of the host's interface if it has one, which narrow terminals omit; "" to print the name everywhere
	lab    bool   // true for a trace of a lab's hosts: each frame is printed once, with the host's name in front of the device's
	seqs   packet.Sequences
	filter *chooser
	cancel func()

	printed int // number of packets printed
}

// newTracer returns a tracer of a host's packets. Sequence numbers are printed relative to the initial ones of the
// host's connections.
func (s *Session) newTracer(h *hostValue, f *chooser) *tracer {
	return &tracer{s: s, name: s.prefix(h), filter: f, seqs: packet.Sequences{Known: h.h.InitialSequence, Carried: s.carried}}
}

// absoluteArg explains an argument of the builtins that print lines.
const absoluteArg = "absolute: whether TCP's sequence numbers are the wire's, rather than relative to a connection's first"

// filterArg explains an argument that chooses packets.
const filterArg = "filter: tcpdump's expression, a pattern, or a function of a packet"

func traceBuiltins() []*builtin {
	return []*builtin{
		{Name: "trace", Sig: "filter=None, last=None, absolute=False", Kinds: "any int:1..1000 bool", Host: true, See: "tcpdump, capture, drops",
			Args: filterArg + `, or False to stop; last: number of past packets to print, instead of future ones; ` + absoluteArg, Result: "list",
			Doc:     "Print a line for each packet from now on; with last=, print past packets and return them; trace(False) stops.",
			Example: `trace("icmp"); ping("192.168.69.100", count=1); trace(False); trace(last=2)[0].show()`, Fn: builtinTrace},
		{Name: "tcpdump", Sig: "filter=None, timeout=, absolute=False", Kinds: "pattern duration bool", Args: filterArg + "; " + absoluteArg, Host: true, See: "trace, capture",
			Doc: "Print a line for each packet until Ctrl-C, then their number.", Example: `t = spawn(tcpdump, "icmp"); ping("192.168.69.100", count=1); t.cancel()`, Fn: builtinTcpdump},
		{Name: "sniff", Sig: "filter=None, count=None, timeout=", Kinds: "pattern int:1..100000 duration", Host: true, Result: "list", See: "trace, tcpdump",
			Args:    filterArg + "; count: number of packets to wait for (by default 100000, and never more than 256 MiB of them)",
			Doc:     "Wait for packets and return them as a list; after timeout or Ctrl-C, the packets received so far.",
			Example: `after("10ms", lambda: ping("192.168.69.100", count=1)); sniff("icmp", count=2)[0].ip.dst`, Fn: builtinSniff},
		{Name: "capture", Sig: "path, filter=None", Kinds: "outfile pattern", Args: filterArg, Result: "capture", Host: true, See: "trace, lab.capture, captures, read_capture",
			Doc: "Write every packet to a file: pcapng, or classic pcap when the name ends in .pcap.", Example: `capture("x.pcapng")`, Fn: builtinCapture},
		{Name: "read_capture", Sig: "path, filter=None, count=None, lazy=False", Kinds: "infile pattern int:1..100000 bool", Result: "list", See: "capture, sniff, write_capture, follow",
			Args:    "path: a pcapng or pcap file, which may be compressed with gzip; " + filterArg + "; count: largest number of packets to read; lazy: True for a value that for loops read packet by packet, whatever the file's size",
			Doc:     "Return a capture file's packets. A capture may be writing it; comments are verdicts, times count from 1970.",
			Example: `c = capture("x.pcapng"); ping("192.168.69.100", count=1); c.stop(); read_capture("x.pcapng", "icmp")[1].summary()`, Fn: builtinReadCapture},
		{Name: "captures", Beside: true, Result: "table", Fields: fieldsOf(captureColumns), See: "capture, read_capture",
			Doc: "The running captures: BYTES counts the octets of the packets written, SINCE is now() at the start.", Example: `capture("x.pcapng", "icmp"); ping("192.168.69.100", count=1); captures()[0].packets; captures()[0].stop()`, Fn: capturesTable},
		{Name: "capture.stop", Doc: "Finish the file.", Example: `capture("x.pcapng").stop()`, Fn: captureStop},
	}
}

func builtinTrace(c *call) (starlark.Value, error) {
	h := c.on()
	f, stop, err := c.traceFilter(h.w)
	if err != nil {
		return nil, err
	}
	if stop {
		c.s.traceOff(h)
		return starlark.None, nil
	}
	if c.Given("last") {
		return c.s.traceLast(h, f, arg[int](c, "last"), arg[bool](c, "absolute")), nil
	}
	c.s.traceOn(h, f, arg[bool](c, "absolute"))
	return starlark.None, nil
}

// traceFilter returns the filter of a trace, nil where the call has none; stop is true for False.
func (c *call) traceFilter(w *task.World) (f *chooser, stop bool, err error) {
	v := arg[starlark.Value](c, "filter")
	if off, ok := v.(starlark.Bool); ok {
		return nil, !bool(off), nil
	}
	if v != nil && v != starlark.None {
		if _, err := registry.KindPattern.Convert(v); err != nil {
			return nil, false, c.errorf("argument 1 (filter) is %s, or False, got %s", registry.KindPattern.Describe(), v.Type()+registry.InQuotes(v))
		}
	}
	f, err = c.filter(w)
	return f, false, err
}

// filter returns the call's filter for packets of a world, nil where it has none.
func (c *call) filter(w *task.World) (*chooser, error) { return c.chooser(w, "filter") }

// builtinTcpdump traces packets until it is interrupted, in addition to other traces.
func builtinTcpdump(c *call) (starlark.Value, error) {
	h := c.on()
	t := c.s.newTracer(h, nil)
	t.seqs.Absolute = arg[bool](c, "absolute")
	var err error
	if t.filter, err = c.filter(h.w); err != nil {
		return nil, err
	}
	h.do(func(clock.Instant) { t.cancel = h.h.Observe(t.packet) })
	defer c.t.Keeping()()
	err = c.t.Await(h.w, "packets", nil, timeoutOf(c), func(clock.Instant) bool { return false })
	h.do(func(clock.Instant) { t.cancel() })
	count := func() { c.s.out.Print(packetCount(t.printed)) }
	switch {
	case err == task.ErrTimedOut:
		count()
	case !c.interrupted(err, count):
		return nil, err
	}
	return starlark.None, nil
}

// packetCount returns the last line of tcpdump().
func packetCount(n int) string {
	if n == 1 {
		return "1 packet"
	}
	return fmt.Sprintf("%d packets", n)
}

// traceLast prints the last packets and returns them. If nothing was recorded so far, it starts recording.
func (s *Session) traceLast(h *hostValue, f *chooser, n int, absolute bool) starlark.Value {
	r := s.record(h)
	var list []seen
	h.do(func(clock.Instant) { list = r.all() })
	t := s.newTracer(h, nil)
	t.seqs.Absolute = absolute
	var lines []string
	var packets []starlark.Value
	h.do(func(clock.Instant) { // on the owner's goroutine, since a line may read a connection
		t.only = onlyInterface(h.h.Host)
		for i := range list {
			p := &list[i]
			// Even a packet that is not printed passes line: it may begin a connection, to which later numbers are
			// relative.
			what := t.line(p.head[:p.n], p.medium, p.gso)
			if f.recent(p) {
				lines = append(lines, t.text(p.now, p.iface, p.dir, p.head[:p.n], p.medium, what, p.marks.After(p.verdict.String())))
				packets = append(packets, p.packet(s))
			}
		}
	})
	first := max(0, len(lines)-n)
	for _, line := range lines[first:] {
		s.out.Print(line)
	}
	given := starlark.NewList(packets[first:])
	s.prompt.printed = given
	return given
}

// packet returns the recorded packet as a Starlark value.
func (p *seen) packet(s *Session) *packetvalue.Value {
	b := slices.Clone(p.head[:p.n])
	if p.partial && p.n == p.length {
		phy.WriteChecksum(b, p.medium)
	}
	return packetvalue.NewHead(environment{s}, b, p.length, p.medium,
		&packetvalue.Sighting{Time: p.now, Dev: p.iface, Dir: direction(p.dir), Verdict: p.marks.After(p.verdict.String())})
}

// prefix returns the text before the device's name that identifies a host other than the session's own.
func (s *Session) prefix(h *hostValue) string {
	if h == s.local {
		return ""
	}
	return h.name + "."
}

func (s *Session) traceOn(h *hostValue, f *chooser, absolute bool) {
	s.traceOff(h)
	t := s.newTracer(h, f)
	t.seqs.Absolute = absolute
	s.watching.tracers[h] = t
	h.do(func(clock.Instant) { t.cancel = h.h.Observe(t.packet) })
	s.record(h)
}

func (s *Session) traceOff(h *hostValue) {
	if t := s.watching.tracers[h]; t != nil {
		delete(s.watching.tracers, h)
		h.do(func(clock.Instant) { t.cancel() })
	}
}

// packet prints one packet. Only the owner calls it.
func (t *tracer) packet(ev *stack.PacketEvent) {
	medium := ev.Iface.Medium()
	if ev.Repeated() || t.lab && arrives(ev) {
		return
	}
	if !t.filter.event(ev) {
		return
	}
	t.printed++
	what := t.line(ev.Frame.Bytes(), medium, int(ev.Frame.Offload.GSOSize))
	name := t.name
	if t.lab {
		name = ev.Host.Name() + "."
	}
	line := t.lineOf(name, ev.Now, ev.Iface.Name(), onlyInterface(ev.Host), ev.Dir, ev.Frame.Bytes(), medium, what, ev.Frame.Marks.After(ev.Verdict.String()))
	said := t.injected(ev)
	if said != "" && ev.Dir == stack.TX {
		t.s.out.Offer([]byte(said))
	}
	t.s.out.Offer([]byte(line))
	if said != "" && ev.Dir == stack.RX {
		t.s.out.Offer([]byte(said))
	}
}

// text returns the whole line of a packet. b is the packet, or its head.
func (t *tracer) text(now clock.Instant, iface string, dir stack.Dir, b []byte, m phy.Medium, what, verdict string) string {
	return t.lineOf(t.name, now, iface, t.only, dir, b, m, what, verdict)
}

// onlyInterface returns the name of a host's interface if it has one besides its loop, "" otherwise.
func onlyInterface(h *stack.Host) string {
	name := ""
	for _, i := range h.Ifaces() {
		switch {
		case i.Loop():
		case name != "":
			return ""
		default:
			name = i.Name()
		}
	}
	return name
}

// lineOf returns the whole line of a packet of the host with the prefix name. b is the packet, or its head, and only the name of the
// host's interface if it has one.
func (t *tracer) lineOf(name string, now clock.Instant, iface, only string, dir stack.Dir, b []byte, m phy.Medium, what, verdict string) string {
	arrow := "< "
	if dir == stack.TX {
		arrow = " >"
	}
	return t.s.line(packetLine{at: now.String(), host: name, dev: iface, alone: iface == only, arrow: arrow, what: what, hue: t.s.protocolHue(b, m), verdict: verdict})
}

func (t *tracer) line(b []byte, m phy.Medium, gso int) string {
	s := t.seqs.Line(b, m)
	if gso > 0 {
		s += fmt.Sprintf(" in segments of %d", gso)
	}
	return s
}

// injected returns the text about a packet that a rule of the command line dropped, such as --drop-chance. Packets that fault() drops have only
// their verdict.
func (t *tracer) injected(ev *stack.PacketEvent) string {
	if ev.Verdict.Kind != stack.Dropped || len(t.s.watching.middleware.rules) == 0 {
		return ""
	}
	side := "rx"
	if ev.Dir == stack.TX {
		side = "tx"
	}
	switch ev.Verdict.Reason {
	case drop.FaultLoss:
		return side + ": randomly dropping a packet"
	case drop.FaultSize:
		return side + ": dropping a packet that is too large"
	case drop.FaultRate:
		return side + ": dropping a packet because of rate limiting"
	case drop.FaultLimit:
		return side + ": dropping a packet because too many are held back"
	}
	return ""
}
