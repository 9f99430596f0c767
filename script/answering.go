package script

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"smolsh/script/complaint"
	"smolsh/script/packetvalue"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
)

func answeringBuiltins() []*builtin {
	return []*builtin{
		{Name: "answering", Sig: "pattern, fn, host=None", Kinds: "any fn host",
			Args: `pattern: as of packet.matches, such as ARP(op=1), "udp port 53" or a function of the packet (UDP(dport=53) claims the port until off(), unless a socket has it); fn: a function that gets each packet that arrives and matches, and returns a packet, ` +
				`a list of packets, or None for no answer (it may not wait, and its errors end nothing); host: the host, None for that of the caller`,
			Result: "answering", Host: true, See: "on, claim, packet.matches, send",
			Doc: "Send what fn returns for each packet that matches. The stack is silent at the ports that a pattern names.",
			Example: `a = peer.answering(UDP(dport=53), lambda p: IP(dst=p.ip.src)/UDP(sport=53, dport=p.udp.sport)/"no"); ` +
				`sr1(IP(dst="192.168.69.100")/UDP(dport=53)); a.off()`, Fn: builtinAnswering},
		{Name: "answering.off", Doc: "Stop answering.", Example: `a = answering(ARP(op=1), lambda p: None); a.off()`, Fn: answeringOff},
	}
}

// maxAnswered is the number of packets that can wait for fn. Further ones are lost, and counted.
const maxAnswered = 1024

// answering is the value that answering() returns. It has a task that calls fn and sends the answers. Packets wait for the task in a bounded
// ring.
type answering struct {
	s       *Session
	h       *hostValue
	c       *call // whose task is the value's own
	pattern *packetvalue.Pattern
	fn      starlark.Callable
	t       *taskValue
	failed  uint64        // packets for which fn failed
	err     error         // fn's last error
	w       *task.World   // world whose time the task's wait may advance; nil for a host of another lab
	claims  []*claimValue // of the ports that the pattern names

	// Only the goroutine that owns the host's world uses the following fields.
	cancel  func()
	ring    []*packetvalue.Value
	count   uint64 // packets that matched
	sent    uint64
	lost    uint64               // packets and answers without room, and answers that could not be sent
	again   []*packetvalue.Value // answers whose neighbour has answered
	broken  error                // error of the pattern's function
	signal  stack.Signal
	filling filling
	said    complaint.Log // errors of sending
}

// String implements starlark.Value.
func (v *answering) String() string {
	return since(fmt.Sprintf("answering %v with %s", v.pattern, v.fn.Name()), v.t.Done(), "off")
}

// Type implements starlark.Value.
func (v *answering) Type() string { return "answering" }

// Freeze implements starlark.Value.
func (v *answering) Freeze() {}

// Truth implements starlark.Value: false after off() and after an error of the pattern's function.
func (v *answering) Truth() starlark.Bool { return starlark.Bool(!v.t.Done()) }

// Hash implements starlark.Value.
func (v *answering) Hash() (uint32, error) { return uint32(v.t.ID), nil }

