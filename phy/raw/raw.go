//go:build linux

// Package raw is a packet socket (packet(7)) on a network interface of the kernel. It makes a host with its own
// hardware and IP address on the same cable as the kernel.
//
// Frames have a virtio-net header (PACKET_VNET_HDR), as on a TAP. Segments that the interface has merged, or that
// another kernel behind a veth pair never cut, arrive as one super-segment, and the header marks a checksum that was
// never finished. Sent frames may leave both to the kernel too. A ring (TPACKET_V3) is not used. It can neither send
// nor receive super-segments with that header, it delays frames until a block is full or its time is over, and a stack
// that owns its frames must copy them out of the ring.
//
// The kernel removes a VLAN tag and reports it beside the frame (PACKET_AUXDATA). The device inserts it again.
//
// Like any station, the device receives frames for groups and for the addresses from which it has sent. A filter in the
// kernel drops other frames, and the interface is told to receive those addresses (PACKET_MR_UNICAST) and all groups. A
// promiscuous device receives every frame. Frames that the kernel sends are received only with Options.Outgoing. The
// device never receives its own frames.
//
// The kernel drops a frame that the virtio-net header can't express, such as a super-segment of an unknown protocol,
// and does not report it. It also drops a frame that finds the socket's buffer of 4 MiB full.
//
// With Options.Shared the host uses the kernel's own hardware address.
//
// The kernel on the same machine can't be reached this way, because a packet socket sends to the cable and not to the
// kernel's own stack.
//
// A Device is single-owner: one goroutine at a time may use it. Open acts in the network namespace of the
// calling thread, to which the device stays bound.
package raw

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/phy/netif"
	"smolsh/stack/wire"
)

// Errors of Open, wrapped with the interface's name and matched with errors.Is; netif.ErrNotFound too.
var (
	// ErrKind means that the interface's medium is not Ethernet.
	ErrKind = errors.New("no Ethernet interface")
	// ErrPermission means that the process lacks CAP_NET_RAW.
	ErrPermission = errors.New("not permitted")
)

// Options of Open. The zero value opens a station with its own address.
type Options struct {
	// Promiscuous also receives frames for other stations.
	Promiscuous bool
	// Outgoing also receives frames that the kernel sends on the interface, but not those of this device.
	Outgoing bool
	// Shared means that the host uses the kernel's own hardware address. The device receives the frames that are sent to it from the beginning.
	Shared bool
}

// Device is an open packet socket.
type Device struct {
	link    *netif.Link
	opts    Options
	fd      int
	caps    phy.Capabilities
	own     []wire.HardwareAddr // source addresses of sent frames, oldest first
	closed  bool
	watched bool

	in    message
	parts [3]unix.Iovec // parts of the frame that is being written
}

// message is the structure that recvmsg(2) fills.
type message struct {
	header  unix.Msghdr
	part    unix.Iovec
	from    unix.RawSockaddrLinklayer
	control [128]byte
}

const (
	// maxGSO is the longest packet that the virtio-net header can express, in octets.
	maxGSO = 65535
	// socketBuffer is the size of the socket's buffer in octets, for frames that arrive between two turns.
	socketBuffer = 4 << 20
	// maxOwn is the largest number of source addresses for which the device receives frames.
	maxOwn = 4
)

