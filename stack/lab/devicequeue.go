package lab

import (
	"errors"
	"slices"

	"smolsh/phy"
	"smolsh/stack/clock"
)

// portFrames is the largest number of frames that a port queues for its device.
const portFrames = 1024

// linkEnd is a port's end of a link. It is the zero value for a port on a device.
type linkEnd struct {
	link      *Link
	direction *direction // direction of the link away from the port
}

// deviceQueue is a port's device and the frames that the device has not accepted yet. It is the zero value for a port
// on a link. Port and SwitchPort have different counters for frames that the device accepts or drops, so each has its
// own flush.
type deviceQueue struct {
	dev  phy.Device
	out  []*phy.Frame // queued frames, oldest first
	full bool         // true if the device accepted fewer frames than were offered
	err  error        // reason why the device is out of service; nil while it is in service
}

// Device returns the device at the port, or nil if the port is on a link.
func (q *deviceQueue) Device() phy.Device { return q.dev }

// Err returns the reason why the port's device was taken out of service, nil while it is in service.
func (q *deviceQueue) Err() error { return q.err }

// Full reports whether frames wait because the device accepted fewer than were offered. A Runner then polls the device
// for room and calls Retry.
func (q *deviceQueue) Full() bool { return q.full }

// offer offers the queued frames to the device once. The device accepts the first taken frames. On an error the caller
// must drop the next lost frames. If the link is down these are all the others, because a link that is down keeps no
// frames. After another error it is the one frame that the device refused, because the device may accept the next.
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

// shift recycles the first n queued frames. A device may have exchanged the buffers of frames that it accepted.
func (q *deviceQueue) shift(w *World, n int) {
	for _, f := range q.out[:n] {
		w.recycle(f)
	}
	q.out = slices.Delete(q.out, 0, n)
}

// deviceUser is the port that contains a deviceQueue.
type deviceUser interface {
	DevicePort
	sink
	Detach()
}

// drain receives a batch of frames from the device, passes them to the port p and returns their number. If the device
// fails, drain takes it out of service.
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

// relink reads the state of the device's link. If the device was closed or deleted, relink takes it out of service. ok
// is false if no device with a link remains.
func (q *deviceQueue) relink(p deviceUser) (d phy.Watcher, ok bool) {
	d, ok = q.dev.(phy.Watcher)
	if !ok || q.err != nil {
		return nil, false
	}
	switch err := d.Refresh(); {
	case err == phy.ErrClosed: // the device's owner has closed it
		p.Detach()
		return nil, false
	case errors.Is(err, phy.ErrClosed):
		p.Fail(err)
		return nil, false
	}
	return d, true
}

// stop makes the port stop reading and writing its device. It returns false if no device is in service.
func (q *deviceQueue) stop(w *World, p deviceUser, err error) bool {
	if q.dev == nil || q.err != nil {
		return false
	}
	q.err, q.full = err, false
	w.detach(p)
	return true
}
