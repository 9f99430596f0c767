package lab

import (
	"cmp"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
)

const (
	// batch is how many frames an interface may transmit, or a device deliver, before others have a turn.
	batch = 64
	// transmitFrames bounds the frames of one call of runTransmits, so that hosts which send for ever without delay
	// can't keep the owner from its other work.
	transmitFrames = 4096
	// turnEvents bounds the events of one Turn, for the same reason.
	turnEvents = 256
	// poolFrames is how many unused frames of each size are kept.
	poolFrames = 1024
)

// World is a clock with its event queue: everything that happens at some instant, ordered by instant
// and, within one, by the order of scheduling. It owns the labs made in it. A Runner moves it.
type World struct {
	// Epoch is the wall-clock time of instant zero, which captures add to their time stamps. NewWorld
	// sets the Unix epoch, so that the captures of equal runs are equal.
	Epoch time.Time
	// OnDeviceError, if set, is called once for each host's device that failed and was taken out of service.
	OnDeviceError func(p *Port, err error)
	// OnSwitchError, if set, is called once for each switch's device that failed and was taken out of service.
	OnSwitchError func(p *SwitchPort, err error)
	// OnPanic, when set, is told on the owner of each panic that the world has recovered, after the host whose code
	// panicked was taken out of service; p.Host is nil where it was no host's. Without it a panic goes on.
	OnPanic func(p *Panic)

	now          clock.Instant
	events       clock.Heap[task]
	labs         []*Lab
	hosts        []*Host // in insertion order, over all labs
	dirty        []*Host // hosts that may have something to transmit
	round        round   // the dirty hosts that transmit now
	kicked       bool    // every host may have something to transmit
	calls        uint64  // calls from outside, and events: what may have changed what interfaces are to offer
	transmitting bool
	entered      entered

	devices    []DevicePort // ports on pollable devices: the Runner's to drain
	memory     []DevicePort // ports on devices in memory, but for hidden loops: drained by runTransmits
	generation uint64
	unflushed  []*SwitchPort // switches' ports that have frames for their devices

	small, super *phy.Pool
	segmenter    phy.Segmenter

	recvSmall, recvSuper [batch]*phy.Frame // what a device fills; empty frames, or nil before the first use

	freeInTransit   *inTransit // unused ones
	numFree         int        // how many those are
	captures        []*captureFile
	allHostCaptures []*captureFile // of them those that take every host
	following       int            // the number of captures of several hosts
	trails          map[uint64]*trail
	lastTrail       uint64
}

// task is the function that the event queue calls when a timer is due.
type task interface{ run(now clock.Instant) }

// sink becomes the owner of a frame at the instant at which the frame arrives.
type sink interface {
	arrive(now clock.Instant, f *phy.Frame)
}

// NewWorld returns a world without labs at instant zero.
func NewWorld() *World {
	return &World{
		Epoch: time.Unix(0, 0).UTC(),
		small: phy.NewPool(phy.FrameSize, poolFrames),
		super: phy.NewPool(phy.SuperFrameSize, poolFrames),
	}
}

// Now returns the world's time. Under the wall clock it is that of the turn, not of the call.
func (w *World) Now() clock.Instant { return w.now }

// Event is one scheduled call; it can be moved or stopped.
type Event struct {
	world *World
	timer clock.Timer[task]
	fn    func(now clock.Instant)
}

// At calls fn at the given instant, or as soon as possible where that has passed. fn runs on the owner
// and may do whatever an application may: hosts that it gave work transmit after it. At Never the
// event is made but not scheduled.
func (w *World) At(at clock.Instant, fn func(now clock.Instant)) *Event {
	e := &Event{world: w, fn: fn}
	e.timer.Value = e
	e.Move(at)
	return e
}

// Move changes when the event happens; one that has happened or was stopped is scheduled again.
func (e *Event) Move(at clock.Instant) { e.world.events.Set(&e.timer, max(at, e.world.now)) }

// Stop takes the event out of the queue; nothing happens when it is not in.
func (e *Event) Stop() { e.world.events.Stop(&e.timer) }

func (e *Event) run(now clock.Instant) {
	e.world.Called()
	e.fn(now)
}

// Next is when something happens next: at once while hosts may have something to transmit, else when
// the next event is due; clock.Never when there is none.
func (w *World) Next() clock.Instant {
	if w.transmitsPending() {
		return w.now
	}
	return w.events.Next()
}

// Step makes the pending transmissions, or if there are none runs the next event, jumping the
// clock to it. It returns false when nothing is left that could happen.
func (w *World) Step() bool {
	if w.runTransmits() {
		return true
	}
	return w.step(clock.Never - 1)
}

// step runs the next event, if it is due by the given instant, at its own instant.
func (w *World) step(by clock.Instant) bool {
	at := w.events.Next()
	t := w.events.Pop(by)
	if t == nil {
		return false
	}
	w.now = max(w.now, at)
	w.runTask(t.Value)
	w.runTransmits()
	return true
}

// Advance runs everything that is due until now, each event at its own instant and hosts'
// transmissions after each, and leaves the clock at now. If hosts exchange frames endlessly without delay,
// Advance does not return; Step and Turn are bounded and return.
func (w *World) Advance(now clock.Instant) {
	for w.runTransmits() || w.step(now) {
	}
	w.Sync(now)
}

