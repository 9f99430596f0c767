package stack

import (
	"net/netip"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// reassemblyTime is how long a datagram's fragments wait for the rest, from the first that came on (RFC 1122 §3.3.2).
const reassemblyTime = 60 * time.Second

// assemblyOverhead is what a datagram and each of its fragments are charged with beside their frames, in octets.
const assemblyOverhead = 256

// datagramKey tells datagrams apart (RFC 791 §3.2).
type datagramKey struct {
	src, dst netip.Addr
	proto    wire.Protocol
	id       uint16
}

// fragment is a fragment that waits: octets lo to hi of its datagram's payload, behind a header of head octets.
type fragment struct {
	lo, hi, head int
	frame        *phy.Frame
}

// assembly is a datagram of which fragments have come. They lie in the order of the payload and don't overlap.
type assembly struct {
	key       datagramKey
	iface     *Iface // by which the first of the payload came, or else any
	broadcast bool
	fragments []fragment
	have      int  // octets of payload
	total     int  // octets of the whole payload; 0 while unknown
	ecn       byte // a bit for every codepoint that has come
	poisoned  bool // there was a contradiction: all that comes is dropped, until the time is over
	storage   int
	expiry    clock.Timer[*assembly]
}

// assemblies is the datagrams that are put together, the oldest first in expiry. Their storage is bounded, and it is
// the oldest that makes room: whole datagrams come within moments, so that what is oldest is least likely to be
// completed, and nobody can fill the room and keep it.
type assemblies struct {
	byKey   map[datagramKey]*assembly
	peak    int // the most that byKey has held, see shrink
	expiry  clock.Heap[*assembly]
	storage int // octets
	spare   []*assembly
}

func (s *assemblies) init() { s.byKey = make(map[datagramKey]*assembly) }

// open finds the assembly of a fragment, or makes one.
func (s *assemblies) open(now clock.Instant, key datagramKey) *assembly {
	if a := s.byKey[key]; a != nil {
		return a
	}
	var a *assembly
	if n := len(s.spare); n > 0 {
		a, s.spare = s.spare[n-1], s.spare[:n-1]
	} else {
		a = new(assembly)
	}
	*a = assembly{key: key, fragments: a.fragments[:0]}
	a.expiry.Value = a
	s.byKey[key] = a
	s.peak = max(s.peak, len(s.byKey))
	s.expiry.Set(&a.expiry, now.Add(reassemblyTime))
	s.charge(a, assemblyOverhead)
	return a
}

// close forgets a, whose frames somebody else has taken.
func (s *assemblies) close(a *assembly) {
	s.expiry.Stop(&a.expiry)
	delete(s.byKey, a.key)
	s.byKey = shrink(s.byKey, &s.peak)
	s.charge(a, -a.storage)
	if clear(a.fragments); len(s.spare) < 16 && cap(a.fragments) <= 64 {
		s.spare = append(s.spare, a)
	}
}

func (s *assemblies) charge(a *assembly, n int) {
	a.storage += n
	s.storage += n
}

// insertAt is where octets lo to hi belong among the fragments. again says that they have come before; ok is false where
// they contradict what has come.
func (a *assembly) insertAt(lo, hi int, last bool) (k int, again, ok bool) {
	k, again = slices.BinarySearchFunc(a.fragments, lo, func(f fragment, lo int) int { return f.lo - lo })
	end := 0 // of what has come
	if n := len(a.fragments); n > 0 {
		end = a.fragments[n-1].hi
	}
	switch {
	case last && (a.total != 0 && hi != a.total || hi < end), !last && a.total != 0 && hi >= a.total:
		return k, false, false
	case again:
		return k, true, a.fragments[k].hi == hi
	}
	return k, false, (k == 0 || a.fragments[k-1].hi <= lo) && (k == len(a.fragments) || hi <= a.fragments[k].lo)
}

// receiveFragment takes a fragment for this host. The one that completes its datagram has the datagram's verdict.
func (h *Host) receiveFragment(now clock.Instant, p *packet) Verdict {
	h.count(mib.IPReasmReqds)
	lo, last := p.ip.FragmentOffset, !p.ip.MoreFragments
	hi := lo + len(p.payload)
	if hi == lo || !last && hi%8 != 0 || p.ip.HeaderLen+hi > maxMTU {
		h.count(mib.IPReasmFails)
		return dropped(drop.BadLength)
	}
	s := &h.reassembly
	a := s.open(now, datagramKey{p.ip.Src, p.ip.Dst, p.ip.Protocol, p.ip.ID})
	if a.poisoned {
		return dropped(drop.FragmentConflict)
	}
	k, again, ok := a.insertAt(lo, hi, last)
	switch {
	case !ok:
		return h.poison(now, a)
	case again:
		return dropped(drop.FragmentAgain)
	}
	a.have += hi - lo
	a.ecn |= 1 << p.ip.ECN()
	if last {
		a.total = hi
	}
	if lo == 0 || a.iface == nil {
		a.iface, a.broadcast = p.iface, p.broadcast
	}
	if a.have == a.total {
		return h.deliverReassembled(now, p, a, k)
	}
	f := h.frames.get(len(p.octets))
	copy(f.Extend(len(p.octets)), p.octets)
	a.fragments = slices.Insert(a.fragments, k, fragment{lo, hi, p.ip.HeaderLen, f})
	s.charge(a, f.Size()+phy.Headroom+assemblyOverhead)
	for s.storage > h.limits.Fragments {
		h.countRefused(limitFragments)
		h.abandon(now, s.oldest(), drop.FragmentsFull)
	}
	return Verdict{Kind: Delivered, Proto: p.ip.Protocol, Held: true}
}

// oldest is the assembly that has waited for longest.
func (s *assemblies) oldest() *assembly { return s.expiry.First().Value }

// deliverReassembled delivers the datagram that the fragment p, which belongs at k among the others, completes.
func (h *Host) deliverReassembled(now clock.Instant, p *packet, a *assembly, k int) Verdict {
	const notECT, ce = 1 << wire.NotECT, 1 << wire.CE
	if a.ecn&(notECT|ce) == notECT|ce {
		return h.poison(now, a) // RFC 3168 §5.3
	}
	whole := *p
	head := p.octets[:p.ip.HeaderLen]
	if k > 0 {
		head = a.fragments[0].frame.Bytes()[:a.fragments[0].head]
	}
	f := h.frames.get(len(head) + a.total)
	b := f.Extend(len(head) + a.total)
	payload := b[len(head):]
	copy(b, head)
	copy(payload[p.ip.FragmentOffset:], p.payload)
	for _, g := range a.fragments {
		copy(payload[g.lo:g.hi], g.frame.Bytes()[g.head:])
	}
	if a.ecn&ce != 0 {
		b[1] |= byte(wire.CE)
	}
	wire.JoinIPv4(b, len(head))
	h.freeAssembly(a)
	h.count(mib.IPReasmOKs)
	whole.frame, whole.octets, whole.trusted = f, b, false
	whole.ip, whole.payload, _ = wire.ParseIPv4(b)
	v := h.deliver(now, &whole)
	h.frames.put(f)
	return v
}

// freeAssembly forgets an assembly and recycles its frames.
func (h *Host) freeAssembly(a *assembly) {
	for _, g := range a.fragments {
		h.frames.put(g.frame)
	}
	h.reassembly.close(a)
}

// poison gives up a datagram of which a fragment contradicts another, with that fragment and all that come.
func (h *Host) poison(now clock.Instant, a *assembly) Verdict {
	h.dropFragments(now, a, drop.FragmentConflict)
	a.poisoned = true
	return dropped(drop.FragmentConflict)
}

// abandon gives up a datagram.
func (h *Host) abandon(now clock.Instant, a *assembly, r drop.Reason) {
	if !a.poisoned {
		h.dropFragments(now, a, r)
	}
	h.freeAssembly(a)
}

// dropFragments counts the loss of a datagram and of its fragments.
func (h *Host) dropFragments(now clock.Instant, a *assembly, r drop.Reason) {
	h.count(mib.IPReasmFails)
	for _, g := range a.fragments {
		h.dropLate(now, a.iface, g.frame.Bytes(), r)
		h.reassembly.charge(a, -(g.frame.Size() + phy.Headroom + assemblyOverhead))
		h.frames.put(g.frame)
	}
	a.fragments = nil // a void datagram is charged with its overhead only, so that it must not keep the list
}

// tickAssemblies gives up the datagrams whose time is over. The source is told where the first fragment is there, which
// says whose it was (RFC 1122 §3.3.2).
func (h *Host) tickAssemblies(now clock.Instant) {
	for t := h.reassembly.expiry.Pop(now); t != nil; t = h.reassembly.expiry.Pop(now) {
		a := t.Value
		if !a.poisoned {
			h.count(mib.IPReasmTimeout)
		}
		if len(a.fragments) > 0 && a.fragments[0].lo == 0 {
			h.sendReassemblyTimeout(now, a)
		}
		h.abandon(now, a, drop.FragmentLate)
	}
}

// sendReassemblyTimeout answers the first fragment of a datagram that was not complete in time.
func (h *Host) sendReassemblyTimeout(now clock.Instant, a *assembly) {
	f := a.fragments[0].frame
	p := &packet{frame: f, iface: a.iface, octets: f.Bytes(), broadcast: a.broadcast}
	var err error
	if p.ip, p.payload, err = wire.ParseIPv4(f.Bytes()); err != nil || p.isError() || h.net.localAddrs[p.ip.Dst] == nil {
		return
	}
	m := wire.ICMP{Type: wire.ICMPTimeExceeded, Code: wire.ExceededReassembly}
	h.sendICMPError(now, p, m, p.ip.Dst, TimeExceeded, drop.FragmentLate)
}
