package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/packetvalue"
	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
	"smolsh/stack/tcp"
)

// eventKinds maps the names of events to the stack's kinds.
var eventKinds = map[string]stack.EventKind{
	"tcp": stack.EventTCP, "connection": stack.EventConnection, "neighbor": stack.EventNeighbor, "drop": stack.EventDrop,
	"recovery": stack.EventRecovery, "conflict": stack.EventConflict, "link": stack.EventLink,
	"address": stack.EventAddress,
}

// packetEvent is the name of the event that an observer raises for each packet. The host has no event for packets.
const packetEvent = "packet"

// occurrence is an event of the host, or an observed packet.
type occurrence struct {
	stack.Event
	packet *packetvalue.Value
}

// maxEvents is the number of events that can wait for one handler. Further events are lost, and counted.
const maxEvents = 1024

// subscription is the value that on() returns. It has a task that runs the handler. Events wait for the task in a
// bounded ring, which only the owner uses.
type subscription struct {
	s    *Session
	h    *hostValue
	name string
	kind stack.EventKind
	t    *taskValue
	w    *task.World // world whose time the handler's wait may advance; nil for a host of another lab
	only *chooser    // filter for packets and drops; nil for all

	// Only the goroutine that owns the host's world uses the following fields.
	cancel func()
	ring   []occurrence
	lost   uint64
	count  uint64
	unsaid uint64 // events lost that the handler has not been told of
	signal stack.Signal
}

func (v *subscription) String() string {
	text := fmt.Sprintf("on %q", v.name)
	if v.only != nil {
		text += fmt.Sprintf(", filter=%q", v.only.String())
	}
	return since(text, v.t.Done(), "off")
}

func (v *subscription) Type() string          { return "subscription" }
func (v *subscription) Freeze()               {}
func (v *subscription) Truth() starlark.Bool  { return starlark.Bool(!v.t.Done()) }
func (v *subscription) Hash() (uint32, error) { return uint32(v.t.ID), nil }

