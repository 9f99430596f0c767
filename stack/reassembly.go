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
	h.count(mib.IPReasmReqds)
	lo, last := p.ip.FragmentOffset, !p.ip.MoreFragments
	hi := lo + len(p.payload)
	if hi == lo || !last && hi%8 != 0 || p.ip.HeaderLen+hi > maxMTU {
		h.count(mib.IPReasmFails)
		return dropped(drop.BadLength)
	}
	t := &h.reassembly
	d := t.Open(now, reassembly.Key{Src: p.ip.Src, Dst: p.ip.Dst, Proto: p.ip.Protocol, ID: uint32(p.ip.ID)})
	if d.Poisoned() {
		return dropped(drop.FragmentConflict)
	}
	k, r := d.Check(lo, hi, last)
	switch r {
	case drop.FragmentConflict: // RFC 5722 §4
		return h.poison(now, d)
	case drop.FragmentAgain:
		return dropped(drop.FragmentAgain)
	}
	complete := d.Note(lo, hi, last, p.ip.ECN())
	if lo == 0 || d.Iface < 0 {
		d.Iface, d.Broadcast = int(p.iface.index), p.broadcast
	}
	if complete {
		return h.deliverReassembled(now, p, d, k)
	}
	f := h.frames.get(len(p.octets))
	copy(f.Extend(len(p.octets)), p.octets)
	t.Insert(d, k, reassembly.Fragment{Lo: lo, Hi: hi, Header: p.ip.HeaderLen, Frame: f})
	for t.Storage() > h.limits.Fragments {
		h.countRefused(limitFragments)
		h.giveUpDatagram(now, t.Oldest(), drop.FragmentsFull)
	}
	return Verdict{Kind: Delivered, Proto: p.ip.Protocol, Held: true}
}

// deliverReassembled delivers the datagram that the fragment p has completed. k is p's index in the datagram.
func (h *Host) deliverReassembled(now clock.Instant, p *packet, d *reassembly.Datagram, k int) Verdict {
	ce, ok := d.CE()
	if !ok {
		return h.poison(now, d) // CE and not-ECT in one datagram, RFC 3168 §5.3
	}
	q := *p
	head := p.octets[:p.ip.HeaderLen]
	if k > 0 {
		first := &d.Fragments[0]
		head = first.Frame.Bytes()[:first.Header]
	}
	f := h.frames.get(len(head) + d.Total())
	b := f.Extend(len(head) + d.Total())
	payload := b[len(head):]
	copy(b, head)
	copy(payload[p.ip.FragmentOffset:], p.payload)
	d.CopyTo(payload)
	if ce {
		b[1] |= byte(wire.CE)
	}
	wire.JoinIPv4(b, len(head))
	h.closeDatagram(d)
	h.count(mib.IPReasmOKs)
	q.frame, q.octets, q.trusted = f, b, false
	q.ip, q.payload, _ = wire.ParseIPv4(b)
	v := h.deliver(now, &q)
	h.frames.put(f)
	return v
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
	h.count(mib.IPReasmFails)
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
			h.count(mib.IPReasmTimeout)
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
	p := &packet{frame: f, iface: h.arrivedOn(d), octets: f.Bytes(), broadcast: d.Broadcast}
	var err error
	if p.ip, p.payload, err = wire.ParseIPv4(f.Bytes()); err != nil || h.net.localAddrs[p.ip.Dst] == nil {
		return
	}
	m := wire.ICMP{Type: wire.ICMPTimeExceeded, Code: wire.ExceededReassembly}
	h.sendICMPError(now, p, m, p.ip.Dst, TimeExceeded, drop.FragmentLate)
}
