package lab

import (
	"bytes"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/crash"
)

// Panic is a panic that the world has recovered, in a host's code or in its own.
type Panic struct {
	*crash.Panic
	Host  *Host         // host whose code panicked; nil if there is none
	Doing string        // activity of the host or the world, such as "received a frame on tap0"
	Now   clock.Instant // time of the panic

	Iface *stack.Iface // interface on which the frame arrived; nil without a frame
	Frame []byte       // copy of the whole frame; nil if the host was not receiving
}

// entered records whose code the world is running, for the report of a panic. Recording costs a few stores per frame.
// The panic is recovered further out, by a deferred call for each event or round of transmissions.
type entered struct {
	sender   *Host      // host that is transmitting; nil if none
	receiver *Port      // port whose host is receiving frame; nil if none
	frame    *phy.Frame // valid while receiver is set
}

// recovered reports a panic with the value v. If the code of one host panicked, recovered takes that host out of
// service: the host that was receiving a frame, else h. h is nil if no single host's code was running. It panics again
// if World.OnPanic is not set.
func (w *World) recovered(v any, h *Host, doing string) {
	in := w.turn.entered
	w.turn.entered.receiver = nil
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

// recoveredTransmit reports a panic during transmission. It panics again if no host was transmitting or receiving.
func (w *World) recoveredTransmit(v any) {
	h := w.turn.entered.sender
	w.turn.entered.sender = nil
	if h == nil && w.turn.entered.receiver == nil {
		panic(v)
	}
	if h != nil {
		h.turn.transmitting = false
	}
	w.recovered(v, h, "sent")
}

// Broken returns the panic that took the host out of service, nil while it is in service.
func (h *Host) Broken() *Panic { return h.broken }

// Break takes the host out of service after a panic, permanently, and calls World.OnPanic. The host's interfaces go
// down, no frame reaches it, it sends nothing, and its timers stop. Other hosts continue. A second call does nothing.
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

// shut takes a port of a broken host out of service. It recovers a further panic of the host's code.
func (p *Port) shut(now clock.Instant) {
	defer func() { _ = recover() }()
	p.detached = true
	if !p.takeOutOfService(phy.ErrClosed) {
		p.iface.SetUp(now, false)
	}
}
