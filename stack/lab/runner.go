package lab

import "smolsh/stack/clock"

// Runner moves a world, and is how the script layer reaches it.
type Runner interface {
	// World returns the world. Only functions given to Do may use it.
	World() *World
	// Virtual reports whether the clock is simulated.
	Virtual() bool
	// Do runs fn on the owner and returns when it has run; afterwards the hosts transmit.
	// fn must not block, and must not call Do. If fn panics, Do panics, with a *crash.Panic if fn ran on another goroutine.
	Do(fn func(now clock.Instant))
	// Idle is called when every task waits. A virtual Runner runs the next event and returns true, or false
	// if there is none. A wall-clock Runner returns true when wake is readable or closed, and false
	// when the Runner was closed.
	Idle(wake <-chan struct{}) bool
	// Now is the present time.
	Now() clock.Instant
	// Close ends the Runner. The world and its devices stay as they are, and Do goes on to work on
	// the caller's goroutine.
	Close() error
}

// NewVirtual returns the Runner that jumps: time passes only in Idle, from event to event, and whoever
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