// Open opens the interface called name, which it does not change. If one of this package's errors or netif.ErrNotFound
// is the reason, the error matches it.
func Open(name string, opts Options) (*Device, error) {
	link, err := netif.Open(name)
	if err != nil {
		return nil, err
	}
	d := &Device{link: link, opts: opts, fd: -1}
	if err := d.open(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Device) open() error {
	if d.link.Encap != "ether" && d.link.Encap != "loopback" {
		return fmt.Errorf("%s: %w: its frames are of kind %s", d.link.Name, ErrKind, d.link.Encap)
	}
	var err error
	// A socket without a protocol receives nothing until bind.
	d.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		d.fd = -1
		if err == unix.EPERM || err == unix.EACCES {
			return fmt.Errorf("%s: %w: a packet socket wants CAP_NET_RAW", d.link.Name, ErrPermission)
		}
		return fmt.Errorf("%s: packet socket: %w", d.link.Name, err)
	}
	for _, o := range []struct{ level, option, value int }{
		{unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1},
		{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
		{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, bit(!d.opts.Outgoing)},
	} {
		if err := unix.SetsockoptInt(d.fd, o.level, o.option, o.value); err != nil {
			return fmt.Errorf("%s: packet socket option %d (Linux 4.20 has it): %w", d.link.Name, o.option, err)
		}
	}
	for _, option := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
		if unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, option+forced(option), socketBuffer) != nil {
			_ = unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, option, socketBuffer) // as much as the system allows
		}
	}
	if d.opts.Promiscuous {
		err = d.member(unix.PACKET_ADD_MEMBERSHIP, unix.PACKET_MR_PROMISC, wire.HardwareAddr{})
	} else {
		if d.opts.Shared {
			d.own = append(d.own, d.link.MAC) // which the interface receives without PACKET_MR_UNICAST
		}
		err = d.filter()
	}
	if err == nil && !d.opts.Promiscuous {
		err = d.member(unix.PACKET_ADD_MEMBERSHIP, unix.PACKET_MR_ALLMULTI, wire.HardwareAddr{})
	}
	if err == nil {
		err = unix.Bind(d.fd, &unix.SockaddrLinklayer{Protocol: order(unix.ETH_P_ALL), Ifindex: d.link.Index()})
	}
	if err != nil {
		return fmt.Errorf("%s: packet socket: %w", d.link.Name, err)
	}
	m := &d.in
	m.header.Name, m.header.Iov, m.header.Control = (*byte)(unsafe.Pointer(&m.from)), &m.part, &m.control[0]
	m.header.SetIovlen(1)
	d.adopt()
	return nil
}

// forced returns the number to add to a buffer's option to exceed the system's limit, which needs CAP_NET_ADMIN.
func forced(option int) int {
	if option == unix.SO_RCVBUF {
		return unix.SO_RCVBUFFORCE - unix.SO_RCVBUF
	}
	return unix.SO_SNDBUFFORCE - unix.SO_SNDBUF
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// order returns n in network byte order, in which the kernel expects a protocol number.
func order(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}

// adopt sets the capabilities from the link's state.
func (d *Device) adopt() {
	super := maxGSO
	if d.link.MaxGSO > 0 {
		super = min(super, d.link.MaxGSO)
	}
	d.caps = phy.Capabilities{Medium: phy.MediumEthernet, MTU: d.link.MTU, MaxGSO: super, TxChecksum: true, Gather: true, MAC: besideOf(d.link.MAC)}
	if d.opts.Shared {
		d.caps.MAC = d.link.MAC
	}
}

// besideOf returns the hardware address for a host on the same cable as the kernel. It is always the same: the kernel's
// address, made local (IEEE 802-2014 §8.4) and changed in its second octet.
func besideOf(kernel wire.HardwareAddr) wire.HardwareAddr {
	a := kernel
	a[0] = a[0]&^1 | 2
	a[1] ^= 0x69
	return a
}

// member adds or removes an address, or a kind of address, that the interface receives.
func (d *Device) member(option int, kind uint16, a wire.HardwareAddr) error {
	m := unix.PacketMreq{Ifindex: int32(d.link.Index()), Type: kind}
	if kind == unix.PACKET_MR_UNICAST {
		m.Alen = uint16(copy(m.Address[:], a[:]))
	}
	return unix.SetsockoptPacketMreq(d.fd, unix.SOL_PACKET, option, &m)
}

// sentFrom makes the device receive frames for the address a, from which a frame is sent. A fifth address replaces the
// oldest.
func (d *Device) sentFrom(a wire.HardwareAddr) {
	if d.opts.Promiscuous || slices.Contains(d.own, a) || a.IsGroup() || a.IsZero() {
		return
	}
	if len(d.own) == maxOwn {
		oldest := bit(d.opts.Shared) // the kernel's address stays
		_ = d.member(unix.PACKET_DROP_MEMBERSHIP, unix.PACKET_MR_UNICAST, d.own[oldest])
		d.own = slices.Delete(d.own, oldest, oldest+1)
	}
	d.own = append(d.own, a)
	_ = d.member(unix.PACKET_ADD_MEMBERSHIP, unix.PACKET_MR_UNICAST, a) // fails if it is the kernel's own address
	_ = d.filter()
}

// filter makes the kernel deliver only frames for a group or for one of our addresses (a classic BPF program,
// socket(7): SO_ATTACH_FILTER).
func (d *Device) filter() error {
	const (
		octet, half, word = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal, bits, ret  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		all               = 1 << 20 // octets of the frame to deliver
	)
	p := []unix.SockFilter{{Code: octet}, {Code: bits, K: 1, Jf: 1}, {Code: ret, K: all}}
	for _, a := range d.own {
		p = append(p,
			unix.SockFilter{Code: word}, unix.SockFilter{Code: equal, K: binary.BigEndian.Uint32(a[:]), Jf: 3},
			unix.SockFilter{Code: half, K: 4}, unix.SockFilter{Code: equal, K: uint32(binary.BigEndian.Uint16(a[4:])), Jf: 1},
			unix.SockFilter{Code: ret, K: all})
	}
	p = append(p, unix.SockFilter{Code: ret})
	return unix.SetsockoptSockFprog(d.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]})
}

