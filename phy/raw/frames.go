//go:build linux

package raw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// skips is the number of unusable frames that one Recv skips before it returns.
const skips = 64

// Recv reads the pending frames, one per system call, into the frames' tails. Frames need room for
// Capabilities().FrameSize() octets; a longer frame is skipped. phy.ErrDown means that the interface is down, and may
// come up again. An error that matches phy.ErrClosed means that the device was closed or the interface deleted. The
// frames before an error were received.
func (d *Device) Recv(frames []*phy.Frame) (int, error) {
	if d.closed {
		return 0, phy.ErrClosed
	}
	skipped := 0
	for i := 0; i < len(frames); {
		f := frames[i]
		f.Prepend(phy.VnetHeaderLen)
		f.Truncate(0)
		err := d.read(f)
		if err == 0 {
			i++
			continue
		}
		f.Reset()
		switch err {
		case unix.EINTR:
		case unix.EINVAL, unix.EMSGSIZE: // the virtio-net header can't express the offload, or the frame is too long
			if skipped++; skipped == skips {
				return i, nil
			}
		default:
			return i, d.failure("read", err)
		}
	}
	return len(frames), nil
}

// failure returns the error of Recv or Send for a system call that moved no frame: nil if the call would block.
func (d *Device) failure(call string, err syscall.Errno) error {
	switch err {
	case unix.EAGAIN:
		return nil
	case unix.ENETDOWN:
		return phy.ErrDown
	case unix.ENODEV, unix.ENXIO:
		return d.link.Gone()
	}
	return fmt.Errorf("%s: %s: %w", d.link.Name, call, err)
}

// read receives one frame.
func (d *Device) read(f *phy.Frame) syscall.Errno {
	m, tail := &d.in, f.Tail()
	m.part.Base = unsafe.SliceData(tail)
	m.part.SetLen(len(tail))
	m.header.Namelen = unix.SizeofSockaddrLinklayer
	m.header.SetControllen(len(m.control))
	n, err := recvmsg(d.fd, &m.header)
	m.part.Base = nil
	if err != 0 {
		return err
	}
	if m.header.Flags&unix.MSG_TRUNC != 0 {
		return unix.EMSGSIZE
	}
	f.Extend(n)
	if !f.TakeVnet() || f.Len() < wire.EthernetLen {
		return unix.EINVAL
	}
	aux := auxdata(m.control[:m.header.Controllen])
	if aux == nil {
		return 0
	}
	if aux.Status&unix.TP_STATUS_CSUMNOTREADY != 0 {
		f.Offload.NeedsCsum = true
	}
	if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		retag(f, aux)
	}
	return 0
}

// auxdata returns the kernel's auxiliary data of a frame; nil if there is none.
func auxdata(control []byte) *unix.TpacketAuxdata {
	const data = unix.SizeofCmsghdr
	if len(control) < data+int(unsafe.Sizeof(unix.TpacketAuxdata{})) {
		return nil
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_PACKET || h.Type != unix.PACKET_AUXDATA {
		return nil
	}
	return (*unix.TpacketAuxdata)(unsafe.Pointer(&control[data]))
}

// retag inserts the VLAN tag again after the hardware addresses (IEEE 802.1Q-2022 §9.3).
func retag(f *phy.Frame, aux *unix.TpacketAuxdata) {
	const addresses, tag = 12, 4
	tpid := uint16(unix.ETH_P_8021Q)
	if aux.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = aux.Vlan_tpid
	}
	f.Prepend(tag)
	b := f.Bytes()
	copy(b[:addresses], b[tag:])
	binary.BigEndian.PutUint16(b[addresses:], tpid)
	binary.BigEndian.PutUint16(b[addresses+2:], aux.Vlan_tci)
}

// errVnet is the error for a frame that requests an offload which its headers do not allow.
var errVnet = errors.New("not a TCP or UDP packet whose checksum could be left to the kernel")

// Send writes frames until the kernel's buffer is full. An error concerns the first frame that was not sent. It is
// phy.ErrDown while the interface is down, and matches phy.ErrClosed for a closed device or a deleted interface.
// Otherwise it is the system's error, such as EMSGSIZE for a frame that is too long.
func (d *Device) Send(frames []*phy.Frame) (int, error) {
	if d.closed {
		return 0, phy.ErrClosed
	}
	for i := 0; i < len(frames); {
		f := frames[i]
		if f.Len() >= wire.EthernetLen {
			d.sentFrom(wire.HardwareAddr(f.Bytes()[6:12]))
		}
		if !f.PutVnet(phy.MediumEthernet) {
			f.TrimFront(phy.VnetHeaderLen)
			return i, fmt.Errorf("%s: %w", d.link.Name, errVnet)
		}
		err := d.write(f)
		f.TrimFront(phy.VnetHeaderLen)
		switch err {
		case 0:
			i++
		case unix.EINTR:
		default:
			return i, d.failure("write", err)
		}
	}
	return len(frames), nil
}

func (d *Device) write(f *phy.Frame) syscall.Errno {
	a, b := f.Borrowed()
	d.parts = [...]unix.Iovec{part(f.Bytes()), part(a), part(b)}
	_, _, err := unix.RawSyscall(unix.SYS_WRITEV, uintptr(d.fd), uintptr(unsafe.Pointer(&d.parts)), uintptr(len(d.parts)))
	d.parts = [3]unix.Iovec{}
	return err
}

func part(b []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	return v
}
