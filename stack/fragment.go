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
// traffic (RFC 7739 §5.2). IPv4 uses the low 16 bits.
func (h *Host) identification(src, dst netip.Addr, proto wire.Protocol) uint32 {
	sum := h.hash(src, netip.AddrPortFrom(dst, 0), uint64(proto)<<16)
	n := &h.net.fragmentIDs[byte(sum)]
	*n++
	return uint32(sum>>8) + *n
}

// enqueue queues the IP packet f for the hardware address dst, in the queue of the limit l. A packet that is too long
// is queued in fragments (RFC 791 §3.2, RFC 8200 §4.5), all of them or none. enqueue then owns f. It returns false if the
// queue has no room; the caller then still owns f, to which the link header was added.
func (i *Iface) enqueue(now clock.Instant, l limit, f *phy.Frame, dst wire.HardwareAddr) bool {
	h, q := i.host, &i.out.datagrams
	h.workPending()
	if l == limitReplyQueue {
		q = &i.out.replies
	}
	most, version := *h.limitOf(l), versionOf(f.Bytes())
	cut := cutting{pieces: 1}
	if f.Len() > i.mtuOf(version) || h.net.paths.Len() > 0 {
		cut = h.cutFor(now, i, f)
	}
	if q.n+cut.pieces > most {
		h.countRefused(l)
		h.countIP(version, mib.IPOutDiscards)
		i.putLinkHeader(f, dst, version.etherType())
		return false
	}
	if cut.room == 0 {
		i.putLinkHeader(f, dst, version.etherType())
		return q.push(f, most)
	}
	phy.FinishChecksum(f, phy.MediumIP)
	packet := f.Bytes()
	for off, rest := 0, packet[cut.head:]; len(rest) > 0; off += cut.room {
		n := min(cut.room, len(rest))
		piece := h.frames.get(cut.head + wire.IPv6FragmentLen + n)
		piece.Zone = f.Zone
		piece.Extend(cut.putHeader(piece.Tail(), packet[:cut.head], off, n, n < len(rest)))
		copy(piece.Extend(n), rest)
		rest = rest[n:]
		i.putLinkHeader(piece, dst, version.etherType())
		q.push(piece, most)
		h.countIP(version, mib.IPFragCreates)
	}
	h.countIP(version, mib.IPFragOKs)
	h.frames.put(f)
	return true
}

// cutting is the way in which a packet is cut into fragments.
type cutting struct {
	family family
	head   int // octets of the header that every fragment has
	room   int // octets of payload of every fragment but the last; 0 if the packet is not fragmented
	pieces int
	id     uint32 // identification, of IPv6
}

// cutFor returns the way in which the packet f is cut for i.
func (h *Host) cutFor(now clock.Instant, i *Iface, f *phy.Frame) cutting {
	b := f.Bytes()
	c := cutting{family: versionOf(b), pieces: 1, head: wire.IPv6Len}
	mtu := h.fragmentSize(now, i, f)
	if f.Len() <= mtu {
		return c
	}
	extra := wire.IPv6FragmentLen
	if c.family == ipv4 {
		c.head, extra = int(b[0]&15)*4, 0
	} else {
		c.id = h.identification(netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), 0)
	}
	c.room = (mtu - c.head - extra) &^ 7
	c.pieces = (f.Len() - c.head + c.room - 1) / c.room
	return c
}

// putHeader writes the header of a fragment into b and returns its length. head is the header of the packet. The fragment
// carries n octets of the payload from the offset off.
func (c *cutting) putHeader(b, head []byte, off, n int, more bool) int {
	if c.family == ipv4 {
		return wire.PutIPv4Fragment(b, head, off, n, more)
	}
	copy(b, head)
	binary.BigEndian.PutUint16(b[4:], uint16(wire.IPv6FragmentLen+n))
	field := wire.IPv6Fragment{Next: wire.Protocol(b[6]), Offset: off, More: more, ID: c.id}
	b[6] = wire.FragmentHeader
	return wire.IPv6Len + field.Put(b[wire.IPv6Len:])
}

// minFragmentMTU is the smallest fragment length that a reported path MTU can cause, in octets, because anyone can
// forge the report. If the report is true, routers fragment further. No report of IPv6 is below 1280 octets.
const minFragmentMTU = 552

// fragmentSize returns the largest length that fragments of the packet f may have on i, in octets. It returns f's own
// length if f must not or can't be fragmented. Of IPv6 only the source fragments (RFC 8200 §4.5), so a packet that the host
// forwards, which fits the MTU, is not cut to the path MTU.
func (h *Host) fragmentSize(now clock.Instant, i *Iface, f *phy.Frame) int {
	const dontFragment = 0x4000
	b := f.Bytes()
	if f.Offload.GSOSize != 0 {
		return f.Len()
	}
	mtu := i.mtuOf(versionOf(b))
	if versionOf(b) == ipv6 {
		if h.net.paths.Len() > 0 && f.Len() > wire.MinMTU6 && h.net.localAddrs[i.scoped(netip.AddrFrom16([16]byte(b[8:])))] != nil {
			return h.net.paths.Within(now, i.scoped(netip.AddrFrom16([16]byte(b[24:]))), mtu)
		}
		return mtu
	}
	if binary.BigEndian.Uint16(b[6:])&dontFragment != 0 {
		return f.Len()
	}
	if h.net.paths.Len() > 0 {
		path := h.net.paths.Within(now, netip.AddrFrom4([4]byte(b[16:])), mtu)
		return max(path, min(mtu, minFragmentMTU))
	}
	return mtu
}
