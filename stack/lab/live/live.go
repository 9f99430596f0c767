//go:build linux

package live

import (
	"sync"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// New starts the loop for w, which it owns from then on until the Runner is closed. Instants go on from
// where w stands, and w.Epoch becomes the time of day of instant zero. The error is the operating
// system's when it has no descriptor left.
func New(w *lab.World) (lab.Runner, error) {
	box, err := newMailbox()
	if err != nil {
		return nil, err
	}
	r := &runner{world: w, box: box, base: w.Now(), start: time.Now(), done: make(chan struct{})}
	w.Epoch = r.start.Add(-time.Duration(r.base)).Round(0)
	go newLoop(r).run()
	return r, nil
}

// runner is the handle that callers have on a loop.
type runner struct {
	world *lab.World
	box   *mailbox
	start time.Time     // when the loop began
	base  clock.Instant // the world's time then
	done  chan struct{} // closed when the loop has ended

	after sync.Mutex // the world's owner is whoever holds it once the loop has ended
}

// World is what the loop owns.
func (r *runner) World() *lab.World { return r.world }

// Virtual is false.
func (r *runner) Virtual() bool { return false }

// Now returns the time since the world's start; it does not wait for the loop.
func (r *runner) Now() clock.Instant { return r.base.Add(time.Since(r.start)) }

// Do runs fn on the loop's goroutine.
func (r *runner) Do(fn func(now clock.Instant)) {
	c := calls.Get().(*call)
	c.fn = fn
	if r.box.post(c) {
		<-c.done
	} else {
		<-r.done
		r.after.Lock()
		defer r.after.Unlock()
		fn(r.world.Now())
	}
	fail := c.fail
	c.fn, c.fail = nil, nil
	calls.Put(c)
	if fail != nil {
		panic(fail)
	}
}

// tell is Do for a device's own goroutine: once the loop has ended there is nothing to tell.
func (r *runner) tell(fn func(now clock.Instant)) {
	c := &call{fn: fn, done: make(chan struct{}, 1)}
	if r.box.post(c) {
		<-c.done
	}
	if c.fail == nil {
		return
	}
	if r.world.OnPanic == nil {
		panic(c.fail)
	}
	r.Do(func(clock.Instant) {
		r.world.OnPanic(&lab.Panic{Panic: c.fail, Doing: "looked at a device's link", Now: r.world.Now()})
	})
}

// Idle waits for wake.
func (r *runner) Idle(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	case <-r.done:
		return false
	}
}

// Close ends the loop after the calls that are in the mailbox, and waits for its end. It closes no device.
func (r *runner) Close() error {
	r.box.close()
	<-r.done
	return nil
}
