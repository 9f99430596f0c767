package lab

import (
	"net/netip"

	"smolsh/stack/wire"
)

// pair is two hosts, the one that was added earlier first.
type pair [2]*Host

func pairOf(a, b *Host) pair {
	if b.order < a.order {
		a, b = b, a
	}
	return pair{a, b}
}

// Partition stops frames between a and b, whatever connects them. A link between them is down and loses the frames in
// transit. A switch does not forward between them. Every link drops the packets from an address of one host to an
// address of the other, so routers carry nothing between them. Other hosts reach both, unless their packets are routed
// over a link between a and b.
func (l *Lab) Partition(a, b *Host) { l.cut[pairOf(a, b)] = true }

// Heal ends all partitions. Links that SetUp took down stay down.
func (l *Lab) Heal() { clear(l.cut) }

func (l *Lab) isCut(a, b *Host) bool {
	return len(l.cut) > 0 && l.cut[pairOf(a, b)]
}

// cutsPacket reports whether a frame carries a packet from a host to one that it is partitioned from.
func (l *Lab) cutsPacket(frame []byte) bool {
	if len(l.cut) == 0 {
		return false
	}
	src, dst, ok := packetAddrs(frame)
	if !ok {
		return false
	}
	for p := range l.cut { // the order does not matter
		a, b := p[0].Host, p[1].Host
		if a.HasAddr(src) && b.HasAddr(dst) || b.HasAddr(src) && a.HasAddr(dst) {
			return true
		}
	}
	return false
}

// packetAddrs returns the addresses of the IP packet in an Ethernet frame. ok is false for other frames.
func packetAddrs(frame []byte) (src, dst netip.Addr, ok bool) {
	if len(frame) < wire.EthernetLen {
		return src, dst, false
	}
	at := wire.EthernetLen + wire.VLANTagsLen(frame)
	p := frame[at:]
	switch wire.EtherType(uint16(frame[at-2])<<8 | uint16(frame[at-1])) {
	case wire.EtherTypeIPv4:
		if len(p) < wire.IPv4Len {
			return src, dst, false
		}
		return netip.AddrFrom4([4]byte(p[12:])), netip.AddrFrom4([4]byte(p[16:])), true
	case wire.EtherTypeIPv6:
		if len(p) < wire.IPv6Len {
			return src, dst, false
		}
		return netip.AddrFrom16([16]byte(p[8:])), netip.AddrFrom16([16]byte(p[24:])), true
	}
	return src, dst, false
}