// Attr returns a field or a method of the subscription.
func (v *subscription) Attr(name string) (starlark.Value, error) {
	switch name {
	case "event":
		return starlark.String(v.name), nil
	case "task":
		return v.t, nil
	case "count", "lost":
		var n uint64
		v.h.do(func(clock.Instant) {
			if n = v.count; name == "lost" {
				n = v.lost
			}
		})
		return num(n), nil
	}
	return suggest.Attr(v, name, v.s.member("subscription", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *subscription) AttrNames() []string {
	return append([]string{"count", "event", "lost", "task"}, v.s.reg.Members["subscription"]...)
}

func eventBuiltins() []*builtin {
	return []*builtin{
		{Name: "on", Sig: "event, fn, filter=None", Kinds: "str fn pattern", Host: true, Result: "subscription",
			Args: `event: "tcp" (a connection changed its state), "connection" (one was established), "neighbor", "conflict" (another station uses our address), "address" (an address was added or removed, or is tentative, preferred, deprecated or a duplicate now), "drop", "packet" (a packet arrived or was sent, and is fn's argument), "link" (an interface went up or down, or its MTU changed) or "recovery" (a sender found losses, timed out, sent a probe or undid a reduction); fn: a function that a new task calls with each event; ` +
				filterArg + `, for "packet" and "drop"`,
			Doc:     "Call fn with every event of a kind from now on; the caller continues.",
			Example: `o = on("connection", lambda e: print(e.peer)); tcp.connect("192.168.69.100:7").close(); sleep("1ms"); o.off()`,
			See:     "trace, drops, every", Fn: builtinOn},
		{Name: "subscription.off", Doc: "Stop calling the function.",
			Example: `o = on("drop", print); o.off()`, Fn: subscriptionOff},
	}
}

// eventNames returns the names of all events, sorted.
func eventNames() []string {
	names := slices.AppendSeq([]string{packetEvent}, maps.Keys(eventKinds))
	slices.Sort(names)
	return names
}

func builtinOn(c *call) (starlark.Value, error) {
	fn, name := arg[starlark.Callable](c, "fn"), arg[string](c, "event")
	kind, ok := eventKinds[name]
	if !ok && name != packetEvent {
		names := eventNames()
		hint := ""
		if n := suggest.Nearest(name, names); n != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", n)
		}
		return nil, c.errorf("argument 1 (event) is one of %s, got %q%s", strings.Join(names, ", "), name, hint)
	}
	if !takesOne(fn) {
		return nil, c.errorf("argument 2 (fn) is a function of an event, or of a packet for %q, and takes one argument: lambda e: …", packetEvent)
	}
	v := &subscription{s: c.s, h: c.on(), name: name, kind: kind}
	if v.h.w == c.s.home {
		v.w = v.h.w // a handler's wait advances no lab but the session's own
	}
	var err error
	if v.only, err = c.filter(v.h.w); err != nil {
		return nil, err
	}
	if v.only != nil && name != packetEvent && kind != stack.EventDrop {
		return nil, c.errorf("filter= goes with \"packet\" and \"drop\": no packet comes with %q", name)
	}
	if err := c.room(); err != nil {
		return nil, err
	}
	c.t.Do(v.h.w, func(clock.Instant) {
		if name == packetEvent {
			v.cancel = v.h.h.Observe(v.takePacket)
		} else {
			v.cancel = v.h.h.Events(v.take)
		}
	})
	v.t = c.s.spawn(fmt.Sprintf("on %s %s", name, fn.Name()), c.t.host, func(t *taskValue) (starlark.Value, error) {
		defer c.s.tasks.Do(v.h.w, func(clock.Instant) { v.cancel() })
		for {
			events, lost, err := v.next(t)
			if err != nil {
				return nil, err
			}
			for _, ev := range events {
				var told starlark.Value = ev.packet
				if ev.packet == nil {
					told = v.event(ev.Event, lost)
				}
				if _, err := starlark.Call(t.thread, fn, starlark.Tuple{told}, nil); err != nil {
					return nil, err
				}
				lost = 0
			}
		}
	})
	return v, nil
}

// take queues an event for the handler. The owner calls it during a call to the host.
func (v *subscription) take(ev stack.Event) {
	if ev.Kind != v.kind || !v.only.Match(ev.Octets, ev.Medium) {
		return
	}
	if v.room() {
		ev.Octets = slices.Clone(ev.Octets[:min(len(ev.Octets), 128)])
		v.ring = append(v.ring, occurrence{Event: ev})
		v.signal.Fire()
	}
}

// takePacket queues an observed packet for the handler.
func (v *subscription) takePacket(ev *stack.PacketEvent) {
	if ev.Repeated() || !v.only.event(ev) {
		return
	}
	if v.room() {
		v.ring = append(v.ring, occurrence{packet: sighted(v.s, ev)})
		v.signal.Fire()
	}
}

// room counts one more event and reports whether the ring has room. It counts an event without room as lost.
func (v *subscription) room() bool {
	v.count++
	if len(v.ring) < maxEvents {
		return true
	}
	v.lost++
	v.unsaid++
	return false
}

// next waits for events and returns them. lost is the number of events that were lost since the previous call.
func (v *subscription) next(t *taskValue) (events []occurrence, lost uint64, err error) {
	waiter := stack.Waiter{Wake: t.Wake}
	_ = t.Yield() // a peer that floods the host must not keep other tasks and Ctrl-C waiting; Err has the cancellation
	for {
		if t.Err() != nil {
			t.Do(v.h.w, func(clock.Instant) { v.signal.Cancel(&waiter) })
			return nil, 0, t.Err()
		}
		t.Do(v.h.w, func(clock.Instant) {
			events, v.ring = v.ring, nil
			lost, v.unsaid = v.unsaid, 0
			if len(events) == 0 {
				v.signal.Wait(&waiter)
			}
		})
		if len(events) > 0 {
			return events, lost, nil
		}
		t.Park(v.w, v.name+" events")
	}
}

func subscriptionOff(c *call) (starlark.Value, error) {
	v := c.recv.(*subscription)
	c.t.Do(v.h.w, func(clock.Instant) { v.cancel() })
	v.t.Cancel(task.ErrCanceled)
	if v.t == c.t {
		return nil, task.ErrCanceled
	}
	return starlark.None, nil
}

// eventValue is an event as a script sees it. It prints as one line.
type eventValue struct {
	*starlarkstruct.Struct
	line string
}

// String returns the event as one line.
func (e eventValue) String() string { return e.line }

func (v *subscription) event(ev stack.Event, lost uint64) starlark.Value {
	d := starlark.StringDict{
		"event": starlark.String(v.name), "time": starlark.Float(ev.Now.Seconds()), "host": v.h, "lost": num(lost),
	}
	text := ""
	switch ev.Kind {
	case stack.EventTCP:
		text = fmt.Sprintf("%v %v: %v -> %v", ev.Local, ev.Remote, ev.From, ev.To)
		connEvent(d, &ev)
		d["old"], d["new"], d["error"] = starlark.String(ev.From.String()), starlark.String(ev.To.String()), starlark.None
		if ev.Err != nil {
			text += ", " + cause(ev.Err)
			d["error"] = starlark.String(cause(ev.Err))
		}
	case stack.EventConnection:
		text = fmt.Sprintf("%v to %v", ev.Local, ev.Remote)
		if ev.Passive {
			text = fmt.Sprintf("%v from %v", ev.Local, ev.Remote)
		}
		connEvent(d, &ev)
	case stack.EventNeighbor:
		text = neighborEvent(d, &ev)
	case stack.EventConflict:
		text = ConflictText(&ev)
		d["address"], d["dev"], d["hwaddr"] = registry.Address(ev.Addr), starlark.String(ev.Iface.Name()), starlark.String(ev.HW.String())
		d["new"] = starlark.String(ev.New)
	case stack.EventDrop:
		text = dropEvent(d, &ev)
	case stack.EventRecovery:
		text = fmt.Sprintf("%v %v: %v, %s", ev.Local, ev.Remote, ev.Episode, ev.Why)
		d["local"], d["peer"] = registry.Endpoint(ev.Local), registry.Endpoint(ev.Remote)
		d["episode"], d["why"] = starlark.String(ev.Episode.String()), starlark.String(ev.Why)
	case stack.EventAddress:
		text = addressEvent(d, &ev)
	case stack.EventLink:
		text = fmt.Sprintf("%s: %s -> %s, mtu %d", ev.Iface.Name(), ev.Old, ev.New, ev.MTU)
		d["dev"], d["old"], d["new"], d["mtu"] = starlark.String(ev.Iface.Name()), starlark.String(ev.Old), starlark.String(ev.New), num(ev.MTU)
	}
	if lost > 0 {
		text += fmt.Sprintf("   (%d events before it lost)", lost)
	}
	line := fmt.Sprintf("%v %s %s", ev.Now, v.name, text)
	if v.h != v.s.local {
		line = fmt.Sprintf("%v %s %s %s", ev.Now, v.h.name, v.name, text)
	}
	return eventValue{starlarkstruct.FromStringDict(starlark.String("event"), d), line}
}

func connEvent(d starlark.StringDict, ev *stack.Event) {
	d["local"], d["peer"], d["passive"] = registry.Endpoint(ev.Local), registry.Endpoint(ev.Remote), starlark.Bool(ev.Passive)
	d["state"] = starlark.String(ev.To.String())
	if ev.Kind == stack.EventConnection {
		d["state"] = starlark.String(tcp.Established.String())
	}
}

// addressEvent sets the fields of an event about an address and its states, and returns its text.
func addressEvent(d starlark.StringDict, ev *stack.Event) string {
	d["address"], d["dev"] = registry.Address(ev.Addr), starlark.String(ev.Iface.Name())
	state := func(field, s string) string {
		if d[field] = starlark.None; s == "" {
			return "none"
		}
		d[field] = starlark.String(s)
		return s
	}
	return fmt.Sprintf("%v on %s: %s -> %s", ev.Addr, ev.Iface.Name(), state("old", ev.Old), state("new", ev.New))
}

func neighborEvent(d starlark.StringDict, ev *stack.Event) string {
	text := addressEvent(d, ev)
	if d["hwaddr"] = starlark.None; !ev.HW.IsZero() {
		d["hwaddr"] = starlark.String(ev.HW.String())
		text += ", " + ev.HW.String()
	}
	return text
}

// sayConflicts makes the session print a line for each address conflict of its own host.
func (s *Session) sayConflicts() {
	s.tasks.Do(s.home, func(clock.Instant) {
		s.local.h.WatchConflicts(func(ev stack.Event) {
			s.out.Offer(fmt.Appendf(nil, "%v address conflict: %s", ev.Now, ConflictText(&ev)))
		})
	})
}

// ConflictText describes an address conflict in one line.
func ConflictText(ev *stack.Event) string {
	return fmt.Sprintf("%v on %s is used by %v too: %s", ev.Addr, ev.Iface.Name(), ev.HW, ev.New)
}

func dropEvent(d starlark.StringDict, ev *stack.Event) string {
	d["reason"], d["dev"], d["dir"] = starlark.String(ev.Reason.String()), starlark.None, starlark.String("rx")
	if ev.Dir == stack.TX {
		d["dir"] = starlark.String("tx")
	}
	if ev.Iface != nil {
		d["dev"] = starlark.String(ev.Iface.Name())
	}
	said := packet.Summary(ev.Octets, ev.Medium)
	d["summary"] = starlark.String(said)
	return ev.Reason.String() + ": " + said
}
