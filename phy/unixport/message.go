//go:build linux

// Package unixport is a cable between processes of one machine: a host's end of it (Dial) and the port of a switch
// that it leads to (Listen), over a Unix socket (unix(7)) that needs no privileges.
//
// The socket is of type SOCK_SEQPACKET, which keeps messages apart. Each starts with the protocol's version and its
// kind. The host says hello first, with the MTU it wants or 0, and the switch answers with its own, or that it is
// full; from then on every message is one frame behind a virtio-net header (phy.Frame.PutVnet), so that both ends
// may hand over super-segments and unfinished checksums, as on a TAP. Its byte order is the machine's, which is the
// same at both ends.
//
//	hello  version, 1, 's', 'w', MTU in four octets, most significant first
//	frame  version, 2, virtio-net header, Ethernet frame
//	full   version, 3, 's', 'w', number of ports in four octets
//
// Whoever may write to the socket is believed no further than a station on a cable is: a message that is none of
// these, or longer than the medium's, is counted by its reason and dropped. What may wait is bounded by the
// sender's socket buffer, so that a process that does not read holds up nobody but itself.
//
// A Device or Port is single-owner: one goroutine at a time may use it.
package unixport

import (
	"encoding/binary"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Version is the protocol's; both ends must speak the same.
const Version = 1

// The kinds of message.
const (
	kindHello = 1
	kindFrame = 2
	kindFull  = 3
)

const (
	prefixLen  = 2                             // version and kind
	headerLen  = prefixLen + phy.VnetHeaderLen // of a frame's message
	controlLen = prefixLen + 6                 // of any other
	tagLen     = 4                             // an IEEE 802.1Q tag, which is no part of the packet

	// maxPacket is the longest packet that IPv4's and the virtio-net header's length fields can say.
	maxPacket = 65535
)

// control is a message that is no frame, with its number.
func control(kind byte, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{Version, kind, 's', 'w'}, uint32(n))
}

// parseControl reads a message that is no frame. The version is known even of a message that says nothing else to
// us; kind is 0 for one that is nothing of the protocol's.
func parseControl(b []byte) (version, kind byte, n int) {
	if len(b) < controlLen || b[2] != 's' || b[3] != 'w' {
		return 0, 0, 0
	}
	return b[0], b[1], int(binary.BigEndian.Uint32(b[4:]))
}

// putHeader makes the frame a message. It is false when the frame's headers do not allow what its Offload asks for.
// Either way the header is there.
func putHeader(f *phy.Frame) bool {
	ok := f.PutVnet(phy.MediumEthernet)
	p := f.Prepend(prefixLen)
	p[0], p[1] = Version, kindFrame
	return ok
}

// takeHeader makes the message a frame, or says why it is none for a medium of that MTU.
func takeHeader(f *phy.Frame, mtu int) drop.Reason {
	b := f.Bytes()
	switch {
	case len(b) < prefixLen:
		return drop.Truncated
	case b[0] != Version:
		return drop.BadVersion
	case b[1] != kindFrame:
		return drop.BadType
	case len(b) < headerLen+wire.EthernetLen:
		return drop.Truncated
	}
	super := b[prefixLen+1] != 0
	f.TrimFront(prefixLen)
	if !f.TakeVnet() {
		return drop.BadType
	}
	packet := f.Len() - wire.EthernetLen
	if b := f.Bytes(); b[12] == 0x81 && b[13] == 0 {
		packet -= tagLen
	}
	switch {
	case super && f.Offload.GSOSize == 0:
		return drop.BadLength
	case super && (packet > maxPacket || int(f.Offload.GSOSize) > mtu), !super && packet > mtu:
		return drop.TooLong
	}
	return drop.None
}
