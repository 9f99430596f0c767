package lab

import (
	"cmp"
	"slices"
	"time"

	"smolsh/phy"
	"smolsh/stack/clock"
)

const (
	// batch is the number of frames that an interface transmits, or a device delivers, before others have a turn.
	batch = 64
	// transmitFrames bounds the frames of one call of runTransmits. Hosts that send for ever without delay then can't
	// keep the owner from other work.
	transmitFrames = 4096
	// turnEvents bounds the events of one Turn, so that the owner returns to other work.
	turnEvents = 256
	// poolFrames is the number of unused frames of each size that are kept.
	poolFrames = 1024
)

// World is a clock with an event queue. Events run in the order of their times; events of one instant run in the order
// in which they were scheduled. The world owns the labs made in it. A Runner advances it.
type World struct {
	// Epoch is the wall-clock time of instant zero, to which captures add their time stamps. NewWorld sets the Unix
	// epoch, so that the captures of equal runs are equal.
	Epoch time.Time
	// OnDeviceError, if set, is called once for each host's device that failed and was taken out of service.
	OnDeviceError func(p *Port, err error)
	// OnSwitchError, if set, is called once for each switch's device that failed and was taken out of service.
	OnSwitchError func(p *SwitchPort, err error)
	// OnPanic, if set, is called on the owner's goroutine for each panic that the world has recovered, after the host
	// whose code panicked was taken out of service. p.Host is nil if it was no host's code. If OnPanic is not set, the
	// world does not stop a panic.
	OnPanic func(p *Panic)

	now    clock.Instant
	events clock.Heap[task]
	upkeep clock.Heap[task] // events that keep up states which can last for ever; alone they are nothing left to happen
	labs   []*Lab
	hosts  []*Host // hosts of all labs in insertion order

	turn    turnState
	ports   portState
	frames  frameStore
	records recordState
}

// turnState has what a turn of the world works on: the hosts that may have something to transmit.
type turnState struct {
	dirty        []*Host // hosts that may have something to transmit
	round        round   // dirty hosts that are transmitting now
	kicked       bool    // true if every host may have something to transmit
	calls        uint64  // number of outside calls and events, after which interfaces may have new capabilities
	transmitting bool
	entered      entered
}

// portState has the ports on devices.
type portState struct {
	devices    []DevicePort // ports on pollable devices, which the Runner drains
	memory     []DevicePort // ports on devices in memory except hidden loops, which runTransmits drains
	generation uint64
	unflushed  []*SwitchPort // ports of switches that have frames for their devices
}

// frameStore has the frames that nothing uses, and the segmenter.
type frameStore struct {
	small, super *phy.Pool
	segmenter    phy.Segmenter

	recvSmall, recvSuper [batch]*phy.Frame // empty frames for a device to fill; nil before the first use

	freeInTransit *inTransit // first of a linked list of unused values
	numFree       int        // number of unused values
}

// recordState has the captures, and the frames that captures of several hosts follow.
type recordState struct {
	captures        []*captureFile
	allHostCaptures []*captureFile // those of captures that record every host
	following       int            // number of captures of several hosts
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
		frames: frameStore{
			small: phy.NewPool(phy.FrameSize, poolFrames),
			super: phy.NewPool(phy.SuperFrameSize, poolFrames),
		},
	}
}

// Now returns the world's time. Under the wall clock it is the time at which the turn began.
func (w *World) Now() clock.Instant { return w.now }

// Event is one scheduled call, which can be moved or stopped.
type Event struct {
	world *World
	timer clock.Timer[task]
	fn    func(now clock.Instant)
}

// At schedules a call of fn at the time at, or as soon as possible if that time has passed. fn runs on the owner's
// goroutine and may use hosts as an application does; they transmit afterwards. If at is clock.Never, At makes the
// event and does not schedule it.
func (w *World) At(at clock.Instant, fn func(now clock.Instant)) *Event {
	e := &Event{world: w, fn: fn}
	e.timer.Value = e
	e.Move(at)
	return e
}

// Move changes the time of the event. An event that has happened or was stopped is scheduled again.
func (e *Event) Move(at clock.Instant) { e.world.events.Set(&e.timer, max(at, e.world.now)) }

// Stop removes the event from the queue, if it is there.
func (e *Event) Stop() { e.world.events.Stop(&e.timer) }

func (e *Event) run(now clock.Instant) {
	e.world.Called()
	e.fn(now)
}

// Next returns the time of the next action: the present time while hosts may have something to transmit, otherwise the
// time of the next event. It returns clock.Never if there is none.
func (w *World) Next() clock.Instant {
	if w.transmitsPending() {
		return w.now
	}
	return w.events.Next()
}

// Wake returns the time at which a wall-clock Runner must call Turn: Next, or earlier if a state is to be kept up.
func (w *World) Wake() clock.Instant { return min(w.Next(), w.upkeep.Next()) }

// Step runs the pending transmissions. If there are none, it advances the clock to the next event and runs it. It
// returns false if there is nothing left to do but upkeep (see stack.Host.Upkeep).
func (w *World) Step() bool {
	if w.runTransmits() {
		return true
	}
	return w.events.Len() > 0 && w.step(clock.Never-1)
}

