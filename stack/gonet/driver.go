package gonet

import (
	"sync"
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

	mu     sync.Mutex
	calls  []func(now clock.Instant)
	closed bool

	after sync.Mutex // lock whose holder owns the world after the goroutine has ended
}

// Drive starts a goroutine that owns w, until the Driver is closed. Time continues from w's present instant.
func Drive(w *lab.World) *Driver {
	d := &Driver{world: w, base: w.Now(), start: time.Now(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.Epoch = d.start.Add(-time.Duration(d.base)).Round(0)
	go d.run()
	return d
}

// World returns the world that the goroutine owns.
func (d *Driver) World() *lab.World { return d.world }

// Virtual returns false: time is the program's.
func (d *Driver) Virtual() bool { return false }

// Now returns the world's time. It does not wait for the goroutine.
func (d *Driver) Now() clock.Instant { return d.base.Add(time.Since(d.start)) }

// Post makes the goroutine run fn and does not wait. After Close it runs fn on the caller's goroutine.
func (d *Driver) Post(fn func(now clock.Instant)) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		<-d.done
		d.after.Lock()
		defer d.after.Unlock()
		fn(d.world.Now())
		return
	}
	d.calls = append(d.calls, fn)
	d.mu.Unlock()
	d.tell()
}

// Do makes the goroutine run fn and waits for it. If fn panics, Do panics with a *crash.Panic.
func (d *Driver) Do(fn func(now clock.Instant)) {
	done := make(chan *crash.Panic, 1)
	d.Post(func(now clock.Instant) {
		defer func() {
			if v := recover(); v != nil {
				done <- crash.Caught(v)
				return
			}
			done <- nil
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

// Close ends the goroutine after the calls made so far have run, and waits for its end. It closes no socket.
func (d *Driver) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.tell()
	<-d.done
	return nil
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
	var list []func(now clock.Instant)
	for {
		d.mu.Lock()
		list, d.calls = d.calls, list[:0]
		closed := d.closed
		d.mu.Unlock()
		now := d.Now()
		d.world.Sync(now)
		for i, fn := range list {
			list[i] = nil
			d.world.Called()
			d.call(fn, now)
		}
		more := d.world.Turn(now)
		switch {
		case closed:
			return
		case more:
			continue
		}
		var due <-chan time.Time
		if next := d.world.Wake(); next != clock.Never {
			timer.Reset(max(0, next.Sub(d.Now())))
			due = timer.C
		}
		select {
		case <-d.wake:
		case <-due:
		}
	}
}
