package script

import (
	"math"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/stack/clock"
)

func replayBuiltins() []*builtin {
	return []*builtin{
		{Name: "replay", Sig: "packets, speed=1.0, dev=None, rewrite=None", Kinds: "any float any fn",
			Args: "packets: packets in the order of their times, such as those of read_capture or sniff; speed: a number above 0, 2.0 halves the times between them; " +
				"dev: an interface's name or row, None for that of the route; rewrite: a function that is called with each packet when it is due, and returns the packet to send, or None for no packet",
			Result: "int", Host: true, See: "send, read_capture, defragment",
			Doc:     "Send packets at their original or scaled times, and return how many were sent.",
			Example: `c = capture("x.pcapng"); ping("192.168.69.100", count=2); c.stop(); replay(read_capture("x.pcapng", "icmp"), speed=10.0)`, Fn: builtinReplay},
	}
}

// replayer is the state of one replay() call.
type replayer struct {
	*sender
	speed float64
	began clock.Instant // when the call began
	first clock.Instant // time of the first packet that has one
	timed bool          // such a packet was met
}

// dueAt returns when a packet is due: with its distance from the first, divided by the speed. A packet without a time, and one that is older
// than its predecessor, is due at once.
func (r *replayer) dueAt(p *packetvalue.Value) clock.Instant {
	if p.Seen == nil || p.Seen.Untimed {
		return r.due
	}
	if !r.timed {
		r.timed, r.first = true, p.Seen.Time
	}
	distance := float64(p.Seen.Time.Sub(r.first)) / r.speed
	return max(r.due, r.began.Add(time.Duration(min(distance, float64(maxReplay)))))
}

// maxReplay bounds the time that a replay waits for a packet: a file can hold any times.
const maxReplay = 100 * 365 * 24 * time.Hour

func builtinReplay(c *call) (starlark.Value, error) {
	list, err := c.replayed()
	if err != nil {
		return nil, err
	}
	s, err := c.senderOf(nil)
	if err != nil {
		return nil, err
	}
	s.filling.unclaimed()
	r := &replayer{sender: s, speed: arg[float64](c, "speed")}
	if !(r.speed > 0) || math.IsInf(r.speed, 0) {
		return nil, c.errorf("speed is more than 0, got %v: send(packets) sends them without waiting", r.speed)
	}
	c.t.Do(s.h.w, func(now clock.Instant) { r.began, r.due = now, now })
	defer c.t.Keeping()()
	n := 0
	for v := range starlark.Elements(list) {
		p, err := c.whole(v, n, "packets")
		if err != nil {
			return nil, err
		}
		n++
		if err := r.send(p); err != nil && c.interrupted(err, nil) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return num(r.left), nil
}

// replayed returns the packets of the call. Those of a file may be read one by one.
func (c *call) replayed() (starlark.Iterable, error) {
	v := arg[starlark.Value](c, "packets")
	if p, ok := v.(*packetvalue.Value); ok {
		return starlark.Tuple{p}, nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, c.errorf("argument 1 (packets) is a list of packets, got %s", v.Type())
	}
	return list, nil
}

// send waits until a packet is due, and sends what rewrite= makes of it.
func (r *replayer) send(p *packetvalue.Value) error {
	c := r.c
	due := r.dueAt(p)
	if err := r.await("the next packet's time", due.Due, func(now clock.Instant) time.Duration { return max(0, due.Sub(now)) }); err != nil {
		return err
	}
	r.due = due
	if rewrite := arg[starlark.Callable](c, "rewrite"); rewrite != nil {
		v, err := starlark.Call(c.t.thread, rewrite, starlark.Tuple{p}, nil)
		if err != nil || v == starlark.None {
			return err
		}
		q, ok := v.(*packetvalue.Value)
		if !ok {
			return c.errorf("rewrite returns a packet or None, got %s", v.Type())
		}
		p = q
	}
	r.probes, r.next = []*probe{{given: p}}, 0
	err := r.await("the packet to be sent", func(now clock.Instant) bool {
		r.step(now)
		return r.fail != nil || r.idle()
	}, r.untilDue)
	if r.due = due; err == nil && r.fail != nil {
		err = r.failure()
	}
	return err
}
