package gonet

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/crash"
	"smolsh/stack/lab"
)

// A Driver is a lab.Runner on the program's clock without descriptors: it moves a world of hosts and links, but polls no device of the
// operating system, for which stack/lab/live exists. In a testing/synctest bubble the program's clock is the bubble's, and so the
// world runs in virtual time: Drive and every call must then be made inside the bubble, and Close before it ends.
type Driver struct {
	world *lab.World
	start time.Time
	base  clock.Instant // the world's time at start
	wake  chan struct{} // has room for one value
	done  chan struct{} // closed when the goroutine has ended

	settle func() // called before each turn; nil if the Driver does not run in steps

	owned sync.Mutex // held during a turn

	mu      sync.Mutex
	calls   []call
	closed  bool     // true after Close
	ended   bool     // true after the goroutine's last turn
	running bool     // true while a caller runs the calls, after the goroutine's last turn
	wakes   []func() // what wakes callers after the turn
	turns   bool     // true during a turn of a Driver that runs in steps

	count atomic.Uint64 // calls begun, and callers woken after a turn
}

// call is a function that was posted.
type call struct {
	host string // name of the host whose calls it makes; "" for Post and Do
	fn   func(now clock.Instant)
}

// Drive starts a goroutine that owns w, until the Driver is closed. Time continues from w's present instant.
func Drive(w *lab.World) *Driver { return DriveInSteps(w, nil) }

// DriveInSteps is Drive in lock-step with the program. Before each turn the goroutine calls settle, which returns when every other
// goroutine of the program waits, as synctest.Wait does in a bubble. The calls made so far then run in the order of the hosts' names, those
// of Do and Post last, and callers are woken after the turn. So neither the order of the program's goroutines nor their speed changes what
// the network does. A bubble has room for one such Driver, since one goroutine at a time may call synctest.Wait. If settle is nil,
// DriveInSteps does what Drive does.
func DriveInSteps(w *lab.World, settle func()) *Driver {
	d := &Driver{settle: settle, world: w, base: w.Now(), start: time.Now(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.Epoch = d.start.Add(-time.Duration(d.base)).Round(0)
	go d.run()
	return d
}

// World returns the world that the goroutine owns.
func (d *Driver) World() *lab.World { return d.world }

// Calls returns a number that grows with every call that the program makes or returns from. It stays the same while the program
// waits or computes, even if time passes and frames move. A Driver that does not run in steps counts the calls only when they begin.
func (d *Driver) Calls() uint64 { return d.count.Load() }

// Virtual returns false: time is the program's.
func (d *Driver) Virtual() bool { return false }

// Now returns the world's time. It does not wait for the goroutine.
func (d *Driver) Now() clock.Instant { return d.base.Add(time.Since(d.start)) }

// Post makes the goroutine run fn and does not wait. After Close it runs fn on the caller's goroutine, or on that of a caller whose function
// runs at the moment, after that function.
func (d *Driver) Post(fn func(now clock.Instant)) { d.post("", fn) }

// post is Post for the calls of a host.
func (d *Driver) post(host string, fn func(now clock.Instant)) {
	d.mu.Lock()
	d.calls = append(d.calls, call{host, fn})
	switch {
	case !d.ended:
		d.mu.Unlock()
		d.tell()
		return
	case d.running: // perhaps this goroutine, in a function that posts
		d.mu.Unlock()
		return
	}
	d.running = true
	d.mu.Unlock()
	d.runRest()
}

// runRest runs the calls that were made after the goroutine's last turn, and those that they make. Meanwhile the caller owns the world.
func (d *Driver) runRest() {
	d.owned.Lock()
	defer d.owned.Unlock()
	d.mu.Lock()
	defer func() {
		d.running = false
		d.mu.Unlock()
	}()
	for len(d.calls) > 0 {
		fn := d.calls[0].fn
		d.calls = slices.Delete(d.calls, 0, 1)
		d.runUnlocked(fn)
	}
}

// runUnlocked runs a call without the lock, which it holds again when it returns or panics.
func (d *Driver) runUnlocked(fn func(now clock.Instant)) {
	d.mu.Unlock()
	defer d.mu.Lock()
	d.call(fn, d.world.Now())
}

// Do makes the goroutine run fn and waits for it. If fn panics, Do panics with a *crash.Panic.
func (d *Driver) Do(fn func(now clock.Instant)) {
	done := make(chan *crash.Panic, 1)
	d.Post(func(now clock.Instant) {
		defer func() {
			if v := recover(); v != nil {
				fail := crash.Caught(v)
				d.later(func() { done <- fail })
				return
			}
			d.later(func() { done <- nil })
		}()
		fn(now)
	})
	if fail := <-done; fail != nil {
		panic(fail)
	}
}

// Idle waits until wake is readable, and returns true. It returns false if the Driver was closed.
func (d *Driver) Idle(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	case <-d.done:
		return false
	}
}

// Close ends the goroutine after the calls made so far, and those that they make, have run, and waits for its end. It closes no socket: a call
// that waits for the network then waits until its deadline, or until its socket is closed.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.tell()
	<-d.done
	return nil
}

