// Package live moves a lab's world along the wall clock: the only code that polls descriptors and reads
// the time.
//
// One goroutine on a thread of its own owns the world. In each turn it drains a batch of 64 frames from every pollable
// device that is readable, runs the functions that callers gave to Do, runs the events that are due, and lets hosts
// transmit. Then it sleeps in ppoll(2) on all descriptors and an eventfd(2) until the next deadline. While an event is
// due it polls without sleeping. At rest it uses no CPU.
//
// A call reaches the owner through a mailbox: the caller appends it to a list under a lock, and writes to the eventfd if
// the list was empty. The owner empties the eventfd before the list, so that no wake-up is
// lost, however many devices and callers there are.
//
// A device that fails (its TAP was deleted) is taken out of service and reported once through
// World.OnDeviceError; one that is full keeps its frames until it is writable. Neither holds up the
// others. Devices need no registration: Host.Attach puts pollable ones on the list that the loop reads.
//
// A device whose link changes (phy.Watcher) puts a call into the mailbox from a goroutine of its own. The loop then calls
// Relink.
//
// Left out on purpose: io_uring. Linux only; elsewhere New returns an error.
//
// A Runner of this package may be used by any number of goroutines, but a function that Do runs must not call Do.
package live