// Name returns the interface's name.
func (d *Device) Name() string { return d.link.Name }

// FD returns the descriptor to poll. It is non-blocking and belongs to the device.
func (d *Device) FD() int { return d.fd }

// Capabilities returns Ethernet with offloads, the interface's MTU at the last Refresh, and a hardware address that is
// derived from the kernel's address on the interface. With Options.Shared it is the kernel's address.
func (d *Device) Capabilities() phy.Capabilities { return d.caps }

// Up reports whether the interface was up and had a carrier at the last Refresh.
func (d *Device) Up() bool { return d.link.Up && d.link.Carrier }

// Link returns the state of the interface at the last Refresh.
func (d *Device) Link() netif.State { return d.link.State }

// Index returns the interface's number in the kernel.
func (d *Device) Index() int { return d.link.Index() }

// Kernel returns the kernel's own addresses on the interface, and its routes by it.
func (d *Device) Kernel() ([]netip.Prefix, []netif.Route, error) {
	addrs, err := d.link.Addrs()
	if err != nil {
		return nil, nil, err
	}
	routes, err := d.link.Routes()
	return addrs, routes, err
}

// Refresh reads the interface's MTU and state from the kernel. The error matches phy.ErrClosed if the device is closed
// or the interface was deleted.
func (d *Device) Refresh() error {
	if d.closed {
		return phy.ErrClosed
	}
	err := d.link.Refresh()
	if err == nil {
		d.adopt()
	}
	return err
}

// Watch calls changed, on its own goroutine, whenever Refresh may find a change, until the device is closed. Further
// calls do nothing.
func (d *Device) Watch(changed func()) {
	if !d.watched && !d.closed {
		d.watched = true
		d.link.Watch(changed)
	}
}

// Close closes the device. The interface stays unchanged.
func (d *Device) Close() error {
	if d.closed {
		return phy.ErrClosed
	}
	d.closed = true
	d.link.Close()
	if d.fd < 0 {
		return nil
	}
	fd := d.fd
	d.fd = -1
	return unix.Close(fd)
}

// recvmsg and write bypass the Go scheduler, which is safe because the descriptor does not block.
func recvmsg(fd int, m *unix.Msghdr) (int, syscall.Errno) {
	n, _, err := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(m)), 0)
	return int(n), err
}
