package lab

import "smolsh/stack/clock"

// Runner advances a world. The script layer uses a world only through its Runner.
type Runner interface {
	// World returns the world. Only functions given to Do may use it.
	World() *World
	// Virtual reports whether the clock is simulated.
	Virtual() bool
	// Do runs fn on the owner's goroutine and waits for it; afterwards the hosts transmit. fn must not block or call
	// Do. If fn panics, Do panics, with a *crash.Panic if fn ran on another goroutine.
	Do(fn func(now clock.Instant))
	// Idle is called when every task waits. A virtual Runner runs the next event and returns true, or false
	// if there is none. A wall-clock Runner returns true when wake is readable or closed, and false
	// when the Runner was closed.
	Idle(wake <-chan struct{}) bool
	// Now returns the world's present time.
	Now() clock.Instant
	// Close ends the Runner. The world and its devices stay unchanged. Do still works, and runs fn on the caller's
	// goroutine.
	Close() error
}

// NewVirtual returns a Runner with a simulated clock. Time passes only in Idle, from event to event. The goroutine that
// calls its methods owns the world.
func NewVirtual(w *World) Runner { return &virtual{w} }

type virtual struct{ w *World }

func (v *virtual) World() *World             { return v.w }
func (v *virtual) Virtual() bool             { return true }
func (v *virtual) Now() clock.Instant        { return v.w.now }
func (v *virtual) Close() error              { return nil }
func (v *virtual) Idle(<-chan struct{}) bool { return v.w.Step() }

func (v *virtual) Do(fn func(now clock.Instant)) {
	v.w.Called()
	fn(v.w.now)
	v.w.runTransmits()
}