// Sync moves the clock to now, never back, and runs nothing. A wall-clock Runner calls it before it
// hands in frames and calls of the application.
func (w *World) Sync(now clock.Instant) { w.now = max(w.now, now) }

// Turn is one bounded turn of a wall-clock Runner: it moves the clock to now, runs a batch of the events that are
// due, late events at now rather than in the past, then lets hosts transmit. It reports whether more
// is due already.
func (w *World) Turn(now clock.Instant) (more bool) {
	w.Sync(now)
	for range turnEvents {
		t := w.events.Pop(w.now)
		if t == nil {
			break
		}
		w.runTask(t.Value)
	}
	w.runTransmits()
	return w.Next() <= w.now
}

// Called notes that a caller is about to use the world's hosts, links and rules. A Runner calls it for each Do: hosts look
// at their interfaces anew before they transmit next.
func (w *World) Called() { w.calls++ }

// Kick has the next Advance, Step or Turn ask every host for transmissions and its deadline. A call to a host needs no
// Kick, since the host says itself that it has work.
func (w *World) Kick() { w.kicked = true }

// touch puts h among the hosts to ask for transmissions.
func (w *World) touch(h *Host) {
	if !h.turn.dirty {
		h.turn.dirty = true
		w.dirty = append(w.dirty, h)
	}
}

// runTransmits lets the dirty hosts transmit, in insertion order and a batch each, and drains the devices in
// memory, until nobody has anything or the bound is reached. It reports whether anything moved.
func (w *World) runTransmits() (moved bool) {
	if w.transmitting || !w.transmitsPending() && len(w.memory) == 0 {
		return false // while transmitting, a host's callback called it: the outer call goes on
	}
	for done := false; !done; {
		var some bool
		some, done = w.transmitRounds()
		moved = moved || some
	}
	return moved
}

// transmitsPending reports whether hosts or ports of switches may have frames to transmit.
func (w *World) transmitsPending() bool {
	return w.kicked || len(w.dirty) > 0 || len(w.unflushed) > 0 || len(w.round.hosts) > 0
}

// transmitRounds is runTransmits until a host panics: done is then false, and the host out of service.
func (w *World) transmitRounds() (moved, done bool) {
	w.transmitting = true
	defer func() {
		w.transmitting = false
		if v := recover(); v != nil {
			moved = true
			w.recoveredTransmit(v)
		}
	}()
	for total := 0; total < transmitFrames && (w.transmitsPending() || len(w.memory) > 0); {
		if w.kicked {
			w.kicked = false
			for _, h := range w.hosts {
				w.touch(h)
			}
		}
		n := w.transmitDirty()
		for _, p := range w.memory {
			n += p.drainMemory(w.now)
		}
		n += w.flushSwitches()
		if n == 0 && len(w.dirty) == 0 && !w.kicked {
			break
		}
		moved = moved || n > 0
		total += max(n, 1)
	}
	return moved, true
}

// round is one turn of every host that was dirty, in insertion order.
type round struct {
	hosts []*Host
	next  int // the index of the host whose turn is next; a panic ends the turn of the one before
}

// transmitDirty asks each dirty host once and returns how many frames moved. After a panic it first ends the round that
// the panic has interrupted.
func (w *World) transmitDirty() (n int) {
	r := &w.round
	if len(r.hosts) == 0 {
		r.hosts, w.dirty = w.dirty, r.hosts
		if len(r.hosts) > 1 {
			slices.SortFunc(r.hosts, func(a, b *Host) int { return cmp.Compare(a.order, b.order) })
		}
	}
	for r.next < len(r.hosts) {
		h := r.hosts[r.next]
		r.hosts[r.next] = nil
		r.next++
		h.turn.dirty = false
		n += h.transmitBatch(w.now)
	}
	r.hosts, r.next = r.hosts[:0], 0
	return n
}

// frame returns an empty frame with room for size octets.
func (w *World) frame(size int) *phy.Frame {
	if size > phy.SuperFrameSize {
		return phy.NewFrame(size)
	}
	if size > phy.FrameSize {
		return w.super.Get()
	}
	return w.small.Get()
}

// recycle returns a frame to the pool of its size.
func (w *World) recycle(f *phy.Frame) {
	w.leaveTrail(f)
	if isSuper(f) {
		w.super.Put(f)
		return
	}
	w.small.Put(f)
}

// isSuper reports whether f has the buffer of a super-segment, whatever is in it.
func isSuper(f *phy.Frame) bool {
	return f.Size() >= phy.SuperFrameSize
}

// clone returns a copy of f.
func (w *World) clone(f *phy.Frame) *phy.Frame {
	g := w.frame(f.Len())
	g.CopyFrom(f)
	if g.Trail != 0 {
		w.trails[g.Trail].frames++
	}
	return g
}

// compact returns f, or in its place a copy in a smaller buffer: a small frame that waits must not keep a large one.
func (w *World) compact(f *phy.Frame) *phy.Frame {
	if !isSuper(f) || f.Len() > phy.FrameSize {
		return f
	}
	g := w.clone(f)
	w.recycle(f)
	return g
}
