//go:build linux

package live

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/crash"
	"smolsh/stack/lab"
)

// New starts the loop for w and returns its Runner. The loop owns w until the Runner is closed. Time continues from w's
// present instant, and w.Epoch becomes the time of day of instant zero. The error is the operating system's if there is
// no descriptor left.
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

// runner is the lab.Runner of a loop.
type runner struct {
	world *lab.World
	box   *mailbox
	start time.Time     // time at which the loop began
	base  clock.Instant // the world's time at start
	done  chan struct{} // closed when the loop has ended
}

// World returns the world that the loop owns.
func (r *runner) World() *lab.World { return r.world }

// Virtual returns false.
func (r *runner) Virtual() bool { return false }

// Now returns the time since the world's start. It does not wait for the loop.
func (r *runner) Now() clock.Instant { return r.base.Add(time.Since(r.start)) }

// Do runs fn on the loop's goroutine and waits for it. After Close, fn runs as after Post.
func (r *runner) Do(fn func(now clock.Instant)) {
	c := calls.Get().(*call)
	c.fn = fn
	r.post(c)
	<-c.done
	fail := c.fail
	c.fn, c.fail = nil, nil
	calls.Put(c)
	if fail != nil {
		panic(fail)
	}
}

// Post makes the loop's goroutine run fn, and does not wait. Functions run in the order of the calls. After Close, Post runs fn
// on the caller's goroutine, or on that of a caller whose function runs at the moment, after that function. A panic of fn is passed to World.OnPanic; if that is not set, the panic ends the program.
func (r *runner) Post(fn func(now clock.Instant)) {
	r.post(&call{fn: fn, done: make(chan struct{}, 1), posted: true})
}

// post makes the loop run a call. After the loop's end it runs the call here, with those that the call makes.
func (r *runner) post(c *call) {
	if r.box.post(c) || !r.box.postLast(c) {
		return
	}
	<-r.done
	for c := r.box.nextLast(); c != nil; c = r.box.nextLast() {
		r.serve(c, r.world.Now())
	}
}

// serve runs a call and wakes its caller.
func (r *runner) serve(c *call, now clock.Instant) {
	c.run(now)
	if c.posted && c.fail != nil {
		r.postFailed(c.fail)
	}
	c.done <- struct{}{}
}

// postFailed reports the panic of a function that was posted. The owner of the world calls it.
func (r *runner) postFailed(fail *crash.Panic) {
	if r.world.OnPanic == nil {
		panic(fail)
	}
	r.world.OnPanic(&lab.Panic{Panic: fail, Doing: "ran a program's call", Now: r.world.Now()})
}

// tell makes the loop's goroutine run fn. A device's own goroutine calls tell. It does nothing after the loop has
// ended.
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

// Idle waits until wake is readable, and returns true. It returns false if the loop has ended.
func (r *runner) Idle(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	case <-r.done:
		return false
	}
}

// Close ends the loop after the calls in the mailbox, and those that they make, have run, and waits for its end. It closes no device.
func (r *runner) Close() error {
	r.box.close()
	<-r.done
	return nil
}