// later runs wake, which lets a caller continue: after the present turn, or at once if there is none that runs in steps.
func (d *Driver) later(wake func()) {
	d.mu.Lock()
	if d.turns {
		d.wakes = append(d.wakes, wake)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	wake()
}

// begin returns the calls to run in the next turn. spare is storage for further calls.
func (d *Driver) begin(spare []call) (list []call) {
	if d.settle != nil {
		d.settle()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	list, d.calls = d.calls, spare[:0]
	d.count.Add(uint64(len(list)))
	if d.turns = d.settle != nil; d.turns && len(list) > 1 {
		slices.SortStableFunc(list, func(a, b call) int {
			if (a.host == "") != (b.host == "") {
				return cmp.Compare(b.host, a.host) // calls of Do and Post are last
			}
			return cmp.Compare(a.host, b.host)
		})
	}
	return list
}

// end wakes the callers whose calls have ended in the turn.
func (d *Driver) end() {
	if d.settle == nil {
		return
	}
	d.mu.Lock()
	wakes := d.wakes
	d.wakes, d.turns = nil, false
	d.mu.Unlock()
	d.count.Add(uint64(len(wakes)))
	for _, wake := range wakes {
		wake()
	}
}

// finish reports whether the goroutine may end: the Driver was closed, and no call waits. Later calls run on the goroutines of their callers.
func (d *Driver) finish() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = d.closed && len(d.calls) == 0
	return d.ended
}

// tell wakes the goroutine.
func (d *Driver) tell() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// call runs a function that was posted. Its panic is passed to World.OnPanic; if that is not set, it ends the program.
func (d *Driver) call(fn func(now clock.Instant), now clock.Instant) {
	if d.world.OnPanic != nil {
		defer func() {
			if v := recover(); v != nil {
				d.world.OnPanic(&lab.Panic{Panic: crash.Caught(v), Doing: "ran a program's call", Now: now})
			}
		}()
	}
	fn(now)
}

// run is the goroutine that owns the world.
func (d *Driver) run() {
	defer close(d.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var list []call
	for {
		list = d.begin(list)
		more, next := d.turn(list)
		switch {
		case d.finish():
			return
		case more:
			continue
		}
		var due <-chan time.Time
		if next != clock.Never {
			timer.Reset(max(0, next.Sub(d.Now())))
			due = timer.C
		}
		select {
		case <-d.wake:
		case <-due:
		}
	}
}

// turn runs the calls of one turn, and the events of the world whose time has come. It reports whether another turn is due already, and when the next one is.
func (d *Driver) turn(list []call) (more bool, next clock.Instant) {
	d.owned.Lock()
	defer d.owned.Unlock()
	now := d.Now()
	d.world.Sync(now)
	for i := range list {
		fn := list[i].fn
		list[i].fn = nil
		d.world.Called()
		d.call(fn, now)
	}
	more = d.world.Turn(now)
	d.end()
	return more, d.world.Wake()
}

// Inspect runs fn on the caller's goroutine, if no turn is running, and delays the next turn until fn returns. Otherwise it returns false at once.
// It is for the last report of a program in which Do might wait for ever, and may be called outside the Driver's bubble.
func (d *Driver) Inspect(fn func(now clock.Instant)) bool {
	if !d.owned.TryLock() {
		return false
	}
	defer d.owned.Unlock()
	fn(d.world.Now())
	return true
}
