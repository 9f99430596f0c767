package wire

import (
	"net/netip"

	"smolsh/stack/drop"
)

// ARPLen is the length of an ARP packet for IPv4 over Ethernet.
const ARPLen = 28

// ARPOp is an ARP operation.
type ARPOp uint16

// The two operations of RFC 826.
const (
	ARPRequest ARPOp = 1
	ARPReply   ARPOp = 2
)

// ARP is an ARP packet for IPv4 over Ethernet (RFC 826).
type ARP struct {
	Op       ARPOp
	SenderHW HardwareAddr
	SenderIP netip.Addr
	TargetHW HardwareAddr
	TargetIP netip.Addr
}

// ParseARP parses an ARP packet, which padding may follow. It returns drop.BadType for another hardware type, protocol
// type or operation, and drop.BadLength for lengths that contradict the types.
func ParseARP(b []byte) (a ARP, err error) {
	if len(b) < 8 {
		return a, drop.Truncated
	}
	if be.Uint16(b) != 1 || EtherType(be.Uint16(b[2:])) != EtherTypeIPv4 {
		return a, drop.BadType
	}
	if b[4] != 6 || b[5] != 4 {
		return a, drop.BadLength
	}
	if len(b) < ARPLen {
		return a, drop.Truncated
	}
	a.Op = ARPOp(be.Uint16(b[6:]))
	if a.Op != ARPRequest && a.Op != ARPReply {
		return ARP{}, drop.BadType
	}
	copy(a.SenderHW[:], b[8:])
	a.SenderIP = addr4(b[14:18])
	copy(a.TargetHW[:], b[18:])
	a.TargetIP = addr4(b[24:28])
	return a, nil
}

// Put writes the packet and returns ARPLen.
func (a *ARP) Put(b []byte) int {
	be.PutUint16(b, 1)
	be.PutUint16(b[2:], uint16(EtherTypeIPv4))
	b[4], b[5] = 6, 4
	be.PutUint16(b[6:], uint16(a.Op))
	copy(b[8:], a.SenderHW[:])
	putAddr4(b[14:], a.SenderIP)
	copy(b[18:], a.TargetHW[:])
	putAddr4(b[24:], a.TargetIP)
	return ARPLen
}
