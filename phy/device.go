package phy

import (
	"errors"

	"smolsh/stack/wire"
)

// Medium is the kind of header with which a device's frames start.
type Medium uint8

// The kinds of media.
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
	// MaxGSO is the longest TCP super-segment that the device accepts, in octets of network-layer packet; 0 if each
	// frame must be of wire size.
	MaxGSO int
	// TxChecksum is true if frames may be sent with NeedsCsum.
	TxChecksum bool
	// Gather is true if frames may end in borrowed octets (Frame.Borrow). Send has read these octets when it returns.
	Gather bool
	// MAC is the address that the host should use on the device; zero means any address.
	MAC wire.HardwareAddr
}

// FrameSize returns the size in octets that frames for the device should have: the constant FrameSize if every frame
// fits into that, SuperFrameSize otherwise. Shorter frames may receive truncated packets; frames of another size may
// need a copy.
func (c Capabilities) FrameSize() int {
	const linkHeader = wire.EthernetLen + 4 // with a VLAN tag
	if max(c.MTU, c.MaxGSO)+linkHeader <= FrameSize {
		return FrameSize
	}
	return SuperFrameSize
}

// Errors of a device's methods.
var (
	// ErrDown is returned while a device's link is down. The link may come up again.
	ErrDown = errors.New("device: link is down")
	// ErrClosed is returned by a device that was closed, or that no longer exists.
	ErrClosed = errors.New("device: closed")
)

// A Device moves frames between a stack and a medium. No method blocks.
type Device interface {
	// Name identifies the device in tables and traces.
	Name() string
	// Capabilities returns the present capabilities, which may change at any time. The caller calls it before each
	// batch.
	Capabilities() Capabilities
	// Recv fills frames from the front and returns the number filled. The caller owns the frames and has Reset them. 0
	// without an error means that no frame is pending. Recv may swap contents instead of copying them.
	Recv(frames []*Frame) (int, error)
	// Send sends the contents of frames from the front and returns the number sent. A smaller number without an error
	// means that the medium is full for now. The caller keeps the frames, whose contents become undefined.
	Send(frames []*Frame) (int, error)
	// Close releases the device.
	Close() error
}

// Pollable is a device that waits on a file descriptor.
type Pollable interface {
	Device
	FD() int
}

// Watcher is a device whose link may change while it is open: it goes up or down, loses its carrier, changes its MTU,
// or is deleted.
type Watcher interface {
	Device
	// Watch calls changed, on its own goroutine, whenever Refresh may find a change, until the device is closed. A call
	// may still be running when Close returns. Further calls of Watch do nothing.
	Watch(changed func())
	// Refresh reads the state of the link again; Capabilities and Up then return the new state. The error matches
	// ErrClosed if the device is closed or was deleted.
	Refresh() error
	// Up reports whether the link carried frames at the last Refresh.
	Up() bool
}

// Offloader is a device that can tell its other end to send only frames of wire size with finished checksums, or to use
// offloads again. Frames in transit arrive unchanged.
type Offloader interface {
	Device
	SetOffload(on bool) error
}
