package stack

import (
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/mib"
	"smolsh/stack/neigh"
	"smolsh/stack/wire"
)

// receiveARP processes an ARP packet (RFC 826). A valid packet from a neighbour updates the neighbour's entry, but only
// a packet for this host creates an entry. A request without a sender address is a probe (RFC 5227 §2.1.1); it is
// answered and changes no entry.
//
// The sender's address in the packet may differ from the frame's source src. Virtual routers (RFC 5798 §8.1.2) and
// clusters send such packets. A corrupted packet looks the same, because ARP has no checksum. If the two addresses
// differ, the entry becomes STALE: it is polled after its next use, and removed if no answer arrives.
func (h *Host) receiveARP(now clock.Instant, i *Iface, src wire.HardwareAddr, b []byte) Verdict {
	a, err := wire.ParseARP(b)
	if err != nil {
		return dropped(drop.Of(err))
	}
	request := a.Op == wire.ARPRequest
	if request {
		h.count(mib.ARPInRequests)
	} else {
		h.count(mib.ARPInReplies)
	}
	if len(i.addresses.probes) > 0 && !a.SenderHW.IsZero() && i.abandonIfInUse(now, &a) {
		return dropped(drop.ARPConflict)
	}
	ours := h.net.localAddrs[a.TargetIP] == i && !a.TargetIP.IsLoopback() && !i.shared // the kernel answers for a shared address
	if request && a.SenderIP.IsUnspecified() {
		switch {
		case !ours && a.SenderHW == i.mac: // our own probe, reflected by a device on the link
			return h.overhear()
		case !i.isStation(a.SenderHW):
			return dropped(drop.ARPMartian)
		case !ours:
			return h.overhear()
		}
		return h.answerARP(i, &a)
	}
	if _, ok := i.first(ipv4); !ok && !ours && unicast(a.SenderIP) && !h.net.isNeighbor(i, a.SenderIP) {
		return h.overhear() // without an address on the interface the host has no neighbours there
	}
	if r := h.checkSender(now, i, &a); r != drop.None {
		return dropped(r)
	}
	polled := false // true if the packet confirms the entry, and so answers a poll
	if e := i.neigh[ipv4].Get(a.SenderIP); e != nil && e.Usable() {
		if e.HW != a.SenderHW {
			h.count(mib.ARPInMoves)
		}
		polled = e.HW == a.SenderHW && (e.State == neigh.Reachable || e.State == neigh.Probe && e.Probes > 0)
	}
	e, what := i.neigh[ipv4].Learn(now, a.SenderIP, a.SenderHW, ours && (request || a.TargetHW == i.mac))
	if a.SenderHW != src && !polled {
		i.neigh[ipv4].Doubt(now, e)
	}
	if what == neigh.Resolved {
		i.sendPending(now, e)
	}
	switch {
	case request && ours: // RFC 826 answers even if there was no room for an entry for the sender
		return h.answerARP(i, &a)
	case what == neigh.Ignored && e != nil && e.HW != a.SenderHW:
		return dropped(drop.ARPPermanent)
	case what == neigh.Ignored:
		return h.overhear()
	case what == neigh.Full:
		_ = h.noNeighbor(i, a.SenderIP)
		return dropped(drop.NeighborTableFull)
	}
	return Verdict{Kind: Delivered}
}

// overhear is the verdict on an ARP packet between other stations.
func (h *Host) overhear() Verdict {
	h.count(mib.ARPInNotForUs)
	return Verdict{Kind: Overheard}
}

// checkSender returns a drop reason for a sender that cannot be a neighbour on i.
func (h *Host) checkSender(now clock.Instant, i *Iface, a *wire.ARP) drop.Reason {
	if !i.isStation(a.SenderHW) {
		return drop.ARPMartian
	}
	if h.net.localAddrs[a.SenderIP] == i {
		h.defendAddr(now, a.SenderIP, a.SenderHW)
		return drop.ARPConflict
	}
	if h.net.localAddrs[a.SenderIP] != nil {
		return drop.ARPMartian
	}
	if !unicast(a.SenderIP) || !h.net.isNeighbor(i, a.SenderIP) || i.isBroadcast(a.SenderIP) {
		return drop.ARPMartian
	}
	return drop.None
}

// isStation reports whether a can be the hardware address of another station.
func (i *Iface) isStation(a wire.HardwareAddr) bool { return !a.IsZero() && !a.IsGroup() && a != i.mac }

func (h *Host) answerARP(i *Iface, q *wire.ARP) Verdict {
	a := wire.ARP{Op: wire.ARPReply, SenderHW: i.mac, SenderIP: q.TargetIP, TargetHW: q.SenderHW, TargetIP: q.SenderIP}
	f := h.frames.get(wire.ARPLen)
	i.putARP(f, &a, q.SenderHW)
	if !i.out.replies.push(f, h.limits.ReplyQueue) {
		h.countRefused(limitReplyQueue)
		h.frames.put(f)
		return dropped(drop.ReplyQueueFull)
	}
	h.count(mib.ARPOutReplies)
	return answered(ARPReply)
}

// putARPRequest writes an ARP request for a into f. hw is the destination: the broadcast address or a neighbour's.
func (i *Iface) putARPRequest(f *phy.Frame, a netip.Addr, hw wire.HardwareAddr) {
	q := wire.ARP{Op: wire.ARPRequest, SenderHW: i.mac, TargetIP: a}
	if hw != wire.Broadcast {
		q.TargetHW = hw
	}
	q.SenderIP, _ = i.host.net.source(hop{iface: i, next: a}, a)
	i.putARP(f, &q, hw)
	i.host.count(mib.ARPOutRequests)
}

func (i *Iface) putARP(f *phy.Frame, a *wire.ARP, dst wire.HardwareAddr) {
	a.Put(f.Extend(wire.ARPLen))
	i.putLinkHeader(f, dst, wire.EtherTypeARP)
}
