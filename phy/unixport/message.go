//go:build linux

// Package unixport is a cable between processes of one machine over a Unix socket (unix(7)), which needs no privileges.
// Dial makes a host's end of it, Listen the ports of a switch.
//
// The socket is of type SOCK_SEQPACKET, which keeps messages apart. Each message starts with the protocol's version and
// its kind. The host sends the first hello, with the MTU it wants or 0. The switch answers with its own hello, or with
// "full". From then on every message is one frame after a virtio-net header (phy.Frame.PutVnet), so that both ends may
// send super-segments and unfinished checksums, as on a TAP. The header has the machine's byte order, which is the same
// at both ends.
//
//	hello  version, 1, 's', 'w', MTU in four octets, most significant first
//	frame  version, 2, virtio-net header, Ethernet frame
//	full   version, 3, 's', 'w', number of ports in four octets
//
// A process that may write to the socket is trusted no more than a station on a cable: a message that is none of these,
// or longer than the medium's, is counted by its reason and dropped. The sender's socket buffer bounds the messages in
// transit, so that a process that does not read delays only itself.
//
// A Device or Port is single-owner: one goroutine at a time may use it.
package unixport

import (
	"encoding/binary"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

// Version is the protocol's version, which must be the same at both ends.
const Version = 1

// The kinds of messages.
const (
	kindHello = 1
	kindFrame = 2
	kindFull  = 3
)

const (
	prefixLen  = 2                             // octets of version and kind
	headerLen  = prefixLen + phy.VnetHeaderLen // octets in front of a frame
	controlLen = prefixLen + 6                 // length of any other message
	tagLen     = 4                             // an IEEE 802.1Q tag, which does not count towards the MTU

	// maxPacket is the longest packet that the length fields of IPv4 and the virtio-net header can express, in octets.
	maxPacket = 65535
)

// control returns a control message (hello or full) that contains n.
func control(kind byte, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{Version, kind, 's', 'w'}, uint32(n))
}

// parseControl parses a control message of any version of the protocol. It returns zeros for any other message.
func parseControl(b []byte) (version, kind byte, n int) {
	if len(b) < controlLen || b[2] != 's' || b[3] != 'w' {
		return 0, 0, 0
	}
	return b[0], b[1], int(binary.BigEndian.Uint32(b[4:]))
}

// putHeader converts the frame to a message. It returns false if the frame's headers contradict its Offload; the
// message then has an empty virtio-net header.
func putHeader(f *phy.Frame) bool {
	ok := f.PutVnet(phy.MediumEthernet)
	p := f.Prepend(prefixLen)
	p[0], p[1] = Version, kindFrame
	return ok
}

// takeHeader converts the message to a frame, or returns the reason for which it is not a frame for a medium of that
// MTU.
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
