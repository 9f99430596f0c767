package script

import (
	"sync/atomic"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// recent keeps a host's last packets for `trace(last=…)`. It always records, because it allocates nothing and copies
// only the heads of packets. Only the owner uses its fields.
type recent struct {
	kept []seen
	next int            // index for the next packet, once the ring has maxRecent
	seen *atomic.Uint64 // counter of the packets of all hosts
}

// maxRecent is the number of packets kept for each host.
const maxRecent = 1000

// seen is the recorded part of a packet, enough to describe it in one line.
type seen struct {
	order   uint64 // position among the packets of all hosts
	now     clock.Instant
	iface   string
	dir     stack.Dir
	medium  phy.Medium
	gso     int
	partial bool // true if the transport checksum is left to the device
	verdict stack.Verdict
	marks   phy.Marks
	n       int // octets in head
	length  int // octets of the whole frame
	head    [seenHead]byte
}

// seenHead is the size of head in octets: enough for any headers, and for most DNS and DHCP messages.
const seenHead = 384

// record starts recording the host's last packets, and returns the record.
func (s *Session) record(h *hostValue) *recent {
	if r := s.watching.recent[h]; r != nil {
		return r
	}
	r := &recent{seen: &s.watching.order}
	s.watching.recent[h] = r
	h.do(func(clock.Instant) { h.h.ObserveHeads(r.packet) })
	return r
}

// recordOwn starts recording the session's own host, before the first statement runs.
func (s *Session) recordOwn() {
	s.record(s.local)
	if s.cfg.Peer != nil {
		s.record(s.hostOf(s.cfg.Peer, s.local.lab, "peer"))
	}
}

// packet records one packet. Only the owner calls it.
func (r *recent) packet(ev *stack.PacketEvent) {
	if ev.Repeated() {
		return
	}
	if len(r.kept) < maxRecent {
		r.kept = append(r.kept, seen{})
		r.next = len(r.kept) - 1
	}
	p := &r.kept[r.next]
	r.next = (r.next + 1) % maxRecent
	p.order = r.seen.Add(1)
	p.now, p.iface, p.dir, p.medium = ev.Now, ev.Iface.Name(), ev.Dir, ev.Iface.Medium()
	p.gso, p.partial, p.verdict, p.marks = int(ev.Frame.Offload.GSOSize), ev.Frame.Offload.NeedsCsum, ev.Verdict, ev.Frame.Marks
	p.n, p.length = copy(p.head[:], ev.Frame.Bytes()), ev.Frame.Len()
}

// all returns copies of the packets, oldest first. Only the owner calls it.
func (r *recent) all() []seen {
	list := make([]seen, len(r.kept))
	for i := range r.kept {
		// Before the ring is full, next equals its length, and the oldest packet has index 0.
		list[i] = r.kept[(r.next+i)%len(r.kept)]
	}
	return list
}
