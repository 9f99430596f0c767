//go:build linux

package tap

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/songgao/water"
	"golang.org/x/sys/unix"

	"smolsh/phy"
)

// What TUNSETOFFLOAD takes (linux/if_tun.h).
const (
	offloadCsum = 1 << iota
	offloadTSO4
	offloadTSO6
	_ // TSO with ECN
	_ // UFO, which no kernel has any more
	offloadUSO4
	offloadUSO6

	offloads   = offloadCsum | offloadTSO4 | offloadTSO6
	udpOffload = offloadUSO4 | offloadUSO6 // from Linux 6.2 on
)

// maxGSO is the longest packet that the header's length fields can say, in octets.
const maxGSO = 65535

// descriptor closes a descriptor that no os.File owns.
type descriptor int

func (fd descriptor) Close() error { return unix.Close(int(fd)) }

// openVnet opens the device with a virtio-net header before each frame and returns its descriptor,
// non-blocking and closed on exec. Persistence is set on a device that this call made, and left alone on
// others.
func openVnet(cfg water.Config, made bool) (io.Closer, int, error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, -1, err
	}
	if err := attachVnet(fd, cfg, made); err != nil {
		unix.Close(fd)
		return nil, -1, os.NewSyscallError("ioctl", err)
	}
	return descriptor(fd), fd, nil
}

func attachVnet(fd int, cfg water.Config, made bool) error {
	req, err := unix.NewIfreq(cfg.Name)
	if err != nil {
		return err
	}
	flags := unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR
	if cfg.DeviceType == water.TUN {
		flags = unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR
	}
	if cfg.MultiQueue {
		flags |= unix.IFF_MULTI_QUEUE
	}
	req.SetUint16(uint16(flags))
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, phy.VnetHeaderLen); err != nil {
		return err
	}
	if made && cfg.Persist {
		return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1)
	}
	return nil
}

// SetOffload says whether the kernel may hand over super-segments and undone checksums; it may by
// default, unless the device was opened plain. What the kernel has queued already comes as it is.
func (d *Device) SetOffload(on bool) error {
	if d.closed {
		return phy.ErrClosed
	}
	set := 0
	if on && d.vnet {
		set = offloads
		if unix.IoctlSetInt(d.fd, unix.TUNSETOFFLOAD, offloads|udpOffload) == nil {
			return nil
		}
	}
	if err := unix.IoctlSetInt(d.fd, unix.TUNSETOFFLOAD, set); err != nil {
		return fmt.Errorf("%s: offloads: %w", d.name, err)
	}
	return nil
}

// errVnet concerns a frame that asks for an offload its headers do not allow.
var errVnet = errors.New("not a TCP or UDP packet whose checksum could be left to the kernel")

// put makes the frame what the kernel is to be given.
func (d *Device) put(f *phy.Frame) error {
	if d.vnet && !f.PutVnet(d.caps.Medium) {
		return fmt.Errorf("%s: %w", d.name, errVnet)
	}
	return nil
}

// room makes the frame ready for what the kernel gives.
func (d *Device) room(f *phy.Frame) {
	if d.vnet {
		f.Prepend(phy.VnetHeaderLen)
		f.Truncate(0)
	}
}
