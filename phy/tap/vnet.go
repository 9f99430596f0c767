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

// Flags of TUNSETOFFLOAD (linux/if_tun.h).
const (
	offloadCsum = 1 << iota
	offloadTSO4
	offloadTSO6
	_ // TSO with ECN
	_ // UFO, which kernels no longer have
	offloadUSO4
	offloadUSO6

	offloads   = offloadCsum | offloadTSO4 | offloadTSO6
	udpOffload = offloadUSO4 | offloadUSO6 // since Linux 6.2
)

// maxGSO is the longest packet that the virtio-net header can express, in octets.
const maxGSO = 65535

// descriptor is an io.Closer for a descriptor that no os.File owns.
type descriptor int

func (fd descriptor) Close() error { return unix.Close(int(fd)) }

// openVnet opens the device with a virtio-net header before each frame. It returns the device's descriptor,
// non-blocking and closed on exec. It sets persistence only on a device that this call has made.
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

// SetOffload sets whether the kernel may send super-segments and unfinished checksums. It may by default, unless the
// device was opened plain. Frames that the kernel has queued already arrive unchanged.
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

// errVnet is the error for a frame that requests an offload which its headers do not allow.
var errVnet = errors.New("not a TCP or UDP packet whose checksum could be left to the kernel")

// put prepends the virtio-net header that the kernel expects.
func (d *Device) put(f *phy.Frame) error {
	if d.vnet && !f.PutVnet(d.caps.Medium) {
		return fmt.Errorf("%s: %w", d.name, errVnet)
	}
	return nil
}

// room makes room in the frame for the header that the kernel prepends.
func (d *Device) room(f *phy.Frame) {
	if d.vnet {
		f.Prepend(phy.VnetHeaderLen)
		f.Truncate(0)
	}
}