// step advances the clock to the next event and runs the event, if it is due no later than the time by. It returns
// false if there is no such event.
func (w *World) step(by clock.Instant) bool {
	from := &w.events
	if w.upkeep.Next() < from.Next() {
		from = &w.upkeep
	}
	at := from.Next()
	t := from.Pop(by)
	if t == nil {
		return false
	}
	w.now = max(w.now, at)
	w.runTask(t.Value)
	w.runTransmits()
	return true
}

// Advance runs everything that is due until now: each event at its own time, and the hosts' transmissions after it. The
// clock then shows the time now. If hosts exchange frames endlessly without delay, Advance does not return; Step and
// Turn are bounded and return.
func (w *World) Advance(now clock.Instant) {
	for w.runTransmits() || w.step(now) {
	}
	w.Sync(now)
}

// Sync moves the clock forward to now and runs nothing. A wall-clock Runner calls it before it passes frames or the
// application's calls to the world.
func (w *World) Sync(now clock.Instant) { w.now = max(w.now, now) }

// Turn is one bounded turn of a wall-clock Runner. It moves the clock to now, runs a batch of due events, and lets
// hosts transmit. Late events run at time now, not in the past. Turn reports whether more is due already.
func (w *World) Turn(now clock.Instant) (more bool) {
	w.Sync(now)
	for range turnEvents {
		t := w.events.Pop(w.now)
		if t == nil {
			t = w.upkeep.Pop(w.now)
		}
		if t == nil {
			break
		}
		w.runTask(t.Value)
	}
	w.runTransmits()
	return w.Wake() <= w.now
}

// Called records that a caller is about to use the world's hosts, links and rules. A Runner calls it for each Do. Hosts
// then refresh their interfaces before they transmit.
func (w *World) Called() { w.turn.calls++ }

// Kick makes the next Advance, Step or Turn poll every host for transmissions and its deadline. A call to a host needs
// no Kick, because the host itself reports that it has work.
func (w *World) Kick() { w.turn.kicked = true }

// touch adds h to the hosts that will be polled for transmissions.
func (w *World) touch(h *Host) {
	if !h.turn.dirty {
		h.turn.dirty = true
		w.turn.dirty = append(w.turn.dirty, h)
	}
}

// runTransmits lets the dirty hosts transmit, a batch each in insertion order, and drains the devices in memory. It
// repeats this until nothing moves or the bound is reached. It reports whether anything moved.
func (w *World) runTransmits() (moved bool) {
	if w.turn.transmitting || !w.transmitsPending() && len(w.ports.memory) == 0 {
		return false // a host's callback called runTransmits while it was running: the outer call continues
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
	return w.turn.kicked || len(w.turn.dirty) > 0 || len(w.ports.unflushed) > 0 || len(w.turn.round.hosts) > 0
}

// transmitRounds runs rounds for runTransmits until nothing moves. If a host panics, done is false, and the host is out
// of service.
func (w *World) transmitRounds() (moved, done bool) {
	w.turn.transmitting = true
	defer func() {
		w.turn.transmitting = false
		if v := recover(); v != nil {
			moved = true
			w.recoveredTransmit(v)
		}
	}()
	for total := 0; total < transmitFrames && (w.transmitsPending() || len(w.ports.memory) > 0); {
		if w.turn.kicked {
			w.turn.kicked = false
			for _, h := range w.hosts {
				w.touch(h)
			}
		}
		n := w.transmitDirty()
		for _, p := range w.ports.memory {
			n += p.drainMemory(w.now)
		}
		n += w.flushSwitches()
		if n == 0 && len(w.turn.dirty) == 0 && !w.turn.kicked {
			break
		}
		moved = moved || n > 0
		total += max(n, 1)
	}
	return moved, true
}

// round gives every host that was dirty one turn, in insertion order.
type round struct {
	hosts []*Host
	next  int // index of the next host; it is increased before the host's turn, so a panic ends that turn only
}

// transmitDirty polls each dirty host once and returns the number of frames moved. If a panic interrupted the previous
// round, it first completes that round.
func (w *World) transmitDirty() (n int) {
	r := &w.turn.round
	if len(r.hosts) == 0 {
		r.hosts, w.turn.dirty = w.turn.dirty, r.hosts
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
		return w.frames.super.Get()
	}
	return w.frames.small.Get()
}

// recycle returns a frame to the pool of its size.
func (w *World) recycle(f *phy.Frame) {
	w.leaveTrail(f)
	if isSuper(f) {
		w.frames.super.Put(f)
		return
	}
	w.frames.small.Put(f)
}

// isSuper reports whether f has the buffer of a super-segment, whatever its content.
func isSuper(f *phy.Frame) bool {
	return f.Size() >= phy.SuperFrameSize
}

// clone returns a copy of f.
func (w *World) clone(f *phy.Frame) *phy.Frame {
	g := w.frame(f.Len())
	g.CopyFrom(f)
	if g.Trail != 0 {
		w.records.trails[g.Trail].frames++
	}
	return g
}

// compact returns f, or a copy of it in a smaller buffer, so that a small frame that waits does not keep a large
// buffer.
func (w *World) compact(f *phy.Frame) *phy.Frame {
	if !isSuper(f) || f.Len() > phy.FrameSize {
		return f
	}
	g := w.clone(f)
	w.recycle(f)
	return g
}
