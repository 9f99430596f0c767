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

// guard recovers a panic of the host's code and takes the host out of service. It is deferred where the world enters
// the host; iface and f are those of a frame that is received, nil otherwise. The panic goes on where nobody would
// hear of it (World.OnPanic).
func (h *Host) guard(doing string, iface *stack.Iface, f *phy.Frame) {
	v := recover()
	if v == nil {
		return
	}
	if h.lab.world.OnPanic == nil {
		panic(v)
	}
	p := &Panic{Panic: crash.Caught(v), Doing: doing, Iface: iface}
	if iface != nil {
		p.Doing += " on " + iface.Name()
	}
	if f != nil {
		p.Frame = bytes.Clone(f.Bytes())
	}
	h.Break(p)
}

// guard recovers a panic of code that is no single host's, and reports it.
func (w *World) guard(doing string) {
	v := recover()
	if v == nil {
		return
	}
	if w.OnPanic == nil {
		panic(v)
	}
	w.OnPanic(&Panic{Panic: crash.Caught(v), Doing: doing, Now: w.now})
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
	w.events.Stop(&h.timer)
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

// deliver gives the stack a frame. It reports false where the stack panicked, which may still hold the frame.
func (p *Port) deliver(now clock.Instant, f *phy.Frame) (done bool) {
	defer p.host.guard("received a frame", p.iface, f)
	p.host.Receive(now, p.iface, f)
	return true
}
