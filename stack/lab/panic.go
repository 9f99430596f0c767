package lab

import (
	"bytes"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/crash"
)

// Panic is a panic of a host's code, or of a world's, that the world has recovered.
type Panic struct {
	*crash.Panic
	Host  *Host         // whose code panicked; nil where it was no host's
	Doing string        // what the host or the world did, such as "received a frame on tap0"
	Now   clock.Instant // when

	Iface *stack.Iface // where the frame came in; nil without one
	Frame []byte       // a copy of the frame, whole; nil where the host was not receiving
}

// entered is the host whose code the world runs at the moment. The world notes it for the report of a panic, which is
// recovered further out: to enter a host costs a few stores for each frame, and a deferred call for each event or round
// of transmissions.
type entered struct {
	sender   *Host      // the host that transmits; nil if none does
	receiver *Port      // the port whose host receives frame; nil if none does
	frame    *phy.Frame // valid while receiver is set
}

// recovered reports a panic with the value v, and takes the host whose code panicked out of service. This is the host that
// receives a frame, else h, which is nil if the code was no single host's. The panic goes on if World.OnPanic is not set.
func (w *World) recovered(v any, h *Host, doing string) {
	in := w.entered
	w.entered.receiver = nil
	if w.OnPanic == nil {
		panic(v)
	}
	p := &Panic{Panic: crash.Caught(v), Doing: doing, Now: w.now}
	if in.receiver != nil {
		h, p.Iface = in.receiver.host, in.receiver.iface
		p.Doing = "received a frame on " + p.Iface.Name()
		p.Frame = bytes.Clone(in.frame.Bytes())
		w.leaveTrail(in.frame)
	}
	if h == nil {
		w.OnPanic(p)
		return
	}
	h.Break(p)
}

// runTask runs the task of an event and recovers its panic.
func (w *World) runTask(t task) {
	defer func() {
		if v := recover(); v != nil {
			w.recoveredTask(v, t)
		}
	}()
	t.run(w.now)
}

func (w *World) recoveredTask(v any, t task) {
	switch t := t.(type) {
	case *Host:
		w.recovered(v, t, "looked after its timers")
	case *Event:
		w.recovered(v, nil, "ran a timer")
	default:
		w.recovered(v, nil, "moved a frame")
	}
}

// recoveredTransmit reports a panic of a host that transmitted. The panic goes on if no host did.
func (w *World) recoveredTransmit(v any) {
	h := w.entered.sender
	w.entered.sender = nil
	if h == nil && w.entered.receiver == nil {
		panic(v)
	}
	if h != nil {
		h.turn.transmitting = false
	}
	w.recovered(v, h, "sent")
}

// Broken is why the host was taken out of service, nil while it serves.
func (h *Host) Broken() *Panic { return h.broken }

// Break takes the host out of service for good after a panic, and tells World.OnPanic: its interfaces go down, no
// frame reaches it, it sends nothing and its timers don't run. Other hosts go on. A second call does nothing.
func (h *Host) Break(p *Panic) {
	if h.broken != nil {
		return
	}
	w := h.lab.world
	h.broken = p
	p.Host, p.Now = h, w.now
	w.events.Stop(&h.turn.timer)
	for _, port := range h.ports {
		port.shut(w.now)
	}
	if w.OnPanic != nil {
		w.OnPanic(p)
	}
}

// shut takes a port of a broken host out of service. The host's code may panic once more at that.
func (p *Port) shut(now clock.Instant) {
	defer func() { _ = recover() }()
	p.detached = true
	if !p.takeOutOfService(phy.ErrClosed) {
		p.iface.SetUp(now, false)
	}
}
