package script

import (
	"slices"

	"go.starlark.net/starlark"

	"smolsh/phy"
	"smolsh/script/packetvalue"
	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// maxSniffed is the largest number of packets that sniff() keeps.
const maxSniffed = 100000

// direction returns the script's word for the direction of a packet.
func direction(d stack.Dir) string {
	if d == stack.TX {
		return "tx"
	}
	return "rx"
}

// sighted returns a packet as a value. ev is the observer's argument. A checksum that is left to the device is filled in.
func sighted(s *Session, ev *stack.PacketEvent) *packetvalue.Value {
	b, m := slices.Clone(ev.Frame.Bytes()), ev.Iface.Medium()
	if ev.Frame.Offload.NeedsCsum {
		phy.WriteChecksum(b, m)
	}
	return packetvalue.NewHead(environment{s}, b, len(b), m,
		&packetvalue.Sighting{Time: ev.Now, Dev: ev.Iface.Name(), Dir: direction(ev.Dir), Verdict: ev.Frame.Marks.After(ev.Verdict.String())})
}

func builtinSniff(c *call) (starlark.Value, error) {
	h := c.on()
	only, err := c.filter(h.w)
	if err != nil {
		return nil, err
	}
	most := maxSniffed
	if c.Given("count") {
		most = arg[int](c, "count")
	}
	var (
		got    []starlark.Value // packets so far; only the owner uses it
		signal stack.Signal
		cancel func()
	)
	c.t.Do(h.w, func(clock.Instant) {
		cancel = h.h.Observe(func(ev *stack.PacketEvent) {
			if len(got) == most || ev.Repeated() || !only.event(ev) {
				return
			}
			if got = append(got, sighted(c.s, ev)); len(got) == most {
				signal.Fire()
			}
		})
	})
	defer c.t.Keeping()()
	err = c.t.Await(h.w, "packets", &signal, timeoutOf(c), func(clock.Instant) bool { return len(got) == most })
	c.t.Do(h.w, func(clock.Instant) { cancel() })
	if err != nil && err != task.ErrTimedOut && !c.interrupted(err, nil) {
		return nil, err
	}
	return starlark.NewList(got), nil
}
