package lab

import (
	"smolsh/phy"
	"smolsh/stack/clock"
)

// idleInTransit is the number of unused inTransit values that a world keeps.
const idleInTransit = 4096

// inTransit is a frame on its way to a sink, which owns the frame from the time when the timer is due. inTransit values
// are reused, so that moving a frame allocates nothing.
type inTransit struct {
	timer clock.Timer[task]
	world *World
	frame *phy.Frame
	to    sink
	next  *inTransit // next in the list of unused values
}

// send schedules the arrival of the frame f at the sink named to for the time at.
func (w *World) send(at clock.Instant, f *phy.Frame, to sink) {
	fl := w.frames.freeInTransit
	if fl == nil {
		fl = &inTransit{world: w}
		fl.timer.Value = fl
	} else {
		w.frames.freeInTransit, fl.next = fl.next, nil
		w.frames.numFree--
	}
	fl.frame, fl.to = f, to
	w.events.Set(&fl.timer, at)
}

func (fl *inTransit) run(now clock.Instant) {
	f, to := fl.frame, fl.to
	fl.frame, fl.to = nil, nil
	if w := fl.world; w.frames.numFree < idleInTransit {
		fl.next, w.frames.freeInTransit = w.frames.freeInTransit, fl
		w.frames.numFree++
	}
	to.arrive(now, f)
}
