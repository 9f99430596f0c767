package script

import (
	"fmt"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/filter"
)

// tracer prints a line per packet of one host.
type tracer struct {
	s      *Session
	name   string // printed in front of the device where there are several hosts
	seqs   sequences
	filter *filter.Filter
	cancel func()
}

func traceBuiltins() []*builtin {
	return []*builtin{
		{name: "trace", sig: "filter=None", kinds: "any", args: `filter: tcpdump's expression, or False to stop`, host: true, see: "capture, drops",
			doc: "Print a line per packet from now on; trace(False) stops.", example: `trace("icmp"); ping("192.168.69.100", count=1); trace(False)`, fn: builtinTrace},
		{name: "capture", sig: "path, filter=None", kinds: "str str", result: "capture", host: true, see: "trace",
			doc: "Write every packet to a file: pcapng, or classic pcap when the name ends in .pcap.", example: `capture("x.pcapng")`, fn: builtinCapture},
		{name: "capture.stop", doc: "Finish the file.", example: `capture("x.pcapng").stop()`, fn: captureStop},
	}
}

func builtinTrace(c *call) (starlark.Value, error) {
	h := c.on()
	var f *filter.Filter
	switch v := arg[starlark.Value](c, "filter").(type) {
	case nil, starlark.NoneType:
	case starlark.Bool:
		if !v {
			c.s.traceOff(h)
			return starlark.None, nil
		}
	case starlark.String:
		var err error
		if f, err = filter.Compile(string(v)); err != nil {
			return nil, c.errorf("%v", err)
		}
	default:
		return nil, c.errorf("argument 1 (filter) is a filter string or False, got %s", v.Type())
	}
	c.s.traceOn(h, f)
	return starlark.None, nil
}

// Trace prints a line per packet of the session's own host.
func (s *Session) Trace() { s.traceOn(s.local, nil) }

func (s *Session) traceOn(h *hostValue, f *filter.Filter) {
	s.traceOff(h)
	t := &tracer{s: s, filter: f}
	if h != s.local {
		t.name = h.name + "."
	}
	s.tracers[h] = t
	h.do(func(clock.Instant) { t.cancel = h.h.Observe(t.packet) })
}

func (s *Session) traceOff(h *hostValue) {
	if t := s.tracers[h]; t != nil {
		delete(s.tracers, h)
		h.do(func(clock.Instant) { t.cancel() })
	}
}

// verdictColumn is where verdicts stand, so that they can be read down the page.
const verdictColumn = 120

// packet prints one packet; on the owner.
func (t *tracer) packet(ev *stack.PacketEvent) {
	medium := ev.Iface.Medium()
	if ev.Repeated() {
		return
	}
	if t.filter != nil && !t.filter.Match(ev.Frame.Bytes(), medium) {
		return
	}
	arrow := "< "
	if ev.Dir == stack.TX {
		arrow = " >"
	}
	line := fmt.Sprintf("%v %s%s %s %s", ev.Now, t.name, ev.Iface.Name(), arrow, t.line(ev.Frame, medium))
	if v := ev.Verdict.String(); v != "" {
		pad := max(2, verdictColumn-utf8.RuneCountInString(line))
		line = fmt.Sprintf("%s%*s%s", line, pad, "", v)
	}
	said := injected(ev)
	if said != "" && ev.Dir == stack.TX {
		t.s.out.offer([]byte(said))
	}
	t.s.out.offer([]byte(line))
	if said != "" && ev.Dir == stack.RX {
		t.s.out.offer([]byte(said))
	}
}

func (t *tracer) line(f *phy.Frame, m phy.Medium) string {
	s := t.seqs.line(f.Bytes(), m)
	if n := f.Offload.GSOSize; n > 0 {
		s += fmt.Sprintf(" in segments of %d", n)
	}
	return s
}

// injected is what is said of a packet that a rule dropped.
func injected(ev *stack.PacketEvent) string {
	if ev.Verdict.Kind != stack.Dropped {
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
	case drop.FaultMatch:
		return side + ": dropping a packet that a rule names"
	}
	return ""
}
