package stack

import (
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/reassembly"
	"smolsh/stack/wire"
)

// receiveFragment processes a fragment for this host. The fragment that completes a datagram gets the datagram's
// verdict.
func (h *Host) receiveFragment(now clock.Instant, p *packet) Verdict {
	h.countIP(p.family, mib.IPReasmReqds)
	lo, last := p.fragment.offset, !p.fragment.more
	hi := lo + len(p.payload)
	if hi == lo || !last && hi%8 != 0 {
		h.countIP(p.family, mib.IPReasmFails)
		return dropped(drop.BadLength)
	}
	key := reassembly.Key{Src: p.src, Dst: p.dst, Proto: p.proto, ID: p.fragment.id}
	if p.family == ipv6 {
		key.Proto = 0 // RFC 8200 §4.5: the next header does not tell datagrams apart
	}
	t := &h.reassembly
	d := t.Open(now, key)
	if d.Poisoned() {
		return dropped(drop.FragmentConflict)
	}
	if d.TooLong(lo, hi, p.headerLen) {
		h.countIP(p.family, mib.IPReasmFails)
		if len(d.Fragments) == 0 {
			h.closeDatagram(d)
		}
		return dropped(drop.BadLength)
	}
	k, r := d.Check(lo, hi, last)
	switch r {
	case drop.FragmentConflict: // RFC 5722 §4
		return h.poison(now, d)
	case drop.FragmentAgain:
		return dropped(drop.FragmentAgain)
	}
	complete := d.Note(lo, hi, last, p.ecn())
	if lo == 0 || d.Iface < 0 {
		d.Iface, d.Broadcast = int(p.iface.index), p.broadcast
	}
	if complete {
		return h.deliverReassembled(now, p, d, k)
	}
	f := h.frames.get(len(p.octets))
	copy(f.Extend(len(p.octets)), p.octets)
	f.Zone = p.frame.Zone
	t.Insert(d, k, reassembly.Fragment{Lo: lo, Hi: hi, Header: p.headerLen, Frame: f})
	for t.Storage() > h.limits.Fragments {
		h.countRefused(limitFragments)
		h.giveUpDatagram(now, t.Oldest(), drop.FragmentsFull)
	}
	return Verdict{Kind: Delivered, Proto: p.proto, Held: true}
}

// deliverReassembled delivers the datagram that the fragment p has completed. k is p's index in the datagram.
func (h *Host) deliverReassembled(now clock.Instant, p *packet, d *reassembly.Datagram, k int) Verdict {
	ce, ok := d.CE()
	if !ok {
		return h.poison(now, d) // CE and not-ECT in one datagram, RFC 3168 §5.3
	}
	q := packet{iface: p.iface, family: p.family, broadcast: p.broadcast, members: p.members}
	q.fragment.cut = true
	head := p.octets[:p.headerLen]
	if k > 0 {
		first := &d.Fragments[0]
		head = first.Frame.Bytes()[:first.Header]
	}
	next := p.proto
	if p.family == ipv6 { // the fragment header, which comes last, names the next
		n := len(head) - wire.IPv6FragmentLen
		next, head = wire.Protocol(head[n]), head[:n]
	}
	f := h.frames.get(len(head) + d.Total())
	b := f.Extend(len(head) + d.Total())
	payload := b[len(head):]
	copy(b, head)
	copy(payload[p.fragment.offset:], p.payload)
	d.CopyTo(payload)
	h.closeDatagram(d)
	q.frame, f.Zone = f, p.frame.Zone
	v := h.deliverJoined(now, &q, b, len(head), next, ce)
	h.frames.put(f)
	return v
}

// deliverJoined delivers the datagram b. Its header of n octets is still that of its first fragment, but IPv6's fragment header is
// removed, which named next. It was marked CE if ce is set.
func (h *Host) deliverJoined(now clock.Instant, p *packet, b []byte, n int, next wire.Protocol, ce bool) Verdict {
	if p.family == ipv6 {
		wire.JoinIPv6(b, n, next, ce)
	} else {
		if ce {
			b[1] |= byte(wire.CE)
		}
		wire.JoinIPv4(b, n)
	}
	h.countIP(p.family, mib.IPReasmOKs)
	if err := p.parse(b); err != nil {
		return dropped(drop.Of(err))
	}
	if p.family == ipv6 {
		return h.receiveChain(now, p)
	}
	return h.deliver(now, p)
}

// closeDatagram removes a datagram and recycles the frames of its fragments.
func (h *Host) closeDatagram(d *reassembly.Datagram) {
	for _, f := range d.Fragments {
		h.frames.put(f.Frame)
	}
	h.reassembly.Close(d)
}

// poison drops a datagram whose fragments contradict each other: the fragment just received, the earlier ones, and all
// that arrive later.
func (h *Host) poison(now clock.Instant, d *reassembly.Datagram) Verdict {
	h.dropFragments(now, d, drop.FragmentConflict)
	h.reassembly.Poison(d)
	return dropped(drop.FragmentConflict)
}

// giveUpDatagram removes a datagram that will not be completed, and drops its fragments.
func (h *Host) giveUpDatagram(now clock.Instant, d *reassembly.Datagram, r drop.Reason) {
	if !d.Poisoned() {
		h.dropFragments(now, d, r)
	}
	h.closeDatagram(d)
}

// dropFragments drops the fragments of a datagram, and counts a failed reassembly.
func (h *Host) dropFragments(now clock.Instant, d *reassembly.Datagram, r drop.Reason) {
	h.countIP(familyOf(d.Src), mib.IPReasmFails)
	for _, f := range d.Fragments {
		h.dropLate(now, h.arrivedOn(d), f.Frame.Bytes(), r)
		h.frames.put(f.Frame)
	}
	h.reassembly.Clear(d)
}

// arrivedOn returns the interface on which a datagram's fragments arrived, nil if none has arrived.
func (h *Host) arrivedOn(d *reassembly.Datagram) *Iface {
	if d.Iface < 0 {
		return nil
	}
	return h.net.ifaces[d.Iface]
}

// tickReassembly gives up the datagrams whose reassembly time has expired. If the first fragment had arrived, the
// datagram's source is sent an ICMP time exceeded error (RFC 1122 §3.3.2).
func (h *Host) tickReassembly(now clock.Instant) {
	for d := h.reassembly.Expired(now); d != nil; d = h.reassembly.Expired(now) {
		if !d.Poisoned() {
			h.countIP(familyOf(d.Src), mib.IPReasmTimeout)
		}
		if len(d.Fragments) > 0 && d.Fragments[0].Lo == 0 {
			h.sendReassemblyTimeout(now, d)
		}
		h.giveUpDatagram(now, d, drop.FragmentLate)
	}
}

// sendReassemblyTimeout sends the ICMP time exceeded error about an incomplete datagram.
func (h *Host) sendReassemblyTimeout(now clock.Instant, d *reassembly.Datagram) {
	f := d.Fragments[0].Frame
	p := &packet{frame: f, iface: h.arrivedOn(d), family: familyOf(d.Src), broadcast: d.Broadcast}
	if p.parse(f.Bytes()) == nil && h.net.localAddrs[p.dst] != nil {
		h.sendError(now, p, icmpError{kind: reassemblyExceeded}, drop.FragmentLate)
	}
}
