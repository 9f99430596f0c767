package stack

import (
	"fmt"

	"smolsh/stack/clock"
	"smolsh/stack/mib"
	"smolsh/stack/tcp"
)

// check checks everything that must be true between two calls of the host.
func (r *rig) check() {
	r.checked = r.frames
	if r.err == nil {
		if err := r.h.invariants(r.now); err != nil {
			r.fail("%w", err)
			return
		}
		r.bounds()
	}
}

// invariants returns the first violation: of a connection's own invariants, the host's sums over its tables, the agreement of
// timers and queues, and the conservation of frames.
func (h *Host) invariants(now clock.Instant) error {
	if in, out := h.Conservation(); in != out {
		return fmt.Errorf("%d frames in, %d accounted for", in, out)
	}
	if n, m := len(h.watch.tcpEvents), len(h.watch.neighborEvents); n+m > 0 {
		return fmt.Errorf("%d TCP events and %d neighbour events are kept, and nobody is told", n, m)
	}
	if err := h.invariantConns(now); err != nil {
		return err
	}
	if err := h.invariantFrames(); err != nil {
		return err
	}
	if err := h.invariant6(); err != nil {
		return err
	}
	return h.invariantSockets()
}

// invariantConns checks connections and the sums over them. The map's order only decides which violation is found first.
func (h *Host) invariantConns(now clock.Instant) error {
	var buffers, waiting, established int
	half := map[*TCPListener]int{}
	for key, c := range h.sockets.conns {
		if err := c.Check(); err != nil {
			return fmt.Errorf("%v to %v: %w", c.local, c.remote, err)
		}
		kept, counted := c.conn.Memory(), memoryUse{}
		if c.memoryUse != nil {
			counted = *c.memoryUse
		}
		buffers, waiting = buffers+counted.buffers.used, waiting+counted.outOfOrder.used
		switch st := c.conn.State(); {
		case c.gone || key != h.net.flowOf(c.local, c.remote):
			return fmt.Errorf("%v to %v is in the table and should not be", c.local, c.remote)
		case counted.buffers.used != kept.Send+kept.Receive || counted.outOfOrder.used != kept.Beyond:
			return fmt.Errorf("%v to %v in %v counts for %d and %d octets and keeps %+v", c.local, c.remote, st, counted.buffers.used, counted.outOfOrder.used, kept)
		case st == tcp.Established || st == tcp.CloseWait:
			established++
		}
		if c.half {
			half[c.listener]++
		}
		at, due := c.timer.At(), c.conn.Deadline()
		switch {
		case c.queued || c.parked != nil || due == clock.Never:
		case at > max(due, now+1):
			return fmt.Errorf("%v to %v in %v has a deadline at %v and a timer at %v", c.local, c.remote, c.conn.State(), due, at)
		}
	}
	for l := range h.sockets.allListeners {
		if l.half != half[l] {
			return fmt.Errorf("a listener counts %d half-open connections of %d", l.half, half[l])
		}
	}
	switch {
	case buffers != h.memory.buffers.used || waiting != h.memory.outOfOrder.used:
		return fmt.Errorf("%d octets of buffers and %d beyond gaps, the sums say %d and %d", buffers, waiting, h.memory.buffers.used, h.memory.outOfOrder.used)
	case uint64(established) != h.stats.counters[mib.TCPCurrEstab]:
		return fmt.Errorf("%d connections are established, the counter says %d", established, int64(h.stats.counters[mib.TCPCurrEstab]))
	}
	return nil
}

// invariantFrames checks the whereabouts of the pools' frames, and reassembly's counts.
func (h *Host) invariantFrames() error {
	n, err := h.reassembly.Check()
	if err != nil {
		return err
	}
	for _, i := range h.net.ifaces {
		n += i.out.replies.n + i.out.datagrams.n
		for _, e := range i.neighbors() {
			n += e.Pending.datagrams.n
			for _, c := range e.Pending.conns {
				if c.parked != e && !c.gone {
					return fmt.Errorf("%v to %v waits for %v and does not know", c.local, c.remote, e.Addr)
				}
			}
		}
	}
	if n != h.frames.lent {
		return fmt.Errorf("%d frames of the pools are queued, %d are in use", n, h.frames.lent)
	}
	return nil
}

// invariantSockets checks the sums over sockets, ports and memberships.
func (h *Host) invariantSockets() error {
	n := len(h.sockets.conns) + len(h.sockets.icmpByID) + len(h.sockets.icmpByUDP)
	for _, sockets := range h.sockets.raw {
		n += sockets.len()
	}
	for _, sockets := range h.sockets.frames {
		n += sockets.len()
	}
	joined, ports, listening, wantPorts, wantListening := 0, 0, 0, 0, 0
	for u := range h.sockets.allUDP {
		joined += u.groups.len()
		wantPorts += 1 + int(u.families.last-u.families.first)
		n++
	}
	for l := range h.sockets.allListeners {
		wantListening += 1 + int(l.families.last-l.families.first)
		n++
	}
	for _, k := range h.ports.users[portsUDP] {
		ports += k
	}
	for _, k := range h.ports.users[portsTCP] {
		listening += k
	}
	if n != h.sockets.open || joined != h.igmp.memberships || ports != wantPorts || listening != wantListening {
		return fmt.Errorf("%d sockets, %d memberships, %d UDP ports, %d listening; the sums say %d, %d, %d, %d",
			n, joined, wantPorts, wantListening, h.sockets.open, h.igmp.memberships, ports, listening)
	}
	for _, i := range h.net.ifaces {
		if i.groups.list.len() != len(i.groups.byAddr) {
			return fmt.Errorf("%s: %d groups in the list, %d in the table", i.name, i.groups.list.len(), len(i.groups.byAddr))
		}
	}
	return nil
}

// bounds checks that the host's memory is within its limits. Each connection may exceed the limit of buffers by the minimum with
// which it continues.
func (r *rig) bounds() {
	h := r.h
	more := [numLimits]int{
		limitBuffers: len(h.sockets.conns) * 2 * freeMemory,
	}
	for l, x := range h.LimitInfos() {
		if l == int(limitSYNQueue) && len(h.sockets.listeners)+len(h.sockets.anyTCP) == 0 {
			continue
		}
		if x.Used > r.most[l]+more[l] {
			r.fail("limit %s: %d used of %d", x.Name, x.Used, r.most[l])
		}
	}
}

// idle checks the memory of connections that receive nothing and whose timers have expired. It must not be much larger
// than their buffered data.
func (r *rig) idle() {
	for _, c := range r.h.sockets.connections() {
		info := c.Info(r.now)
		kept := c.conn.Memory()
		held := info.RecvQ + info.SendQ + kept.Beyond
		if n := kept.Send + kept.Receive; n > 64<<10+16*held {
			r.fail("%v to %v in %v keeps %d octets of storage for %d octets", c.local, c.remote, info.State, n, held)
			return
		}
	}
}
