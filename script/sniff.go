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

// Limits of what sniff() keeps: packets, and octets of theirs. A peer may send both as fast as it likes.
const (
	maxSniffed       = 100000
	maxSniffedOctets = 1 << 28
)

// sniffed is the packets that a call of sniff() has kept.
type sniffed struct {
	list   []starlark.Value
	most   int
	octets int
}

// add keeps a packet.
func (k *sniffed) add(p *packetvalue.Value) {
	k.list = append(k.list, p)
	k.octets += len(p.Octets)
}

// full reports whether the call keeps no further packet.
func (k *sniffed) full() bool { return len(k.list) >= k.most || k.octets >= maxSniffedOctets }

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
	got := sniffed{most: maxSniffed} // only the owner uses it
	if c.Given("count") {
		got.most = arg[int](c, "count")
	}
	var (
		signal stack.Signal
		cancel func()
	)
	c.t.Do(h.w, func(clock.Instant) {
		cancel = h.h.Observe(func(ev *stack.PacketEvent) {
			if got.full() || ev.Repeated() || !only.event(ev) {
				return
			}
			if got.add(sighted(c.s, ev)); got.full() {
				signal.Fire()
			}
		})
	})
	defer c.t.Keeping()()
	err = c.t.Await(h.w, "packets", &signal, timeoutOf(c), func(clock.Instant) bool { return got.full() })
	c.t.Do(h.w, func(clock.Instant) { cancel() })
	if err != nil && err != task.ErrTimedOut && !c.interrupted(err, nil) {
		return nil, err
	}
	return starlark.NewList(got.list), nil
}
