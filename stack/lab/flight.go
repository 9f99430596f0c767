package lab

import (
	"smolsh/phy"
	"smolsh/stack/clock"
)

// idleFlights is how many unused flights a world keeps.
const idleFlights = 4096

// flight is a frame under way: when its timer is due, its sink takes the frame over. Flights are
// reused, so that moving a frame allocates nothing.
type flight struct {
	timer clock.Timer[task]
	world *World
	frame *phy.Frame
	to    sink
	next  *flight // in the list of unused ones
}

// send makes f arrive at the sink at the given instant.
func (w *World) send(at clock.Instant, f *phy.Frame, to sink) {
	fl := w.flights
	if fl == nil {
		fl = &flight{world: w}
		fl.timer.Value = fl
	} else {
		w.flights, fl.next = fl.next, nil
		w.idle--
	}
	fl.frame, fl.to = f, to
	w.events.Set(&fl.timer, at)
}

func (fl *flight) run(now clock.Instant) {
	defer fl.world.guard("moved a frame")
	f, to := fl.frame, fl.to
	fl.frame, fl.to = nil, nil
	if w := fl.world; w.idle < idleFlights {
		fl.next, w.flights = w.flights, fl
		w.idle++
	}
	to.arrive(now, f)
}
