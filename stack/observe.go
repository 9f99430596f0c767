package stack

import (
	"smolsh/phy"
	"smolsh/stack/clock"
)

// Dir is the direction of a packet, as seen from the host.
type Dir uint8

// The directions.
const (
	RX Dir = iota
	TX
)

// PacketEvent is the argument of observers. It and its Frame are valid only during the call, and must not be changed.
type PacketEvent struct {
	Now     clock.Instant
	Host    *Host
	Iface   *Iface
	Dir     Dir
	Frame   *phy.Frame
	Verdict Verdict
}

// Repeated reports whether the frame was sent on the host's own loop. Observers see such a frame a second time, with
// its verdict, when it arrives.
func (ev *PacketEvent) Repeated() bool {
	return ev.Dir == TX && ev.Verdict.Kind == Transmitted && ev.Iface.loop
}

type observer struct{ fn func(ev *PacketEvent) }

// Observe calls fn with every frame and its verdict from now on, until cancel is called. Observers are called in the order in
// which they were added; an observer may cancel itself.
func (h *Host) Observe(fn func(ev *PacketEvent)) (cancel func()) {
	h.watch.payloadObservers++
	stop, stopped := h.ObserveHeads(fn), false
	return func() {
		if !stopped {
			stopped = true
			h.watch.payloadObservers--
			stop()
		}
	}
}

// ObserveHeads observes like Observe, for functions that need no payload. The host may then leave out the payload of a
// segment that it sends, so that the frame's Bytes end with the headers.
func (h *Host) ObserveHeads(fn func(ev *PacketEvent)) (cancel func()) {
	o := &observer{fn}
	h.watch.observers.join(o)
	return func() {
		h.watch.observers.leave(o)
	}
}

func (h *Host) observe(now clock.Instant, i *Iface, d Dir, f *phy.Frame, v Verdict) {
	if h.watch.observers.len() == 0 {
		return
	}
	ev := h.watch.event
	if ev == nil { // nil while an observer makes the host call observers again
		ev = new(PacketEvent)
	}
	h.watch.event = nil
	*ev = PacketEvent{now, h, i, d, f, v}
	for o := range h.watch.observers.all {
		o.fn(ev)
	}
	*ev = PacketEvent{}
	h.watch.event = ev
}
