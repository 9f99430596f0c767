package lab

import (
	"errors"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
)

// portFrames bounds the frames that a port queues for its device.
const portFrames = 1024

// linkEnd is a port's end of a link. It is zero for a port on a device.
type linkEnd struct {
	link      *Link
	direction *direction // the link's direction away from the port
}

// deviceQueue is a port's device and the frames that the device has not taken yet. It is zero for a port on a link.
// A Port and a SwitchPort differ in the counters for a frame that the device takes or loses, so flush is their own.
type deviceQueue struct {
	dev  phy.Device
	out  []*phy.Frame // queued, oldest first
	full bool         // the device took fewer frames than it was offered
	err  error        // the reason why the device is out of service; nil while it serves
}

// Device returns the device at the port, or nil if the port is on a link.
func (q *deviceQueue) Device() phy.Device { return q.dev }

// Err returns the reason why the port's device was taken out of service, or nil while it serves.
func (q *deviceQueue) Err() error { return q.err }

// Full reports whether frames wait because the device took fewer than it was offered. A Runner then polls the device
// for room and calls Retry.
func (q *deviceQueue) Full() bool { return q.full }

// offer offers the queued frames to the device, once. The device takes the first taken of them. On an error the lost
// frames after those are to be dropped: all the others while the link is down, because a link that is down keeps no
// frames, else the one that the device refused, because it may take the next one.
func (q *deviceQueue) offer() (taken, lost int, err error) {
	taken, err = q.dev.Send(q.out)
	rest := len(q.out) - taken
	switch {
	case err == nil:
		q.full = rest > 0
	case errors.Is(err, phy.ErrDown) || errors.Is(err, phy.ErrClosed):
		lost = rest
	default:
		lost = min(1, rest)
	}
	return taken, lost, err
}

// shift recycles the first n queued frames. A device may have swapped the buffers of frames that it took for others.
func (q *deviceQueue) shift(w *World, n int) {
	for _, f := range q.out[:n] {
		w.recycle(f)
	}
	q.out = slices.Delete(q.out, 0, n)
}

// deviceUser is the port that a deviceQueue is part of.
type deviceUser interface {
	DevicePort
	sink
	Detach()
}

// drain hands a batch of frames from the device to its port and returns their number. A device that fails is taken out
// of service.
func (q *deviceQueue) drain(now clock.Instant, w *World, p deviceUser) int {
	if q.err != nil {
		return 0
	}
	n, err := w.drain(now, q.dev, p)
	if err != nil {
		p.Fail(err)
	}
	return n
}

// relink asks the device for the state of its link. It takes a device that was closed or deleted out of service. ok is
// false if no device with a link remains.
func (q *deviceQueue) relink(p deviceUser) (d phy.Watcher, ok bool) {
	d, ok = q.dev.(phy.Watcher)
	if !ok || q.err != nil {
		return nil, false
	}
	switch err := d.Refresh(); {
	case err == phy.ErrClosed: // its owner closed it
		p.Detach()
		return nil, false
	case errors.Is(err, phy.ErrClosed):
		p.Fail(err)
		return nil, false
	}
	return d, true
}

// stop ends the reading and writing of the device. It returns false if there is no device in service.
func (q *deviceQueue) stop(w *World, p deviceUser, err error) bool {
	if q.dev == nil || q.err != nil {
		return false
	}
	q.err, q.full = err, false
	w.detach(p)
	return true
}
