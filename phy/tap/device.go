//go:build linux

package tap

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/netif"
)

// Name returns the name of the kernel's interface.
func (d *Device) Name() string { return d.name }

// FD returns the descriptor to poll. It is non-blocking and belongs to the device.
func (d *Device) FD() int { return d.fd }

// Capabilities returns the medium (Ethernet, or bare IP on a TUN), the kernel's MTU at the last Refresh, and offloads
// unless the device is plain. It returns no MAC: the kernel's hardware address belongs to the kernel's end, and this
// end may use any other.
func (d *Device) Capabilities() phy.Capabilities { return d.caps }

// Up reports whether the kernel's end was up at the last Refresh.
func (d *Device) Up() bool { return d.up }

// Link returns the state of the kernel's end at the last Refresh.
func (d *Device) Link() netif.State { return d.link.State }

// Refresh reads the MTU and the state of the kernel's end. The error matches phy.ErrClosed if the device is closed or
// was deleted.
func (d *Device) Refresh() error {
	if d.closed {
		return phy.ErrClosed
	}
	if err := d.link.Refresh(); err != nil {
		return err
	}
	d.adopt()
	return nil
}

// adopt sets the name, the capabilities and the state from the link.
func (d *Device) adopt() {
	d.name = d.link.Name
	d.caps.MTU = d.link.MTU
	if d.vnet {
		d.caps.MaxGSO, d.caps.TxChecksum, d.caps.Gather = maxGSO, true, true
	}
	d.up = d.link.Up && d.link.Carrier
}

// Watch calls changed, on its own goroutine, whenever Refresh may find a change, until the device is closed. Further
// calls do nothing.
func (d *Device) Watch(changed func()) {
	if !d.watched && !d.closed {
		d.watched = true
		d.link.Watch(changed)
	}
}

// Recv reads the pending frames, one per system call, into the frames' tails. Frames need room for
// Capabilities().FrameSize() octets: the kernel cuts off the rest. The error matches phy.ErrClosed if the device was
// closed or deleted. The frames before an error were received.
func (d *Device) Recv(frames []*phy.Frame) (int, error) {
	if d.closed {
		return 0, phy.ErrClosed
	}
	for i := 0; i < len(frames); {
		f := frames[i]
		d.room(f)
		n, err := read(d.fd, f.Tail())
		if err != 0 {
			f.Reset()
		}
		switch err {
		case 0:
			f.Extend(n)
			if d.vnet && !f.TakeVnet() {
				f.Reset() // skips a kind of super-segment that was not negotiated
				continue
			}
			i++
		case unix.EINTR:
		case unix.EAGAIN:
			return i, nil
		case unix.EBADFD, unix.ENODEV, unix.EIO:
			return i, d.link.Gone()
		default:
			return i, fmt.Errorf("%s: read: %w", d.name, err)
		}
	}
	return len(frames), nil
}

// Send writes frames until the kernel's queue is full. An error concerns the first frame that was not sent. It is
// phy.ErrDown while the kernel's end is down, and matches phy.ErrClosed for a closed or deleted device. Otherwise it is
// the system's error, such as EINVAL for a frame without an Ethernet header, or on a TUN for a packet that is neither
// IPv4 nor IPv6.
func (d *Device) Send(frames []*phy.Frame) (int, error) {
	if d.closed {
		return 0, phy.ErrClosed
	}
	for i := 0; i < len(frames); {
		f := frames[i]
		if err := d.put(f); err != nil {
			f.TrimFront(phy.VnetHeaderLen)
			return i, err
		}
		err := d.write(f)
		if d.vnet {
			f.TrimFront(phy.VnetHeaderLen)
		}
		switch err {
		case 0:
			i++
		case unix.EINTR:
		case unix.EAGAIN:
			return i, nil
		case unix.EIO:
			d.up = false
			return i, phy.ErrDown
		case unix.EBADFD, unix.ENODEV:
			return i, d.link.Gone()
		default:
			return i, fmt.Errorf("%s: write: %w", d.name, err)
		}
	}
	return len(frames), nil
}

// read and write bypass the Go scheduler, which is safe because the descriptor does not block.
func read(fd int, b []byte) (int, syscall.Errno) {
	n, _, err := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), err
}

func (d *Device) write(f *phy.Frame) syscall.Errno {
	head := f.Bytes()
	if a, b := f.Borrowed(); a != nil {
		d.parts = [...]unix.Iovec{part(head), part(a), part(b)}
		_, _, err := unix.RawSyscall(unix.SYS_WRITEV, uintptr(d.fd), uintptr(unsafe.Pointer(&d.parts)), uintptr(len(d.parts)))
		d.parts = [3]unix.Iovec{}
		return err
	}
	_, _, err := unix.RawSyscall(unix.SYS_WRITE, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(head))), uintptr(len(head)))
	return err
}

func part(b []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	return v
}

// Close closes the device. The kernel deletes its interface unless the interface is persistent.
func (d *Device) Close() error {
	if d.closed {
		return phy.ErrClosed
	}
	d.closed = true
	if d.link != nil {
		d.link.Close()
	}
	if d.file == nil {
		return nil
	}
	d.fd = -1
	return d.file.Close()
}
