package lab

import (
	"errors"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
)

// DevicePort is the interface by which a wall-clock Runner uses a port on a device: a host's (Port) or a switch's
// (SwitchPort).
type DevicePort interface {
	// Device returns the device at the port.
	Device() phy.Device
	// Full reports whether frames wait because the device is full. A Runner then polls the device for room, and calls
	// Retry.
	Full() bool
	// Retry offers the queued frames to the device again, in the next turn.
	Retry()
	// Drain receives a batch of frames from the device and returns their number. After a full batch there may be more.
	Drain(now clock.Instant) int
	// Relink reads the link state of a phy.Watcher again.
	Relink(now clock.Instant)
	// Fail takes the failed device out of service and reports the error. It does nothing if the device is already out
	// of service.
	Fail(err error)

	drainMemory(now clock.Instant) int
}

// Devices returns the ports on pollable devices, which a wall-clock Runner drains and polls. generation changes
// whenever the list changes. The caller must not change the slice.
func (w *World) Devices() (ports []DevicePort, generation uint64) {
	return w.ports.devices, w.ports.generation
}

// attach adds a port on a device to the list that the world, or its Runner, drains.
func (w *World) attach(p DevicePort) {
	if _, ok := p.Device().(phy.Pollable); !ok {
		w.ports.memory = append(w.ports.memory, p)
		return
	}
	w.ports.devices = append(w.ports.devices, p)
	w.ports.generation++
}

// detach removes a port from both lists.
func (w *World) detach(p DevicePort) {
	w.ports.devices = without(w.ports.devices, p)
	w.ports.memory = without(w.ports.memory, p)
	w.ports.generation++
}

// without returns a new slice without x, because a caller may be walking the old one.
func without[T comparable](list []T, x T) []T {
	i := slices.Index(list, x)
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}

// drain receives a batch of frames from the device and passes them to the sink named to. It returns the number of
// frames. After an error the device must not be used again.
func (w *World) drain(now clock.Instant, dev phy.Device, to sink) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			w.recovered(v, nil, "received frames")
			w.emptyReceived()
		}
	}()
	frames := w.frames.recvSmall[:]
	size, step := dev.Capabilities().FrameSize(), batch
	if size > phy.FrameSize {
		frames = w.frames.recvSuper[:]
		step = 1 // each frame then uses the buffer of the frame before, which is still in the cache
	}
	if frames[0] == nil {
		for i := range frames {
			frames[i] = w.frame(size)
		}
	}
	for n < batch {
		got, err := dev.Recv(frames[:step])
		for i, f := range frames[:got] {
			frames[i] = w.frame(size)
			to.arrive(now, f)
		}
		n += got
		if err != nil && !errors.Is(err, phy.ErrDown) {
			return n, err
		}
		if got < step || err != nil {
			break
		}
	}
	return n, nil
}

// emptyReceived empties the frames that a device had filled when a panic occurred.
func (w *World) emptyReceived() {
	for _, frames := range [...][]*phy.Frame{w.frames.recvSmall[:], w.frames.recvSuper[:]} {
		for _, f := range frames {
			if f != nil {
				f.Reset()
			}
		}
	}
}
