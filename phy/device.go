package phy

import (
	"errors"

	"smolsh/stack/wire"
)

// Medium is the kind of header with which a device's frames start.
type Medium uint8

// The media.
const (
	MediumEthernet Medium = iota // Ethernet II frames; neighbours are resolved
	MediumIP                     // bare IP packets; there are no neighbours
)

// String returns the medium's name in lower case.
func (m Medium) String() string {
	if m == MediumIP {
		return "ip"
	}
	return "ethernet"
}

// Capabilities are a device's present medium, limits and offloads.
type Capabilities struct {
	Medium Medium
	// MTU is the longest network-layer packet, in octets, without the link header.
	MTU int
	// MaxGSO is the longest TCP super-segment that may be sent, in octets of network-layer packet; 0 if each frame must be of wire
	// size.
	MaxGSO int
	// TxChecksum is true if frames may be sent with NeedsCsum.
	TxChecksum bool
	// Gather is true if frames may end in borrowed octets (Frame.Borrow). Send has read them when it returns.
	Gather bool
	// MAC is the address that the host should use on the device; zero for any.
	MAC wire.HardwareAddr
}

// FrameSize returns the size in octets that frames for the device should have: FrameSize if every frame fits into that,
// SuperFrameSize otherwise. Shorter frames may receive truncated packets; frames of another size may need a copy.
func (c Capabilities) FrameSize() int {
	const linkHeader = wire.EthernetLen + 4 // with a VLAN tag
	if max(c.MTU, c.MaxGSO)+linkHeader <= FrameSize {
		return FrameSize
	}
	return SuperFrameSize
}

// Errors of a device's methods.
var (
	// ErrDown is returned while a device's link is down; it may come up again.
	ErrDown = errors.New("device: link is down")
	// ErrClosed is returned by a device that was closed, or that no longer exists.
	ErrClosed = errors.New("device: closed")
)

// A Device moves frames between a stack and a medium. No method blocks.
type Device interface {
	// Name identifies the device in tables and traces.
	Name() string
	// Capabilities may change while running; it is asked before each batch.
	Capabilities() Capabilities
	// Recv fills frames, which the caller owns and has Reset, from the front and returns how many; 0 and no error means that no
	// frame is queued. It may swap contents instead of copying them.
	Recv(frames []*Frame) (int, error)
	// Send sends the contents of frames from the front and returns how many. Fewer without an error means that the medium is full
	// for now. The caller keeps the frames, whose contents become undefined.
	Send(frames []*Frame) (int, error)
	// Close releases the device.
	Close() error
}

// Pollable is a device that waits on a file descriptor.
type Pollable interface {
	Device
	FD() int
}

// Watcher is a device whose link may change while it is open: the link goes down or up, loses its carrier, gets another
// MTU, or is deleted.
type Watcher interface {
	Device
	// Watch calls changed, on its own goroutine, whenever Refresh may find a change, until the device is closed. A call may still
	// run then. Further calls of Watch do nothing.
	Watch(changed func())
	// Refresh reads the state of the link again. Capabilities and Up return the new state. The error matches ErrClosed when
	// the device is closed or was deleted.
	Refresh() error
	// Up reports whether the link carried frames when Refresh last looked.
	Up() bool
}

// Offloader is a device whose other end can be asked, at any time, to send only frames of wire size with finished
// checksums. Frames that are in transit arrive unchanged.
type Offloader interface {
	Device
	SetOffload(on bool) error
}
