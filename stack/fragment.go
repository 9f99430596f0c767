package stack

import (
	"encoding/binary"
	"net/netip"

	"smolsh/phy"
	"smolsh/stack/clock"
	"smolsh/stack/mib"
	"smolsh/stack/wire"
)

// identification returns the identification of the next datagram that may be fragmented. It counts up for each pair of
// ends, so that no value repeats soon (RFC 6864 §4.3). The count starts at a keyed hash, which reveals nothing of other
// traffic (RFC 7739 §5.2).
func (h *Host) identification(src, dst netip.Addr, proto wire.Protocol) uint16 {
	sum := h.hash(src, netip.AddrPortFrom(dst, 0), uint64(proto)<<16)
	n := &h.net.fragmentIDs[byte(sum)]
	*n++
	return uint16(sum>>8) + *n
}

// enqueue queues the IP packet f for the hardware address dst, in the queue of the limit l. A packet that is too long
// is queued in fragments (RFC 791 §3.2), all of them or none. enqueue then owns f. It returns false if the queue has no
// room; the caller then still owns f, to which the link header was added.
func (i *Iface) enqueue(now clock.Instant, l limit, f *phy.Frame, dst wire.HardwareAddr) bool {
	h, q, pieces, room := i.host, &i.out.datagrams, 1, 0
	h.workPending()
	if l == limitReplyQueue {
		q = &i.out.replies
	}
	head, most := int(f.Bytes()[0]&15)*4, *h.limitOf(l)
	if mtu := h.fragmentSize(now, i, f); f.Len() > mtu {
		room = (mtu - head) &^ 7
		pieces = (f.Len() - head + room - 1) / room
	}
	if q.n+pieces > most {
		h.countRefused(l)
		h.count(mib.IPOutDiscards)
		i.putLinkHeader(f, dst, wire.EtherTypeIPv4)
		return false
	}
	if room == 0 {
		i.putLinkHeader(f, dst, wire.EtherTypeIPv4)
		return q.push(f, most)
	}
	phy.FinishChecksum(f, phy.MediumIP)
	packet := f.Bytes()
	for off, rest := 0, packet[head:]; len(rest) > 0; off += room {
		n := min(room, len(rest))
		piece := h.frames.get(head + n)
		hl := wire.PutIPv4Fragment(piece.Tail(), packet[:head], off, n, n < len(rest))
		piece.Extend(hl)
		copy(piece.Extend(n), rest)
		rest = rest[n:]
		i.putLinkHeader(piece, dst, wire.EtherTypeIPv4)
		q.push(piece, most)
		h.count(mib.IPFragCreates)
	}
	h.count(mib.IPFragOKs)
	h.frames.put(f)
	return true
}

// minFragmentMTU is the smallest fragment length that a reported path MTU can cause, in octets, because anyone can
// forge the report. If the report is true, routers fragment further.
const minFragmentMTU = 552

// fragmentSize returns the largest length that fragments of the packet f may have on i, in octets. It returns f's own
// length if f must not or can't be fragmented.
func (h *Host) fragmentSize(now clock.Instant, i *Iface, f *phy.Frame) int {
	const dontFragment = 0x4000
	b := f.Bytes()
	if binary.BigEndian.Uint16(b[6:])&dontFragment != 0 || f.Offload.GSOSize != 0 {
		return f.Len()
	}
	mtu := i.MTU()
	if h.net.paths.Len() > 0 {
		path := h.net.paths.Within(now, netip.AddrFrom4([4]byte(b[16:])), mtu)
		return max(path, min(mtu, minFragmentMTU))
	}
	return mtu
}
