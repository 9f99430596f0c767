//go:build linux

// Package tap opens the operating system's TAP and TUN devices. These are interfaces of the kernel whose frames this
// process reads and writes: Ethernet frames on a TAP, bare IP packets on a TUN. A TUN has no hardware addresses and no
// neighbours. Everything else holds for both.
//
// With offloads (the default) frames have a virtio-net header, so that both ends may send TCP super-segments of up to
// 64 KiB with unfinished checksums. Device.SetOffload controls what the kernel sends. The package water has no option
// for that, so this package opens the device itself. It opens a plain device through songgao/water, with these
// precautions, because water's defaults would harm the user or the process:
//
//   - Persistence stays as it was. water sets or clears it with every open, and would delete a
//     persistent TAP at Close; so the kernel is asked first, over netlink.
//   - Names are checked. water cuts them at 15 octets without a word.
//   - The descriptor is closed on exec. water opens it inheritable; the fork lock is held until that
//     is mended.
//   - Descriptors that water leaves open when the kernel refuses the device are found and closed.
//   - The descriptor's number comes from SyscallConn, since os.File.Fd would make it blocking; the
//     Device keeps the os.File, so that the number stays valid.
//
// The descriptor is non-blocking and used without the Go runtime's poller, so that the caller can use ppoll and drain
// the device with few system calls. Reads and writes bypass the Go scheduler, since none takes longer than a copy.
//
// Setup configures the kernel's end of the device (its addresses, MTU and state), also over netlink. Every call acts in
// the network namespace of the calling thread. An open Device stays bound to the namespace in which it was opened.
//
// Left out so far: several queues. Sources: the kernel's
// Documentation/networking/tuntap.rst; Virtual I/O Device 1.2 §5.1.6.
//
// A Device is single-owner: one goroutine at a time may use it. Any goroutine may call Open and the other functions.
package tap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/netif"
)

// Errors of Open, wrapped with the device's name and matched with errors.Is.
var (
	// ErrName means that the name can't be that of a network interface.
	ErrName = errors.New("not an interface name")
	// ErrBusy means that another descriptor has the device open.
	ErrBusy = errors.New("busy: another program has it open")
	// ErrKind means that an interface of another kind has the name.
	ErrKind = errors.New("of another kind")
	// ErrPermission means that the process may not open /dev/net/tun.
	ErrPermission = errors.New("not permitted")
	// ErrOwner means that the device belongs to another user, or that it does not exist and the process may not make
	// one.
	ErrOwner = errors.New("not yours")
	// ErrUnavailable means that the system has no TAP and TUN devices.
	ErrUnavailable = errors.New("no TAP devices here")
)

// Options of Open. The zero value opens a TAP, or makes one that is deleted when it is closed.
type Options struct {
	// Persist makes a new device stay after Close. An existing device keeps its persistence.
	Persist bool
	// TUN opens a TUN device instead of a TAP.
	TUN bool
	// Plain disables offloads: every frame, in both directions, is of wire size with complete checksums.
	Plain bool
}

// Device is an open TAP or TUN.
type Device struct {
	name    string
	mode    netlink.TuntapMode
	link    *netif.Link // the kernel's end; nil until it is open
	file    io.Closer
	fd      int
	vnet    bool // true if frames have a virtio-net header
	caps    phy.Capabilities
	up      bool
	closed  bool
	watched bool
	parts   [3]unix.Iovec // parts of the frame that is being written
}

// maxName is the length of the longest interface name (IFNAMSIZ without the final zero).
const maxName = 15

// CheckName returns nil if name can be the name of a network interface. Otherwise it returns an error that states the
// reason and matches ErrName.
func CheckName(name string) error {
	why := ""
	switch {
	case name == "":
		why = "it is empty"
	case len(name) > maxName:
		why = fmt.Sprintf("it has %d octets, %d are allowed", len(name), maxName)
	case name == "." || name == "..":
		why = "it names a directory"
	case strings.ContainsAny(name, "/:%"):
		why = "'/', ':' and '%' are not allowed"
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		why = "spaces and control characters are not allowed"
	default:
		return nil
	}
	return fmt.Errorf("%q: %w: %s", name, ErrName, why)
}

// opening serialises Open, which compares the process's descriptors before and after.
var opening sync.Mutex

