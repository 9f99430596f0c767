package lab

import "fmt"

// Rest returns an error that names the first resource the lab still holds: what a host holds (see stack.Host.Rest),
// frames on a link, frames that wait for a device. nil means that the lab is at rest. It must be at rest once all
// sockets are closed and World.Step has nothing left to do.
func (l *Lab) Rest() error {
	for _, h := range l.hosts {
		if err := h.Rest(); err != nil {
			return err
		}
		for _, p := range h.ports {
			if n := len(p.out); n > 0 {
				return fmt.Errorf("host %s: %s: %d frames wait for the device", h.Name(), p.iface.Name(), n)
			}
		}
	}
	for i, k := range l.links {
		for _, d := range [...]*direction{&k.ab, &k.ba} {
			if n := d.stats.InFlight; n > 0 {
				return fmt.Errorf("link %d: %d frames in flight", i, n)
			}
		}
	}
	for _, s := range l.switches {
		if n := len(s.stations); n > maxStations {
			return fmt.Errorf("switch %s: %d stations known, %d allowed", s.name, n, maxStations)
		}
		for _, p := range s.ports {
			if n := len(p.out); n > 0 || p.octets > 0 {
				return fmt.Errorf("switch %s: %s: %d frames wait for the device, of %d octets", s.name, p.name, n, p.octets)
			}
		}
	}
	return nil
}

// Rest checks every lab of the world, see Lab.Rest. It also reports scheduled events, and hosts that may have frames to
// send.
func (w *World) Rest() error {
	for _, l := range w.labs {
		if err := l.Rest(); err != nil {
			return err
		}
	}
	if n := len(w.turn.dirty); w.turn.kicked || n > 0 {
		return fmt.Errorf("%d hosts are to be asked for frames", n)
	}
	if n := len(w.ports.unflushed); n > 0 {
		return fmt.Errorf("%d ports of switches have frames to send", n)
	}
	if n := w.events.Len(); n > 0 {
		return fmt.Errorf("%d events are scheduled, the next at %v", n, w.events.Next())
	}
	return nil
}

// Drain aborts every socket of every host and runs events until none is scheduled, but at most as many as the argument
// says. It returns the error of Rest, or an error if events are left.
func (w *World) Drain(events int) error {
	for _, h := range w.hosts {
		h.AbortAll(w.now)
	}
	w.Kick()
	for w.Step() {
		if events--; events < 0 {
			return fmt.Errorf("events go on: at %v the next is at %v", w.now, w.Next())
		}
	}
	return w.Rest()
}
