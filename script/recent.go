package script

import (
	"sync/atomic"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
)

// recent keeps a host's last packets, for trace(last=…): always, for it allocates nothing and copies but their
// heads. Its fields are the owner's.
type recent struct {
	kept []seen
	next int            // where the next one goes, once there are maxRecent
	seen *atomic.Uint64 // counts the packets of all hosts
}

// maxRecent is how many packets are kept of a host.
const maxRecent = 1000

// seen is the recorded part of a packet, enough to describe it in one line.
type seen struct {
	order   uint64 // among those of all hosts
	now     clock.Instant
	iface   string
	dir     stack.Dir
	medium  phy.Medium
	gso     int
	verdict stack.Verdict
	marks   phy.Marks
	n       int // octets of the head
	length  int // of the whole frame
	head    [seenHead]byte
}

// seenHead has room for any headers, and for what most datagrams of DNS and DHCP say.
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

// packet keeps one packet; on the owner.
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
	p.gso, p.verdict, p.marks = int(ev.Frame.Offload.GSOSize), ev.Verdict, ev.Frame.Marks
	p.n, p.length = copy(p.head[:], ev.Frame.Bytes()), ev.Frame.Len()
}

// all are copies of the packets, oldest first; on the owner.
func (r *recent) all() []seen {
	list := make([]seen, len(r.kept))
	for i := range r.kept {
		// Before the ring is full, next is its length and the oldest stands first.
		list[i] = r.kept[(r.next+i)%len(r.kept)]
	}
	return list
}