// Open opens the device called name, or makes it. If one of this package's errors is the reason, the error matches it.
func Open(name string, opts Options) (*Device, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d := &Device{name: name, mode: netlink.TUNTAP_MODE_TAP, fd: -1}
	if opts.TUN {
		d.mode, d.caps.Medium = netlink.TUNTAP_MODE_TUN, phy.MediumIP
	}
	if err := d.open(opts); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Device) open(opts Options) error {
	cfg := water.Config{DeviceType: water.TAP}
	if opts.TUN {
		cfg.DeviceType = water.TUN
	}
	cfg.Name, cfg.Persist = d.name, opts.Persist
	link, err := netlink.LinkByName(d.name)
	made := err != nil
	switch {
	case err == nil:
		tap, ok := link.(*netlink.Tuntap)
		if !ok || tap.Mode != d.mode {
			return fmt.Errorf("%s: %w: it is a %s, not a %s", d.name, ErrKind, KindOf(link), d.mode)
		}
		cfg.Persist = !tap.NonPersist
		cfg.MultiQueue = tap.Flags&netlink.TUNTAP_MULTI_QUEUE != 0
	case !errors.As(err, new(netlink.LinkNotFoundError)):
		return fmt.Errorf("%s: netlink: %w", d.name, err)
	}
	if opts.Plain {
		d.file, d.fd, err = openWater(cfg)
	} else {
		d.file, d.fd, err = openVnet(cfg, made)
		d.vnet = true
	}
	if err != nil {
		d.file = nil
		return d.explain(err)
	}
	// An earlier owner may have enabled offloads on the kernel's end.
	if err := d.SetOffload(!opts.Plain); err != nil {
		return err
	}
	if d.link, err = netif.Open(d.name); err != nil {
		return err
	}
	d.adopt()
	return nil
}

// KindOf returns the kind of a network interface in one word: tap, tun, or the kernel's name for the kind, such as
// veth, or device for a hardware interface.
func KindOf(link netlink.Link) string {
	if t, ok := link.(*netlink.Tuntap); ok {
		return t.Mode.String()
	}
	return link.Type()
}

// openWater opens the device and returns its descriptor, non-blocking and closed on exec.
func openWater(cfg water.Config) (*water.Interface, int, error) {
	opening.Lock()
	defer opening.Unlock()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()

	before := tunDescriptors()
	file, err := water.New(cfg)
	if err != nil {
		for fd := range tunDescriptors() {
			if !before[fd] {
				unix.Close(fd)
			}
		}
		return nil, -1, err
	}
	fd := -1
	conn, err := file.ReadWriteCloser.(syscall.Conn).SyscallConn()
	if err == nil {
		err = conn.Control(func(n uintptr) { fd = int(n) })
	}
	if err == nil {
		unix.CloseOnExec(fd)
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		file.Close()
		return nil, -1, err
	}
	return file, fd, nil
}

const tunPath = "/dev/net/tun"

// tunDescriptors returns the process's descriptors of /dev/net/tun; none if /proc is not available.
func tunDescriptors() map[int]bool {
	fds := map[int]bool{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			continue
		}
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && target == tunPath {
			fds[fd] = true
		}
	}
	return fds
}

// explain replaces an error of water or of the system by the matching error of this package.
func (d *Device) explain(err error) error {
	name := d.name
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("%s: %w", name, err)
	}
	ioctl := errors.As(err, new(*os.SyscallError)) // false: the failed call was the open of /dev/net/tun
	switch errno {
	case unix.EBUSY:
		return fmt.Errorf("%s: %w", name, ErrBusy)
	case unix.EINVAL:
		return fmt.Errorf("%s: %w: it is not a %s", name, ErrKind, d.mode)
	case unix.EPERM, unix.EACCES:
		if !ioctl {
			return fmt.Errorf("%s: %w: %s: %w", name, ErrPermission, tunPath, errno)
		}
		return fmt.Errorf("%s: %w", name, ErrOwner)
	case unix.ENOENT, unix.ENODEV, unix.ENXIO:
		return fmt.Errorf("%s: %w: %s: %w", name, ErrUnavailable, tunPath, errno)
	}
	return fmt.Errorf("%s: %w", name, err)
}