// Attr returns a field or a method.
func (v *answering) Attr(name string) (starlark.Value, error) {
	switch name {
	case "task":
		return v.t, nil
	case "failed":
		return num(v.failed), nil
	case "error":
		if v.err == nil {
			return starlark.None, nil
		}
		return starlark.String(v.s.firstLine(v.err)), nil
	case "count", "sent", "lost":
		var n uint64
		v.h.do(func(clock.Instant) { n = map[string]uint64{"count": v.count, "sent": v.sent, "lost": v.lost}[name] })
		return num(n), nil
	}
	return suggest.Attr(v, name, v.s.member("answering", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *answering) AttrNames() []string {
	return append([]string{"count", "error", "failed", "lost", "sent", "task"}, v.s.reg.Members["answering"]...)
}

func builtinAnswering(c *call) (starlark.Value, error) {
	pt, err := c.pattern()
	if err != nil {
		return nil, err
	}
	h := c.on()
	if c.Given("host") {
		h = arg[starlark.Value](c, "host").(*hostValue)
	}
	if err := c.room(); err != nil {
		return nil, err
	}
	v := &answering{s: c.s, h: h, pattern: pt, fn: arg[starlark.Callable](c, "fn")}
	if h.w == c.s.home {
		v.w = h.w // the task's wait advances no lab but the session's own
	}
	v.filling = filling{h: h.h}
	v.filling.unclaimed()
	v.claim()
	c.t.Do(h.w, func(clock.Instant) { v.cancel = h.h.Observe(v.take) })
	v.t = c.s.spawn("answering "+v.fn.Name(), c.t.host, func(t *taskValue) (starlark.Value, error) {
		defer v.end(t)
		v.c = &call{s: c.s, t: t, b: c.b, recv: h}
		return nil, v.run(t)
	})
	return v, nil
}

// take queues a packet that has arrived and matches. The owner calls it during a call to the host.
func (v *answering) take(ev *stack.PacketEvent) {
	if ev.Dir != stack.RX || ev.Repeated() || lostBefore(ev.Verdict.Reason) || v.broken != nil || ev.Iface.Loop() {
		return
	}
	var p *packetvalue.Value
	fits := false
	if frame := ev.Frame.Bytes(); !v.pattern.Calls() {
		if fits, _ = v.pattern.MatchFrame(frame, len(frame), ev.Iface.Medium()); fits {
			p = sighted(v.s, ev)
		}
	}
	if v.pattern.Calls() && !v.s.tasks.Predicate(!v.h.w.Virtual(), func() {
		p = sighted(v.s, ev)
		fits, v.broken = v.pattern.Match(p)
	}) {
		v.lost++ // the interpreter was busy
		return
	}
	switch {
	case v.broken != nil:
	case !fits || v.own(p):
		return
	case len(v.ring) == maxAnswered:
		v.count++
		v.lost++
		return
	default:
		v.count++
		v.ring = append(v.ring, p)
	}
	v.signal.Fire()
}

// own reports whether a packet says that the host itself has sent it: an answer to it would come back, and be answered for ever.
func (v *answering) own(p *packetvalue.Value) bool {
	src, ok := p.Source()
	return ok && (src.IsLoopback() || v.h.h.HasAddr(src))
}

// run answers until the task is cancelled, or the pattern's function fails.
func (v *answering) run(t *taskValue) error {
	waiter := stack.Waiter{Wake: t.Wake}
	for {
		if t.Err() != nil {
			t.Do(v.h.w, func(clock.Instant) { v.signal.Cancel(&waiter) })
			return t.Err()
		}
		var packets []*packetvalue.Value
		var broken error
		more := false
		t.Do(v.h.w, func(now clock.Instant) {
			packets, v.ring, broken = v.ring, nil, v.broken
			again := v.again
			v.again = nil
			for _, p := range again {
				v.send(now, p)
			}
			if more = len(packets)+len(again) > 0; !more && broken == nil {
				v.signal.Wait(&waiter)
			}
		})
		for _, p := range packets {
			if t.Yield() != nil { // a peer that floods the host must not keep other tasks and Ctrl-C waiting
				break
			}
			answers, err := v.answers(p)
			if err != nil {
				v.fail(t, err)
				continue
			}
			t.Do(v.h.w, func(now clock.Instant) {
				for _, q := range answers {
					v.send(now, q)
				}
			})
		}
		switch {
		case broken != nil:
			return broken
		case !more:
			t.Park(v.w, "packets to answer")
		}
	}
}

// fail reports an error of fn. A packet may be its cause, so the next one is answered again.
func (v *answering) fail(t *taskValue, err error) {
	v.failed++
	v.err = err
	who := "answering with " + v.fn.Name()
	if v.s.trouble(who, err) {
		return
	}
	say, held := false, 0
	t.Do(v.h.w, func(now clock.Instant) { say, held = v.said.Take(now, err) })
	if say {
		v.s.out.Flush()
		fmt.Fprintf(v.s.cfg.Stderr, "%s: %s\n%s", who, v.s.report(err), complaint.Before(held))
	}
}

// answers returns what fn returns for a packet. fn has an interpreter without a task, so that it can't wait.
func (v *answering) answers(p *packetvalue.Value) ([]*packetvalue.Value, error) {
	x, err := environment{v.s}.Judge(v.fn, p)
	if err != nil || x == starlark.None {
		return nil, err
	}
	if q, ok := x.(*packetvalue.Value); ok {
		x = starlark.Tuple{q}
	}
	list, ok := x.(starlark.Iterable)
	if !ok {
		return nil, v.c.errorf("%s returns a packet, a list of packets or None, got %s", v.fn.Name(), x.Type())
	}
	var answers []*packetvalue.Value
	for e := range starlark.Elements(list) {
		q, ok := e.(*packetvalue.Value)
		if !ok {
			return nil, v.c.errorf("%s returns a packet, a list of packets or None, and element %d is %s", v.fn.Name(), len(answers), article(e.Type()))
		}
		answers = append(answers, q)
	}
	return answers, nil
}

// send sends an answer. A frame whose neighbour's hardware address is not known is sent when it is; the stack bounds how many wait.
func (v *answering) send(now clock.Instant, p *packetvalue.Value) {
	f := v.filling
	f.resolved = func(_ clock.Instant, err error) {
		if err != nil {
			v.lost++
			return
		}
		v.again = append(v.again, p)
		v.signal.Fire()
	}
	out, err := f.ready(now, p)
	v.filling.seq = f.seq
	switch {
	case err == errResolving:
		return
	case err != nil:
	case out.frame:
		err = v.h.h.SendFrame(now, out.route.Iface, out.packet.Octets)
	default:
		err = v.h.h.SendRouted(now, out.route, out.packet.Octets, func(_ clock.Instant, err error) {
			if err != nil {
				v.lost++
			} else {
				v.sent++
			}
		})
		if err == nil {
			return
		}
	}
	if err == nil {
		v.sent++
		return
	}
	v.lost++
	v.complain(now, err)
}

// complain says why an answer could not be sent, unless the network may be the cause: others could then fill the screen.
func (v *answering) complain(now clock.Instant, err error) {
	if errors.Is(err, stack.ErrQueueFull) || errors.Is(err, stack.ErrLimit) || errors.Is(err, stack.ErrHostUnreach) {
		return
	}
	if say, _ := v.said.Take(now, err); say {
		v.s.out.Offer([]byte(v.s.clean(fmt.Sprintf("answering with %s: %v", v.fn.Name(), err))))
	}
}

func answeringOff(c *call) (starlark.Value, error) {
	v := c.recv.(*answering)
	v.end(c.t)
	v.t.Cancel(task.ErrCanceled)
	return starlark.None, nil
}

// claim keeps the stack from answering at the ports that the pattern names. It leaves those that a socket has.
func (v *answering) claim() {
	for what, proto := range [...]*packet.Protocol{packet.TCP, packet.UDP} {
		for _, port := range v.pattern.Ports(proto) {
			if port == 0 || len(v.claims) == maxAnswered {
				continue
			}
			if k, err := v.s.claim(v.h, [...]string{"tcp", "udp"}[what], port); err == nil {
				k.answering++
				v.claims = append(v.claims, k)
			}
		}
	}
}

// end stops the answers, and releases the ports that nobody else claims.
func (v *answering) end(t *taskValue) {
	t.Do(v.h.w, func(clock.Instant) { v.cancel() })
	for _, k := range v.claims {
		if k.answering--; k.answering == 0 && !k.kept {
			k.release()
		}
	}
	v.claims = nil
}
