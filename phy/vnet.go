package phy

import (
	"encoding/binary"

	"smolsh/stack/wire"
)

// VnetHeaderLen is the length in octets of the virtio-net header before a frame (Virtual I/O Device 1.2 §5.1.6: struct
// virtio_net_hdr without num_buffers). Its fields are in the machine's byte order.
const VnetHeaderLen = 10

// Flags and kinds of super-segments of the virtio-net header.
const (
	vnetNeedsCsum = 1
	vnetDataValid = 2

	vnetGSONone  = 0
	vnetGSOTCPv4 = 1
	vnetGSOTCPv6 = 4
	vnetGSOUDPL4 = 5
	vnetGSOECN   = 0x80
)

// PutVnet prepends the virtio-net header that expresses the frame's Offload. It returns false, with an empty header, if the
// frame's own headers contradict its Offload.
func (f *Frame) PutVnet(m Medium) bool {
	o := f.Offload
	if o.GSOSize == 0 && !o.NeedsCsum {
		clear(f.Prepend(VnetHeaderLen))
		return true
	}
	l, _, ok := parseLayout(f.Bytes(), m, len(f.borrowed[0])+len(f.borrowed[1]))
	h := f.Prepend(VnetHeaderLen)
	clear(h)
	if !ok {
		return false
	}
	if o.GSOSize != 0 {
		switch {
		case l.proto == wire.ProtocolUDP:
			h[1] = vnetGSOUDPL4
		case l.v6:
			h[1] = vnetGSOTCPv6
		default:
			h[1] = vnetGSOTCPv4
		}
		binary.NativeEndian.PutUint16(h[4:], o.GSOSize)
	}
	h[0] = vnetNeedsCsum // each segment of a super-segment gets its own checksum
	binary.NativeEndian.PutUint16(h[2:], uint16(l.data))
	binary.NativeEndian.PutUint16(h[6:], uint16(l.l4))
	binary.NativeEndian.PutUint16(h[8:], uint16(checksumAt(l.proto)))
	return true
}

// TakeVnet removes the virtio-net header from the front of a received frame and sets the frame's Offload. It returns
// false, with a zero Offload, if the frame is shorter than the header, or is a kind of super-segment that was not
// negotiated.
func (f *Frame) TakeVnet() bool {
	if f.Len() < VnetHeaderLen {
		return false
	}
	h := f.Bytes()[:VnetHeaderLen]
	f.TrimFront(VnetHeaderLen)
	f.Offload = Offload{NeedsCsum: h[0]&vnetNeedsCsum != 0, CsumValid: h[0]&vnetDataValid != 0}
	switch h[1] &^ vnetGSOECN {
	case vnetGSONone:
	case vnetGSOTCPv4, vnetGSOTCPv6, vnetGSOUDPL4:
		f.Offload.GSOSize = binary.NativeEndian.Uint16(h[4:])
		f.Offload.UDP = h[1]&^vnetGSOECN == vnetGSOUDPL4
	default:
		return false
	}
	return true
}
